import numpy as np
import pytest

from scripts import countries
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.policies import load_policy
from scripts.states import outlet_kernels as kernels
from scripts.states.outlet_law import (
    Boxes,
    Key,
    Networks,
    NormalField,
    allocate_outlets,
    anisotropy,
    draw_countries,
    field_weights,
    least_company,
    lonely,
    make_boxes,
    meet_zone_floor,
    settle,
)
from scripts.states.time_zone_floor import ZoneFloor, ZoneTiles
from tests.unit.s5_s9_world import POLICIES

GRID = Grid(5)
SHIPPED = load_policy(POLICIES / "policy.s4.alloc_plan.yaml")["outlets"]
KEY = Key(7, "test.s4")
NO_FLOOR = ZoneFloor(1, 40, {})
HOME, ABROAD = 3, 9


def law_of(**changes):
    law = {name: dict(block) for name, block in SHIPPED.items()}
    for path, value in changes.items():
        block, key = path.split("__")
        law[block][key] = value
    return law


def rectangle(row, col, height, width):
    y, x = np.divmod(np.arange(height * width), width)
    return GRID.tile_id(row + y, (col + x) % GRID.ncols)


def world(height=60, width=80, heavy=200, seed=0, row=500, col=2200):
    """Boxes of two countries with some heavy tiles: a wide one, and one across the antimeridian."""
    rng = np.random.default_rng(seed)
    tiles = [rectangle(row, col, height, width), np.sort(rectangle(900, GRID.ncols - 15, 30, 30))]
    code = np.repeat([HOME, ABROAD], [len(t) for t in tiles])
    tile = np.concatenate(tiles)
    weight = rng.integers(1, 50, len(tile))
    weight[rng.choice(len(tile), heavy, replace=False)] += rng.integers(10**3, 10**5, heavy)
    return make_boxes(code, *GRID.row_col(tile), weight, GRID), code, tile, weight


def networks_of(n_sites, box=0, abroad=False, first=1):
    n_sites = np.asarray(n_sites)
    return Networks(
        np.full(len(n_sites), box),
        np.arange(first, first + len(n_sites)).astype(np.uint64),
        n_sites,
        np.full(len(n_sites), abroad),
    )


def no_city(boxes):
    return np.full(len(boxes), -1)


def place(boxes, networks, law, cities=None, floor=NO_FLOOR, key=KEY):
    cities = no_city(boxes) if cities is None else cities
    return allocate_outlets(boxes, networks, cities, floor, law, key, 1)


def spread_km(boxes, networks, network, y, x):
    """Median distance of the outlets of each network from its first."""
    km = np.hypot(
        (y - y[np.searchsorted(network, network)]) * boxes.km_lat,
        (x - x[np.searchsorted(network, network)]) * boxes.km_lon[boxes.row[0] + 30],
    )
    return np.array([np.median(km[network == k]) for k in range(len(networks.box))])


def test_boxes_hold_every_tile_and_its_weight_also_across_the_antimeridian():
    boxes, code, tile, weight = world()
    box = np.searchsorted(boxes.code, code)
    y, x, known = boxes.find(box, tile)
    assert known.all()
    assert np.array_equal(boxes.tile(box, y, x), tile)
    assert boxes.width.tolist() == [81, 31]
    north, south, west, east = (np.asarray(edge) for edge in (y, y + 1, x, x + 1))
    below = boxes.start[box] + south * boxes.width[box]
    above = boxes.start[box] + north * boxes.width[box]
    held = boxes.sums[below + east] - boxes.sums[above + east]
    held -= boxes.sums[below + west] - boxes.sums[above + west]
    assert np.array_equal(held, weight)
    assert not boxes.find(np.array([0]), tile[code == ABROAD][:1])[2].any()
    assert boxes.extent_km[0] == pytest.approx(np.sqrt(4800 * 9.266 * 9.266 * 0.75), rel=0.05)


@pytest.mark.parametrize(
    ("columns", "west", "width"),
    [
        ([5], 5, 1),
        ([0, 1, 2], 0, 3),
        ([0, 4319], 4319, 2),
        ([10, 20, 4300], 4300, 41),
        ([0, 2160], 2160, 2161),
        ([100, 200, 4200], 4200, 321),
        ([3, 2163, 2164], 2163, 2161),
    ],
)
def test_a_box_begins_east_of_the_widest_gap_around_the_earth(columns, west, width):
    tile = GRID.tile_id(np.full(len(columns), 700), np.array(columns))
    boxes = make_boxes(
        np.full(len(columns), HOME), *GRID.row_col(tile), np.ones(len(columns), np.int64), GRID
    )
    assert (boxes.col[0], boxes.width[0] - 1) == (west, width)
    assert boxes.find(np.zeros(len(columns), np.int64), tile)[2].all()


