import copy
from pathlib import Path

import pytest
import yaml

from scripts.errors import ConfigError
from scripts.records.identity import combined_digest, run_id
from scripts.settings import load_settings

CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())


def config(**changes):
    return {**copy.deepcopy(CONFIG), **changes}


def test_seeds_from_the_command_line_become_sorted_integers():
    typed = load_settings(config(seeds=["42", "7", "101", "202"]))
    assert typed.seeds == (7, 42, 101, 202)
    assert load_settings(config(seeds="42,7")).seeds == (7, 42)
    assert load_settings(config(seeds=42)).seeds == (42,)


def test_the_same_name_is_the_same_folder():
    first = load_settings(config(candidate="wider-africa"))
    again = load_settings(config(candidate="wider-africa", seeds=[1]))
    assert run_id("1B", "wider-africa") in first.runs
    assert set(first.runs) == set(again.runs)
    assert len(run_id("1B", "wider-africa")) == 32


def test_empty_candidate_is_the_run_of_its_posture():
    settings = load_settings(config())
    assert settings.candidate == CONFIG["posture"]
    assert settings.runs[run_id("1B", CONFIG["posture"])].posture.name == CONFIG["posture"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"seeds": ["42", "x"]}, "EC03", "'x' is not an integer"),
        ({"seeds": [1.5]}, "EC03", "1.5 is not an integer"),
        ({"seeds": [True]}, "EC03", "True is not an integer"),
        ({"seeds": []}, "EC10", "seeds"),
        ({"seeds": [-1]}, "EC10", "seeds"),
        ({"seeds": [7, 7]}, "EC10", "seeds"),
        ({"groups": 0}, "EC10", "groups"),
        ({"posture": "p9"}, "EC04", "posture 'p9' is unknown; one of"),
        ({"candidate": "../escape"}, "EC10", "candidate"),
        ({"candidate": "baseline"}, "EC08", "baseline"),
        ({"sedes": [1]}, "EC10", "did you mean 'seeds'"),
        ({"upstream": {**CONFIG["upstream"], "kind": "external"}}, "EC06", "external_root"),
        ({"certification": {**CONFIG["certification"], "minimum_grade": "A"}}, "EC10", "grade"),
    ],
)
def test_bad_configuration_gets_one_named_line(changes, code, words):
    with pytest.raises(ConfigError) as caught:
        load_settings(config(**changes))
    line = str(caught.value)
    assert line.startswith(f"{code} ")
    assert words in line
    assert "\n" not in line


def test_combined_digest_depends_on_names_and_digests_not_on_order():
    one = {"a": "00" * 32, "b": "11" * 32}
    assert combined_digest(one) == combined_digest(dict(reversed(one.items())))
    assert combined_digest(one) != combined_digest({"a": "11" * 32, "b": "00" * 32})
    assert combined_digest(one) != combined_digest({"ab": "00" * 32, "": "11" * 32})
