"""What a change reruns, asked of Snakemake on the real graph after a finished certify."""

import os
import re
import time
from pathlib import Path

import pytest

from scripts.governance.identity import run_id
from tests import small_world

SEEDS = len(small_world.SEEDS)
POLICIES = Path("config/layer1/1B/policy")
TAIL = ("run_receipt", "s9_validation", "s9_passed_flag", "scorecard")
CERTIFY = {"certify_release": 1, "certify": 1}
# The verdict is always enforced anew; it costs nothing.
NOTHING = {"certify": 1}
SEEDED = (
    "s3_requirements",
    "s4_alloc_plan",
    "s5_site_tile_assignment",
    "s6_site_jitter",
    "s7_site_synthesis",
    "s8_site_locations",
)


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Jobs per rule that ``snakemake -n certify`` would run."""
    result = small_world.snakemake(folder, "certify", "-n", "--quiet", "rules", *arguments)
    assert result.returncode == 0, result.stderr[-3000:]
    rows = re.findall(r"^(\w+)\s+(\d+)$", result.stdout + result.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}


def seeded_from(first: str) -> dict[str, int]:
    rules = (*SEEDED[SEEDED.index(first) :], *TAIL)
    return {**dict.fromkeys(rules, SEEDS), **CERTIFY}


def append(path: Path, text: str = "\n# changed\n") -> None:
    time.sleep(0.02)
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_nothing_runs_twice(certified_world):
    assert planned(certified_world) == NOTHING


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            "policy.s2.tile_weights.yaml",
            {"s2_tile_weights": 1, **seeded_from("s3_requirements")},
        ),
        ("policy.s4.alloc_plan.yaml", seeded_from("s4_alloc_plan")),
        ("policy.s6.jitter.yaml", seeded_from("s6_site_jitter")),
        ("policy.s9.validation.yaml", {**dict.fromkeys(TAIL, SEEDS), **CERTIFY}),
    ],
)
def test_a_changed_policy_reruns_its_state_and_what_follows(world_copy, policy, expected):
    path = world_copy / POLICIES / policy
    original = path.read_bytes()
    append(path)
    assert planned(world_copy) == expected
    path.write_bytes(original)
    assert planned(world_copy) == NOTHING


def test_a_touched_file_reruns_nothing(world_copy):
    for pattern in ("config/layer1/*/policy/*.yaml", "scripts/**/*.py", "resources/reference/*"):
        for path in world_copy.glob(pattern):
            os.utime(path)
    assert planned(world_copy) == NOTHING


def test_a_changed_helper_reruns_the_states_that_import_it(world_copy):
    append(world_copy / "scripts/geo/hilbert.py")
    jobs = planned(world_copy)
    assert jobs["s2_tile_weights"] == 2
    assert jobs["s8_site_locations"] == 2 * SEEDS
    assert "s1_tile_index" not in jobs
    assert "generate_1a" not in jobs


def test_a_changed_reopened_upstream_reruns_the_chain_but_not_the_geography(world_copy):
    append(world_copy / "config/layer1/1A/policy/policy.1a.generator.reopened.yaml")
    jobs = planned(world_copy)
    assert jobs["generate_1a"] == SEEDS
    assert jobs["s0_gate"] == SEEDS
    assert jobs["s8_site_locations"] == SEEDS
    assert not {"s1_tile_index", "s2_tile_weights", "p0_baseline"} & set(jobs)


def test_gates_rerun_the_scorecards_only(world_copy):
    append(world_copy / "config/gates.yaml")
    assert planned(world_copy) == {
        "scorecard": 2 * SEEDS,
        "p0_baseline": 1,
        "certify_release": 1,
        "certify": 1,
    }


def test_a_deleted_output_is_made_again(world_copy):
    release = run_id("1B", "reopened")
    for path in world_copy.glob(f"runs/*/segment_1B/{release}/seed=*/s6_site_jitter/*"):
        path.unlink()
    assert planned(world_copy)["s6_site_jitter"] == SEEDS


def test_a_posture_reaches_only_its_own_run(world_copy):
    path = world_copy / POLICIES / "policy.s6.jitter.legacy.yaml"
    append(path)
    jobs = planned(world_copy)
    assert jobs["s6_site_jitter"] == SEEDS
    assert jobs["p0_baseline"] == 1
    assert jobs["scorecard"] == 2 * SEEDS
