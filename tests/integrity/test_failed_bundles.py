"""A bundle that failed stands as evidence, also when its inputs come back with their old times."""

import shutil

import numpy as np
import pytest

from scripts.tables import read_json
from tests import small_world
from tests.torture import tamper, worlds

pytestmark = pytest.mark.slow

SEED = tamper.UPSTREAM / "seed=7"


def certify(world):
    return small_world.snakemake(world, "certify", "--quiet", "rules")


def test_a_failure_whose_input_is_back_says_what_to_delete(world_copy, tmp_path):
    before = worlds.published(world_copy)
    table = world_copy / SEED / "outlet_catalogue.parquet"
    summary = world_copy / SEED / "validation/s9_summary.json"
    kept = shutil.copy2(table, tmp_path / "kept.parquet")
    tamper.change_row(table, np.random.default_rng(1))
    result = certify(world_copy)
    assert result.returncode == 1
    assert read_json(summary)["verdict"] == "FAIL", result.stderr[-2000:]

    shutil.copy2(kept, table)
    assert table.stat().st_mtime_ns < summary.stat().st_mtime_ns
    result = certify(world_copy)
    assert result.returncode == 1
    told = [line for line in result.stderr.splitlines() if "EU40" in line]
    assert told, result.stderr[-2000:]
    assert f"{SEED}/validation/s9_summary.json" in told[0]
    assert "delete it" in told[0]
    assert read_json(summary)["verdict"] == "FAIL"

    summary.unlink()
    result = certify(world_copy)
    assert result.returncode == 0, result.stderr[-2000:]
    assert worlds.published(world_copy) == before
