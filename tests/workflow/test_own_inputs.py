"""Own polygons and an own population raster through the real Snakefile."""

from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.transform import from_origin

from scripts.contracts import check_object, read_dataset
from scripts.geo.grid import Grid
from scripts.geo.snapshot import load_countries, load_facts
from scripts.governance.verification import verify
from scripts.records.identity import run_id
from scripts.tables import file_digest, read_json
from tests import small_world

pytestmark = pytest.mark.slow

RUNS = Path("runs/fix-data-engine")
SEED = small_world.SEEDS[0]
RELEASE = run_id("1B", "reopened")
CONFIG = (
    "--config",
    f"seeds=[{SEED}]",
    "polygons={path: borders.gpkg, iso_column: iso}",
    "population={raster: people.tif}",
)
# Two pixels to a tile, all people of Portugal in the tiles of one degree.
PIXEL_DEG = 1 / 24
LISBON = (-9.0, 39.0, -8.0, 38.5)


def borders(folder: Path) -> geopandas.GeoDataFrame:
    land = load_countries(folder / "resources/reference/countries.parquet")
    return geopandas.GeoDataFrame({"iso": land.iso}, geometry=land.geometry, crs=4326)


def write_inputs(folder: Path) -> None:
    frame = borders(folder)
    frame[frame["iso"] != "TO"].to_file(folder / "borders.gpkg")
    height, width = round(180 / PIXEL_DEG), round(360 / PIXEL_DEG)
    people = np.ones((height, width), dtype="float32")
    place = from_origin(-180, 90, PIXEL_DEG, PIXEL_DEG)
    west, south, east, north = frame.set_index("iso").geometry["PT"].buffer(0.1).bounds
    people[rasterio.windows.from_bounds(west, south, east, north, place).toslices()] = 0
    west, north, east, south = LISBON
    people[rasterio.windows.from_bounds(west, south, east, north, place).toslices()] = 5
    with rasterio.open(
        folder / "people.tif",
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=place,
        compress="deflate",
    ) as raster:
        raster.write(people, 1)


@pytest.fixture(scope="module")
def own_world(tmp_path_factory) -> Path:
    folder = small_world.build(tmp_path_factory.mktemp("own"))
    write_inputs(folder)
    # People made up for a test leave most of a country empty: its tail is no fault of the map.
    policy = folder / "config/layer1/1B/policy/policy.s9.validation.yaml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("mode: enforce", "mode: report"), encoding="utf-8")
    target = RUNS / f"segment_1B/{RELEASE}/seed={SEED}/s9_validation/_passed.flag"
    result = small_world.snakemake(folder, str(target), "--quiet", "rules", *CONFIG)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return folder


def test_runs_stand_on_the_own_polygons_and_raster(own_world):
    (tiles,) = (own_world / RUNS / "segment_1B/tiles").iterdir()
    surface = tiles / "s1_tile_index/tile_population.parquet"
    table = read_dataset("tile_population", surface, check="rows")
    cells = tiles / "own_raster/raster_population.parquet"
    read_dataset("raster_population", cells, check="rows")
    report = tiles / "own_raster/raster_population_report.json"
    check_object("raster_population_report", read_json(report), report)
    iso = np.array(table["country_iso"].to_pylist())
    assert "TO" not in iso
    population = table["population"].to_numpy()
    facts = load_facts(own_world / RUNS / "own_reference/country_facts.csv")
    totals = dict(
        zip(facts["country_iso"].to_pylist(), facts["population"].to_pylist(), strict=True)
    )
    for code in np.unique(iso):
        assert population[iso == code].sum() == pytest.approx(totals[code], abs=1e-3), code
    lon, lat = Grid(5).centre_deg(table["tile_id"].to_numpy())
    west, north, east, south = LISBON
    inside = (lon > west) & (lon < east) & (lat > south) & (lat < north)
    assert population[(iso == "PT") & ~inside].sum() == 0


def test_own_inputs_are_sealed(own_world):
    receipt = read_json(own_world / RUNS / f"segment_1B/{RELEASE}/seed={SEED}/run_receipt.json")
    sealed = receipt["sealed_inputs"]
    assert sealed["own/polygons"] == file_digest(own_world / "borders.gpkg")
    assert sealed["own/raster"] == file_digest(own_world / "people.tif")
    own = own_world / RUNS / "own_reference"
    assert sealed["reference/countries"] == file_digest(own / "countries.parquet")
    assert "borders.gpkg" in (own / "manifest.json").read_text(encoding="utf-8")


def test_a_run_on_own_inputs_is_verified_against_the_snapshot_on_them(own_world):
    at_hand = {"tree": own_world, "reference": own_world / "resources/reference"}
    assert verify(own_world / RUNS / "segment_1B" / RELEASE, **at_hand).faults == []
    facts = own_world / RUNS / "own_reference/country_facts.csv"
    before = facts.read_bytes()
    facts.write_bytes(before + b" ")
    faults = verify(own_world / RUNS / "segment_1B" / RELEASE, **at_hand).faults
    facts.write_bytes(before)
    assert any("own_reference/country_facts.csv" in line for line in faults)


def test_sites_follow_the_raster(own_world):
    path = f"segment_1B/{RELEASE}/seed={SEED}/s8_site_locations/site_locations.parquet"
    table = pq.read_table(own_world / RUNS / path)
    iso = np.array(table["legal_country_iso"].to_pylist())
    assert "TO" not in iso
    lat = table["lat_deg"].to_numpy()[iso == "PT"]
    _, north, _, south = LISBON
    at_home = (lat > south) & (lat < north)
    assert at_home.mean() > 0.8


def test_a_raster_elsewhere_is_refused_by_name(own_world):
    with rasterio.open(
        own_world / "sea.tif",
        "w",
        driver="GTiff",
        height=4,
        width=4,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=from_origin(-140, 0, 0.1, 0.1),
    ) as raster:
        raster.write(np.ones((4, 4), dtype="float32"), 1)
    target = RUNS / f"segment_1B/{RELEASE}/shared/s2_tile_weights/tile_weights.parquet"
    result = small_world.snakemake(
        own_world, str(target), "--quiet", "rules", *CONFIG[:3], "population={raster: sea.tif}"
    )
    assert result.returncode == 1
    assert "E115 sea.tif: has nobody on the land of any country" in result.stdout + result.stderr


def test_a_map_on_own_polygons_is_certified_but_no_release(tmp_path):
    folder = small_world.build(tmp_path)
    borders(folder).to_file(folder / "borders.gpkg")
    own = ("polygons={path: borders.gpkg, iso_column: iso}", "runs_root=runs/own")
    result = small_world.snakemake(folder, "certify", "--config", *own)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert "no release: stands on inputs of the user: own/polygons" in result.stdout
    verified = small_world.segment1b(folder, "verify", "--config", *own)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "0 faults" in verified.stdout