@pytest.mark.parametrize("window", [(0, 60, 0, 80), (10, 17, 3, 4), (59, 60, 79, 80)])
def test_cells_of_a_window_are_drawn_by_weight(window):
    boxes, code, _, weight = world()
    n = 40_000
    north, south, west, east = window
    cells = [
        kernels.draw_cell(boxes.sums, boxes.start[0], boxes.width[0], *window, u)
        for u in (np.arange(n) + 0.5) / n
    ]
    y, x = np.array(cells).T
    assert ((y >= north) & (y < south) & (x >= west) & (x < east)).all()
    table = weight[code == HOME].reshape(60, 80)[north:south, west:east]
    drawn = np.zeros_like(table)
    np.add.at(drawn, (y - north, x - west), 1)
    assert np.abs(drawn - n * table / table.sum()).max() <= 1.0


def test_a_disc_window_holds_the_disc_and_no_tile_beyond_its_square():
    boxes, *_ = world()

    def window(y: float, x: float, radius_km: float) -> tuple[int, int, int, int]:
        km_lon = boxes.km_lon[boxes.row[0] + int(y)]
        return kernels.disc_window(60, 80, boxes.km_lat, km_lon, y, x, radius_km)

    assert window(30.5, 40.5, 25.0)[:2] == (27, 34)
    assert window(0.2, 79.9, 1.0) == (0, 1, 79, 80)
    assert window(59.9, 0.0, 1e9) == (0, 60, 0, 80)


def test_field_is_standard_normal_smooth_keyed_and_closed_around_the_earth():
    row, col = GRID.row_col(rectangle(400, 0, 240, GRID.ncols))
    field = NormalField(row, col, GRID, 1.0, 7, "f")
    values = field.at(row, col).reshape(240, -1)
    assert values.std() == pytest.approx(1.0, abs=0.04)
    assert values.mean() == pytest.approx(0.0, abs=0.05)
    inside = np.abs(np.diff(values, axis=1)).max()
    assert np.abs(values[:, 0] - values[:, -1]).max() <= inside < 1.0
    few = NormalField(row[:5], col[:5], GRID, 1.0, 7, "f").at(row[:5], col[:5])
    assert np.array_equal(few, values.ravel()[:5])
    assert not np.array_equal(
        few, NormalField(row[:5], col[:5], GRID, 1.0, 8, "f").at(row[:5], col[:5])
    )


def test_a_field_between_tiles_is_refused():
    row, col = Grid(40).row_col(np.array([5]))
    with pytest.raises(StateError, match="E417"):
        NormalField(row, col, Grid(40), 1.0, 7, "f")


def test_field_multiplies_weights_lognormally():
    tile = rectangle(400, 0, 200, 400)
    row, col = GRID.row_col(tile)
    weight = np.full(len(tile), 10**9)
    made = field_weights(row, col, weight, GRID, law_of(), KEY)
    sd = np.hypot(SHIPPED["field"]["broad"]["sd"], SHIPPED["field"]["local"]["sd"])
    assert np.log(made / weight).std() == pytest.approx(sd, rel=0.15)
    flat = {"field": {name: {"sd": 0.0, "spacing_deg": 1.0} for name in ("broad", "local")}}
    assert np.array_equal(field_weights(row, col, weight, GRID, flat, KEY), weight)


def test_parts_of_the_field_have_draws_of_their_own():
    row, col = GRID.row_col(rectangle(500, 2200, 60, 80))
    weight, part = np.full(len(row), 10**6), {"sd": 1.0, "spacing_deg": 1.0}
    broad, local = (
        np.log(field_weights(row, col, weight, GRID, {"field": {name: part}}, KEY))
        for name in SHIPPED["field"]
    )
    assert abs(np.corrcoef(broad, local)[0, 1]) < 0.5


def test_weights_that_overflow_under_the_field_are_refused():
    row, col = GRID.row_col(rectangle(400, 0, 200, 400))
    with pytest.raises(StateError, match="E418"):
        field_weights(row, col, np.full(len(row), 10**15), GRID, law_of(), KEY)


def test_every_network_gets_its_outlets_on_tiles_of_its_country():
    boxes, code, tile, _ = world()
    home, abroad = networks_of([1, 2, 30, 7, 60]), networks_of([3, 1, 12], 1, True)
    both = Networks(
        *(
            np.concatenate(pair)
            for pair in zip(
                (home.box, home.merchant, home.n_sites, home.abroad),
                (abroad.box, abroad.merchant, abroad.n_sites, abroad.abroad),
                strict=True,
            )
        )
    )
    network, y, x = place(boxes, both, law_of())
    assert np.bincount(network).tolist() == both.n_sites.tolist()
    made = boxes.tile(both.box[network], y, x)
    for box, country in enumerate((HOME, ABROAD)):
        assert np.isin(made[both.box[network] == box], tile[code == country]).all()


