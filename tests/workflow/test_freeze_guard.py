"""The freeze guard through the real Snakefile: what it does not pass, nothing of 1B is run on."""

import re
from pathlib import Path

import pytest
import yaml

from scripts.records.identity import run_id
from scripts.tables import file_digest, read_json, read_parquet, write_json
from scripts.upstream.freeze_guard import GUARD_CHECKS
from scripts.upstream.tables_1a import ALL_TABLES
from tests import small_world
from tests.unit.test_upstream_ingest import publish

pytestmark = pytest.mark.slow

RUNS = Path("runs/fix-data-engine")
REOPENED, AUTHORITY = (run_id("1A", name) for name in ("reopened", "authority"))
RELEASE = run_id("1B", "reopened")


@pytest.fixture(scope="module")
def world(own_copy) -> Path:
    """One copy of the certified world for this file; every test puts back what it changes."""
    return own_copy


def guard_path(world: Path, identity: str = REOPENED) -> Path:
    return world / RUNS / f"segment_1A/reports/segment1a_freeze_guard_{identity}.json"


def release_files(world: Path) -> dict[Path, str]:
    """Digests of S1 to S8 of the release and of the pointer to the last good run."""
    segment = world / RUNS / "segment_1B"
    paths = [p for p in (segment / RELEASE).rglob("s[1-8]_*/*") if p.is_file()]
    paths.append(segment / "last_good/last_good_pointer.json")
    return {path: file_digest(path) for path in paths}


def withheld(world: Path) -> bool:
    """Whether S0 of the release has sealed nothing on any seed."""
    folder = world / RUNS / "segment_1B" / RELEASE
    return not list(folder.glob("seed=*/s0_gate/*"))


def blocked(world: Path, *arguments: str) -> str:
    """Output of a promotion that is refused and has made nothing of 1B anew."""
    before = release_files(world)
    result = small_world.snakemake(world, "certify", "--quiet", "rules", *arguments)
    output = result.stdout + result.stderr
    assert result.returncode == 1, output[-3000:]
    assert "Traceback" not in output, output[-3000:]
    assert release_files(world) == before
    return output


def test_a_stale_guard_made_for_other_inputs_is_refused(world):
    path = guard_path(world)
    honest = path.read_bytes()
    other = read_json(guard_path(world, REOPENED))
    for entry in other["candidate"]["inputs"].values():
        entry["outlet_catalogue"] = "0" * 64
    write_json(path, other)
    output = blocked(world)
    assert re.search(r"EU31 .*segment1a_freeze_guard_\w+\.json: does not judge its inputs", output)
    path.write_bytes(honest)


def test_a_guard_forged_from_the_authority_s_is_refused(world):
    path = guard_path(world)
    honest = path.read_bytes()
    seeds = sorted((world / RUNS / f"segment_1A/{AUTHORITY}").glob("seed=*"))
    assert len(seeds) == len(small_world.SEEDS)
    forged = read_json(path)
    forged["guard_checks"] = dict.fromkeys(GUARD_CHECKS, True)
    forged["run_id"] = AUTHORITY
    write_json(path, forged)
    assert "EU31" in blocked(world)
    path.write_bytes(honest)


def test_a_candidate_with_one_output_missing_blocks_promotion(world, tmp_path):
    for seed in small_world.SEEDS:
        source = world / RUNS / f"segment_1A/{REOPENED}/seed={seed}"
        tables = {
            name: read_parquet(source / f"{name}.parquet")
            for name in ALL_TABLES
            if name != "sparse_flag"
        }
        publish(tmp_path / f"seed={seed}", tables, seed)
    upstream = f"upstream={{kind: external, external_root: {tmp_path}}}"
    output = blocked(world, "--config", upstream)
    told = re.search(r"^.*EU30 .*freeze guard FAIL, failed: (.*)$", output, re.M)
    assert told, output[-3000:]
    assert "hard_gates_not_regressed" in told[1]
    assert "required_outputs_present" in told[1]
    guard = read_json(guard_path(world, run_id("1A", "external")))
    assert guard["status"] == "FAIL"
    assert "required_outputs_present" in guard["regressed_B_metrics"]
    assert withheld(world)


def test_a_regressed_1a_blocks_promotion_and_its_metrics_are_named(world):
    path = world / "config/layer1/1A/policy/policy.1a.generator.reopened.yaml"
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["hurdle"]["intercept"] = 4.0
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    output = blocked(world)
    guard = read_json(guard_path(world))
    assert guard["status"] == "FAIL"
    assert "single_site_share" in guard["regressed_B_metrics"]
    # The guard over all seeds and the gate of S0 of each seed refuse on their own.
    assert re.search(r"EU30 .*regressed: .*single_site_share", output), output[-3000:]
    assert re.search(r"E010 .*freeze guard says FAIL: .*single_site_share", output)
