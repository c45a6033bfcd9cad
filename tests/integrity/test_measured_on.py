"""Records that another run, policy or code made, in a certified small world: each is refused."""

import os

import pytest

from scripts.contracts import dataset, datasets
from scripts.contracts.measured import MEASURED_ON, asks
from scripts.tables import read_json
from tests import small_world
from tests.records import changed, faults
from tests.torture import tamper

pytestmark = pytest.mark.slow

RELEASE, BASELINE, UPSTREAM = tamper.RELEASE, tamper.BASELINE, tamper.UPSTREAM
POLICIES = "config/layer1/1B/policy"
# Phases were not asked for in this world.
ASKED = sorted(
    name
    for name in datasets()
    if asks(name) and not name.startswith(("segment1b_p4", "segment1b_phase", "raster"))
)


def record_of(world, name):
    """The first record of a dataset that a verification of the release looks at."""
    receipt = read_json(world / RELEASE / "seed=7/run_receipt.json")
    ids = {"segment1b_p0_baseline": BASELINE.name, "segment1a_scorecard": UPSTREAM.name}
    path = dataset(name).path.format(
        run_id=ids.get(name, RELEASE.name), tiles_id=receipt["tiles_id"], seed=7, part="1-of-1"
    )
    return world / tamper.RUNS / path


def stamp(edit):
    """Edit of what a record says that it was measured on."""
    return lambda record: edit(record[MEASURED_ON])


@pytest.mark.parametrize("name", ASKED)
def test_a_record_that_was_measured_on_another_file_is_named(world, name):
    path = record_of(world, name)
    files = read_json(path)[MEASURED_ON]["files"]
    assert files
    others = dict.fromkeys((min(files), max(files)), "0" * 64)
    with changed(path, stamp(lambda said: said["files"].update(others))):
        found = faults(world)
    for other in others:
        wanted = other.rpartition("/")[2]
        assert any(str(path) in line and wanted in line and "0" * 64 in line for line in found)


@pytest.mark.parametrize("name", ["s5_tally", "segment1b_scorecard", "segment1a_scorecard"])
def test_a_record_that_does_not_say_what_it_was_measured_on_is_named(world, name):
    path = record_of(world, name)
    with changed(path, lambda record: record.pop(MEASURED_ON)):
        found = faults(world)
    assert f"{path}: does not say what it was measured on" in found


@pytest.mark.parametrize("name", ["s1_run_report", "s5_tally", "s6_run_report"])
def test_a_state_that_other_code_made_is_named(world, name):
    path = record_of(world, name)
    with changed(path, stamp(lambda said: said.update(code="0123456789abcdef"))):
        found = faults(world)
    assert any(f"{path}: was made by code 0123456789abcdef" in line for line in found)


def test_a_scorecard_names_the_sites_the_baseline_and_the_gates(world):
    files = read_json(record_of(world, "segment1b_scorecard"))[MEASURED_ON]["files"]
    egress = "seed=7/s8_site_locations/site_locations.parquet"
    assert f"segment_1B/{{run_id}}/{egress}" in files
    assert f"segment_1B/{BASELINE.name}/{egress}" in files
    assert {"gates.yaml", "policy.s2.tile_weights.yaml", "country_facts.csv"} <= set(files)
    assert f"segment_1A/{UPSTREAM.name}/seed=7/outlet_catalogue.parquet" in files


def receipts_gone(world):
    for path in (world / RELEASE).glob("seed=*/run_receipt.json"):
        path.unlink()


def obeyed_another(policy):
    """Another text of a policy under its old time: nothing that Snakemake runs again by times."""
    times = policy.stat()
    with policy.open("a", encoding="utf-8") as file:
        file.write("# another policy\n")
    os.utime(policy, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_policy_is_not_certified_by_states_that_obeyed_another(world_copy):
    """What an edit while a state works leaves: its files, no receipt yet, nothing to rerun it."""
    receipts_gone(world_copy)
    good = world_copy / tamper.SEGMENT / "last_good/last_good_pointer.json"
    before = good.read_bytes()
    policies = [
        world_copy / POLICIES / f"policy.{state}.yaml"
        for state in ("s2.tile_weights", "s4.alloc_plan", "s6.jitter")
    ]
    for policy in policies:
        text, times = policy.read_bytes(), policy.stat()
        obeyed_another(policy)
        result = small_world.snakemake(
            world_copy, "certify", "--quiet", "rules", "--rerun-triggers", "mtime"
        )
        assert result.returncode != 0
        told = [line for line in result.stderr.splitlines() if "ES25" in line]
        assert told, result.stderr[-3000:]
        assert policy.name in told[0]
        assert not list((world_copy / RELEASE).glob("seed=*/run_receipt.json"))
        assert good.read_bytes() == before
        policy.write_bytes(text)
        os.utime(policy, ns=(times.st_atime_ns, times.st_mtime_ns))
    for policy in policies:
        obeyed_another(policy)
    mended = small_world.snakemake(world_copy, "certify", "--quiet", "rules")
    assert mended.returncode == 0, mended.stderr[-3000:]
