import functools
import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from scipy import stats

from scripts import countries
from scripts.errors import ContractError, StateError
from scripts.geo.distance import ROUNDED_KM_PER_DEG, great_circle_m
from scripts.geo.snapshot import Countries, Places
from scripts.policies import load_policy
from scripts.randomness import keyed_uniforms
from scripts.states import jitter_kernels, jitter_law, s6_site_jitter
from scripts.states.jitter_law import (
    COMPONENTS,
    DIRECT,
    OPEN,
    TOWN,
    UNIFORM,
    JitterLaw,
    find_anchors,
    make_cells,
)
from scripts.states.reports import component_shares
from scripts.states.s1_tile_index import build_tile_index
from scripts.states.s6_site_jitter import Earth, jitter, place, tally
from scripts.states.sites import SiteKeys, absolute_deg
from scripts.states.tallies import add
from scripts.states.tiles import cell_keys, coverage_of
from tests.unit import s5_s9_world
from tests.unit.s5_s9_world import GRID, POLICIES, make_countries

NAMESPACE = "test.s6"
SEED = 11
NO_PLACES = Places(*(np.empty(0, dtype=t) for t in (np.int16, float, float, float)))


def policy_of(towns=None, **changes):
    shipped = load_policy(POLICIES / "policy.s6.jitter.yaml")
    policy = {**shipped, "max_attempts": 200, "direct_after": 16, "direct_below_coverage": 0.1}
    policy |= changes
    policy["towns"] = {
        "open_share": 0.3,
        "radius_km": 10.0,
        "spread_km": 1.5,
        "spread_exponent": 0.3,
        "spread_min_km": 0.2,
        "spread_max_km": 5.0,
        **(towns or {}),
    }
    return policy


@functools.cache
def covered_cells():
    """Country row, tile and covered fraction of every cell of the small world."""
    land = make_countries()
    table = build_tile_index(land, GRID)
    number = np.searchsorted(land.code, countries.encode(table.column("country_iso")))
    tile = table.column("tile_id").to_numpy().astype(np.int64)
    return number, tile, table.column("coverage_fraction").to_numpy()


@functools.cache
def covered_keys():
    """Keys of the same cells, rising, and their covered fraction."""
    number, tile, coverage = covered_cells()
    return cell_keys(make_countries().code[number], tile), coverage


def coverage_at(key):
    """Covered fraction of cells of the small world by key; NaN where it has none."""
    known, coverage = covered_keys()
    at = np.minimum(np.searchsorted(known, key), len(known) - 1)
    return np.where(known[at] == key, coverage[at], np.nan)


class World:
    """Sites on all tiles of some countries."""

    def __init__(self, land, policy, places=NO_PLACES, per_cell=20, only=None):
        number, tile, coverage = covered_cells()
        chosen = np.ones(len(tile), bool) if only is None else only(number, tile, coverage)
        number, tile = number[chosen], tile[chosen]
        self.land = land
        self.cells = make_cells(cell_keys(land.code[number], tile), coverage_at, GRID)
        self.cell = np.repeat(np.arange(len(tile)), per_cell)
        n = len(self.cell)
        self.sites = SiteKeys(
            (np.arange(n) + 1).astype(np.uint64),
            self.cells.country[self.cell],
            (np.arange(n) % 7 + 1).astype(np.int32),
        )
        self.policy = policy
        self.law = JitterLaw(policy, self.cells, places, land)

    def run(self, rows=slice(None)):
        return jitter(
            self.sites[rows],
            self.cell[rows],
            self.law,
            self.land,
            SEED,
            NAMESPACE,
            self.policy["max_attempts"],
        )

    def points(self, made):
        return absolute_deg(
            self.cells.lon[self.cell], self.cells.lat[self.cell], made.delta_lon, made.delta_lat
        )


@pytest.fixture(scope="module")
def land():
    return make_countries()


@pytest.fixture(scope="module")
def places(land):
    rng = np.random.default_rng(6)
    parts = []
    for code, polygon in zip(land.code, land.geometry, strict=True):
        west, south, east, north = shapely.bounds(polygon)
        lon, lat = rng.uniform(west, east, 300), rng.uniform(south, north, 300)
        inside = np.flatnonzero(shapely.contains_xy(polygon, lon, lat))[:60]
        parts.append((np.full(len(inside), code), lon[inside], lat[inside]))
    country, lon, lat = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Places(country, lon, lat, np.rint(10 ** rng.uniform(3, 6, len(lon))))


