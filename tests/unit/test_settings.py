import copy
from pathlib import Path

import pytest
import yaml

from scripts.errors import ConfigError
from scripts.policies import parse_yaml
from scripts.records.identity import combined_digest, run_id
from scripts.settings import command_line, load_settings, read_configuration

CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())


def config(**changes):
    return {**copy.deepcopy(CONFIG), **changes}


def test_seeds_from_the_command_line_become_sorted_integers():
    typed = load_settings(config(seeds=["42", "7", "101", "202"]))
    assert typed.seeds == (7, 42, 101, 202)
    assert load_settings(config(seeds="42,7")).seeds == (7, 42)
    assert load_settings(config(seeds=42)).seeds == (42,)


def test_values_of_the_command_line_are_exact():
    given = [
        *("seeds=[42,7]", "candidate='0601'", "upstream={kind: external}", "runs_root="),
        *("upstream={merchants_total: 70}", "certification={release: false, minimum_grade: B}"),
    ]
    assert command_line(given) == {
        "seeds": [42, 7],
        "candidate": "0601",
        "upstream": {"kind": "external", "merchants_total": 70},
        "runs_root": "",
        "certification": {"release": False, "minimum_grade": "B"},
    }


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("candidate=0601", "EC02", "0601 is not a plain decimal number"),
        ("seeds=[0101]", "EC02", "0101 is not"),
        ("seeds='0101'", "EC02", "0101 is not"),
        ("seeds=1_0", "EC02", "1_0 is not"),
        ("groups=2.0", "EC10", "2.0 is not of type 'integer'"),
        ("groups='2'", "EC10", "'2' is not of type 'integer'"),
        ("upstream={merchants_total: 700.0}", "EC10", "upstream.merchants_total"),
        ("upstream={merchants_total: 1, merchants_total: 2}", "EC02", "stands twice"),
        ("candidate=42", "EC10", "in quotes"),
        ("runs_root=", "EC10", "runs_root"),
        ("runs_root=~", "EC10", "runs_root"),
        ("certification={release: no}", "EC10", "'no' is not of type 'boolean'"),
        ("x=[1", "EC02", "--config x"),
        ("seeds", "EC03", "KEY=VALUE"),
    ],
)
def test_doubtful_values_of_the_command_line_are_refused(given, code, words):
    with pytest.raises(ConfigError, match=f"^{code} ") as caught:
        load_settings(read_configuration([], [given]))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups: 2.0\n", "groups"),
        ("upstream:\n  merchants_total: 1\n  merchants_total: 2\n", "line 3"),
        ("seeds: [0101]\n", "0101"),
        ("- seeds\n", "is not of type 'object'"),
        ("1: 2\n", "quote it"),
    ],
)
def test_a_configfile_is_read_as_strictly(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_settings(read_configuration([path], []))


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
        ({"certification": {**CONFIG["certification"], "minimum_grade": "C"}}, "EC10", "grade"),
    ],
)
def test_bad_configuration_gets_one_named_line(changes, code, words):
    with pytest.raises(ConfigError) as caught:
        load_settings(config(**changes))
    line = str(caught.value)
    assert line.startswith(f"{code} ")
    assert words in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"postures": "config/postuers"}, "EC17", "no folder config/postuers"),
        ({"reference": "resources/refrence"}, "EC17", "no folder resources/refrence"),
        ({"runs_root": "README.md"}, "EC21", "README.md is no folder"),
        ({"runs_root": "README.md/runs"}, "EC21", "README.md is no folder"),
        ({"runs_root": "."}, "EC21", ". holds a workflow"),
        ({"verdict_json": "config/gates.yaml"}, "EC22", "gates.yaml is there and is no verdict"),
        ({"verdict_json": "config"}, "EC22", "config is there"),
        ({"verdict_json": "README.md/verdict.json"}, "EC22", "README.md is no folder"),
        (
            {"upstream": {"kind": "external", "external_root": "/nowhere", "merchants_total": 0}},
            "EC17",
            "no folder /nowhere",
        ),
        ({"polygons": {"path": "no.gpkg", "iso_column": "iso"}}, "EC17", "no file no.gpkg"),
        ({"polygons": {"path": "a{b}.gpkg", "iso_column": "iso"}}, "EC16", "no braces"),
        ({"population": {**CONFIG["population"], "raster": "x" * 300}}, "EC16", "255"),
        ({"reference": "a\0b"}, "EC16", "can be no path"),
    ],
)
def test_paths_that_cannot_be_used_are_refused(changes, code, words):
    with pytest.raises(ConfigError, match=f"^{code} ") as caught:
        load_settings(config(**changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_combined_digest_depends_on_names_and_digests_not_on_order():
    one = {"a": "00" * 32, "b": "11" * 32}
    assert combined_digest(one) == combined_digest(dict(reversed(one.items())))
    assert combined_digest(one) != combined_digest({"a": "11" * 32, "b": "00" * 32})
    assert combined_digest(one) != combined_digest({"ab": "00" * 32, "": "11" * 32})


def test_a_verdict_takes_the_place_of_an_earlier_one_or_of_an_empty_file(tmp_path):
    path = tmp_path / "verdict.json"
    for content in (None, "", "[]", '[{"target": "certify", "passed": true}]'):
        if content is not None:
            path.write_text(content, encoding="utf-8")
        assert load_settings(config(verdict_json=str(path))).verdict_json == str(path)
    for content in ("{}", '[{"run_id": 1}]', "seeds: [1]"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"EC22 verdict_json: .* is no verdict"):
            load_settings(config(verdict_json=str(path)))
        assert path.read_text(encoding="utf-8") == content


def posture_of(folder, name, **policies):
    """A folder of postures with one of its own: the shipped one with other policies."""
    entry = parse_yaml("config/postures/reopened.yaml")
    upstream = policies.pop("upstream_policy", entry["upstream_policy"])
    entry |= {"posture": name, "upstream_policy": upstream}
    entry["policies"] |= policies
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    return {"postures": str(folder), "posture": name}


@pytest.mark.parametrize("name", ["wide", "alone"])
@pytest.mark.parametrize("variant", ["reopened", "external"])
def test_two_worlds_of_one_name_are_refused(tmp_path, name, variant):
    """The copy of a shipped 1A policy elsewhere; one named like the 1A of somebody else."""
    copy = tmp_path / "policies" / f"policy.1a.generator.{variant}.yaml"
    copy.parent.mkdir()
    shipped = Path("config/layer1/1A/policy/policy.1a.generator.reopened.yaml")
    copy.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    changes = posture_of(tmp_path, name, upstream_policy=str(copy))
    if variant == "external":
        load_settings(config(**changes))
        external = {**CONFIG["upstream"], "kind": "external", "external_root": str(tmp_path)}
        changes = {**changes, "upstream": external}
    with pytest.raises(ConfigError, match=f"EC09 .* has the name '{variant}'"):
        load_settings(config(**changes))


def test_the_baseline_stands_on_no_external_world(tmp_path):
    external = {**CONFIG["upstream"], "kind": "external", "external_root": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"EC08 .* is the baseline"):
        load_settings(config(posture="baseline", upstream=external))


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        ("s1_tile_index", "config/layer1/1B/policy/policy.s1.population.yaml"),
        ("s2", "config/layer1/1B/policy/policy.s4.alloc_plan.yaml"),
        ("upstream_policy", "config/layer1/1A/policy/policy.1a.bands.yaml"),
    ],
)
def test_a_policy_of_another_kind_is_refused(tmp_path, key, policy):
    with pytest.raises(ConfigError, match=f"EC05 .*key '{key}' is {policy}"):
        load_settings(config(**posture_of(tmp_path, "mixed", **{key: policy})))


def test_a_path_has_one_form(tmp_path):
    plain = load_settings(config())
    dotted = load_settings(config(runs_root="./runs//x/", reference="./resources/reference/"))
    assert dotted.runs_root == "runs/x"
    assert dotted.reference == plain.reference
    assert dotted.tile_sets == plain.tile_sets
    policy = plain.postures["reopened"].policies["s2"]
    changes = posture_of(tmp_path, "dotted", s2=f"./{policy}")
    assert load_settings(config(**changes)).postures["dotted"].policies["s2"] == policy
