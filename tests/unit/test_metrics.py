"""Metrics: worked examples, invariants and the cases in which a definition could mislead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scripts import countries
from scripts.geo import metrics
from scripts.geo.distance import great_circle_m
from scripts.geo.metrics import Sites
from scripts.inequality import gini, top_count, top_share
from scripts.scorers import bootstrap
from scripts.tables import published

COUNTS = hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 10_000)).filter(
    lambda c: c.sum() > 0
)


def sites(lon, lat, country="AA", merchant=None) -> Sites:
    n = len(lon)
    codes = np.full(n, countries.encode_one(country), dtype=np.int16)
    ids = np.arange(1, n + 1) if merchant is None else np.asarray(merchant)
    order = np.ones(n, dtype=np.int32)
    return Sites(ids.astype(np.uint64), codes, order, np.asarray(lon), np.asarray(lat))


def join(*parts: Sites) -> Sites:
    names = ("merchant", "country", "order", "lon", "lat")
    return Sites(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def mask(*names: str) -> np.ndarray:
    found = np.zeros(countries.CODES, dtype=bool)
    found[[countries.encode_one(name) for name in names]] = True
    return found


@pytest.mark.parametrize(
    ("counts", "value"),
    [([1, 1, 1], 0.0), ([0, 0, 3], 2 / 3), ([1, 2, 3, 4], 0.25), ([7], 0.0), ([0, 5], 0.5)],
)
def test_gini_worked_examples(counts, value):
    assert gini(counts) == pytest.approx(value)


def test_nothing_to_measure_is_nan():
    for counts in ([], [0, 0]):
        assert math.isnan(gini(counts))
        assert math.isnan(top_share(counts, 0.1))


@given(COUNTS, st.integers(2, 9))
def test_gini_is_bounded_scale_free_and_order_free(counts, factor):
    value = gini(counts)
    assert 0.0 <= value <= 1.0 - 1.0 / len(counts) + 1e-12
    assert gini(counts * factor) == pytest.approx(value, abs=1e-12)
    assert gini(counts[::-1]) == value
    assert gini(np.append(counts, 0)) >= value - 1e-12


@given(COUNTS)
def test_gini_is_half_the_relative_mean_difference(counts):
    difference = np.abs(counts[:, None] - counts[None, :]).mean()
    assert gini(counts) == pytest.approx(difference / (2.0 * counts.mean()), abs=1e-9)


@given(COUNTS, st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_top_share_grows_with_the_fraction(counts, a, b):
    low, high = sorted((a, b))
    assert 0.0 < top_share(counts, low) <= top_share(counts, high) <= 1.0


@pytest.mark.parametrize(
    ("n", "expected"), [(77, (1, 4, 8)), (183, (2, 10, 19)), (240, (3, 12, 24)), (1, (1, 1, 1))]
)
def test_top_count_rounds_up(n, expected):
    assert tuple(top_count(n, f) for f in (0.01, 0.05, 0.10)) == expected


def test_top_count_ignores_floating_dust():
    assert 0.07 * 100 > 7.0
    assert top_count(100, 0.07) == 7


def test_concentration_takes_the_worse_population():
    counts = np.zeros(countries.CODES, dtype=np.int64)
    counts[[countries.encode_one(iso) for iso in ("AA", "AB", "AC")]] = (6, 3, 3)
    eligible = mask("AA", "AB", "AC", "AD")
    found = metrics.concentration(counts, eligible)
    assert found["country_gini"]["active"] == pytest.approx(1 / 6)
    assert found["country_gini"]["eligible"] == pytest.approx(0.375)
    assert found["country_gini"]["gate"] == found["country_gini"]["eligible"]
    assert found["top1_share"]["gate"] == pytest.approx(0.5)
    assert metrics.eligible_country_nonzero_share(counts, eligible) == 0.75


def test_denying_a_country_cannot_improve_the_gini_of_the_gate():
    counts = np.zeros(countries.CODES, dtype=np.int64)
    names = ("AA", "AB", "AC", "AD")
    counts[[countries.encode_one(iso) for iso in names]] = (10, 10, 10, 1)
    before = metrics.concentration(counts, mask(*names))["country_gini"]
    counts[countries.encode_one("AD")] = 0
    after = metrics.concentration(counts, mask(*names))["country_gini"]
    assert after["active"] < before["active"]
    assert after["gate"] > before["gate"]


def test_south_excludes_the_equator():
    lat = np.array([-1.0, 0.0, 2.0, -0.1])
    ones = np.ones(4, dtype=np.int16)
    sites = Sites(ones.astype(np.uint64), ones, np.arange(4, dtype=np.int32), lat, lat)
    assert bootstrap.pairs_of(sites).south.tolist() == [2]


def test_region_shares_count_strangers_apart():
    counts = np.zeros(countries.CODES, dtype=np.int64)
    counts[[3, 4, 5]] = (2, 6, 2)
    found = metrics.region_shares(counts, {3: "Asia", 4: "Africa", 9: "Oceania"})
    assert found == {"Africa": 0.6, "Asia": 0.2, "Oceania": 0.0, "unassigned": 0.2}


LON_LAT = st.lists(
    st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=2, max_size=25, unique=True
)


@settings(deadline=None)
@given(LON_LAT)
def test_nearest_neighbour_is_the_brute_force_haversine(points):
    lon, lat = np.array(points).T
    distance = great_circle_m(lon[:, None], lat[:, None], lon[None, :], lat[None, :])
    np.fill_diagonal(distance, np.inf)
    found = metrics.nearest_neighbour_m(lon, lat)
    # Between antipodes the haversine loses half its digits; nearest neighbours of many do not.
    np.testing.assert_allclose(found, distance.min(axis=1), rtol=1e-7, atol=0.5)


def test_nearest_neighbour_across_the_antimeridian_and_the_pole():
    found = metrics.nearest_neighbour_m(
        np.array([179.99, -179.99, 0.0, 180.0]), np.array([0.0, 0.0, 89.99, 89.99])
    )
    degree = math.radians(1.0) * metrics.EARTH_RADIUS_M
    np.testing.assert_allclose(found, [0.02 * degree] * 4, rtol=1e-9)


def test_nearest_neighbour_of_coincident_and_lone_points():
    assert metrics.nearest_neighbour_m(np.array([5.0]), np.array([5.0])).size == 0
    assert metrics.nearest_neighbour_m(np.array([5.0, 5.0]), np.array([5.0, 5.0])).tolist() == [
        0,
        0,
    ]


def test_chunks_and_workers_do_not_change_distances(monkeypatch):
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-80, 80, 500)
    whole = metrics.nearest_neighbour_m(lon, lat)
    monkeypatch.setattr(metrics, "_QUERY_CHUNK", 7)
    assert np.array_equal(metrics.nearest_neighbour_m(lon, lat, workers=2), whole)


def test_tail_ratio_of_piles_is_undefined_not_perfect():
    assert math.isnan(metrics.tail_ratio(np.array([0.0, 0.0, 0.0, 9.0])))
    assert math.isnan(metrics.tail_ratio(np.empty(0)))
    assert math.isnan(metrics.contraction(math.nan, 12.0))
    assert math.isnan(metrics.contraction(3.0, math.nan))
    assert metrics.contraction(6.0, 12.0) == 0.5
    assert metrics.tail_ratio(np.arange(1.0, 102.0)) == pytest.approx(100.0 / 51.0)


def scattered(n: int, seed: int = 0) -> Sites:
    rng = np.random.default_rng(seed)
    return sites(rng.uniform(0, 10, n), rng.uniform(0, 10, n))


def test_coefficient_of_variation():
    assert metrics.coefficient_of_variation([1.0, 3.0]) == pytest.approx(math.sqrt(2) / 2)
    assert math.isnan(metrics.coefficient_of_variation([1.0]))
    assert math.isnan(metrics.coefficient_of_variation([1.0, -1.0]))


def test_published_values_are_json():
    value = {"a": [math.nan, 1 / 3], "b": np.int64(4), "c": np.array([0.1 + 0.2]), 5: True}
    assert published(value) == {
        "a": [None, 0.3333333333],
        "b": 4,
        "c": [0.3],
        "5": True,
    }


def merchants_of_two_countries() -> tuple[Sites, np.ndarray]:
    rng = np.random.default_rng(8)
    merchant = np.sort(rng.integers(1, 41, 400))
    n = len(merchant)
    iso = rng.integers(0, 6, n).astype(np.int16)
    world = Sites(
        merchant.astype(np.uint64),
        iso,
        np.arange(n, dtype=np.int32),
        rng.uniform(-10, 10, n),
        rng.uniform(-10, 10, n),
    )
    home = np.unique(merchant) % 4
    return world, home.astype(np.int64)


def test_bootstrap_scores_each_draw_by_the_one_definition():
    counts = np.random.default_rng(2).integers(0, 30, (5, countries.CODES)).astype(np.float64)
    counts[:, 40:] = 0.0
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[:60] = True
    active = bootstrap.concentration_rows(counts, active_only=True)
    over_e = bootstrap.concentration_rows(counts[:, eligible], active_only=False)
    for i, row in enumerate(counts.astype(np.int64)):
        expected = metrics.concentration(row, eligible)
        for name, values in expected.items():
            assert active[name][i] == pytest.approx(values["active"], abs=1e-12)
            assert over_e[name][i] == pytest.approx(values["eligible"], abs=1e-12)


def test_bootstrap_resamples_inside_home_countries():
    world, home = merchants_of_two_countries()
    weights = bootstrap._resample_weights(
        bootstrap.population_of(bootstrap.pairs_of(world), home, 42), 42, 0, 8
    )
    for stratum in np.unique(home):
        rows = home == stratum
        assert (weights[rows].sum(axis=0) == rows.sum()).all()
    assert weights.std() > 0.5


def test_bootstrap_does_not_depend_on_row_order_or_chunks(monkeypatch):
    world, home = merchants_of_two_countries()
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[:8] = True

    def run(sample: Sites) -> dict:
        population = bootstrap.population_of(bootstrap.pairs_of(sample), home, 42)
        return bootstrap.intervals(population, eligible, 42, 200, 0.95)

    whole = run(world)
    shuffled = np.random.default_rng(0).permutation(len(world))
    assert run(world.take(shuffled)) == whole
    monkeypatch.setattr(bootstrap, "_CHUNK_CELLS", 40 * 28)
    assert run(world) == whole
    for low, high in whole.values():
        assert 0.0 <= low < high <= 1.0


def test_bootstrap_of_one_merchant_a_country_has_no_width():
    world, _ = merchants_of_two_countries()
    counts = metrics.country_counts(world.country)
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[:8] = True
    alone = np.arange(len(np.unique(world.merchant)), dtype=np.int64)
    found = bootstrap.intervals(
        bootstrap.population_of(bootstrap.pairs_of(world), alone, 1), eligible, 1, 100, 0.95
    )
    expected = metrics.concentration(counts, eligible)
    assert found["country_gini"] == pytest.approx([expected["country_gini"]["gate"]] * 2)
    south = (world.lat < 0.0).mean()
    assert found["southern_hemisphere_share"] == pytest.approx([south, south])


def many_merchants(m: int) -> tuple[Sites, np.ndarray]:
    """Merchants of uneven size in six countries, most of them at home."""
    rng = np.random.default_rng(12)
    home = rng.integers(0, 6, m)
    size = 1 + rng.geometric(0.2, m)
    merchant = np.repeat(np.arange(1, m + 1), size)
    abroad = rng.random(len(merchant)) < 0.3
    country = np.where(abroad, rng.integers(0, 6, len(merchant)), np.repeat(home, size))
    lat = rng.uniform(-10, 10, len(merchant)) + 4.0 * np.repeat(rng.standard_normal(m), size)
    world = Sites(
        merchant.astype(np.uint64),
        country.astype(np.int16),
        np.arange(len(merchant), dtype=np.int32),
        np.zeros(len(merchant)),
        np.clip(lat, -80, 80),
    )
    return world, home.astype(np.int64)


def test_random_groups_are_of_one_size_inside_their_stratum(monkeypatch):
    _, home = many_merchants(5000)
    home[:40] = 99
    merchant = np.arange(1, 5001).astype(np.uint64)
    assert bootstrap.random_groups(merchant, home, 42).tolist() == list(range(5000))
    monkeypatch.setattr(bootstrap, "UNITS", 500)
    unit = bootstrap.random_groups(merchant, home, 42)
    assert (home[unit] == home).all()
    standing, size = np.unique(unit, return_counts=True)
    assert set(size[home[standing] == 99]) == {1}
    assert set(size[home[standing] != 99]) <= {10, 11}
    assert 450 < len(standing) < 550


def test_random_groups_of_merchants_vary_as_merchants_do(monkeypatch):
    world, home = many_merchants(6000)
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[:6] = True

    def widths() -> dict[str, float]:
        population = bootstrap.population_of(bootstrap.pairs_of(world), home, 42)
        found = bootstrap.intervals(population, eligible, 42, 1000, 0.95)
        return {name: high - low for name, (low, high) in found.items()}

    single = widths()
    monkeypatch.setattr(bootstrap, "UNITS", 600)
    grouped = widths()
    for name, width in single.items():
        assert grouped[name] == pytest.approx(width, rel=0.15)