def test_another_merchant_moves_no_draw():
    boxes, *_ = world()
    law = law_of(company__rounds=0, shape__draws=1)
    few, many = networks_of([5, 8, 20]), networks_of([5, 8, 20, 40, 3])
    _, y, x = place(boxes, few, law)
    _, more_y, more_x = place(boxes, many, law)
    assert np.array_equal(y, more_y[:33])
    assert np.array_equal(x, more_x[:33])


def test_a_country_does_not_depend_on_the_others():
    boxes, code, tile, weight = world()
    alone = code == ABROAD
    own = make_boxes(code[alone], *GRID.row_col(tile[alone]), weight[alone], GRID)
    both = networks_of([4, 9, 25], 1)
    _, y, x = place(boxes, both, law_of())
    _, own_y, own_x = place(own, networks_of([4, 9, 25], 0), law_of())
    assert np.array_equal(y, own_y)
    assert np.array_equal(x, own_x)


def test_reach_grows_with_outlets_and_national_merchants_spread():
    boxes, *_ = world()
    median = []
    for n, few in ((4, 0.0), (40, 0.0), (40, 1.0)):
        law = law_of(national__few=few, national__many=few, company__rounds=0, shape__draws=1)
        networks = networks_of([n] * 60)
        median.append(np.median(spread_km(boxes, networks, *place(boxes, networks, law))))
    assert median[0] < 0.5 * median[1] < 0.8 * median[2]


def test_half_of_the_outlets_are_drawn_from_within_the_reach():
    boxes, *_ = world(heavy=0)
    law = law_of(national__few=0.0, national__many=0.0, company__rounds=0, shape__draws=1)
    networks = networks_of([12] * 400)
    homes = settle(boxes, networks, no_city(boxes), law, KEY, 0)
    network, y, x = place(boxes, networks, law)
    km = np.hypot(
        (y + 0.5 - homes.y[network]) * boxes.km_lat,
        (x + 0.5 - homes.x[network]) * boxes.km_lon[boxes.row[0] + 30],
    )
    beyond = (km > homes.reach_km[network] + 10.0)[homes.reach_km[network] < 60.0]
    assert beyond.mean() < 0.5
    assert np.median(homes.reach_km) == pytest.approx(
        SHIPPED["reach"]["km_per_outlet"] * 12 * np.sqrt(boxes.extent_km[0] / 600.0), rel=0.2
    )


def test_few_outlets_abroad_open_about_the_largest_city():
    boxes, code, tile, _ = world()
    city = tile[code == ABROAD][450]
    cities = np.array([-1, int(city)])
    y, x, _ = boxes.find(np.array([1]), np.array([city]))
    shares = []
    for n, abroad in ((1, True), (5, True), (6, True), (1, False)):
        networks = networks_of([n] * 500, 1, abroad)
        law = law_of(entry__share=0.8, entry__spread_km=0.01)
        homes = settle(boxes, networks, cities, law, KEY, 0)
        there = (homes.y.astype(int) == y[0]) & (homes.x.astype(int) == x[0])
        shares.append(there.mean())
    assert shares[:2] == pytest.approx([0.8, 0.8], abs=0.06)
    assert max(shares[2:]) < 0.1
    distance_km = []
    for spread in (0.01, 10.0, 40.0):
        law = law_of(entry__share=1.0, entry__spread_km=spread)
        homes = settle(boxes, networks_of([1] * 500, 1, True), cities, law, KEY, 0)
        north = (homes.y - y[0] - 0.5) * boxes.km_lat
        east = (homes.x - x[0] - 0.5) * boxes.km_lon[boxes.row[1] + y[0]]
        distance_km.append(float(np.median(np.hypot(north, east))))
    assert distance_km[0] < boxes.km_lat < distance_km[1] < distance_km[2]


def others_near(
    boxes: Boxes, box: np.ndarray, y: np.ndarray, x: np.ndarray, km: float
) -> np.ndarray:
    """Other outlets of one country within a distance of each, by a loop over all."""
    assert not box.any()
    km_lon = boxes.km_lon[boxes.row[0] + y][:, None]
    east, north = (x - x[:, None]) * km_lon, (y - y[:, None]) * boxes.km_lat
    return (east**2 + north**2 <= km**2).sum(axis=1) - 1


