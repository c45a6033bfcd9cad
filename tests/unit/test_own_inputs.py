"""Own rasters and polygons: what they sum to, and how they are refused."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import Affine, from_origin

from scripts.countries import encode_one
from scripts.errors import ConfigError, ReferenceSnapshotError, StateError
from scripts.geo.grid import Grid
from scripts.geo.population import Surface, Tiles
from scripts.governance.certify_release import release_faults
from scripts.own_inputs import libraries
from scripts.own_inputs.polygons import read_polygons
from scripts.own_inputs.raster import sum_to_cells
from scripts.policies import parse_yaml
from scripts.settings import CONFIG_FILE, load_settings
from scripts.states.raster_surface import surface_of_raster
from scripts.states.s0_gate import assets, seal

GRID = Grid(5)
NODATA = -99999.0


def write_raster(path, people, transform, crs, nodata=NODATA):
    height, width = people.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype="float32",
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as raster:
        raster.write(people.astype("float32"), 1)
    return path


@pytest.fixture(scope="module")
def people():
    found = np.random.default_rng(3).integers(0, 50, (120, 240)).astype(float)
    found[:7, :9] = NODATA
    return found


def test_geographic_pixels_sum_to_their_cells(tmp_path, people):
    path = write_raster(tmp_path / "p.tif", people, from_origin(10, 50, 1 / 120, 1 / 120), 4326)
    cells = sum_to_cells(path, GRID)
    counted = np.where(people == NODATA, 0, people)
    wanted = counted.reshape(12, 10, 24, 10).sum(axis=(1, 3)).ravel()
    row, col = GRID.row_col_at(10 + np.arange(24) / 12 + 0.01, np.full(24, 49.99))
    tile = GRID.tile_id(row[0] + np.repeat(np.arange(12), 24), np.tile(col, 12))
    assert np.array_equal(cells.tile_id, tile[wanted > 0])
    assert np.allclose(cells.population, wanted[wanted > 0], atol=1e-5)
    assert cells.total == counted.sum()


def test_pixels_on_cell_edges_are_split_by_their_share(tmp_path):
    # One pixel of a quarter degree, three cells wide, that starts a third of a cell into the first.
    start = 10 + 1 / 36
    path = write_raster(
        tmp_path / "p.tif", np.array([[900.0]]), from_origin(start, 50, 1 / 4, 1 / 4), 4326
    )
    cells = sum_to_cells(path, GRID)
    by_col = cells.population.reshape(3, 4).sum(axis=0)
    assert np.allclose(by_col, [200, 300, 300, 100], atol=1e-3)


def test_longitudes_wrap_and_rows_may_rise(tmp_path):
    people = np.arange(1.0, 13.0).reshape(3, 4)
    falling = write_raster(tmp_path / "a.tif", people, from_origin(359, 10, 1 / 12, 1 / 12), 4326)
    rising = Affine(1 / 12, 0, -1, 0, 1 / 12, 10 - 3 / 12)
    turned = write_raster(tmp_path / "b.tif", people[::-1], rising, 4326)
    a, b = sum_to_cells(falling, GRID), sum_to_cells(turned, GRID)
    assert np.array_equal(a.tile_id, b.tile_id)
    assert np.allclose(a.population, people.ravel(), atol=1e-5)
    assert np.allclose(b.population, people.ravel(), atol=1e-5)


def test_equal_area_rasters_keep_their_people_and_place_them(tmp_path):
    people = np.zeros((200, 200))
    people[100, 100] = 1000.0
    path = write_raster(
        tmp_path / "p.tif", people, from_origin(1_000_000, 5_000_000, 1000, 1000), "ESRI:54009"
    )
    cells = sum_to_cells(path, GRID)
    assert cells.population.sum() == pytest.approx(1000)
    spot = geopandas.GeoSeries.from_xy([1_100_500], [4_899_500], crs="ESRI:54009").to_crs(4326)[0]
    lon, lat = GRID.centre_deg(cells.tile_id)
    assert np.hypot(lon - spot.x, lat - spot.y).max() < 0.15


@pytest.mark.parametrize(
    ("crs", "transform", "value", "code"),
    [
        (None, from_origin(10, 50, 0.1, 0.1), 1.0, "ER41"),
        ("EPSG:3857", from_origin(0, 0, 1000, 1000), 1.0, "ER42"),
        ("EPSG:4326", Affine(0.1, 0.02, 10, 0.02, -0.1, 50), 1.0, "ER42"),
        ("EPSG:4326", from_origin(10, 50, 0.1, 0.1), -3.0, "ER43"),
        ("EPSG:4326", from_origin(10, 50, 0.1, 0.1), 0.0, "ER44"),
    ],
)
def test_broken_rasters_are_refused(tmp_path, crs, transform, value, code):
    path = write_raster(tmp_path / "p.tif", np.full((4, 4), value), transform, crs)
    with pytest.raises(ReferenceSnapshotError, match=rf"^{code} .*p\.tif"):
        sum_to_cells(path, GRID)


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "p.tif"
    path.write_text("nothing")
    with pytest.raises(ReferenceSnapshotError, match="ER40"):
        sum_to_cells(path, GRID)


def test_a_missing_library_is_named():
    with pytest.raises(ReferenceSnapshotError, match="ER30 here: own inputs need no_such_library"):
        libraries.need("no_such_library.sub", "here")


SQUARES = {"AD": shapely.box(1, 42, 2, 43), "FR": shapely.box(2, 42, 5, 46)}


def frame(codes=("FR", "AD", "FR"), crs=4326):
    pieces = [shapely.box(2, 42, 5, 44), SQUARES["AD"], shapely.box(2, 44, 5, 46)]
    return geopandas.GeoDataFrame({"iso": list(codes)}, geometry=pieces, crs=crs)


@pytest.mark.parametrize("name", ["p.gpkg", "p.geojson", "p.parquet"])
def test_polygons_of_every_format_are_one_per_country(tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        frame().to_parquet(path)
    else:
        frame().to_file(path)
    found = read_polygons(path, "iso", ["AD", "FR"])
    assert list(found) == ["AD", "FR"]
    for code, polygon in found.items():
        assert polygon.equals(SQUARES[code])


def test_projected_polygons_come_back_in_degrees(tmp_path):
    frame().to_crs(3035).to_file(tmp_path / "p.gpkg")
    found = read_polygons(tmp_path / "p.gpkg", "iso", ["AD", "FR"])
    assert found["FR"].symmetric_difference(SQUARES["FR"]).area < 1e-3


@pytest.mark.parametrize(
    ("made", "column", "code", "word"),
    [
        (frame(crs=None), "iso", "ER33", "coordinate reference system"),
        (frame(codes=("FR", "AND", "FR")), "iso", "ER34", "feature 1 has country code 'AND'"),
        (frame(codes=("FR", None, "FR")), "iso", "ER34", "feature 1"),
        (frame(), "code", "ER32", "'code'"),
        (frame().translate(178).to_frame("geometry").assign(iso="FR"), "iso", "ER35", "feature 0"),
        (frame().iloc[:0], "iso", "ER36", "no feature"),
    ],
)
def test_broken_polygons_are_refused(tmp_path, made, column, code, word):
    path = tmp_path / "p.parquet"
    made.to_parquet(path)
    with pytest.raises(ReferenceSnapshotError, match=code) as caught:
        read_polygons(path, column, ["AD", "FR"])
    assert word in str(caught.value)
    assert "p.parquet" in str(caught.value)


def tiles():
    """Cell 10 is shared by AA (a quarter of its land) and BB, 11 is BB's, 20 is CC's."""
    codes = [encode_one(iso) for iso in ("AA", "BB", "BB", "CC")]
    return Tiles(
        np.array(codes, dtype=np.int16),
        np.array([10, 10, 11, 20], dtype=np.uint64),
        np.array([0.25, 0.75, 1.0, 1.0]),
        np.array([1.0, 3.0, 4.0, 4.0]),
    )


def modelled(total=(10.0, 20.0, 30.0)):
    codes = np.array([encode_one(iso) for iso in ("AA", "BB", "CC")], dtype=np.int16)
    a, b, c = total
    return Surface(
        np.array([a, b / 2, b / 2, c]), codes, np.array(total, dtype=float), np.zeros(3), 0
    )


def of_raster(cell, people, keep=False, refuse=False, model=None):
    return surface_of_raster(
        tiles(),
        np.array(cell, dtype=np.uint64),
        np.array(people, dtype=float),
        model or modelled(),
        keep,
        refuse,
        "r.tif",
    )


def test_border_cells_are_split_by_land_and_totals_are_the_rasters():
    surface, names = of_raster([10, 11, 15], [400.0, 7.5, 99.0])
    assert surface.population.tolist() == [100.0, 300.0, 7.5, 30.0]
    assert surface.total.tolist() == [100.0, 307.5, 30.0]
    assert names == ["CC"]


def test_totals_of_the_facts_are_kept_exactly():
    surface, _ = of_raster([10, 11, 20], [400.0, 100.0, 1.0], keep=True)
    assert surface.population.tolist() == [10.0, 15.0, 5.0, 30.0]


def test_uninhabited_countries_stay_so():
    surface, names = of_raster([10, 20], [4.0, 4.0], refuse=True, model=modelled((10, 20, 0)))
    assert surface.population[3] == 0
    assert names == []


def test_no_overlap_and_uncovered_countries_are_refused():
    with pytest.raises(StateError, match=r"E115 r\.tif"):
        of_raster([15], [9.0])
    with pytest.raises(StateError, match=r"E116 r\.tif: has nobody in CC"):
        of_raster([10], [9.0], refuse=True)


def test_own_inputs_are_never_a_release():
    card = {"seed": 42, "counts": {"eligible_countries": 245}}
    demands = {"release": True, "required_seeds": [42]}
    settings = {"eligible_countries_min": 240}

    def faults(*sealed):
        receipt = {"sealed_inputs": dict.fromkeys(sealed, "0")}
        return release_faults([card], [receipt], settings, demands, "GO")

    assert faults("reference/countries") == []
    assert faults("reference/countries", "own/raster") == [
        "stands on inputs of the user: own/raster"
    ]


def test_the_gate_seals_own_inputs_by_name(tmp_path):
    raster = tmp_path / "people.tif"
    raster.write_text("people")
    files = assets({}, {}, {"polygons": [], "raster": str(raster), "raster_cells": []})
    before = {entry["asset_id"]: entry["sha256_hex"] for entry in seal(files, "0" * 64)}
    raster.write_text("other people")
    after = {entry["asset_id"]: entry["sha256_hex"] for entry in seal(files, "0" * 64)}
    assert [name for name in before if before[name] != after[name]] == ["own/raster"]


@pytest.mark.parametrize(("block", "key"), [("polygons", "path"), ("population", "raster")])
def test_a_missing_file_is_refused_before_anything_runs(block, key):
    config = parse_yaml(CONFIG_FILE)
    config[block][key] = "nowhere.tif"
    with pytest.raises(ConfigError, match=rf"EC17 .*{block}\.{key}.*nowhere\.tif"):
        load_settings(config)
