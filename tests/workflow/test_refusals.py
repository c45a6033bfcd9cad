"""Bad input through the real Snakefile: one named line, status 1, nothing half-written."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from scripts.records.identity import run_id
from tests import small_world

POLICIES = Path("config/layer1/1B/policy")
RUNS = Path("runs/fix-data-engine")


def refused(folder: Path, code: str, *words: str, arguments: tuple[str, ...] = ()) -> None:
    result = small_world.snakemake(folder, "certify", "--quiet", "rules", *arguments)
    output = result.stdout + result.stderr
    assert result.returncode == 1, output[-3000:]
    assert "Traceback" not in output, output[-3000:]
    lines = [line for line in output.splitlines() if re.search(rf"\b{code}\b", line)]
    assert lines, output[-3000:]
    for word in words:
        assert word in lines[0]
    assert not list((folder / "runs").rglob(".*-tmp"))


def edit(path: Path, change) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def fresh_world(tmp_path_factory):
    """A small world that has not run; the tests that use it are refused before any job."""
    return small_world.build(tmp_path_factory.mktemp("fresh"))


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--config", "seeds=[42,x]"), "EC03", "'x'"),
        (("--config", "posture=p9"), "EC04", "'p9'"),
        (("--config", "candidate=../up"), "EC10", "candidate"),
        (("--config", "sedes=[42]"), "EC10", "'seeds'"),
    ],
)
def test_bad_configuration(fresh_world, arguments, code, word):
    refused(fresh_world, code, word, arguments=arguments)
    assert not (fresh_world / RUNS).exists()


def test_misspelt_policy_key(fresh_world):
    path = fresh_world / POLICIES / "policy.s4.alloc_plan.yaml"
    original = path.read_bytes()
    edit(path, lambda p: p["outlets"]["company"].update(kms=p["outlets"]["company"].pop("km")))
    refused(fresh_world, "EC10", "policy.s4.alloc_plan.yaml", "outlets.company.kms", "'km'")
    path.write_bytes(original)


def test_floors_above_one(fresh_world):
    path = fresh_world / POLICIES / "policy.s2.tile_weights.yaml"
    original = path.read_bytes()
    edit(path, lambda p: p["country_mass"]["region_floor_share"].update(Africa=0.7, Asia=0.7))
    refused(fresh_world, "EC11", "region_floor_share", "at most 1")
    path.write_bytes(original)


def test_misspelt_key_of_the_gates(fresh_world):
    path = fresh_world / "config/gates.yaml"
    original = path.read_bytes()
    edit(path, lambda gates: gates.update(gate=gates.pop("gates")))
    refused(fresh_world, "EC10", "gates.yaml", "'gates'")
    path.write_bytes(original)


def test_tampered_upstream_flag(world_copy):
    flag = next(
        world_copy.glob(f"{RUNS}/segment_1A/{run_id('1A', 'reopened')}/seed=7/**/_passed.flag")
    )
    flag.write_text("sha256_hex = " + "0" * 64 + "\n")
    refused(world_copy, "EG25", "_passed.flag")


def test_seed_outside_the_required_set_is_refused(fresh_world):
    refused(fresh_world, "EG41", "seeds", arguments=("--config", "seeds=[42]"))


def test_a_failed_verdict_keeps_its_evidence(world_copy):
    policy = world_copy / POLICIES / "policy.s4.alloc_plan.yaml"
    edit(policy, lambda p: p["outlets"]["company"].update(km=30.0))
    result = small_world.snakemake(world_copy, "certify", "--quiet", "rules")
    assert result.returncode == 1
    assert "E947 nn_tail_ratio" in result.stdout + result.stderr
    certificate = world_copy / RUNS / "segment_1B/reports/segment1b_p5_certification.json"
    assert '"BELOW_B"' in certificate.read_text()


@pytest.mark.slow
def test_edited_output_is_found_by_its_digest(world_copy):
    path = next(
        world_copy.glob(
            f"{RUNS}/segment_1B/{run_id('1B', 'reopened')}/seed=7/s8_site_locations/*.parquet"
        )
    )
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    refused(world_copy, "ES25", "s8_run_summary.json", "was measured on")
