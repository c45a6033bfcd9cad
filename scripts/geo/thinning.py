"""One density for every map, so that a verdict does not depend on how many sites a map has.

A denser map has fewer lone sites and nearer neighbours whatever its law. What depends on density is
therefore measured at a reference density, that of the published release of 35 thousand sites. A map
with more is thinned to it at random, which keeps its law (an independent thinning of a Cox process
is the same process at a lower intensity: Cressie 1993, section 8.5.5); with enough sites it is
thinned several times into maps that share no site, which are measured together. A map with fewer is
measured as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo.metrics import (
    Codes,
    FloatArray,
    IntArray,
    Sites,
    country_counts,
    nearest_neighbour_m,
)
from scripts.randomness import counters, family_key, philox4x64

THINNING_NAMESPACE = "scorers.thinning"
MAPS_AT_MOST = 32
# Neighbour distances of so many maps of 36 thousand sites leave less error than seeds differ by.
NEIGHBOUR_MAPS_AT_MOST = 8
_BLOCK = 1 << 18
# How many times more sites than are wanted may be at hand before the others are dropped.
_KEPT_AT_MOST = 3

Rank = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def thinning_rank(sites: Sites, seed: int) -> Rank:
    """Keyed rank of every site, shape (n,), of (seed, merchant, country, order) alone."""
    rank = np.empty(len(sites), dtype=np.uint64)
    for start in range(0, len(sites), _BLOCK):
        rows = slice(start, start + _BLOCK)
        words = counters(sites.merchant[rows], sites.country[rows], sites.order[rows])
        rank[rows] = philox4x64(words, family_key(seed, THINNING_NAMESPACE))[:, 0]
    return rank


def lowest(rank: Rank, size: int) -> Rows:
    """Rows of the ``size`` lowest ranks, rising; thinning to fewer gives a subset."""
    if size >= len(rank):
        return np.arange(len(rank))
    return np.sort(np.argpartition(rank, size)[:size])


def lowest_by_country(country: Codes, rank: Rank, most: IntArray) -> IntArray:
    """Rows of at most so many sites of each country, those of the lowest keyed rank, rising.

    Parameters
    ----------
    country, rank
        Of the sites, shape (n,).
    most
        Sites to keep by country code, shape (676,).
    """
    counts = country_counts(country)
    if (counts <= most).all():
        return np.arange(len(country))
    # A quarter more than is wanted nearly always holds the lowest, and spares sorting all.
    share = np.minimum(1.25 * most / np.maximum(counts, 1), 1.0)
    near = rank * 2.0**-64 <= share[country]
    short = country_counts(country[near]) < np.minimum(most, counts)
    some = np.flatnonzero(near | short[country])
    order = some[np.lexsort((rank[some], country[some]))]
    ranked = country[order]
    first = np.searchsorted(ranked, np.arange(countries.CODES, dtype=np.int16))
    kept = np.arange(len(order)) - first[ranked] < most[ranked]
    return np.sort(order[kept])


class Lowest:
    """Sites of the lowest keyed ranks of a map that comes in blocks, in their order."""

    def __init__(self, most: int, most_of_country: IntArray | None = None) -> None:
        """Keep so many of all, and of each country by code, shape (676,), where there are more."""
        none = np.zeros(countries.CODES, dtype=np.int64)
        self._most = most
        self._most_of_country = none if most_of_country is None else most_of_country
        self._seen = none.copy()
        self._parts: list[tuple[Sites, Rank]] = []
        # The highest rank that a site of a country may have to be kept.
        self._bound = np.full(countries.CODES, np.iinfo(np.uint64).max)

    def add(self, sites: Sites, rank: Rank) -> None:
        """Take the next block in."""
        rows = np.flatnonzero(rank <= self._bound[sites.country])
        self._parts.append((sites.take(rows), rank[rows]))
        self._seen += country_counts(sites.country)
        enough = self._most + int(np.minimum(self._seen, self._most_of_country).sum())
        if sum(len(rank) for _, rank in self._parts) > _KEPT_AT_MOST * enough:
            self._cut()

    def _cut(self) -> None:
        sites = Sites.joined(part for part, _ in self._parts)
        rank = np.concatenate([rank for _, rank in self._parts])
        of_all = lowest(rank, self._most)
        of_countries = lowest_by_country(sites.country, rank, self._most_of_country)
        kept = np.zeros(len(rank), dtype=bool)
        kept[of_all] = kept[of_countries] = True
        rows = np.flatnonzero(kept)
        full = len(of_all) == self._most
        bound = np.full(countries.CODES, rank[of_all].max(initial=0) if full else self._bound.max())
        np.maximum.at(bound, sites.country[of_countries], rank[of_countries])
        few = self._seen < self._most_of_country
        self._bound = np.where(few, np.iinfo(np.uint64).max, bound)
        self._parts = [(sites.take(rows), rank[rows])]

    def result(self) -> tuple[Sites, Rank]:
        """What was kept, and its ranks."""
        self._cut()
        return self._parts[0]


def disjoint_maps(rank: Rank, size: int, at_most: int = MAPS_AT_MOST) -> list[Rows]:
    """Rows of several thinned maps of ``size`` sites that share none, by rising rank.

    Parameters
    ----------
    rank
        Keyed ranks of the sites that are to be thinned together, shape (n,).
    size
        Sites of each map; none for zero. Fewer sites than that are one map.
    at_most
        Number of maps.
    """
    if size <= 0:
        return []
    if len(rank) <= size:
        return [np.arange(len(rank))]
    maps = min(len(rank) // size, at_most)
    first = np.argpartition(rank, maps * size - 1)[: maps * size]
    order = first[np.argsort(rank[first], kind="stable")]
    return [order[i * size : (i + 1) * size] for i in range(maps)]


def maps_at(sites: Sites, rank: Rank, size: int) -> list[Sites]:
    """Maps of ``size`` sites thinned from a larger one; the map itself when it is no larger."""
    if len(sites) <= size:
        return [sites]
    maps = disjoint_maps(rank, size, NEIGHBOUR_MAPS_AT_MOST)
    return [sites.take(np.sort(rows)) for rows in maps]


def comparable_maps(
    sets: Sequence[tuple[Sites, Rank]], tolerance: float, reference: int
) -> list[list[Sites]]:
    """Maps of sets of sites at one count, that of the smallest or the reference if that is less.

    A set is thinned when it has more than that by the fraction ``tolerance``.
    """
    size = min(reference, *(len(sites) for sites, _ in sets))
    return [
        maps_at(sites, rank, size) if len(sites) - size > tolerance * size else [sites]
        for sites, rank in sets
    ]


def nearest_in_maps_m(maps: list[Sites]) -> FloatArray:
    """Distance of every site to the nearest other of its map, metres, map after map."""
    return np.concatenate([nearest_neighbour_m(sites.lon, sites.lat) for sites in maps])
