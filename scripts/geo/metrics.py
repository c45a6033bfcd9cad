"""Realism metrics of a set of sites: one definition each, imported by every scorer and state.

Countries are the integer codes of :mod:`scripts.countries`; a vector "by country" has one entry
per code. A metric that has nothing to measure is NaN, which no gate accepts and which is published
as null. ``docs/metrics.md`` gives population, unit, source and threshold of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.geo.distance import EARTH_RADIUS_M, unit_vectors
from scripts.inequality import CONCENTRATION, TOP_FRACTIONS, gini, top_share

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int16]

NN_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
_QUERY_CHUNK = 1 << 20


@dataclass(frozen=True)
class Sites:
    """Columns of ``site_locations``, each of shape (n,).

    ``merchant`` uint64, ``country`` int16 codes, ``order`` int32, ``lon`` and ``lat`` float64
    degrees.
    """

    merchant: npt.NDArray[np.uint64]
    country: Codes
    order: npt.NDArray[np.int32]
    lon: FloatArray
    lat: FloatArray

    def __len__(self) -> int:
        return len(self.lon)

    def take(self, rows: npt.NDArray[np.integer]) -> Sites:
        """The sites of the given rows, in that order."""
        return Sites(
            *(c[rows] for c in (self.merchant, self.country, self.order, self.lon, self.lat))
        )

    def blocks(self) -> Iterator[Sites]:
        """All of them, as a :class:`Map`."""
        yield self

    @staticmethod
    def joined(parts: Iterable[Sites]) -> Sites:
        """The sites of all parts, at least one, in their order."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Sites(*map(np.concatenate, columns))


class Map(Protocol):
    """Sites in memory, or in a file that is larger."""

    def blocks(self) -> Iterator[Sites]:
        """The sites in blocks, at least one, each merchant in one of them; the same every time."""


def sites_of(table: pa.Table) -> Sites:
    """Arrays of a ``site_locations`` table."""
    return Sites(
        table.column("merchant_id").to_numpy(),
        countries.encode(table.column("legal_country_iso")),
        table.column("site_order").to_numpy(),
        table.column("lon_deg").to_numpy(),
        table.column("lat_deg").to_numpy(),
    )


def country_counts(country: Codes) -> IntArray:
    """Number of sites by country; shape (676,)."""
    return np.bincount(country, minlength=countries.CODES)


def concentration(counts: IntArray, eligible: npt.NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Gini and top shares over two populations of countries, and the worse that the gate takes.

    Parameters
    ----------
    counts
        Sites by country, shape (676,).
    eligible
        Mask of the eligible set E, shape (676,).

    Returns
    -------
    For ``country_gini``, ``top1_share``, ``top5_share`` and ``top10_share`` a mapping of
    ``eligible`` (E with its zeros), ``active`` (countries with a site) and ``gate`` (the larger).
    """
    populations = {"eligible": counts[eligible], "active": counts[counts > 0]}
    readings: dict[str, dict[str, float]] = {}
    for name in CONCENTRATION:
        values = {
            key: gini(c) if name == "country_gini" else top_share(c, TOP_FRACTIONS[name])
            for key, c in populations.items()
        }
        readings[name] = {**values, "gate": float(np.maximum(values["eligible"], values["active"]))}
    return readings


def eligible_countries(
    codes: npt.NDArray[np.int16],
    population: npt.NDArray[np.integer],
    tile_countries: npt.NDArray[np.int16],
) -> npt.NDArray[np.bool_]:
    """The eligible set E: countries of the snapshot with people and with tiles; shape (676,).

    Parameters
    ----------
    codes, population
        Countries of the facts and their population, shape (n,).
    tile_countries
        Codes that have a tile, in any order, repeated or not.
    """
    populated = np.zeros(countries.CODES, dtype=bool)
    populated[codes[population > 0]] = True
    has_tiles = np.zeros(countries.CODES, dtype=bool)
    has_tiles[tile_countries] = True
    return populated & has_tiles


def eligible_country_nonzero_share(counts: IntArray, eligible: npt.NDArray[np.bool_]) -> float:
    """Share of the countries of E that hold at least one site; NaN when E is empty."""
    size = int(eligible.sum())
    return float((counts[eligible] > 0).sum()) / size if size else math.nan


def region_shares(counts: IntArray, region_of: Mapping[int, str]) -> dict[str, float]:
    """Share of sites by macro region; a country without a region is counted in ``unassigned``.

    Parameters
    ----------
    counts
        Sites by country, shape (676,).
    region_of
        Region by country code, for every country of the snapshot.
    """
    total = int(counts.sum())
    sums = dict.fromkeys(sorted(set(region_of.values())), 0)
    for code in np.flatnonzero(counts):
        region = region_of.get(int(code), "unassigned")
        sums[region] = sums.get(region, 0) + int(counts[code])
    return {region: (n / total if total else math.nan) for region, n in sums.items()}


def chord_to_m(chord: FloatArray) -> FloatArray:
    """Great-circle distance in metres of a chord of the unit sphere."""
    return 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(chord / 2.0, 1.0))


def nearest_neighbour_m(lon_deg: FloatArray, lat_deg: FloatArray, workers: int = 1) -> FloatArray:
    """Great-circle distance of every point to the nearest other point, metres.

    Exact, by a k-d tree on the unit sphere, whose chord order is the arc order; about 100 bytes of
    memory a point. ``workers`` threads change the time, not the result.

    Returns
    -------
    Shape (n,); empty when n < 2. Coincident points give 0.
    """
    from scipy.spatial import cKDTree

    if len(lon_deg) < 2:
        return np.empty(0)
    # Neighbours in memory query 2.6 times faster; the order of points changes no distance.
    order = np.argsort(np.floor(lat_deg * 10.0) * 3600.0 + np.floor(lon_deg * 10.0))
    points = unit_vectors(lon_deg[order], lat_deg[order])
    tree = cKDTree(points, balanced_tree=False)
    out = np.empty(len(points))
    for start in range(0, len(points), _QUERY_CHUNK):
        rows = slice(start, start + _QUERY_CHUNK)
        distance, _ = tree.query(points[rows], k=2, workers=workers)
        out[order[rows]] = chord_to_m(distance[:, 1])
    return out


def quantiles(values: FloatArray, q: Sequence[float]) -> FloatArray:
    """Quantiles with linear interpolation (Hyndman and Fan 1996, type 7); NaN when empty."""
    return np.quantile(values, q) if len(values) else np.full(len(q), math.nan)


def median_known(values: Sequence[float]) -> float:
    """Median of the values that are not NaN; NaN when all are."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def tail_ratio(nn_m: FloatArray) -> float:
    """p99 / p50 of nearest-neighbour distances; NaN when p50 is 0 or there are none."""
    p50, p99 = quantiles(nn_m, (0.5, 0.99))
    return float(p99 / p50) if p50 > 0.0 else math.nan


def contraction(ratio: float, baseline_ratio: float) -> float:
    """Relative fall of the tail ratio, ``1 - ratio / baseline_ratio``; NaN if either is."""
    return 1.0 - ratio / baseline_ratio if baseline_ratio > 0.0 else math.nan


def coefficient_of_variation(values: Sequence[float]) -> float:
    """Sample standard deviation over mean, across seeds; NaN below two values or at mean 0."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2 or not abs(x.mean()) > 0.0:
        return math.nan
    return float(x.std(ddof=1) / abs(x.mean()))
