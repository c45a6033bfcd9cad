"""How a merchant's outlets lie in a country: T5 and T6, and T9 where it enters one.

A merchant's outlets in one country are a *branch network*; its size is their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from scripts.geo.distance import great_circle_m, unit_vectors
from scripts.scorers.metrics import Codes, FloatArray, IntArray, Sites, chord_to_m
from scripts.scorers.truth.spacing import chord_of_m

LOCAL_REACH_M = 50_000.0
SIBLING_REACH_M = 5_000.0
ENTRY_AT_MOST = 5
CITY_REACH_M = 50_000.0
# Larger networks are told by this many of their outlets, and by a tree of all of them.
OUTLETS_AT_MOST = 64
_PAIRS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Networks:
    """Branch networks, one row a (country, merchant), by rising country and merchant.

    Attributes
    ----------
    country, merchant
        Shape (g,), int16 codes and uint64 ids.
    size
        Outlets, shape (g,).
    start
        First row of each network in the sorted sites, and their number at the end; shape (g + 1,).
    """

    country: Codes
    merchant: np.ndarray
    size: IntArray
    start: IntArray


def networks_of(sites: Sites) -> Networks:
    """Networks of sites that are sorted by country and merchant.

    Within a network the order of the sites should be random: of more than 64 outlets the first 64
    stand for all in :class:`Spread`.
    """
    if not len(sites):
        return Networks(sites.country, sites.merchant, np.empty(0, np.int64), np.zeros(1, np.int64))
    new = (np.diff(sites.country) != 0) | (np.diff(sites.merchant.view(np.int64)) != 0)
    first = np.concatenate(([0], np.flatnonzero(new) + 1))
    start = np.append(first, len(sites)).astype(np.int64)
    return Networks(sites.country[first], sites.merchant[first], np.diff(start), start)


@dataclass(frozen=True)
class Spread:
    """Of every network of two outlets and more, each of shape (g,); NaN or 0 for others.

    ``median_m`` median distance of its pairs, metres; ``reach_m`` distance of the outlet farthest
    from the medoid, the outlet with the least sum of distances to the others; ``near_sibling``
    number of outlets with another of them within 5 km.
    """

    median_m: FloatArray
    reach_m: FloatArray
    near_sibling: IntArray


def spread_of(sites: Sites, networks: Networks) -> Spread:
    """Spread of the networks of sorted sites.

    ``median_m`` and ``reach_m`` of a network of more than 64 outlets are those of its first 64 in
    the order of the sites; ``near_sibling`` is exact.
    """
    g = len(networks.size)
    median, reach = np.full(g, np.nan), np.full(g, np.nan)
    near = np.zeros(g, dtype=np.int64)
    for rows, outlets in _equal_networks(networks):
        vectors = unit_vectors(sites.lon[outlets].ravel(), sites.lat[outlets].ravel())
        distance = _distances(vectors.reshape(*outlets.shape, 3))
        a, b = np.triu_indices(outlets.shape[1], 1)
        median[rows] = np.median(distance[:, a, b], axis=1)
        medoid = distance.sum(axis=2).argmin(axis=1)
        reach[rows] = distance[np.arange(len(rows)), medoid].max(axis=1)
        each = np.arange(outlets.shape[1])
        distance[:, each, each] = np.inf
        near[rows] = (distance.min(axis=2) <= SIBLING_REACH_M).sum(axis=1)
    for row in np.flatnonzero(networks.size > OUTLETS_AT_MOST):
        own = slice(networks.start[row], networks.start[row + 1])
        near[row] = _with_sibling(unit_vectors(sites.lon[own], sites.lat[own]))
    return Spread(median, reach, near)


def _equal_networks(networks: Networks) -> Iterator[tuple[IntArray, IntArray]]:
    """Networks of one size at a time, and the rows of their outlets, shape (networks, outlets)."""
    told = np.minimum(networks.size, OUTLETS_AT_MOST)
    for size in np.unique(told[told >= 2]):
        rows = np.flatnonzero(told == size)
        step = max(1, _PAIRS_AT_ONCE // int(size * size))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            yield some, networks.start[some, None] + np.arange(size)


def _distances(vectors: FloatArray) -> FloatArray:
    """Great circles between all points of each set, metres; (g, n, 3) to (g, n, n)."""
    difference = vectors[:, :, None, :] - vectors[:, None, :, :]
    return chord_to_m(np.sqrt(np.einsum("ijkl,ijkl->ijk", difference, difference)))


def _with_sibling(vectors: FloatArray) -> int:
    chord, _ = cKDTree(vectors).query(vectors, k=2)
    return int((chord[:, 1] <= chord_of_m(SIBLING_REACH_M)).sum())


def entries(networks: Networks) -> np.ndarray:
    """Networks that are a merchant's entry into a country beyond its largest; bool, shape (g,).

    The largest country of a merchant is that of most outlets, of equal ones the first in the
    alphabet. An entry has at most five outlets.
    """
    order = np.lexsort((networks.country, -networks.size, networks.merchant))
    merchant = networks.merchant[order]
    largest = np.ones(len(order), dtype=bool)
    largest[1:] = merchant[1:] != merchant[:-1]
    entry = np.empty(len(order), dtype=bool)
    entry[order] = ~largest
    return entry & (networks.size <= ENTRY_AT_MOST)


def outlets_near(
    sites: Sites,
    networks: Networks,
    rows: IntArray,
    city_lon_deg: FloatArray,
    city_lat_deg: FloatArray,
) -> IntArray:
    """Outlets within 50 km of a city, for some networks of sorted sites.

    Parameters
    ----------
    rows
        Networks, shape (m,).
    city_lon_deg, city_lat_deg
        The city of each of them, shape (m,).

    Returns
    -------
    Shape (m,).
    """
    size = networks.size[rows]
    network = np.repeat(np.arange(len(rows)), size)
    before = np.cumsum(size) - size
    outlet = networks.start[rows][network] + np.arange(len(network)) - before[network]
    distance = great_circle_m(
        sites.lon[outlet], sites.lat[outlet], city_lon_deg[network], city_lat_deg[network]
    )
    near = distance <= CITY_REACH_M
    return np.bincount(network, near, len(rows)).astype(np.int64)
