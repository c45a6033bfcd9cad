"""A whole map through the tests: thinning, rows, margins, and what cannot be measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scripts import countries
from scripts.geo.grid import Grid
from scripts.geo.metrics import Sites
from scripts.geo.thinning import MAPS_AT_MOST, disjoint_maps, thinning_rank
from scripts.scorers.truth.country import cell_variance, ground_of
from scripts.scorers.truth.earth import Earth, people_width_m
from scripts.scorers.truth.ground import sites_at_places, sites_on_empty_land
from scripts.scorers.truth.judgement import TESTS, judge, margin_of
from scripts.scorers.truth.measure import country_parts, measure, rows_of
from scripts.scorers.truth.merchants import networks_of

GRID = Grid(5.0)
KM = 1.0 / 111.195
AA, BB = countries.encode_one("AA"), countries.encode_one("BB")


def _square(west: int, south: int, degrees: int) -> np.ndarray:
    """Tiles of a square of whole degrees, rising."""
    lon = west + (np.arange(degrees * 12) + 0.5) / 12
    lat = south + (np.arange(degrees * 12) + 0.5) / 12
    grid_lon, grid_lat = np.meshgrid(lon, lat)
    return np.sort(GRID.tile_at(grid_lon.ravel(), grid_lat.ravel()))


def _earth(reference: int = 200) -> Earth:
    """Country AA on (0, 0) to (4, 4) and BB on (10, 0) to (12, 2), people everywhere alike."""
    aa, bb = _square(0, 0, 4), _square(10, 0, 2)
    tiles = np.concatenate([aa, bb])
    country = np.repeat(np.array([AA, BB], dtype=np.int16), [len(aa), len(bb)])
    people = np.full(len(tiles), 1000.0)
    sites = np.zeros(countries.CODES, dtype=np.int64)
    sites[[AA, BB]] = reference
    return Earth(
        GRID,
        country,
        tiles,
        GRID.cell_area_m2(tiles),
        people,
        people,
        np.array([AA, BB], dtype=np.int16),
        np.array([2.0, 11.0]),
        np.array([2.0, 1.0]),
        sites,
        people_width_m(country, tiles, people, GRID),
    )


def _sites(n: int, seed: int = 0, country: int = AA, west: float = 0.0, size: float = 4.0) -> Sites:
    """Sites of one-outlet merchants, uniform over a square."""
    rng = np.random.default_rng(seed)
    return Sites(
        np.arange(1, n + 1, dtype=np.uint64),
        np.full(n, country, dtype=np.int16),
        np.ones(n, dtype=np.int32),
        west + rng.uniform(0, size, n),
        rng.uniform(0, size, n),
    )


def _joined(*parts: Sites) -> Sites:
    return Sites(*(np.concatenate(columns) for columns in zip(*map(_columns, parts), strict=True)))


def _columns(sites: Sites) -> tuple[np.ndarray, ...]:
    return (sites.merchant, sites.country, sites.order, sites.lon, sites.lat)


def test_every_test_is_measured_once_and_in_order():
    rows = measure(_sites(300), _earth(), 1)
    assert [row.test for row in rows] == list(TESTS)


def test_chance_is_neither_clustered_nor_regular():
    rows = {row.test: row for row in measure(_sites(3000), _earth(reference=1000), 1)}
    assert rows["T4"].value == pytest.approx(1.0, abs=0.25)
    assert rows["T7"].value == pytest.approx(0.0, abs=0.06)
    assert rows["T10"].passed


def test_what_a_map_has_too_little_of_is_not_measured():
    rows = {row.test: row for row in measure(_sites(50), _earth(), 1)}
    for test in ("T1", "T2", "T3", "T4", "T5a", "T5b", "T6", "T7", "T8", "T9", "T10"):
        assert not rows[test].measured
        assert not rows[test].passed
        assert rows[test].value is None
        assert rows[test].reason


@pytest.mark.parametrize(("sites", "measured"), [(999, False), (1000, True)])
def test_empty_land_is_measured_on_a_thousand_sites(sites, measured):
    row = {row.test: row for row in measure(_sites(sites), _earth(), 1)}["T10"]
    assert row.measured == measured


def test_no_sites_fail_every_test():
    rows = measure(_sites(0), _earth(), 1)
    assert [row.test for row in rows] == list(TESTS)
    assert not any(row.passed or row.measured for row in rows)


def test_one_pile_fails_what_it_leaves_undefined():
    sites = _sites(100)
    sites = Sites(
        sites.merchant, sites.country, sites.order, sites.lon * 0 + 1.5, sites.lat * 0 + 1.5
    )
    rows = {row.test: row for row in measure(sites, _earth(), 1)}
    assert rows["T1"].value == 0.0
    assert not rows["T1"].passed
    assert rows["T2"].value is None
    assert rows["T2"].measured
    assert not rows["T2"].passed


def test_order_of_rows_changes_nothing():
    sites, earth = _joined(_sites(700), _sites(500, 3, BB, 10.0, 2.0)), _earth()
    rows = np.random.default_rng(2).permutation(len(sites))
    assert measure(sites, earth, 5) == measure(sites.take(rows), earth, 5)


def test_countries_add_up_in_groups():
    earth = _earth()
    a, b = _sites(700), _sites(500, 3, BB, 10.0, 2.0)
    parts = [
        part
        for s in (a, b)
        for part in country_parts(s, thinning_rank(s, 5), ground_of(s, earth), earth)
    ]
    both = _joined(a, b)
    networks = networks_of(both, thinning_rank(both, 5), *earth.cities)
    assert rows_of(parts, networks, earth.width_m) == measure(both, earth, 5)


def test_thinned_maps_share_no_site_and_hold_the_lowest_ranks():
    rank = thinning_rank(_sites(1000), 3)
    maps = disjoint_maps(rank, 300)
    assert [len(rows) for rows in maps] == [300, 300, 300]
    assert len(np.unique(np.concatenate(maps))) == 900
    assert rank[maps[0]].max() < rank[maps[1]].min()


def test_thinned_maps_are_bounded():
    rank = np.random.default_rng(0).integers(0, 2**63, 10_000).astype(np.uint64)
    assert len(disjoint_maps(rank, 10)) == MAPS_AT_MOST
    assert [len(rows) for rows in disjoint_maps(rank[:10], 10)] == [10]
    assert disjoint_maps(rank, 0) == []


def test_thinning_is_keyed():
    sites = _sites(100)
    assert (thinning_rank(sites, 1) == thinning_rank(sites, 1)).all()
    assert (thinning_rank(sites, 1) != thinning_rank(sites, 2)).all()
    half = sites.take(np.arange(0, 100, 2))
    assert (thinning_rank(half, 1) == thinning_rank(sites, 1)[::2]).all()


def test_a_denser_map_measures_the_same():
    earth = _earth(reference=400)
    thin = {row.test: row.value for row in measure(_sites(400, 1), earth, 1)}
    dense = {row.test: row.value for row in measure(_sites(12_800, 2), earth, 1)}
    # One map of 400 sites scatters by about .02 about the mean of many.
    for test in ("T1", "T3"):
        assert thin[test] == pytest.approx(dense[test], abs=0.06)


def test_widths_are_those_of_the_people():
    width = _earth().width_m
    # Median distance of two random points of a unit square is .512 of its side.
    assert width[AA] == pytest.approx(0.512 * 4 / KM * 1e3, rel=0.03)
    assert width[BB] == pytest.approx(0.512 * 2 / KM * 1e3, rel=0.03)
    assert math.isnan(width[0 if AA else 1])


def _networks(local: int, wide: int) -> Sites:
    """Merchants of two outlets: some 10 km apart and some 200 km."""
    merchant = np.repeat(np.arange(1, local + wide + 1), 2)
    apart = np.where(np.arange(local + wide) < local, 10.0, 200.0) * KM
    lat = np.column_stack([np.full(local + wide, 1.0), 1.0 + apart]).ravel()
    n = len(merchant)
    return Sites(
        merchant.astype(np.uint64),
        np.full(n, AA, dtype=np.int16),
        np.tile([1, 2], n // 2).astype(np.int32),
        np.repeat(np.linspace(0.5, 3.5, n // 2), 2),
        lat,
    )


def test_small_networks_within_fifty_kilometres():
    rows = {row.test: row for row in measure(_networks(30, 10), _earth(), 1)}
    assert rows["T5a"].value == 0.75
    assert rows["T5a"].count == 40
    assert rows["T6"].value == 0.0
    assert rows["T5a"].details[0]["networks"] == 40


def test_networks_of_narrow_countries_are_not_looked_at():
    sites = _networks(30, 0)
    narrow = Sites(sites.merchant, sites.country * 0 + BB, sites.order, sites.lon + 9.0, sites.lat)
    row = {row.test: row for row in measure(narrow, _earth(), 1)}["T5a"]
    assert not row.measured
    assert row.reason.startswith("0 merchants")


# Place of the city, and the northern end of the country. People of BB live 114 km apart: too near
# for T5 and far enough for T9.
CITY_AND_NORTH = {AA: (2.0, 2.0, 4.0), BB: (11.0, 1.0, 2.0)}


@pytest.mark.parametrize(("at_home", "entered"), [(BB, AA), (AA, BB)])
def test_entries_into_a_country(at_home, entered):
    # 20 merchants of three outlets at home enter with one: 15 of them in the city.
    lon, _, north = CITY_AND_NORTH[at_home]
    home = Sites(
        np.repeat(np.arange(1, 21), 3).astype(np.uint64),
        np.full(60, at_home, dtype=np.int16),
        np.tile([1, 2, 3], 20).astype(np.int32),
        np.full(60, lon),
        np.linspace(0.1, north - 0.1, 60),
    )
    lon, city, north = CITY_AND_NORTH[entered]
    abroad = Sites(
        np.arange(1, 21).astype(np.uint64),
        np.full(20, entered, dtype=np.int16),
        np.ones(20, dtype=np.int32),
        np.full(20, lon),
        np.where(np.arange(20) < 15, city, north - 0.1),
    )
    row = {row.test: row for row in measure(_joined(home, abroad), _earth(), 1)}["T9"]
    assert (row.value, row.count) == (0.75, 20)
    iso = countries.decode_one(entered)
    assert row.details[0] == {"country_iso": iso, "outlets": 20, "T9": 0.75}


def test_places_within_a_kilometre():
    lat = np.array([0.0, 0.99, 1.01]) * KM
    assert sites_at_places(np.full(3, 5.0), lat, np.array([5.0]), np.array([0.0])) == 2
    assert sites_at_places(np.full(3, 5.0), lat, np.empty(0), np.empty(0)) == 0
    assert sites_at_places(np.array([180.0]), np.zeros(1), np.array([-180.0]), np.zeros(1)) == 1


def test_land_where_nobody_lives():
    tiles = GRID.tile_at(np.array([0.01, 0.1, 0.2]), np.full(3, 0.01))
    density = np.array([0.99, 1.0, 50.0])
    lon = np.array([0.01, 0.02, 0.1, 0.2, 0.9])
    # Two sites in the first tile, one in none of them.
    assert sites_on_empty_land(lon, np.full(5, 0.01), tiles, density, GRID) == 3
    assert sites_on_empty_land(lon, np.full(5, 0.01), tiles[:0], density[:0], GRID) == 5


def test_sites_outside_a_country_count_among_its_poorest_cells():
    cell, weight = _earth().cells(BB)
    assert len(cell) == 4
    assert weight.tolist() == [144_000.0] * 4
    inside = cell_variance(np.array([10.5, 11.5] * 2), np.array([0.5, 0.5, 1.5, 1.5]), cell, weight)
    assert inside == pytest.approx(0.0)
    assert math.isnan(cell_variance(np.zeros(1), np.zeros(1), cell[:0], weight[:0]))


@pytest.mark.parametrize(
    ("value", "accepted", "margin"),
    [
        (0.10, (0.05, 0.75), 0.65 / 0.75),
        (0.04, (0.05, 0.75), -0.2),
        (0.9, (0.05, 0.75), -0.2),
        (0.12, (None, 0.24), 0.5),
        (0.03, (-0.06, 0.06), 0.5),
        (math.inf, (None, 1.1), -math.inf),
    ],
)
def test_margins_are_shares_of_the_nearer_end(value, accepted, margin):
    assert margin_of(value, accepted) == pytest.approx(margin)


def test_an_end_of_the_interval_passes():
    assert judge("T1", 0.05, 1).passed
    assert judge("T1", 0.75, 1).passed
    assert not judge("T1", 0.7501, 1).passed


def test_a_failure_says_why():
    assert judge("T3", 0.48, 1).reason == "0.48 is above 0.24"
    assert judge("T4", 0.6, 1).reason == "0.6 is below 1.05"
    assert judge("T4", math.nan, 1).reason == "undefined"
    infinite = judge("T2", math.inf, 1)
    assert (infinite.value, infinite.passed, infinite.measured) == (None, False, True)
