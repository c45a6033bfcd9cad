"""How a merchant's outlets lie in a country: T5 and T6, and T9 where it enters one.

A merchant's outlets in one country are a *branch network*; its size is their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts.geo.distance import great_circle_m, unit_vectors
from scripts.geo.metrics import FloatArray, IntArray, Sites, chord_to_m
from scripts.ordering import run_starts

SIBLING_REACH_M = 5_000.0
CITY_REACH_M = 50_000.0
ENTRY_AT_MOST = 5
# More than any network of the release has; of a larger one so many outlets stand for all.
OUTLETS_AT_MOST = 200
_PAIRS_AT_ONCE = 1 << 21

Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Networks:
    """Branch networks, each of shape (g,).

    ``country`` int16 codes, ``merchant`` uint64 ids, ``size`` outlets; of at most 200 of them
    (``told``): ``median_m``, the median distance of two outlets, and ``reach_m``, the distance of
    the outlet farthest from the medoid, the one with the least sum of distances to the others
    (metres, NaN for a single outlet); ``with_sibling``, how many have another within 5 km; and of
    networks of at most five outlets ``in_city``, how many are within 50 km of the country's
    largest city.
    """

    country: npt.NDArray[np.int16]
    merchant: npt.NDArray[np.uint64]
    size: Counts
    told: Counts
    median_m: FloatArray
    reach_m: FloatArray
    with_sibling: Counts
    in_city: Counts

    @staticmethod
    def joined(parts: Sequence[Networks]) -> Networks:
        """The networks of all parts, at least one, that share no merchant."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Networks(*map(np.concatenate, columns))


def networks_of(
    sites: Sites, rank: npt.NDArray[np.uint64], city_lon_deg: FloatArray, city_lat_deg: FloatArray
) -> Networks:
    """Networks of a map, by rising country and merchant.

    Parameters
    ----------
    sites, rank
        Sites in any order, and their keyed ranks, shape (n,): the outlets of least rank stand for
        a large network.
    city_lon_deg, city_lat_deg
        The largest city by country code, degrees, shape (676,); NaN for a country without one.
    """
    order = np.lexsort((rank, sites.merchant, sites.country))
    country, merchant = sites.country[order], sites.merchant[order]
    lon_deg, lat_deg = sites.lon[order], sites.lat[order]
    starts = run_starts(country, merchant)
    first, size = starts[:-1], np.diff(starts).astype(np.int32)
    told = np.minimum(size, OUTLETS_AT_MOST)

    median, reach = np.full(len(first), np.nan), np.full(len(first), np.nan)
    with_sibling = np.zeros(len(first), dtype=np.int32)
    for rows, outlets in _equal_networks(first, told):
        vectors = unit_vectors(lon_deg[outlets].ravel(), lat_deg[outlets].ravel())
        distance = distances_m(vectors.reshape(*outlets.shape, 3))
        a, b = np.triu_indices(outlets.shape[1], 1)
        median[rows] = np.median(distance[:, a, b], axis=1)
        medoid = distance.sum(axis=2).argmin(axis=1)
        reach[rows] = distance[np.arange(len(rows)), medoid].max(axis=1)
        each = np.arange(outlets.shape[1])
        distance[:, each, each] = np.inf
        with_sibling[rows] = (distance.min(axis=2) <= SIBLING_REACH_M).sum(axis=1)

    small = np.repeat(size <= ENTRY_AT_MOST, size)
    city = city_lon_deg[country[small]], city_lat_deg[country[small]]
    near = np.zeros(len(merchant), dtype=np.int32)
    near[small] = great_circle_m(lon_deg[small], lat_deg[small], *city) <= CITY_REACH_M
    return Networks(
        country[first],
        merchant[first],
        size,
        told,
        median,
        reach,
        with_sibling,
        np.add.reduceat(near, first) if len(first) else near,
    )


def _equal_networks(first: IntArray, told: Counts) -> Iterator[tuple[IntArray, IntArray]]:
    """Networks of one size at a time, and the rows of their outlets, shape (networks, outlets)."""
    for size in np.unique(told[told >= 2]):
        rows = np.flatnonzero(told == size)
        step = max(1, _PAIRS_AT_ONCE // int(size * size))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            yield some, first[some, None] + np.arange(size)


def distances_m(vectors: FloatArray) -> FloatArray:
    """Great circles between all points of each set, metres; (g, n, 3) to (g, n, n)."""
    square = np.zeros((len(vectors), vectors.shape[1], vectors.shape[1]))
    for axis in range(3):
        square += (vectors[:, :, None, axis] - vectors[:, None, :, axis]) ** 2
    return chord_to_m(np.sqrt(square))


def entries(networks: Networks) -> npt.NDArray[np.bool_]:
    """Networks that are a merchant's entry into a country beyond its largest, shape (g,).

    The largest country of a merchant is that of most outlets, of equal ones the first in the
    alphabet. An entry has at most five outlets.
    """
    order = np.lexsort((networks.country, -networks.size, networks.merchant))
    merchant = networks.merchant[order]
    beyond = np.zeros(len(order), dtype=bool)
    beyond[order[1:]] = merchant[1:] == merchant[:-1]
    return beyond & (networks.size <= ENTRY_AT_MOST)