@pytest.mark.parametrize("company", [1, 4, 30])
def test_lonely_are_those_with_few_others_near(company):
    boxes, *_ = world()
    rng = np.random.default_rng(5)
    y, x = rng.integers(0, 60, 300), rng.integers(0, 80, 300)
    box = np.zeros(300, dtype=np.int64)
    held = np.bincount(boxes.cell(box, y, x), minlength=len(boxes.sums)).astype(np.int32)
    rows = np.arange(0, 300, 2)
    found = lonely(boxes, box, y, x, rows, held, 25.0, company)
    expected = others_near(boxes, box, y, x, 25.0)[rows] < company
    assert found.tolist() == expected.tolist()
    assert found.any()


def test_outlets_look_for_company():
    boxes, *_ = world(heavy=30)
    networks = networks_of([1] * 60)
    alone = []
    for rounds in (0, 1, 8):
        law = law_of(company__rounds=rounds, company__km=30.0)
        y, x = draw_countries(boxes, networks, no_city(boxes), law, KEY, 0, 1)
        alone.append((others_near(boxes, networks.box, y, x, 30.0) == 0).sum())
    assert alone[0] > 5
    assert alone[0] > alone[1] >= alone[2]
    assert alone[2] <= 1


@pytest.mark.parametrize("company", [1, 5])
def test_a_larger_world_looks_for_more_company(company):
    boxes, *_ = world(heavy=30)
    networks = networks_of([1] * 600)
    law = law_of(company__rounds=8, company__km=30.0)
    y, x = draw_countries(boxes, networks, no_city(boxes), law, KEY, 0, company)
    near = others_near(boxes, networks.box, y, x, 30.0)
    assert (near < company).sum() <= 3
    assert (company == 5) or (near < 5).sum() > 20


def test_the_company_that_is_looked_for_grows_with_the_world():
    law = law_of(company__of_sites=36_000)
    sites = (3_500, 34_000, 53_000, 55_000, 350_000, 10_000_000)
    assert [least_company(law, n) for n in sites] == [1, 1, 1, 2, 10, 278]


def test_anisotropy_of_known_shapes():
    boxes, *_ = world()
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.integers(0, 60, 500), np.full(50, 7)])
    x = np.concatenate([rng.integers(0, 80, 500), np.arange(50) % 30])
    box = np.repeat([0, 1], [500, 50])
    found = anisotropy(boxes, box, y, x)
    assert found[0] == pytest.approx(60 * boxes.km_lat / (80 * boxes.km_lon[530]), rel=0.1)
    assert np.isinf(found[1])
    assert anisotropy(boxes, box[:3], np.full(3, 5), np.full(3, 5)).tolist() == [1.0, 1.0]


def test_countries_on_a_line_are_drawn_again():
    boxes, *_ = world(height=6, width=200, heavy=20)
    networks = networks_of([20] * 4)
    once, often = law_of(shape__draws=1), law_of(shape__draws=16)
    limit = {"shape": {"min_sites": 40, "anisotropy_max": 8.0}}
    seen = []
    for law in (once, often):
        law["shape"] |= limit["shape"]
        ratios = []
        for seed in range(10):
            network, y, x = place(boxes, networks, law, key=Key(seed, "s"))
            ratios.append(anisotropy(boxes, networks.box[network], y, x)[0])
        seen.append(ratios)
    assert (np.array(seen[0]) > 8.0).sum() > (np.array(seen[1]) > 8.0).sum()
    assert all(b <= a for a, b in zip(*seen, strict=True))
    small = law_of(shape__min_sites=81)
    assert np.array_equal(place(boxes, networks, small)[1], place(boxes, networks, once)[1])


def test_one_outlet_of_the_largest_network_reaches_a_second_time_zone():
    boxes, code, tile, _ = world()
    far = tile[code == HOME][[0, 4799]]
    zones = ZoneTiles(np.array([0, 60]), far, np.array([100.0, 50.0]))
    floor = ZoneFloor(2, 40, {HOME: zones, countries.encode_one("ZZ"): zones})
    networks = networks_of([20, 25])
    network = np.repeat([0, 1], [20, 25])
    y, x = np.full(45, 30), np.full(45, 30)
    meet_zone_floor(boxes, networks, network, y, x, floor)
    made = boxes.tile(np.zeros(45, dtype=np.int64), y, x)
    assert [(made == t).sum() for t in far] == [1, 1]
    assert set(network[np.isin(made, far)]) == {1}
    few = networks_of([39])
    y, x = np.full(39, 30), np.full(39, 30)
    meet_zone_floor(boxes, few, np.zeros(39, dtype=np.int64), y, x, floor)
    assert set(y) == {30}
