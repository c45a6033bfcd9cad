"""Own rasters and polygons: what they sum to, and how they are refused."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from rasterio.transform import Affine, from_origin

from scripts.countries import encode_one
from scripts.errors import ConfigError, ReferenceSnapshotError, StateError
from scripts.geo.grid import Grid
from scripts.geo.population import Surface, Tiles
from scripts.geo.snapshot import Countries, load_countries, load_places
from scripts.governance.certify_release import release_faults
from scripts.own_inputs import libraries
from scripts.own_inputs.antimeridian import cut_at_antimeridian
from scripts.own_inputs.plausible import check_plausible
from scripts.own_inputs.polygons import read_polygons
from scripts.own_inputs.raster import sum_to_cells
from scripts.policies import parse_yaml
from scripts.settings import CONFIG_FILE, load_settings
from scripts.states.raster_surface import surface_of_raster
from scripts.states.s0_gate import assets, seal

GRID = Grid(5)
NODATA = -99999.0


def write_raster(path, people, transform, crs, nodata=NODATA, bands=1, **stated):
    height, width = people.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=bands,
        dtype=stated.pop("dtype", "float32"),
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as raster:
        for name, value in stated.items():
            setattr(raster, name, value)
        for band in range(1, bands + 1):
            raster.write(people.astype(raster.dtypes[0]), band)
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


HERE = from_origin(10, 50, 0.1, 0.1)


def test_scale_and_offset_are_applied(tmp_path):
    stored = np.array([[0, 4], [10, 255]])
    path = write_raster(
        *(tmp_path / "p.tif", stored, HERE, 4326, 255),
        dtype="uint8",
        scales=(100.0,),
        offsets=(50.0,),
    )
    assert sum_to_cells(path, GRID).total == 50 + 450 + 1050


@pytest.mark.parametrize(
    ("crs", "west", "north", "pixel"),
    [
        # Paris, in grads; Ferro, in degrees; 0 to 360 degrees east of Greenwich.
        ("EPSG:4807", (-8.0 - 2.33722917) / 0.9, 39 / 0.9, 0.1 / 0.9),
        ("EPSG:4805", 9.66667, 39.0, 0.1),
        ("EPSG:4326", 352.0, 39.0, 0.1),
    ],
)
def test_longitudes_are_counted_from_the_meridian_that_is_stated(tmp_path, crs, west, north, pixel):
    path = write_raster(
        tmp_path / "p.tif", np.ones((5, 5)), from_origin(west, north, pixel, pixel), crs
    )
    cells = sum_to_cells(path, GRID)
    assert cells.population.sum() == pytest.approx(25)
    lon, lat = GRID.centre_deg(cells.tile_id)
    assert (lon.min(), lon.max()) == pytest.approx((-7.96, -7.54), abs=0.09)
    assert (lat.min(), lat.max()) == pytest.approx((38.54, 38.96), abs=0.09)


@pytest.mark.parametrize(
    ("made", "code", "words"),
    [
        ({"transform": Affine.identity()}, "ER46", "has no geotransform"),
        ({"transform": from_origin(-9, 120, 1, 1)}, "ER47", "116 to 120 degrees north"),
        ({"transform": from_origin(-9e5, 46e5, 1000, 1000)}, "ER47", "leaves the Earth"),
        ({"transform": from_origin(-180, 90, 100, 40)}, "ER47", "-180 to 220 degrees east"),
        ({"transform": from_origin(-2e7, 9e6, 1e5, 1e5), "crs": "ESRI:54009"}, "ER47", "persons"),
        ({"bands": 2}, "ER45", "has 2 bands"),
        ({"bands": 4, "dtype": "uint8"}, "ER45", "has 4 bands"),
        ({"dtype": "complex64"}, "ER45", "complex"),
        (
            {"dtype": "uint8", "colorinterp": [rasterio.enums.ColorInterp.palette]},
            "ER45",
            "colours",
        ),
    ],
)
def test_rasters_that_do_not_say_where_and_how_many_are_refused(tmp_path, made, code, words):
    made = {"transform": HERE, "crs": "EPSG:4326", "nodata": 0, **made}
    path = write_raster(tmp_path / "p.tif", np.full((4, 4), 7.0), **made)
    with pytest.raises(ReferenceSnapshotError, match=rf"^{code} .*p\.tif: .*{words}"):
        sum_to_cells(path, GRID)


def test_a_cut_raster_is_told_as_cut(tmp_path):
    people = np.random.default_rng(1).random((2000, 300))
    path = write_raster(tmp_path / "p.tif", people, from_origin(0, 50, 0.01, 0.01), 4326)
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(ReferenceSnapshotError, match=r"^ER40 .*p\.tif: is cut or damaged"):
        sum_to_cells(path, GRID)


def test_rasters_of_several_files_are_refused(tmp_path):
    path = write_raster(tmp_path / "p.tif", np.ones((4, 4)), HERE, 4326)
    (tmp_path / "p.vrt").write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:4326</SRS>'
        "<GeoTransform>10, 0.1, 0, 50, 0, -0.1</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">p.tif</SourceFilename></SimpleSource></VRTRasterBand>'
        "</VRTDataset>"
    )
    with pytest.raises(ReferenceSnapshotError, match=r"^ER40 .*p\.vrt: is read by the driver VRT"):
        sum_to_cells(tmp_path / "p.vrt", GRID)
    assert sum_to_cells(path, GRID).total == 16
    (tmp_path / "p.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><Scale>1000</Scale></PAMRasterBand></PAMDataset>'
    )
    with pytest.raises(ReferenceSnapshotError, match=r"^ER40 .*p\.tif, p\.tif\.aux\.xml"):
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


FIJI = shapely.box(177, -19, 182, -16)


def refused_polygons(path, code, words):
    with pytest.raises(ReferenceSnapshotError, match=rf"^{code} ") as caught:
        read_polygons(path, "iso", ["AD", "FR"])
    line = str(caught.value)
    assert path.name in line
    assert words in line
    assert "\n" not in line


@pytest.mark.parametrize("crs", [3832, 3460])
def test_the_antimeridian_is_cut_after_a_change_of_reference_system(tmp_path, crs):
    whole = geopandas.GeoSeries([shapely.segmentize(FIJI, 0.5)], crs=4326).to_crs(crs)
    frame = geopandas.GeoDataFrame({"iso": ["FR"]}, geometry=whole)
    frame.to_file(tmp_path / "p.gpkg")
    found = read_polygons(tmp_path / "p.gpkg", "iso", ["FR"])["FR"]
    wanted = shapely.union(shapely.box(177, -19, 180, -16), shapely.box(-180, -19, -178, -16))
    assert found.is_valid
    assert shapely.symmetric_difference(found, wanted).area < 1e-3


@pytest.mark.parametrize(
    ("ring", "holes", "wanted"),
    [
        (
            [(178.5, -18), (-179.5, -18), (-179.5, -16), (178.5, -16)],
            [],
            [shapely.box(178.5, -18, 180, -16), shapely.box(-180, -18, -179.5, -16)],
        ),
        (
            [(170, -18), (-170, -18), (-170, -10), (170, -10)],
            [[(-175, -15), (-174, -15), (-174, -12), (-175, -12)]],
            [
                shapely.box(170, -18, 180, -10),
                shapely.box(-180, -18, -170, -10) - shapely.box(-175, -15, -174, -12),
            ],
        ),
        (
            [(0, -70), (90, -70), (180, -70), (-90, -70)],
            [],
            [shapely.box(-180, -90, 180, -70)],
        ),
        # Cut already: the edge along the pole is as long as the Earth.
        (
            [(-180, -90), (-180, -70), (180, -70), (180, -90)],
            [],
            [shapely.box(-180, -90, 180, -70)],
        ),
    ],
)
def test_rings_over_the_antimeridian_and_round_a_pole_are_cut(ring, holes, wanted):
    (found,) = cut_at_antimeridian(np.array([shapely.Polygon(ring, holes)], dtype=object), "here")
    assert shapely.symmetric_difference(found, shapely.union_all(wanted)).area < 1e-9


def test_a_ring_round_the_earth_is_refused():
    ring = shapely.Polygon([(0, 10), (90, -11), (179, -12), (-90, 10)])
    with pytest.raises(ReferenceSnapshotError, match=r"^ER48 here feature 0: goes round the Earth"):
        cut_at_antimeridian(np.array([ring], dtype=object), "here")


def test_files_of_several_layers_or_parts_are_refused(tmp_path):
    frame().to_file(tmp_path / "p.gpkg", layer="countries")
    assert list(read_polygons(tmp_path / "p.gpkg", "iso", ["AD", "FR"])) == ["AD", "FR"]
    frame().to_file(tmp_path / "p.gpkg", layer="regions")
    refused_polygons(tmp_path / "p.gpkg", "ER31", "layers countries, regions")
    frame().to_file(tmp_path / "p.shp")
    refused_polygons(tmp_path / "p.shp", "ER31", "ESRI Shapefile")


def test_a_geopackage_with_changes_beside_it_is_refused(tmp_path):
    path = tmp_path / "p.gpkg"
    frame().to_file(path)
    (tmp_path / "p.gpkg-wal").touch()
    assert list(read_polygons(path, "iso", ["AD", "FR"])) == ["AD", "FR"]
    (tmp_path / "p.gpkg-wal").write_bytes(b"pages")
    refused_polygons(path, "ER31", "p.gpkg-wal")


GEO = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {
    "encoding": "WKB", "geometry_types": []}}}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "geo", "code", "words"),
    [
        ({"geometry": pa.array(["POLYGON EMPTY"])}, GEO, "ER31", "has type string"),
        ({"other": pa.array([b""])}, GEO, "ER31", "has no column 'geometry'"),
        ({"geometry": pa.array([b"x"])}, GEO, "ER36", "feature 0 has a broken geometry"),
        ({"geometry": pa.array([None], pa.binary())}, GEO, "ER36", "feature 0 has no geometry"),
        ({"geometry": pa.array([shapely.Point(1, 2).wkb])}, GEO, "ER36", "is a Point"),
        ({"geometry": pa.array([b"x"])}, [], "ER31", "is no GeoParquet"),
        ({"geometry": pa.array([b"x"])}, None, "ER31", "is no GeoParquet"),
        (
            {"geometry": pa.array([b"x"])},
            {**GEO, "columns": {"geometry": {"encoding": "WKB", "edges": "spherical"}}},
            "ER31",
            "spherical edges",
        ),
    ],
)
def test_geoparquet_that_is_not_what_it_says_is_refused(tmp_path, column, geo, code, words):
    table = pa.table({"iso": ["FR"], **column})
    if geo is not None:
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, tmp_path / "p.parquet")
    refused_polygons(tmp_path / "p.parquet", code, words)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_garbage_is_no_geoparquet(tmp_path, content):
    (tmp_path / "p.parquet").write_bytes(content)
    refused_polygons(tmp_path / "p.parquet", "ER31", "not a readable Parquet file")


def geojson(geometry):
    return json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"iso": "FR"}, "geometry": geometry}]})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            geojson({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}),
            "ER36",
            "feature 0 has a broken geometry, such as a ring that is not closed",
        ),
        (geojson({"type": "LineString", "coordinates": [[0, 0], [1, 0]]}), "ER36", "LineString"),
        (geojson(None), "ER36", "feature 0 has no geometry"),
        ("{}", "ER31", "is not readable"),
        ("", "ER31", "is not readable"),
    ],
)
def test_broken_geojson_is_refused(tmp_path, text, code, words):
    (tmp_path / "p.geojson").write_text(text)
    refused_polygons(tmp_path / "p.geojson", code, words)


def test_land_that_the_grid_cannot_hold_is_the_users_fault(tmp_path):
    dust = geopandas.GeoDataFrame(
        {"iso": ["FR"]}, geometry=[shapely.box(2, 42, 2.000001, 42.00001)]
    )
    dust.set_crs(4326).to_file(tmp_path / "p.gpkg")
    refused_polygons(tmp_path / "p.gpkg", "ER36", "FR has no land that the grid can hold")


REFERENCE = Path("resources/reference")


@pytest.fixture(scope="module")
def snapshot():
    land = load_countries(REFERENCE / "countries.parquet")
    return land, load_places(REFERENCE / "places.parquet")


def some(land, codes, change=lambda polygon: polygon, of=None):
    """Countries of a snapshot under their codes, or under those of others."""
    rows = [land.iso.index(code) for code in of or codes]
    names = np.array([encode_one(code) for code in codes], dtype=np.int16)
    return Countries(names, np.array([change(land.geometry[row]) for row in rows], dtype=object))


def test_the_snapshot_and_rougher_borders_are_plausible(snapshot):
    land, places = snapshot
    check_plausible(land, land, places, "here")
    coarse = some(land, ["AD", "CL", "FJ", "LU", "MC", "NZ", "PT"], lambda p: p.buffer(0.02))
    check_plausible(coarse, land, places, "here")
    part = some(land, ["PT"], lambda p: p & shapely.box(-10, 38, -8, 39))
    check_plausible(part, land, places, "here")


def swapped(polygon):
    return shapely.transform(polygon, lambda xy: xy[:, ::-1])


@pytest.mark.parametrize(
    ("codes", "change", "of", "code", "words"),
    [
        (["PT"], swapped, None, "ER38", "PT reaches"),
        (["NZ", "PT"], lambda p: p, ["PT", "NZ"], "ER38", "NZ reaches"),
        (["AD"], lambda p: p, ["LU"], "ER38", "AD reaches"),
        (["MC"], lambda p: p.buffer(2.9), ["MC"], "ER39", "MC has"),
        (["LI"], lambda p: p, ["LU"], "ER38", "LI reaches"),
        (["PT"], lambda p: shapely.box(-8.5, 36, -8, 36.5), None, "ER38", "none of the"),
        (["FJ"], lambda p: shapely.box(-180, -19, 180, -16), None, "ER39", "FJ has 12692459 km2"),
    ],
)  # fmt: skip
def test_countries_that_lie_elsewhere_are_refused(snapshot, codes, change, of, code, words):
    land, places = snapshot
    with pytest.raises(ReferenceSnapshotError, match=f"^{code} here: {words}"):
        check_plausible(some(land, codes, change, of), land, places, "here")


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