@pytest.fixture(scope="module")
def world(land, places):
    return World(land, policy_of(), places)


@pytest.fixture(scope="module")
def made(world):
    return world.run()


def test_every_point_lies_near_its_tile_and_on_its_land(world, made):
    lon, lat = world.points(made[0])
    where = GRID.around(world.cells.tile[world.cell], lon, lat)
    assert where.min() >= 0
    assert (where != 4).any()
    row = np.searchsorted(world.land.code, world.sites.country)
    assert shapely.contains_xy(world.land.geometry[row], lon, lat).all()
    assert (world.cells.coverage < 0.001).any()
    assert (made[0].placed_by == DIRECT).any()


def test_wholly_covered_neighbours_are_those_of_the_tile_index(world):
    cells = world.cells
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, col = GRID.row_col(cells.tile)
            tile = GRID.tile_id(row + dy, (col + dx) % GRID.ncols)
            whole = coverage_at(cell_keys(cells.country, tile)) == 1.0
            assert np.array_equal(cells.covered >> (3 * (dy + 1) + dx + 1) & 1, whole)


def test_uniform_law_reaches_the_same_land(land):
    legacy = World(land, {**policy_of(), "mode": "uniform_v1"}, per_cell=5)
    made, _ = legacy.run()
    lon, lat = legacy.points(made)
    row = np.searchsorted(land.code, legacy.sites.country)
    assert shapely.contains_xy(land.geometry[row], lon, lat).all()
    assert set(made.component) == {UNIFORM}
    assert set(made.placed_by) == {UNIFORM, DIRECT}


def test_component_shares_are_the_policys_whatever_the_coast(world, made):
    drawn, placed_by = (
        dict(zip(COMPONENTS, np.bincount(values, minlength=len(COMPONENTS)).tolist(), strict=True))
        for values in (made[0].component, made[0].placed_by)
    )
    shares = component_shares(world.policy, drawn, placed_by)
    n = len(world.sites)
    for name, weight in shares["policy"].items():
        assert shares["drawn"][name] == pytest.approx(
            weight, abs=4 * math.sqrt(weight * (1 - weight) / n)
        )
    border = (world.cells.coverage < 0.5)[world.cell]
    drawn = np.bincount(made[0].component[border], minlength=3)[1:] / border.sum()
    assert drawn == pytest.approx([0.7, 0.3], abs=4 * math.sqrt(0.25 / border.sum()))


def test_one_uniform_for_each_decision(world, made):
    alone = World(
        world.land, policy_of(), per_cell=30, only=lambda number, tile, coverage: coverage == 1.0
    )
    inner = alone.cells.covered == 0b111111111
    spread, _ = alone.run()
    rows = inner[alone.cell]
    for delta in (spread.delta_lon[rows], spread.delta_lat[rows]):
        scaled = delta / (2.0 * alone.cells.half_deg)
        assert stats.kstest(scaled, "triang", args=(0.5, -1.0, 2.0)).pvalue > 1e-3
    tail = made[0].component == OPEN
    u = keyed_uniforms(
        SEED, NAMESPACE, world.sites.merchant, world.sites.country, world.sites.order
    )
    limit = 4.5 / math.sqrt(len(u))
    assert np.abs(np.corrcoef(u.T) - np.eye(4)).max() < limit
    assert np.abs(np.corrcoef(u[tail, 0], made[0].delta_lon[tail])[0, 1]) < 4.5 / math.sqrt(
        tail.sum()
    )


def test_the_log_holds_every_attempt_and_accepts_the_last(world, made):
    log = made[1]
    first = np.flatnonzero(np.diff(log.site, prepend=-1))
    assert np.array_equal(np.unique(log.site), np.arange(len(world.sites)))
    assert np.array_equal(log.attempt, np.arange(len(log.site)) - first[log.site])
    assert np.array_equal(np.flatnonzero(log.accepted), np.append(first[1:], len(log.site)) - 1)
    u = keyed_uniforms(
        SEED,
        NAMESPACE,
        world.sites.merchant[log.site],
        world.sites.country[log.site],
        world.sites.order[log.site],
        log.attempt,
    )
    assert np.array_equal(u, log.u)


