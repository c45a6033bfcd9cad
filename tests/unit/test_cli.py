"""The command line: help, options, refusals, and what stays out of its start-up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scripts.cli import options
from scripts.cli.main import app, one_by_one
from scripts.errors import GovernanceError
from scripts.settings import CONFIG_FILE

VERBS = ("lock", "reopen", "fork", "prune", "status", "explain", "verify", "sign", "margins",
         "sizes", "truth", "bench", "releases", "compare", "rollback", "new", "repin",
         "knobs")  # fmt: skip
HEAVY = ("numpy", "pyarrow", "yaml", "jsonschema", "snakemake", "rich")


def segment1b(*arguments, folder=None):
    return subprocess.run(
        [sys.executable, "-m", "scripts.cli", *arguments],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_sentence_options_and_help(verb):
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Usage: segment1b {verb}" in result.output
    for line in result.output.split("Options:")[1].splitlines():
        assert not line.startswith("  --") or len(line.split()) > 2, line


def test_no_other_verbs():
    overview = CliRunner().invoke(app, ["--help"]).output
    listed = [line.split()[0] for line in overview.split("Commands:")[1].splitlines() if
              line.startswith("  ") and line[2] != " "]  # fmt: skip
    assert set(VERBS) <= set(listed)
    assert len(listed) == len(VERBS) + 1  # the epilogue


def test_help_imports_nothing_heavy():
    program = (
        "import sys; sys.argv[1:] = ['lock', '--help']\n"
        "from scripts.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *sorted(set({HEAVY}) & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines()[-1] == "heavy:", result.stdout + result.stderr


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        (["lock", "P1"], ["lock", "P1"]),
        (["a", "--config", "x=1"], ["a", "--config", "x=1"]),
        (
            ["a", "--config", "x=1", "y=[1,2]", "--quiet", "z=2"],
            ["a", "--config", "x=1", "--config", "y=[1,2]", "--quiet", "z=2"],
        ),
        (["--config", "x=1", "--config", "y=2"], ["--config", "x=1", "--config", "y=2"]),
        (["--config", "x=1", "P1"], ["--config", "x=1", "P1"]),
    ],
)
def test_several_values_follow_one_config_as_for_snakemake(given, spread):
    assert one_by_one(given) == spread


def test_the_configuration_is_what_snakemake_would_have(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"candidate": "mine", "upstream": {"merchants_total": 10}}))
    settings = options.configuration([file], ["seeds=[7,42]", "certification={release: false}"])
    base = yaml.safe_load(Path(CONFIG_FILE).read_text())
    assert (settings.candidate, settings.seeds, settings.merchants_total) == ("mine", (7, 42), 10)
    assert settings.upstream_kind == base["upstream"]["kind"]
    assert not settings.release
    assert settings.minimum_grade == base["certification"]["minimum_grade"]


def test_a_folder_without_a_workflow_or_with_another_is_refused(tmp_path, monkeypatch):
    result = segment1b("status", folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"GovernanceError: EG96 {tmp_path}: holds no Snakefile")
    (tmp_path / "Snakefile").touch()
    (tmp_path / "scripts").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GovernanceError, match=r"EG96 .* code of its own"):
        options.check_folder()


@pytest.mark.parametrize(
    "arguments",
    [
        ("lock",),
        ("lock", "P5"),
        ("lock", "P1", "--seed", "42"),
        ("reopen", "P1"),
        ("fork", "", "--parent", "reopened"),
        ("margins",),
        ("nothing",),
    ],
)
def test_wrong_usage_ends_with_2(arguments):
    assert segment1b(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", "--config", "seeds=[x]"), "EC03"),
        (("status", "--config", "phase=P1"), "EC10"),
        (("lock", "P1", "--configfile", "nowhere.yaml"), "EC01"),
        (("margins", "--seeds", "9-x"), "EC03"),
    ],
)
def test_a_refusal_is_one_line_and_ends_with_1(arguments, code):
    result = segment1b(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert f": {code} " in result.stderr


@pytest.mark.slow
def test_truth_of_a_map_of_ones_own(tmp_path):
    table = tmp_path / "stations.csv"
    samples = Path("resources/reference/outlet_samples.csv").read_text(encoding="utf-8")
    rows = [line for line in samples.splitlines() if line.startswith("fr_fuel")]
    table.write_text("\n".join(["set,brand,iso,east,north", *rows]) + "\n", encoding="utf-8")
    names = ("--country", "iso", "--lon", "east", "--lat", "north")

    grade = segment1b("truth", str(table), *names, "--json")
    assert grade.returncode == 0, grade.stderr
    document = json.loads(grade.stdout)
    assert document["holds"]
    measured = {row["test"] for row in document["rows"] if row["measured"]}
    assert measured == {"T1", "T2", "T3", "T4"}

    refused = segment1b("truth", str(table))
    assert refused.returncode == 1
    assert refused.stderr.startswith("ScoreError: ES40 ")
    assert "has no country" in refused.stderr


def test_knobs_of_a_gate_take_the_names_that_verdicts_print():
    short, long = (segment1b("knobs", "--gate", gate).stdout for gate in ("T8", "truth_T8"))
    assert "margin +" in short
    assert short == long
    typo = segment1b("knobs", "--gate", "typo")
    assert typo.returncode == 2
    assert "'typo' is none of country_gini" in typo.stderr.replace("\n", " ")
