import numpy as np
import pyarrow as pa
import pytest
import shapely

from scripts import countries as country_codes
from scripts.contracts import check_table
from scripts.errors import StateError
from scripts.geo.grid import Grid, polygon_area_m2
from scripts.geo.snapshot import Countries
from scripts.states.s1_tile_index import build_tile_index, land_area_check

GRID = Grid(60)


def world(**shapes):
    names = sorted(shapes)
    code = np.array([country_codes.encode_one(iso) for iso in names], dtype=np.int16)
    return Countries(code, np.array([shapes[iso] for iso in names], dtype=object))


def rows(table, iso):
    wanted = [r for r in table.to_pylist() if r["country_iso"] == iso]
    return {GRID.row_col(r["tile_id"]): r["coverage_fraction"] for r in wanted}


def test_fractions_are_exact_shares_of_cells():
    table = build_tile_index(world(AA=shapely.box(0.5, 10.25, 2.0, 11.0)), GRID)
    assert rows(table, "AA") == {(79, 180): 0.375, (79, 181): 0.75}
    whole = GRID.row_area_m2[79]
    assert table["area_m2"].to_pylist() == pytest.approx([0.375 * whole, 0.75 * whole])


def test_a_border_tile_belongs_to_both_sides():
    table = build_tile_index(
        world(AA=shapely.box(0, 0, 1.3, 1), BB=shapely.box(1.3, 0, 3, 1)), GRID
    )
    assert rows(table, "AA")[(89, 181)] == pytest.approx(0.3, abs=1e-6)
    assert rows(table, "BB")[(89, 181)] == pytest.approx(0.7, abs=1e-6)


def test_a_country_across_the_antimeridian():
    shape = shapely.multipolygons([shapely.box(178, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    assert rows(build_tile_index(world(FJ=shape), GRID), "FJ") == {
        (89, 0): 1.0,
        (89, 358): 1.0,
        (89, 359): 1.0,
    }


def test_the_smallest_state_has_a_tile():
    table = build_tile_index(world(VA=shapely.box(12.452, 41.902, 12.4521, 41.9021)), GRID)
    assert table.num_rows == 1
    assert table["coverage_fraction"][0].as_py() == pytest.approx(1e-8, rel=1e-3)


def test_a_sliver_of_a_large_country_is_no_tile():
    table = build_tile_index(world(AA=shapely.box(0, 0, 2.00000001, 1)), GRID)
    assert table.num_rows == 2


def test_one_means_that_no_outline_enters_the_cell():
    lake = shapely.box(1.5, 0.5, 1.50005, 0.50005)
    table = build_tile_index(world(AA=shapely.box(0, 0, 3, 1).difference(lake)), GRID)
    found = rows(table, "AA")
    assert found[(89, 180)] == found[(89, 182)] == 1.0
    assert 1.0 - 1e-7 < found[(89, 181)] < 1.0


def test_invalid_and_missing_land_are_refused():
    bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    with pytest.raises(StateError, match=r"E101 BB: Self-intersection"):
        build_tile_index(world(AA=shapely.box(0, 0, 1, 1), BB=bow_tie), GRID)
    with pytest.raises(StateError, match=r"E102 AA"):
        build_tile_index(world(AA=shapely.Polygon()), GRID)


def test_the_table_keeps_its_contract():
    table = build_tile_index(
        world(BB=shapely.box(-20, -20, -17.5, -18), AA=shapely.box(5, 5, 9, 8)), GRID
    )
    text = table.set_column(0, "country_iso", table["country_iso"].cast(pa.string()))
    check_table("tile_index", text)
    assert country_codes.encode(table["country_iso"]).tolist() == sorted(
        country_codes.encode(table["country_iso"]).tolist()
    )


def test_area_check_reports_and_refuses():
    countries = world(AA=shapely.Point(20, 50).buffer(3), BB=shapely.box(40, -3, 44, 2))
    table = build_tile_index(countries, GRID)
    checked = land_area_check(countries, table)
    areas = polygon_area_m2(countries.geometry) / 1e6
    assert checked["AA"]["area_km2"] == pytest.approx(areas[0], rel=2e-3)
    assert checked["BB"]["tiles"] == 20
    assert checked["BB"]["area_error"] == pytest.approx(0.0, abs=1e-9)
    lacking = table.slice(0, table.num_rows - 1)
    with pytest.raises(StateError, match=r"E103 BB: tiles hold"):
        land_area_check(countries, lacking)