def test_a_site_does_not_depend_on_the_others(world, made):
    rows = np.arange(3, len(world.sites), 17)
    some, _ = world.run(rows)
    for name in ("delta_lon", "delta_lat", "component", "placed_by"):
        assert np.array_equal(getattr(some, name), getattr(made[0], name)[rows])


@pytest.mark.parametrize("workers", [1, 3])
def test_sites_are_the_same_however_many_are_placed_at_a_time(world, places, monkeypatch, workers):
    tile = world.cells.tile[world.cell].astype(np.uint64)
    order = np.lexsort((world.sites.order, world.sites.country, world.sites.merchant))
    sites, tile = world.sites[order], tile[order]
    earth = Earth(GRID, world.land, places, coverage_at)

    def parts():
        cells, parts = place(sites, tile, earth, world.policy, SEED, "assignment.parquet")
        assert len(cells) == len(np.unique(world.cell))
        return list(parts)

    (whole,) = parts()
    monkeypatch.setattr(s6_site_jitter, "_CHUNK", 500)
    monkeypatch.setattr(s6_site_jitter, "workers_for", lambda rows: workers)
    some = parts()
    assert len(some) == -(-len(sites) // 500) > 2
    for name in ("table", "events"):
        tables = [getattr(part, name)() for part in some]
        assert pa.concat_tables(tables).equals(getattr(whole, name)())
    assert add(map(tally, some)) == tally(whole)


def test_a_tile_without_any_land_stops_the_run_with_a_name(land):
    everything = World(land, policy_of(max_attempts=20), per_cell=1)
    elsewhere = Countries(land.code, np.array([shapely.box(0, 80, 1, 81)] * len(land.code)))
    everything.land = elsewhere
    everything.law = JitterLaw(everything.policy, everything.cells, NO_PLACES, elsewhere)
    with pytest.raises(StateError, match=r"E613 merchant \d+ country A[A-J] site \d tile \d+"):
        everything.run()


def test_without_places_every_site_is_an_open_one_and_reported_so(land):
    made, _ = World(land, policy_of(direct_below_coverage=0.0), per_cell=5).run()
    assert set(made.component) == {TOWN, OPEN}
    assert TOWN not in made.placed_by


def test_no_edge_between_tiles_shows(land):
    whole = lambda number, tile, coverage: coverage == 1.0  # noqa: E731
    shares = {}
    for mode in ("uniform_v1", "towns_v3"):
        world = World(land, {**policy_of(), "mode": mode}, per_cell=40, only=whole)
        inner = (world.cells.covered == 0b111111111)[world.cell]
        made, _ = world.run()
        across = np.abs(made.delta_lon[inner]) / world.cells.half_deg
        shares[mode] = (across > 1.0).mean()
    assert shares["uniform_v1"] == 0.0
    assert shares["towns_v3"] == pytest.approx(0.25, abs=0.02)


def one_cell(land, towns, population=(400_000.0, 5_000.0), offset_km=(0.0, 3.0)):
    """Many sites on one whole tile with a city and a village at some distance to the east."""
    number, tile, _ = covered_cells()
    inner = make_cells(cell_keys(land.code[number], tile), coverage_at, GRID).covered == 0b111111111
    whole = np.flatnonzero(inner & (number == 2))
    chosen = whole[len(whole) // 2]
    lon, lat = GRID.centre_deg(tile[[chosen]])
    per_deg = jitter_law.km_per_deg_lon(lat)
    places = Places(
        np.repeat(land.code[number[[chosen]]], 2),
        lon + np.array(offset_km) / per_deg,
        np.repeat(lat, 2),
        np.array(population),
    )
    return World(
        land,
        policy_of(towns=towns),
        places,
        per_cell=6000,
        only=lambda n, t, c: np.arange(len(t)) == chosen,
    ), places


def distance_km(world, made, places, k):
    lon, lat = world.points(made)
    return great_circle_m(lon, lat, places.lon[k], places.lat[k]) / 1000.0


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"spread_km": 0.5}, {"spread_km": 2.0}),
        ({"spread_exponent": 0.0}, {"spread_exponent": 0.6}),
        ({"spread_max_km": 0.5}, {"spread_max_km": 6.0}),
        ({"spread_min_km": 0.2}, {"spread_min_km": 3.0, "spread_max_km": 3.0}),
    ],
)
def test_spread_knobs_widen_the_town(land, narrow, wide):
    reach = []
    for towns in (narrow, wide):
        world, places = one_cell(land, towns, population=(400_000.0, 1.0))
        made, _ = world.run()
        reach.append(np.median(distance_km(world, made, places, 0)[made.placed_by == TOWN]))
    assert reach[0] < 0.9 * reach[1]


