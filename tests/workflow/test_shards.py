"""One job a state and seven shards a state publish the same bytes, on the real graph."""

import re
from pathlib import Path

from scripts.contracts import datasets, state_datasets
from scripts.records.identity import run_id
from scripts.states import CHAIN
from scripts.tables import file_digest
from tests import small_world

RELEASE = run_id("1B", "reopened")
SEED = small_world.SEEDS[0]
SHARDS = 7
STATES = CHAIN[5:-1]
POLICIES = Path("config/layer1/1B/policy")


def published() -> list[str]:
    """Every published file of S4 to S8 of the seed."""
    root = "runs/fix-data-engine"
    return [
        f"{root}/{datasets()[name].path}".format(run_id=RELEASE, seed=SEED)
        for state in STATES
        for name in state_datasets(state)
    ]


def files(folder: Path) -> set[Path]:
    """All files of the seed."""
    root = folder / f"runs/fix-data-engine/segment_1B/{RELEASE}/seed={SEED}"
    return {path for path in root.rglob("*") if path.is_file()}


def planned(folder: Path) -> dict[str, int]:
    """Jobs per rule that the files of S4 to S8 need."""
    result = small_world.snakemake(
        folder, *published(), "-n", "--quiet", "rules", "--config", f"shards={SHARDS}"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    rows = re.findall(r"^(\w+)\s+(\d+)$", result.stdout + result.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}


def sharded_from(state: int) -> dict[str, int]:
    """Jobs when a state and all after it run again."""
    jobs = {"s4_guard": 1} if state == 4 else {}
    for k in range(state, 9):
        jobs |= {STATES[k - 4]: 1, f"s{k}_part": SHARDS}
    return jobs


def test_shards_change_no_published_byte_and_keep_the_rerun_matrix(world_copy):
    before = {path: file_digest(world_copy / path) for path in published()}
    assert len(before) == 13
    tree = files(world_copy)
    for path in before:
        (world_copy / path).unlink()
    assert planned(world_copy) == sharded_from(4)
    result = small_world.snakemake(
        world_copy, *published(), "--quiet", "rules", "--config", f"shards={SHARDS}"
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert {path: file_digest(world_copy / path) for path in before} == before
    assert files(world_copy) == tree

    assert planned(world_copy) == {}
    for policy, state in (("s4.alloc_plan", 4), ("s5.assignment", 5), ("s6.jitter", 6)):
        path = world_copy / POLICIES / f"policy.{policy}.yaml"
        original = path.read_bytes()
        path.write_bytes(original + b"\n# changed\n")
        assert planned(world_copy) == sharded_from(state)
        path.write_bytes(original)
    assert planned(world_copy) == {}
    for state in (8, 7, 6):
        (world_copy / f"scripts/shards/s{state}_part.py").open("a").write("\n# changed\n")
        assert planned(world_copy) == sharded_from(state)
