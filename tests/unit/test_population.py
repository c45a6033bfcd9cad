from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import countries as country_codes
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.geo.population import (
    Tiles,
    kernel_pairs,
    land_cover_of_cells,
    population_surface,
    settle,
    smooth,
)
from scripts.geo.snapshot import IGBP_CLASSES, IGBP_URBAN, Places
from scripts.policies import load_policy
from scripts.states.s1_population_surface import read_totals

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = load_policy(ROOT / "config/layer1/1B/policy/policy.s1.population.yaml")
CROPLAND = IGBP_CLASSES.index("cropland")
BARREN = IGBP_CLASSES.index("barren")
AA, BB = country_codes.encode_one("AA"), country_codes.encode_one("BB")
GRID = Grid(10)


def policy(rural=None, kernel=None, **changes):
    base = {
        **SHIPPED,
        "rural": {**SHIPPED["rural"], **(rural or {})},
        "place_kernel": {**SHIPPED["place_kernel"], **(kernel or {})},
    }
    return {**base, **changes}


def block(code, west, south, east, north, grid=GRID):
    row = np.arange(*(round((90 - lat) * grid.nrows / 180) for lat in (north, south)))
    col = np.arange(*(round((lon + 180) * grid.nrows / 180) for lon in (west, east)))
    tile = grid.tile_id(np.repeat(row, len(col)), np.tile(col, len(row)))
    return np.full(len(tile), code, dtype=np.int16), tile


def tiles_of(*blocks, grid=GRID):
    code = np.concatenate([b[0] for b in blocks])
    tile = np.concatenate([b[1] for b in blocks])
    return Tiles(code, tile, np.ones(len(tile)), grid.cell_area_m2(tile))


def places_of(*rows):
    code, lon, lat, people = zip(*rows, strict=True)
    return Places(np.array(code, dtype=np.int16), *(np.array(v, float) for v in (lon, lat, people)))


NO_PLACES = Places(np.empty(0, np.int16), np.empty(0), np.empty(0), np.empty(0))
TWO = tiles_of(block(AA, 0, 40, 2, 42), block(BB, 2, 40, 4, 42))
FIELDS = np.full((360, 720), CROPLAND, dtype=np.uint8)


def sums(tiles, surface):
    return {int(c): surface.population[tiles.country == c].sum() for c in np.unique(tiles.country)}


def test_every_country_keeps_its_total():
    places = places_of((AA, 0.5, 41.0, 40_000), (BB, 3.0, 41.2, 9_000), (BB, 3.5, 40.4, 700))
    surface = population_surface(TWO, {AA: 100_000, BB: 10_000}, places, FIELDS, GRID, policy())
    assert sums(TWO, surface) == pytest.approx({AA: 100_000, BB: 10_000}, abs=1e-6)
    assert (surface.population >= 0).all()
    assert surface.places_off_land == 0
    assert surface.in_places == pytest.approx([40_000, 9_500])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([AA, BB]),
            st.floats(0.0, 3.99),
            st.floats(40.01, 41.99),
            st.integers(1, 30_000_000),
        ),
        max_size=12,
    ),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
def test_totals_hold_for_any_places(rows, people_a, people_b):
    own = [(AA if lon < 2 else BB, lon, lat, people) for _, lon, lat, people in rows]
    places = places_of(*own) if own else NO_PLACES
    totals = {AA: people_a, BB: people_b}
    surface = population_surface(TWO, totals, places, FIELDS, GRID, policy())
    assert sums(TWO, surface) == pytest.approx(totals, rel=1e-9, abs=1e-6)
    assert surface.population.min() >= 0


def test_places_counted_twice_leave_the_rural_floor():
    places = places_of((AA, 1.0, 41.0, 900_000), (AA, 1.1, 41.0, 600_000))
    surface = population_surface(
        TWO, {AA: 1_000_000, BB: 0}, places, FIELDS, GRID, policy(rural_share_floor=0.2)
    )
    assert surface.in_places[0] == pytest.approx(800_000)
    assert sums(TWO, surface)[BB] == 0


def test_a_place_stays_in_its_own_country():
    at_the_border = places_of((AA, 1.99, 41.0, 2_000_000))
    surface = population_surface(
        TWO, {AA: 2_000_000, BB: 0}, at_the_border, FIELDS, GRID, policy(rural_share_floor=0.0)
    )
    assert surface.population[TWO.country == BB].sum() == 0
    assert sums(TWO, surface)[AA] == pytest.approx(2_000_000)


def test_larger_places_spread_wider():
    def reached(people):
        places = places_of((AA, 1.0, 41.05, people))
        surface = population_surface(
            TWO, {AA: people, BB: 0}, places, FIELDS, GRID, policy(rural_share_floor=0.0)
        )
        return (surface.population > people / 1000).sum(), surface.population.max() / people

    small, large = reached(5_000), reached(5_000_000)
    assert large[0] > small[0]
    assert large[1] < small[1]


def test_urban_land_cover_draws_people_of_places():
    cover = FIELDS.copy()
    cover[:, 362:364] = IGBP_URBAN
    places = places_of((AA, 1.0, 41.0, 3_000_000))
    lon, _ = GRID.centre_deg(TWO.tile_id)
    east = (TWO.country == AA) & (lon > 1)

    def share_east(affinity):
        surface = population_surface(
            TWO,
            {AA: 3_000_000, BB: 0},
            places,
            cover,
            GRID,
            policy(rural_share_floor=0.0, kernel={"open_land_affinity": affinity}),
        )
        return surface.population[east].sum() / 3_000_000

    assert share_east(1.0) == pytest.approx(0.5, abs=1e-3)
    assert share_east(0.2) > 0.75