def test_a_town_draws_by_its_people_and_grows_with_them(land):
    world, places = one_cell(land, {"spread_km": 0.5})
    made, _ = world.run()
    town = made.placed_by == TOWN
    near_city = distance_km(world, made, places, 0) < 1.5
    near_village = distance_km(world, made, places, 1) < 0.5
    assert town.mean() == pytest.approx(0.7, abs=0.03)
    assert (town & near_city).sum() > 50 * max((town & near_village).sum(), 1)
    assert jitter_law.spread_km(places.population, world.policy["towns"]).tolist() == sorted(
        jitter_law.spread_km(places.population, world.policy["towns"]), reverse=True
    )


def test_open_share_and_radius_do_what_they_say(land):
    open_shares = []
    for share in (0.1, 0.6):
        world, _ = one_cell(land, {"open_share": share})
        open_shares.append((world.run()[0].placed_by == OPEN).mean())
    assert open_shares == pytest.approx([0.1, 0.6], abs=0.03)

    world, _ = one_cell(land, {"radius_km": 2.0}, offset_km=(0.0, 12.0))
    assert world.law.anchors.start[-1] == 1
    world, _ = one_cell(land, {"radius_km": 20.0}, offset_km=(0.0, 12.0))
    assert world.law.anchors.start[-1] == 2


def test_a_town_beyond_the_edge_holds_the_sites_of_the_tile(land):
    world, places = one_cell(land, {"spread_km": 0.5}, offset_km=(7.0, 14.0))
    made, _ = world.run()
    town = made.placed_by == TOWN
    assert np.median(distance_km(world, made, places, 0)[town]) < 1.0
    assert (made.delta_lon[town] > world.cells.half_deg).mean() > 0.9
    assert np.abs(made.delta_lon).max() <= 3.0 * world.cells.half_deg


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_direct_sampling_follows_its_two_knobs(land, coverage):
    only = lambda number, tile, fraction: (fraction < 0.6) & (fraction > 0.4)  # noqa: E731
    world = World(land, policy_of(direct_below_coverage=coverage), per_cell=30, only=only)
    made, log = world.run()
    direct = (made.placed_by == DIRECT).mean()
    assert direct == 1.0 if coverage else direct < 0.01
    soon = World(land, policy_of(direct_below_coverage=0.0, direct_after=1), per_cell=30, only=only)
    made_soon, log_soon = soon.run()
    assert (made_soon.placed_by == DIRECT).mean() > 0.2
    assert len(log_soon.site) < len(log.site) or coverage


