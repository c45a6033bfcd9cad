"""T5, T6 and T9: branch networks that can be measured by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.scorers.truth.merchants import (
    OUTLETS_AT_MOST,
    Networks,
    concatenate,
    entries,
    networks_of,
)

KM = 1.0 / 111.195  # degrees of latitude
CODE = 7


def _networks(
    outlets: list[tuple[int, float]], city: tuple[float, float] | None = None
) -> Networks:
    """Outlets as merchant and kilometres north of the equator, on the meridian of 20 degrees."""
    merchant = np.array([m for m, _ in outlets], dtype=np.uint64)
    lat = np.array([km for _, km in outlets]) * KM
    rank = np.arange(len(outlets), dtype=np.uint64)
    return networks_of(CODE, merchant, rank, np.full(len(outlets), 20.0), lat, city)


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
    networks = networks_of(
        CODE, np.ones(2, np.uint64), np.arange(2, dtype=np.uint64), lon, lat, None
    )
    np.testing.assert_allclose(networks.median_m, [0.2 / KM * 1e3], rtol=1e-4)


def test_a_large_network_is_told_by_its_outlets_of_least_rank():
    size = OUTLETS_AT_MOST + 50
    lat = np.zeros(size)
    lat[OUTLETS_AT_MOST:] = 30.0
    merchant, lon = np.ones(size, np.uint64), np.zeros(size)
    networks = networks_of(CODE, merchant, np.arange(size, dtype=np.uint64), lon, lat, None)
    assert networks.size.tolist() == [size]
    assert networks.told.tolist() == networks.with_sibling.tolist() == [OUTLETS_AT_MOST]
    assert networks.reach_m.tolist() == [0.0]


def test_outlets_in_the_city_of_small_networks():
    city = (20.0, 0.0)
    outlets = [(1, 0.0), (1, 49.0), (1, 51.0), *((2, float(i)) for i in range(6))]
    assert _networks(outlets, city).in_city.tolist() == [2, 0]
    assert _networks(outlets, None).in_city.tolist() == [0, 0]


def test_no_sites_are_no_networks():
    empty = networks_of(
        CODE, np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0), np.empty(0), (0.0, 0.0)
    )
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


def test_parts_add_up():
    a, b = _networks([(1, 0), (1, 2)]), _networks([(5, 0)])
    both = concatenate([a, b])
    assert both.merchant.tolist() == [1, 5]
    assert both.with_sibling.tolist() == [2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows_changes_nothing(seed: int):
    rng = np.random.default_rng(seed)
    n = 400
    merchant = rng.integers(1, 40, n).astype(np.uint64)
    rank = rng.permutation(n).astype(np.uint64)
    lon, lat = rng.uniform(0, 2, n), rng.uniform(0, 2, n)
    here = networks_of(CODE, merchant, rank, lon, lat, (1.0, 1.0))
    rows = rng.permutation(n)
    there = networks_of(CODE, merchant[rows], rank[rows], lon[rows], lat[rows], (1.0, 1.0))
    for name, values in vars(here).items():
        np.testing.assert_array_equal(values, getattr(there, name), err_msg=name)
