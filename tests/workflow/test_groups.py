"""One group of countries and seven publish the same egress and reports, on the real graph."""

import re
from pathlib import Path

import pytest

from scripts.contracts import datasets, state_datasets
from scripts.records.identity import run_id
from scripts.states import CHAIN
from scripts.tables import file_digest
from tests import small_world

pytestmark = pytest.mark.slow

RELEASE = run_id("1B", "reopened")
SEED = small_world.SEEDS[0]
GROUPS = 7
STATES = CHAIN[CHAIN.index("s4_guard") : CHAIN.index("s9_validation")]
IN_GROUPS = STATES[1:-1]
POLICIES = Path("config/layer1/1B/policy")


def published() -> list[str]:
    """Every file of S4 to S8 of the seed that is no part."""
    names = (name for name in state_datasets("s[4-8]_.*") if "{part}" not in datasets()[name].path)
    root = "runs/fix-data-engine"
    return [f"{root}/{datasets()[name].path}".format(run_id=RELEASE, seed=SEED) for name in names]


def files(folder: Path) -> set[Path]:
    """All files of the seed."""
    root = folder / f"runs/fix-data-engine/segment_1B/{RELEASE}/seed={SEED}"
    return {path.relative_to(root) for path in root.rglob("*") if path.is_file()}


def in_groups(folder: Path, groups: int, *arguments: str) -> str:
    """Output of Snakemake for the files of S4 to S8."""
    config = ("--config", f"groups={groups}")
    result = small_world.snakemake(folder, *published(), *arguments, "--quiet", "rules", *config)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return result.stdout + result.stderr


def planned(folder: Path) -> dict[str, int]:
    """Jobs per rule that the files need."""
    rows = re.findall(r"^(\w+)\s+(\d+)$", in_groups(folder, GROUPS, "-n"), flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}


def jobs_from(state: str) -> dict[str, int]:
    """Jobs when a state and all after it run again."""
    return {name: GROUPS if name in IN_GROUPS else 1 for name in STATES[STATES.index(state) :]}


def test_groups_change_no_published_byte_and_keep_the_rerun_matrix(world_copy):
    before = {path: file_digest(world_copy / path) for path in published()}
    assert len(before) == 9
    tree = files(world_copy)
    assert planned(world_copy) == jobs_from("s4_alloc_plan")
    in_groups(world_copy, GROUPS)
    assert {path: file_digest(world_copy / path) for path in before} == before
    parts = {path for path in files(world_copy) if "-of-" in path.name}
    assert {path.stem for path in parts} == {f"{k}-of-{GROUPS}" for k in range(1, GROUPS + 1)}
    assert len(parts) == GROUPS * sum("-of-" in path.name for path in tree)

    assert planned(world_copy) == {}
    for policy, state in (("s5.assignment", STATES[2]), ("s6.jitter", STATES[3])):
        path = world_copy / POLICIES / f"policy.{policy}.yaml"
        original = path.read_bytes()
        path.write_bytes(original + b"\n# changed\n")
        assert planned(world_copy) == jobs_from(state)
        path.write_bytes(original)

    in_groups(world_copy, 1)
    assert {path: file_digest(world_copy / path) for path in before} == before
    assert files(world_copy) == tree