def test_anchors_are_the_places_within_reach_at_any_latitude_and_across_the_antimeridian():
    rng = np.random.default_rng(9)
    lat = np.concatenate([rng.uniform(-89.9, 89.9, 60), np.full(30, -17.02)])
    lon = np.concatenate([rng.uniform(-180, 180, 60), 180.0 - rng.uniform(0, 0.1, 30)])
    lon = np.where(lon >= 180.0, lon - 360.0, lon)
    lon[75:] = -180.0 + rng.uniform(0, 0.1, 15)
    code = np.full(len(lon), 5, dtype=np.int16)
    near = rng.normal(0, 0.3, (2, 4 * len(lon)))
    place_lat = np.clip(np.tile(lat, 4) + near[0], -89.99, 89.99)
    stretch = np.minimum(1.0 / np.cos(np.radians(place_lat)), 300.0)
    place_lon = (np.tile(lon, 4) + near[1] * stretch + 180.0) % 360.0 - 180.0
    places = Places(
        rng.choice([5, 6], len(place_lon)).astype(np.int16),
        place_lon,
        place_lat,
        rng.integers(1, 10**6, len(place_lon)).astype(float),
    )
    key = np.unique(cell_keys(code, GRID.tile_at(lon, lat)))
    cells = make_cells(key, lambda keys: np.ones(len(keys)), GRID)
    anchors = find_anchors(cells, places, np.ones(len(place_lon)), 20.0)

    km_lon = jitter_law.km_per_deg_lon(cells.lat)[:, None]
    east = (places.lon - cells.lon[:, None] + 180.0) % 360.0 - 180.0
    north = places.lat - cells.lat[:, None]
    across = np.maximum(np.abs(east) - cells.half_deg, 0.0) * km_lon
    along = np.maximum(np.abs(north) - cells.half_deg, 0.0) * ROUNDED_KM_PER_DEG
    distance = np.hypot(across, along)
    reach = (distance < 20.0 - 1e-9) & (places.country == 5)
    assert np.diff(anchors.start).tolist() == reach.sum(axis=1).tolist()
    assert reach.sum() > 60
    for c in np.flatnonzero(reach.any(axis=1)):
        rows = slice(anchors.start[c], anchors.start[c + 1])
        pull = places.population[reach[c]] * (1.0 - distance[c, reach[c]] / 20.0)
        found = np.diff(anchors.cumulative[anchors.start[c] : anchors.start[c + 1] + 1])
        assert sorted(found) == pytest.approx(sorted(np.maximum(np.rint(pull), 1)), abs=1.01)
        assert sorted(anchors.lat[rows]) == pytest.approx(sorted(north[c, reach[c]]))


def test_anchor_choice_is_by_weight():
    cumulative = np.array([0, 1, 4, 10, 12, 20])
    chosen = [jitter_kernels.choose(cumulative, 0, 3, (k + 0.5) / 1000) for k in range(1000)]
    assert np.bincount(chosen).tolist() == [100, 300, 600]
    assert jitter_kernels.choose(cumulative, 3, 5, 1.0 - 2.0**-53) == 4


def test_a_tile_that_s1_does_not_know_is_named(tmp_path):
    path = s5_s9_world.write_reference(tmp_path)
    coverage = functools.partial(coverage_of, path["tile_index"])
    earth = Earth(GRID, make_countries(), NO_PLACES, coverage)
    sites = SiteKeys(np.array([1], np.uint64), np.array([0], np.int16), np.array([1], np.int32))
    with pytest.raises(StateError, match=r"E606.*tile 17 of AA"):
        place(sites, np.array([17], np.uint64), earth, policy_of(), SEED, "assignment.parquet")


def test_coverage_is_found_in_any_row_group(tmp_path):
    number, tile, coverage = covered_cells()
    table = build_tile_index(make_countries(), GRID)
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=37)
    key = cell_keys(make_countries().code[number], tile)
    wanted = np.append(key[::5], key[-1] + 1)
    found = coverage_of(tmp_path / "t.parquet", wanted)
    assert np.array_equal(found[:-1], coverage[::5])
    assert np.isnan(found[-1])
    assert np.isnan(coverage_of(tmp_path / "t.parquet", np.array([0, 1]))).all()


@pytest.mark.parametrize(
    ("text", "rule"), [(b"\x80A", "EX01 .*UTF8"), (b"a1", "EX11 .*'a1' is no country code")]
)
def test_a_tile_index_of_no_country_is_refused_by_name(tmp_path, text, rule):
    path = tmp_path / "t.parquet"
    table = build_tile_index(make_countries(), GRID)
    other = pa.array([text] * table.num_rows, pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, "country_iso", other), path)
    with pytest.raises(ContractError, match=rule):
        coverage_of(path, np.array([0]))


def test_inputs_out_of_order_are_refused(tmp_path):
    path = s5_s9_world.build(tmp_path)
    assignment = path["assignment"][0]
    table = s5_s9_world.pa.parquet.read_table(assignment)
    s5_s9_world.write_parquet(assignment, table.take(np.arange(len(table))[::-1]))
    wildcards = SimpleNamespace(run_id="0" * 32, seed="42", part="1-of-1")
    inputs = SimpleNamespace(**{**path, "assignment": assignment, "policy": path["jitter_policy"]})
    with pytest.raises(StateError, match="E605"):
        s6_site_jitter.main(inputs, SimpleNamespace(), None, wildcards)
