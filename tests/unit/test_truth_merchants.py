"""T5, T6 and T9: branch networks that can be measured by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import countries
from scripts.geo.metrics import Sites
from scripts.scorers.truth.merchants import (
    OUTLETS_AT_MOST,
    Networks,
    entries,
    networks_of,
)

KM = 1.0 / 111.195  # degrees of latitude
CODE = 7


def _networks_at(
    merchant: np.ndarray,
    rank: np.ndarray,
    lon: np.ndarray,
    lat: np.ndarray,
    city: tuple[float, float] | None = None,
) -> Networks:
    """Networks of one country, with one city."""
    n = len(merchant)
    sites = Sites(
        np.asarray(merchant, np.uint64), np.full(n, CODE, np.int16), np.arange(n), lon, lat
    )
    cities = np.full((2, countries.CODES), np.nan)
    cities[:, CODE] = city or np.nan
    return networks_of(sites, np.asarray(rank, np.uint64), *cities)


def _networks(
    outlets: list[tuple[int, float]], city: tuple[float, float] | None = None
) -> Networks:
    """Outlets as merchant and kilometres north of the equator, on the meridian of 20 degrees."""
    lat = np.array([km for _, km in outlets]) * KM
    n = len(outlets)
    return _networks_at(
        np.array([m for m, _ in outlets]), np.arange(n), np.full(n, 20.0), lat, city
    )


def test_networks_of_two_countries_are_apart():
    n, lon = 3, np.array([0.0, 0.0, 5.0])
    country = np.array([CODE, CODE, CODE + 1], np.int16)
    sites = Sites(np.ones(n, np.uint64), country, np.arange(n), lon, np.zeros(n))
    cities = np.full((2, countries.CODES), np.nan)
    networks = networks_of(sites, np.arange(n, dtype=np.uint64), *cities)
    assert networks.country.tolist() == [CODE, CODE + 1]
    assert networks.size.tolist() == [2, 1]


def test_networks_are_told_by_merchant():
    networks = _networks([(3, 0), (1, 0), (3, 9), (2, 5), (3, 1)])
    assert networks.merchant.tolist() == [1, 2, 3]
    assert networks.size.tolist() == [1, 1, 3]
    assert networks.country.tolist() == [CODE] * 3


def test_spread_of_three_outlets():
    # Pairs of 10, 30 and 40 km; the medoid is the middle one, 30 km from the farthest.
    networks = _networks([(1, 0), (1, 10), (1, 40)])
    np.testing.assert_allclose(networks.median_m, [30e3], rtol=1e-4)
    np.testing.assert_allclose(networks.reach_m, [30e3], rtol=1e-4)


def test_a_single_outlet_has_no_spread_and_no_sibling():
    networks = _networks([(1, 0)])
    assert np.isnan(networks.median_m).all()
    assert np.isnan(networks.reach_m).all()
    assert networks.with_sibling.tolist() == [0]


def test_siblings_are_within_five_kilometres():
    assert _networks([(1, 0), (1, 4.9), (1, 10)]).with_sibling.tolist() == [2]
    assert _networks([(1, 0), (1, 5.1), (2, 0)]).with_sibling.tolist() == [0, 0]
    assert _networks([(1, 0), (1, 0)]).with_sibling.tolist() == [2]


def test_spread_across_the_antimeridian():
    lon, lat = np.array([179.9, -179.9]), np.zeros(2)
    networks = _networks_at(np.ones(2), np.arange(2), lon, lat)
    np.testing.assert_allclose(networks.median_m, [0.2 / KM * 1e3], rtol=1e-4)


def test_a_large_network_is_told_by_its_outlets_of_least_rank():
    size = OUTLETS_AT_MOST + 50
    lat = np.zeros(size)
    lat[OUTLETS_AT_MOST:] = 30.0
    networks = _networks_at(np.ones(size), np.arange(size), np.zeros(size), lat)
    assert networks.size.tolist() == [size]
    assert networks.told.tolist() == networks.with_sibling.tolist() == [OUTLETS_AT_MOST]
    assert networks.reach_m.tolist() == [0.0]


def test_outlets_in_the_city_of_small_networks():
    city = (20.0, 0.0)
    outlets = [(1, 0.0), (1, 49.0), (1, 51.0), *((2, float(i)) for i in range(6))]
    assert _networks(outlets, city).in_city.tolist() == [2, 0]
    assert _networks(outlets, None).in_city.tolist() == [0, 0]


def test_no_sites_are_no_networks():
    empty = _networks_at(np.empty(0), np.empty(0), np.empty(0), np.empty(0), (0.0, 0.0))
    assert len(empty.size) == 0


def _sized(rows: list[tuple[int, int, int]]) -> Networks:
    """Networks as country, merchant, size."""
    country, merchant, size = (np.array(column) for column in zip(*rows, strict=True))
    nothing = np.zeros(len(rows))
    zero = np.zeros(len(rows), dtype=np.int64)
    return Networks(
        country.astype(np.int16),
        merchant.astype(np.uint64),
        size,
        size,
        nothing,
        nothing,
        zero,
        zero,
    )


def test_entries_are_small_and_beyond_the_largest_country():
    networks = _sized([(1, 9, 30), (2, 9, 5), (3, 9, 6), (1, 8, 2), (2, 8, 2), (1, 7, 1)])
    # Merchant 9 enters country 2; of two equal countries of merchant 8 the first is the largest.
    assert entries(networks).tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows_changes_nothing(seed: int):
    rng = np.random.default_rng(seed)
    n = 400
    merchant = rng.integers(1, 40, n).astype(np.uint64)
    rank = rng.permutation(n).astype(np.uint64)
    lon, lat = rng.uniform(0, 2, n), rng.uniform(0, 2, n)
    here = _networks_at(merchant, rank, lon, lat, (1.0, 1.0))
    rows = rng.permutation(n)
    there = _networks_at(merchant[rows], rank[rows], lon[rows], lat[rows], (1.0, 1.0))
    for name, values in vars(here).items():
        np.testing.assert_array_equal(values, getattr(there, name), err_msg=name)
