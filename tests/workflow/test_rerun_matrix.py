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
CERTIFY = {"point_current_candidate": 1, "certify_release": 1, "certify": 1}
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
        "pin_baseline": 1,
        **CERTIFY,
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


ONCE = {"p0_baseline": 1, "pin_baseline": 1, **CERTIFY}
BOTH_TAIL = {
    **dict.fromkeys(("run_receipt", "s9_validation", "scorecard"), 2 * SEEDS),
    "s9_passed_flag": SEEDS,
    **ONCE,
}
SHARED = ("s1_tile_index", "s1_population_surface", "s2_tile_weights")
UPSTREAM = {
    **dict.fromkeys(
        ("generate_1a", "validate_1a", "pass_1a", "score_1a", "judge_1a_seed"), 2 * SEEDS
    ),
    **dict.fromkeys(("certify_1a_authority", "judge_1a", "enforce_freeze_guard"), 1),
}


def both_from(first: str) -> dict[str, int]:
    """Jobs when a state of both runs reruns, with everything after it."""
    if first == "s0_gate":
        return {"s0_gate": 2 * SEEDS, **both_from("s3_requirements")}
    if first in SHARED:
        shared = dict.fromkeys(SHARED[SHARED.index(first) :], 2)
        scored = {} if first == "s2_tile_weights" else {"fidelity_reference": 2}
        return {**shared, **scored, **both_from("s3_requirements")}
    return {**dict.fromkeys(SEEDED[SEEDED.index(first) :], 2 * SEEDS), **BOTH_TAIL}


@pytest.mark.parametrize("state", ["s0_gate", *SHARED, *SEEDED])
def test_a_changed_state_script_reruns_its_state_and_what_follows(world_copy, state):
    append(world_copy / f"scripts/states/{state}.py")
    assert planned(world_copy) == both_from(state)


def test_a_changed_validation_script_reruns_the_validation(world_copy):
    append(world_copy / "scripts/states/s9_validation.py")
    expected = {name: count for name, count in BOTH_TAIL.items() if name != "run_receipt"}
    assert planned(world_copy) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("manifest.json", both_from("s0_gate")),
        ("countries.parquet", {**both_from("s0_gate"), **both_from("s1_tile_index")}),
        ("places.parquet", {**both_from("s0_gate"), **both_from("s1_population_surface")}),
        ("land_cover.parquet", {**both_from("s0_gate"), **both_from("s1_population_surface")}),
        (
            "country_facts.csv",
            {**UPSTREAM, **both_from("s0_gate"), **both_from("s1_population_surface")},
        ),
    ],
)
def test_a_changed_reference_file_reruns_what_reads_it(world_copy, name, expected):
    path = world_copy / "resources/reference" / name
    path.write_bytes(path.read_bytes() + b" ")
    assert planned(world_copy) == expected


def test_a_changed_1a_table_reruns_its_seed_alone(world_copy):
    seed = small_world.SEEDS[0]
    folder = world_copy / f"runs/fix-data-engine/segment_1A/{run_id('1A', 'reopened')}"
    path = folder / f"seed={seed}/outlet_catalogue.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    rules = (
        *("validate_1a", "pass_1a", "score_1a", "judge_1a", "judge_1a_seed"),
        *("enforce_freeze_guard", "s0_gate", *SEEDED, *TAIL),
    )
    assert planned(world_copy) == {**dict.fromkeys(rules, 1), **CERTIFY}


def test_a_changed_contract_is_sealed_anew(world_copy):
    append(world_copy / "config/contracts/1B/schemas.1B.yaml")
    assert planned(world_copy) == both_from("s0_gate")


def test_a_policy_schema_is_checked_at_every_start_and_reruns_nothing(world_copy):
    append(world_copy / "config/schemas/policy.s4.alloc_plan.schema.yaml")
    assert planned(world_copy) == NOTHING
