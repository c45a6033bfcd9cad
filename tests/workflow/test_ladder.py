"""Ladder, calibration and recovery by the real Snakefile on the small world."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.contracts import read_object
from scripts.records.identity import run_id
from scripts.scorers import companions
from scripts.search.score import order_key
from scripts.tables import file_digest, read_json, write_json
from tests import small_world

pytestmark = pytest.mark.slow

RUNS = Path("runs/fix-data-engine")
ROOT = RUNS / "segment_1B"
REPORTS = ROOT / "reports"
RELEASE = run_id("1B", "reopened")
SEARCH = ROOT / RELEASE / "calibration"
RANGES = {
    "outlets.entry.share": {"low": 0.35, "high": 0.8},
    "outlets.company.km": {"low": 4.0, "high": 8.0},
}

PLAN = """
import sys
from scripts.snakemake_private import jobs_of, plan

for job in jobs_of(plan([sys.argv[1]], {"seeds": [7, 42]})):
    if job.rule.name == "search_attempt":
        for path in job.input.p3:
            print("P3", path)
"""


def edit(path: Path, **changes: object) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**document, **changes}), encoding="utf-8")


def write_search(folder: Path, attempts: int) -> None:
    knobs = yaml.safe_load((folder / "config/knobs.yaml").read_text(encoding="utf-8"))
    edit(folder / "config/knobs.yaml", ranges={"s4": RANGES, "s6": knobs["ranges"]["s6"]})
    cycles = [{"attempts": 2, "zoom": 1.0}, {"attempts": attempts, "zoom": 0.5}]
    edit(folder / "config/calibration.yaml", cycles=cycles, starts=[{}])


def write_recovery(folder: Path) -> None:
    """A gate that the release just misses, and a short recovery: one small turn, then a large.

    The table says of this world that towns move the tail furthest, then networks.
    """
    path = folder / "config/gates.yaml"
    gates = yaml.safe_load(path.read_text(encoding="utf-8"))
    gates["gates"]["nn_contraction"]["BPLUS"] = 0.38
    path.write_text(yaml.safe_dump(gates), encoding="utf-8")
    cycles = [{"attempts": 1, "zoom": zoom} for zoom in (0.1, 1.0, 0.05)]
    edit(folder / "config/recovery.yaml", cycles=cycles)
    table = read_json(folder / "config/sensitivity.json")
    every = dict.fromkeys(table["margins"], 0.1)
    ranges = yaml.safe_load((folder / "config/knobs.yaml").read_text(encoding="utf-8"))["ranges"]
    table["knobs"] = [
        {"state": state.upper(), "knob": knob, "value": 1.0,
         "steps": [{"value": 2.0, "moved": 1.0, "margins": {**every, "nn_contraction": reach}}]}
        for state, reach in (("s4", 0.3), ("s6", 0.5))
        for knob in ranges[state]
    ]  # fmt: skip
    write_json(folder / "config/sensitivity.json", table)


def run(folder: Path, *arguments: str) -> str:
    result = small_world.snakemake(folder, *arguments, "--quiet", "rules")
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return result.stdout + result.stderr


def planned(folder: Path, target: str) -> dict[str, int]:
    rows = re.findall(r"^(\w+)\s+(\d+)$", run(folder, target, "-n"), flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}


@pytest.fixture(scope="module")
def climbed_world(certified_world, tmp_path_factory):
    """The certified world after ``ladder`` and a short ``calibrate``."""
    folder = tmp_path_factory.mktemp("ladder") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    write_search(folder, 1)
    write_recovery(folder)
    run(folder, "ladder", "calibrate")
    return folder


def test_the_ladder_names_the_state_of_every_step(climbed_world):
    document = read_object("segment1b_ladder", climbed_world / REPORTS / "segment1b_ladder.json")
    assert [(step["posture"], step["cause"]) for step in document["steps"]] == [
        ("baseline", "start"),
        ("p1", "S2 through S3"),
        ("p2", "S4"),
        ("p3", "S6"),
        ("p4", "none"),
        ("reopened", "1A"),
    ]
    checks = {entry["check"]: entry for entry in document["checks"]}
    assert checks["p4_repeats_the_step_before"]["passed"]
    assert checks["reopened_reaches_a_grade"]["passed"]
    rows = companions.read_csv(
        "segment1b_ladder_table", climbed_world / REPORTS / "segment1b_ladder.csv"
    )
    by_country = {"country_gini", "top1_share", "top5_share", "top10_share"}
    assert all(
        row["delta_previous"] == 0.0
        for row in rows
        if row["cause"] == "S6" and row["metric"] in by_country
    )
    assert any(row["delta_previous"] for row in rows if row["cause"] == "S6")
    assert (climbed_world / REPORTS / "segment1b_ladder.svg").read_bytes().startswith(b"<?xml")
    record = read_object(
        "segment1b_p4_integrated",
        climbed_world / REPORTS / f"segment1b_p4_integrated_{run_id('1B', 'p4')}.json",
    )
    failing = [row for row in record["rows"] if row["grade"] == "B" and not row["passed"]]
    worse = [row for row in record["no_regression"] if not row["passed"]]
    assert record["reopen_required"] == bool(failing + worse)
    assert not list((climbed_world / REPORTS).glob("segment1b_p4_red_reopen_*"))


def test_the_calibration_ranks_attempts_of_the_real_states(climbed_world):
    document = read_object("search_leaderboard", climbed_world / SEARCH / "leaderboard.json")
    attempts = document["leaderboard"]
    assert len(attempts) == 4
    assert attempts == sorted(attempts, key=order_key)
    start = next(a for a in attempts if a["cycle"] == 0)
    assert document["start"] == start
    best = document["best"]["attempt"]
    assert best in attempts
    if start["status"] == "feasible":
        assert best["objective"] >= start["objective"]
    card = read_object(
        "segment1b_scorecard",
        climbed_world / ROOT / RELEASE / "seed=42/scorecard/segment1b_scorecard.json",
    )
    assert start["metrics"] == {"42": card["metrics"]}
    won = yaml.safe_load(
        (climbed_world / SEARCH / "best/policy.s4.alloc_plan.yaml").read_text(encoding="utf-8")
    )
    assert won == document["best"]["policies"]["s4"]


def test_a_finished_search_repeats_nothing_and_grows_by_its_new_attempts(climbed_world):
    assert planned(climbed_world, "calibrate") == {}
    done = {
        path: file_digest(path) for path in sorted((climbed_world / SEARCH).rglob("attempt.json"))
    }
    write_search(climbed_world, 2)
    assert planned(climbed_world, "calibrate") == {
        "search_attempt": 1,
        "best_of_cycle": 1,
        "record_search": 1,
        "calibrate": 1,
    }
    run(climbed_world, "calibrate")
    assert len(list((climbed_world / SEARCH).rglob("attempt.json"))) == len(done) + 1
    assert all(file_digest(path) == digest for path, digest in done.items())


def test_a_red_run_may_not_recover(climbed_world):
    result = small_world.snakemake(
        climbed_world, "recover", "--config", "posture=p4", "--quiet", "rules"
    )
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert "EG41" in output
    assert "p4 is RED_REOPEN_REQUIRED" in output
    assert "Traceback" not in output
    assert not list((climbed_world / ROOT).glob("*/recovery/**/*.json"))


def test_a_recovery_over_some_seeds_is_held_against_p3_on_these(tmp_path):
    small_world.copy_parts(tmp_path)
    (tmp_path / "resources/reference").symlink_to(small_world.REPOSITORY / "resources/reference")
    edit(tmp_path / "config/recovery.yaml", seeds=[42])
    target = ROOT / RELEASE / "recovery/cycle=0/attempt=0/attempt.json"
    asked = subprocess.run(
        [sys.executable, "-c", PLAN, str(target)],
        cwd=tmp_path,
        env=small_world.without_package(os.environ),
        text=True,
        capture_output=True,
        check=False,
    )
    assert re.findall("P3 .*seed=([0-9]+)/", asked.stdout) == ["42"], asked.stderr[-3000:]


@pytest.fixture(scope="module")
def recovered(climbed_world):
    """The world after the release, which misses one BPLUS gate by a hair, was recovered."""
    output = run(climbed_world, "recover")
    assert "BPLUS_REACHED" in output
    assert "copy its policies" in output
    return climbed_world


def test_a_recovery_turns_one_group_at_a_time_and_stops_at_bplus(recovered):
    integrated = read_object(
        "segment1b_p4_integrated", recovered / REPORTS / f"segment1b_p4_integrated_{RELEASE}.json"
    )
    assert integrated["classification"] == "AMBER_NEAR_BPLUS"
    assert integrated["recovery_allowed"]
    record = read_object(
        "segment1b_p4_recovery", recovered / REPORTS / f"segment1b_p4_recovery_{RELEASE}.json"
    )
    assert record["outcome"] == "BPLUS_REACHED"
    assert record["start"]["missed"] == [f"nn_contraction seed {s}" for s in (7, 42)]
    small, large, after = record["attempts"]
    assert [a["status"] for a in record["attempts"]] == ["safe", "safe", "not_run"]
    assert [a["state"] for a in record["attempts"]] == ["s6", "s4", ""]
    assert [a["turned_for"] for a in record["attempts"]] == [
        ["nn_contraction"], ["nn_contraction"], []
    ]  # fmt: skip
    assert set(large["knobs"]) == set(RANGES)
    assert (small["grade"], large["grade"], after["grade"]) == ("B", "BPLUS", None)
    assert small["shortfall"] > large["shortfall"] == 0.0
    assert {str(seed) for seed in small_world.SEEDS} == set(large["metrics"])
    assert len({a["attempt_id"] for a in record["attempts"]} | {RELEASE}) == 4
    assert record["winner"]["attempt_id"] == large["attempt_id"]
    assert small["policies"]["s4"] != large["policies"]["s4"]
    for entry in record["winner"]["policies"].values():
        assert file_digest(recovered / RUNS / entry["path"]) == entry["sha256"]


def test_the_winner_in_force_is_green(recovered):
    turned = []
    for best in sorted((recovered / ROOT / RELEASE / "recovery/best").iterdir()):
        policy = recovered / "config/layer1/1B/policy" / best.name
        if policy.read_bytes() != best.read_bytes():
            turned.append(best.name.split(".")[1])
            shutil.copy(best, policy)
    # A policy that the winner did not turn keeps its bytes, and so the lock that holds it.
    assert "s4" in turned
    assert "s2" not in turned
    integrated = REPORTS / f"segment1b_p4_integrated_{RELEASE}.json"
    run(recovered, str(integrated))
    record = read_object("segment1b_p4_integrated", recovered / integrated)
    assert record["classification"] == "GREEN_B"
    assert record["grade"] == "BPLUS"
    assert not record["recovery_allowed"]
