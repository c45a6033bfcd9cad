import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from scripts.geo.distance import great_circle_m
from scripts.geo.grid import Grid, polygon_area_m2, zone_area_m2

GEOD = Geod(ellps="WGS84")
EARTH_M2 = 510_065_621_724_088.0
resolutions = st.sampled_from([2.5, 3, 5, 7.5, 10, 30, 60])


@pytest.mark.parametrize("resolution", [0, -5, 7, 11.3])
def test_a_resolution_must_divide_the_meridian(resolution):
    with pytest.raises(ValueError, match="divide 180"):
        Grid(resolution)


def test_ids_run_by_row_from_the_north_west():
    grid = Grid(60)
    assert (grid.nrows, grid.ncols, grid.ntiles) == (180, 360, 64_800)
    assert grid.tile_id(0, 0) == 0
    assert grid.tile_id(2, 3) == 723
    assert grid.tile_id(2, 3).dtype == np.uint64
    assert grid.bounds(0) == (-180.0, 89.0, -179.0, 90.0)
    assert grid.tile_at(-179.5, 89.5) == 0
    assert grid.tile_at(179.5, -89.5) == grid.ntiles - 1


@given(resolutions, st.integers(0, 2**40))
def test_row_and_column_return_to_the_id(resolution, number):
    grid = Grid(resolution)
    tile = np.uint64(number % grid.ntiles)
    row, col = grid.row_col(tile)
    assert grid.tile_id(row, col) == tile
    assert grid.tile_at(*grid.centre_deg(tile)) == tile


def test_a_coarser_cell_holds_the_centre_of_a_tile():
    fine, coarse = Grid(2.5), Grid(60.0)
    tile = np.random.default_rng(3).integers(fine.ntiles, size=5000)
    wanted = coarse.tile_at(*fine.centre_deg(tile))
    assert (fine.cell_of(tile, coarse) == wanted.astype(np.int64)).all()


@given(resolutions, st.floats(-180, 179.999), st.floats(-89.999, 89.999))
def test_a_point_lies_in_its_cell(resolution, lon, lat):
    grid = Grid(resolution)
    west, south, east, north = grid.bounds(grid.tile_at(lon, lat))
    assert west - 1e-9 <= lon <= east + 1e-9
    assert south - 1e-9 <= lat <= north + 1e-9


def test_longitude_wraps_and_the_poles_belong_to_the_end_rows():
    grid = Grid(5)
    assert grid.tile_at(180.0, 0.5) == grid.tile_at(-180.0, 0.5)
    assert grid.row_col_at(0.0, 90.0)[0] == 0
    assert grid.row_col_at(0.0, -90.0)[0] == grid.nrows - 1


def test_a_point_is_about_a_tile_when_it_lies_on_one_of_nine_cells():
    grid, draw = Grid(60), np.random.default_rng(3)
    row = np.concatenate((draw.integers(0, grid.nrows, 2000), [0, grid.nrows - 1, 90]))
    col = np.concatenate((draw.integers(0, grid.ncols, 2000), [0, grid.ncols - 1, 7]))
    south, east = draw.integers(-2, 3, (2, len(row)))
    lat = 90.0 - (row + south + draw.random(len(row)))
    lon = (col + east + draw.random(len(row))) % 360.0 - 180.0
    found = grid.around(grid.tile_id(row, col), lon, lat)
    near = (np.maximum(abs(south), abs(east)) <= 1) & (abs(lat) <= 90.0)
    assert np.array_equal(found, np.where(near, 3 * (south + 1) + east + 1, -1))
    nowhere = np.array([np.nan, 0.0, np.inf])
    tile = grid.tile_at(np.zeros(3), np.zeros(3))
    assert (grid.around(tile, nowhere, nowhere[::-1].copy()) == -1).sum() == 2


def test_a_tile_beyond_the_grid_has_its_centre_off_the_earth():
    grid = Grid(5)
    assert grid.cell_of([grid.ntiles + 5, 1 << 40], Grid(60)).shape == (2,)
    _, lat = grid.centre_deg([grid.ntiles + 5, 1 << 40])
    assert (lat < -90.0).all()


def test_neighbours_share_their_edges_exactly():
    grid = Grid(2.5)
    row = np.arange(grid.nrows - 1)
    above, below = grid.bounds(grid.tile_id(row, 7)), grid.bounds(grid.tile_id(row + 1, 7))
    assert np.array_equal(above.south_deg, below.north_deg)
    beside = grid.bounds(grid.tile_id(row, 8))
    assert np.array_equal(above.east_deg, beside.west_deg)


@pytest.mark.parametrize("resolution", [5, 30])
def test_cells_add_up_to_the_ellipsoid(resolution):
    grid = Grid(resolution)
    assert grid.row_area_m2.sum() * grid.ncols == pytest.approx(EARTH_M2, rel=1e-11)
    assert np.allclose(grid.row_area_m2, grid.row_area_m2[::-1], rtol=0, atol=2e-3)


@pytest.mark.parametrize("lat", [-77.3, -30.0, 0.0, 12.4, 48.9, 83.0])
def test_cell_area_agrees_with_the_geodesic_library(lat):
    grid = Grid(5)
    tile = grid.tile_at(10.0, lat)
    west, south, east, north = (float(edge) for edge in grid.bounds(tile))
    across = np.linspace(west, east, 300)
    ring_lon = np.r_[across, across[::-1]]
    ring_lat = np.r_[np.full(300, south), np.full(300, north)]
    expected = abs(GEOD.polygon_area_perimeter(ring_lon, ring_lat)[0])
    assert grid.cell_area_m2(tile) == pytest.approx(expected, rel=1e-8)


def test_polygon_area_subtracts_holes_and_adds_parts():
    outer = shapely.box(10, 40, 12, 42)
    holed = outer.difference(shapely.box(10.5, 40.5, 11, 41))
    two = shapely.multipolygons([holed, shapely.box(20, -5, 21, -4)])
    boxes = [outer, shapely.box(10.5, 40.5, 11, 41), shapely.box(20, -5, 21, -4)]
    strips = [
        (zone_area_m2(b.bounds[3]) - zone_area_m2(b.bounds[1]))
        * np.radians(b.bounds[2] - b.bounds[0])
        for b in boxes
    ]
    found = polygon_area_m2(np.array([two, outer], dtype=object))
    assert found == pytest.approx([strips[0] - strips[1] + strips[2], strips[0]], rel=1e-7)


def test_polygon_area_agrees_with_the_geodesic_library_on_short_edges():
    ring = shapely.Point(25.0, 60.0).buffer(0.3, quad_segs=200)
    expected = abs(GEOD.geometry_area_perimeter(ring)[0])
    assert polygon_area_m2(np.array([ring], dtype=object))[0] == pytest.approx(expected, rel=1e-6)


def test_polygon_area_of_nothing():
    assert polygon_area_m2(np.empty(0, dtype=object)).shape == (0,)


def test_great_circle_of_known_distances():
    quarter = great_circle_m(0, 0, 90, 0)
    assert quarter == pytest.approx(np.pi / 2 * 6_371_008.8)
    assert great_circle_m(179.9, 10.0, -179.9, 10.0) == pytest.approx(
        great_circle_m(0.0, 10.0, 0.2, 10.0)
    )
    assert great_circle_m([1.0, 2.0], [3.0, 4.0], 1.0, 3.0).shape == (2,)
    assert great_circle_m(5.0, 5.0, 5.0, 5.0) == 0.0