def test_rural_people_follow_habitable_land_and_places():
    cover = FIELDS.copy()
    cover[96:98] = BARREN
    places = places_of((AA, 1.0, 40.3, 1_000))
    surface = population_surface(TWO, {AA: 101_000, BB: 0}, places, cover, GRID, policy())
    lon, lat = GRID.centre_deg(TWO.tile_id)
    own = TWO.country == AA
    rural = own & (np.hypot(lon - 1.0, lat - 40.3) > 0.2)
    near = rural & (lat < 40.6)
    far = rural & (lat > 40.6) & (lat < 41.0)
    barren = rural & (lat > 41.0)
    mean = [surface.population[where].mean() for where in (near, far, barren)]
    assert mean[0] > mean[1] > 5 * mean[2]


def test_land_that_the_land_cover_lacks_still_holds_its_people():
    island = tiles_of(block(AA, 10, 5, 10.5, 5.5))
    sea = np.zeros((360, 720), dtype=np.uint8)
    surface = population_surface(island, {AA: 1234}, NO_PLACES, sea, GRID, policy())
    assert surface.population.sum() == pytest.approx(1234)
    assert (surface.population > 0).all()


def test_uninhabitable_land_falls_back_to_area():
    rock = tiles_of(block(AA, 10, 5, 10.5, 5.5))
    ice = np.full((360, 720), IGBP_CLASSES.index("snow_ice"), dtype=np.uint8)
    surface = population_surface(rock, {AA: 90}, NO_PLACES, ice, GRID, policy())
    assert surface.population == pytest.approx(90 * rock.area_m2 / rock.area_m2.sum(), abs=0.01)


def test_a_kernel_inside_the_grid_holds_all_its_mass_at_any_resolution():
    places = places_of((AA, 12.3, 47.1, 1e6), (AA, 179.99, 10.0, 1e6), (AA, -60.0, 78.0, 1e5))
    for resolution in (2.5, 5, 10):
        grid = Grid(resolution)
        mass = np.zeros(3)
        for place, cell, share in kernel_pairs(places, np.array([6.0, 9.0, 2.0]), 5.0, grid):
            assert ((cell >= 0) & (cell < grid.ntiles)).all()
            mass += np.bincount(place, share, 3)
        assert mass == pytest.approx(np.ones(3), abs=2e-6)


def test_a_kernel_across_the_antimeridian_reaches_both_sides():
    places = places_of((AA, 180.0, 0.0, 1e6))
    _, cell, mass = next(kernel_pairs(places, np.array([30.0]), 3.0, GRID))
    col = GRID.row_col(cell)[1]
    assert mass[col < 10].sum() == pytest.approx(mass[col > GRID.ncols - 10].sum(), rel=1e-9)


def test_land_cover_averages_over_land_only():
    cover = np.zeros((360, 720), dtype=np.uint8)
    cover[0, 0], cover[0, 1], cover[1, 0] = IGBP_URBAN, CROPLAND, CROPLAND
    urban = np.zeros(len(IGBP_CLASSES))
    urban[IGBP_URBAN] = 1.0
    mean = land_cover_of_cells(cover, Grid(60), urban, 0.25)
    assert mean.shape == (180, 360)
    assert mean[0, 0] == pytest.approx(1 / 3)
    assert mean[0, 1] == pytest.approx(0.25)
    finer = land_cover_of_cells(cover, Grid(10), urban, 0.25)
    assert np.all(finer[:3, :3] == 1.0)
    assert np.all(finer[:3, 3:6] == 0.0)


def test_smoothing_keeps_amounts_and_knows_no_seam():
    grid = Grid(30)
    field = np.zeros((grid.nrows, grid.ncols), dtype=np.float32)
    field[150, 0] = 5.0
    field[100, 300] = 7.0
    out = smooth(field, 120.0, grid)
    assert out.sum() == pytest.approx(12.0, rel=1e-4)
    assert out.min() >= 0.0
    assert out[150, 1] == pytest.approx(out[150, -1], rel=1e-3)
    assert out[149, 0] == pytest.approx(out[151, 0], rel=0.02)


def test_settling_gives_exact_sums():
    people = np.array([0.33333, 0.33333, 0.33334, 9.9996, 0.0004])
    group = np.array([0, 0, 0, 1, 1])
    settled = settle(people, group, np.array([1.0, 10.0]))
    assert settled.tolist() == [0.333, 0.333, 0.334, 10.0, 0.0]


def test_settling_spreads_one_person_over_many_tiles():
    settled = settle(np.full(3000, 1 / 3000), np.zeros(3000, dtype=int), np.array([1.0]))
    assert settled.sum() == pytest.approx(1.0)
    assert settled.tolist() == [0.001] * 1000 + [0.0] * 2000


def test_facts_and_tiles_must_name_the_same_countries(tmp_path):
    header = (
        "country_iso,alpha3,name,region,sub_region,intermediate_region,macro_region,population,"
        "population_source,gdp_per_capita_usd,land_area_km2\n"
    )
    row = "{},XXX,Name,Africa,Northern Africa,,Africa,{},UN,1.0,1.0\n"
    path = tmp_path / "facts.csv"
    path.write_text(header + row.format("AA", 5))
    with pytest.raises(StateError, match=r"E111 .*BB has tiles but no row"):
        read_totals(str(path), TWO)
    path.write_text(header + row.format("AA", 5) + row.format("BB", 0) + row.format("CC", 9))
    with pytest.raises(StateError, match=r"E111 .*CC has people but no tile"):
        read_totals(str(path), TWO)
    path.write_text(header + row.format("AA", 5) + row.format("BB", 0))
    assert read_totals(str(path), TWO) == {AA: 5.0, BB: 0.0}
