"""The real Snakefile on a small real world: verdict, contracts, determinism."""

import re
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from scripts.contracts import check_object, datasets, read_dataset
from scripts.geo.snapshot import load_countries
from scripts.records.identity import run_id
from scripts.tables import file_digest, read_json
from tests import small_world
from tests.certified import uncertified
from tests.torture.environments import PINNED, egress_digests

RUNS = Path("runs/fix-data-engine")
RELEASE = run_id("1B", "reopened")


def egress(folder: Path, seed: int, identity: str = RELEASE) -> Path:
    return (
        folder
        / RUNS
        / f"segment_1B/{identity}/seed={seed}/s8_site_locations/site_locations.parquet"
    )


def without_network() -> list[str]:
    """Command prefix that takes the network away, where this machine lets us; else nothing."""
    prefix = ["unshare", "--net"]
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    except OSError:
        return []
    return prefix if allowed.returncode == 0 else []


def test_no_network_is_needed_at_run_time():
    """The test of bytes below runs a whole certify in a network namespace without interfaces."""
    prefix = without_network()
    if not prefix:
        pytest.skip("unshare --net is not allowed here: a run without network was not tried")
    probe = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)"
    result = subprocess.run(
        [*prefix, sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in result.stderr


def published(folder: Path) -> list[Path]:
    root = folder / RUNS
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.relative_to(root).parts[0] not in ("logs", "benchmarks")
        and path.name != "sealed.json"
    ]


def test_certificate_covers_the_seeds_and_is_a_trial(certified_world):
    document = read_json(
        certified_world / RUNS / "segment_1B/reports/segment1b_p5_certification.json"
    )
    assert document["seeds"] == list(small_world.SEEDS)
    assert document["verdict"]["grade"] in ("B", "BPLUS")
    assert document["verdict"]["release"] is False
    assert document["verdict"]["not_a_release_because"]


@pytest.mark.parametrize("seed", small_world.SEEDS)
def test_every_site_stands_in_its_country(certified_world, seed):
    table = pq.read_table(egress(certified_world, seed))
    assert table.column_names[:5] == [
        "merchant_id",
        "legal_country_iso",
        "site_order",
        "lon_deg",
        "lat_deg",
    ]
    land = load_countries(certified_world / "resources/reference/countries.parquet")
    border = dict(zip(land.iso, land.geometry, strict=True))
    country = np.array(table["legal_country_iso"].to_pylist())
    lon, lat = table["lon_deg"].to_numpy(), table["lat_deg"].to_numpy()
    for iso in np.unique(country):
        here = country == iso
        assert shapely.intersects_xy(border[iso], lon[here], lat[here]).all(), iso


def test_egress_opens_in_geopandas(certified_world):
    frame = geopandas.read_parquet(egress(certified_world, small_world.SEEDS[0]))
    assert len(frame) > 1000
    assert np.array_equal(frame.geometry.x, frame["lon_deg"])
    assert np.array_equal(frame.geometry.y, frame["lat_deg"])


def test_nothing_is_written_that_no_contract_declares(certified_world):
    root = certified_world / RUNS
    seen = set()
    for path in published(certified_world):
        relative = path.relative_to(root).as_posix()
        # A release holds what it seals under the paths that it has below the runs root.
        relative = re.sub(r"^releases/[^/]+/(?=segment_1[AB]/)", "", relative)
        owners = [name for name, entry in datasets().items() if entry.holds(relative)]
        assert len(owners) == 1, relative
        name = owners[0]
        seen.add(name)
        if path.suffix == ".parquet":
            # The sealed sites are the egress with metadata.
            read_dataset("site_locations" if name == "release_sites" else name, path, check="rows")
        elif path.suffix == ".json":
            check_object(name, read_json(path), path)
    assert {"site_locations", "segment1b_p5_certification", "run_receipt"} <= seen


def test_receipt_ledger_matches_the_disk(certified_world):
    root = certified_world / RUNS
    receipt = read_json(root / f"segment_1B/{RELEASE}/seed={small_world.SEEDS[0]}/run_receipt.json")
    assert receipt["name"] == "reopened"
    assert any(path.endswith("site_locations.parquet") for path in receipt["outputs"])
    for relative, digest in receipt["outputs"].items():
        assert file_digest(root / relative) == digest, relative


def test_the_egress_is_the_pinned_one(certified_world):
    """Equal in every supported environment; `python -m tests.torture.pin` after a change of law."""
    assert egress_digests(certified_world) == read_json(PINNED)


@pytest.mark.slow
def test_bytes_do_not_depend_on_cores_folder_time_or_network(certified_world, tmp_path):
    other = uncertified(tmp_path / "elsewhere")
    result = small_world.snakemake(
        other, "certify", "--quiet", "rules", cores=1, prefix=without_network()
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    first = {p.relative_to(certified_world): file_digest(p) for p in published(certified_world)}
    second = {p.relative_to(other): file_digest(p) for p in published(other)}
    assert first == second


def test_no_published_text_names_host_folder_or_clock(certified_world):
    for path in published(certified_world):
        if path.suffix in (".json", ".csv", ".flag"):
            text = path.read_text(encoding="utf-8")
            assert str(certified_world) not in text, path
            assert not re.search(r"20\d\d-\d\d-\d\dT", text), path
