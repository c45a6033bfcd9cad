"""Realism metrics of a set of sites: one definition each, imported by every scorer and state.

Countries are the integer codes of :mod:`scripts.countries`; a vector "by country" has one entry
per code. A metric that has nothing to measure is NaN, which no gate accepts and which is published
as null. ``docs/metrics.md`` gives population, unit, source and threshold of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.geo.distance import EARTH_RADIUS_M, blocks, unit_vectors
from scripts.inequality import gini, top_share
from scripts.randomness import counters, family_key, philox4x64

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int16]

TOP_FRACTIONS = {"top1_share": 0.01, "top5_share": 0.05, "top10_share": 0.10}
CONCENTRATION = ("country_gini", *TOP_FRACTIONS)
NN_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
# One step of the fourth decimal of a degree, in metres of arc.
FOURTH_DECIMAL_M = math.radians(1e-4) * EARTH_RADIUS_M
THINNING_NAMESPACE = "scorers.thinning"
_QUERY_CHUNK = 1 << 20
_LAT_STEPS = 1_800_001
_LON_STEPS = 3_600_001


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


def southern_hemisphere_share(lat_deg: FloatArray) -> float:
    """Share of sites south of the equator, ``lat < 0``; NaN without sites."""
    return float((lat_deg < 0.0).mean()) if len(lat_deg) else math.nan


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


def tail_ratio(nn_m: FloatArray) -> float:
    """p99 / p50 of nearest-neighbour distances; NaN when p50 is 0 or there are none."""
    p50, p99 = quantiles(nn_m, (0.5, 0.99))
    return float(p99 / p50) if p50 > 0.0 else math.nan


def contraction(ratio: float, baseline_ratio: float) -> float:
    """Relative fall of the tail ratio, ``1 - ratio / baseline_ratio``; NaN if either is."""
    return 1.0 - ratio / baseline_ratio if baseline_ratio > 0.0 else math.nan


def thin(sites: Sites, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of the ``size`` sites with the lowest keyed Philox rank, ascending.

    The rank of a site depends on (seed, merchant, country, site_order) alone, so the choice does
    not depend on the order of rows, and thinning to fewer gives a subset.
    """
    words = counters(sites.merchant, sites.country, sites.order)
    bits = philox4x64(words, family_key(seed, THINNING_NAMESPACE))[:, 0]
    return np.sort(np.argsort(bits, kind="stable")[:size])


def match_sizes(a: Sites, b: Sites, tolerance: float, seed: int) -> tuple[Sites, Sites]:
    """Both site sets at a comparable count: beyond ``tolerance`` the larger one is thinned.

    The tail ratio depends on density, so two sets are compared at one count. ``tolerance`` is a
    fraction of the smaller count.
    """
    small = min(len(a), len(b))
    if abs(len(a) - len(b)) <= tolerance * small:
        return a, b
    if len(a) > len(b):
        return a.take(thin(a, small, seed)), b
    return a, b.take(thin(b, small, seed))


@dataclass(frozen=True)
class CollapseLimits:
    """Limits of the collapse sentinel; see :func:`collapse_sentinel`."""

    min_sites: int = 50
    anisotropy_max: float = 12.0
    linearity_max: float = 0.98
    distinct_ratio_min: float = 0.15


def local_metres(
    group: IntArray, lon_deg: FloatArray, lat_deg: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Azimuthal equidistant coordinates about each group's mean direction, metres.

    The mean is that of unit vectors, so a group may straddle the antimeridian or hold a pole.

    Parameters
    ----------
    group
        Group of each point, 0..g-1, shape (n,).
    lon_deg, lat_deg
        Degrees, shape (n,).

    Returns
    -------
    Easting and northing, shape (n,), and the latitude of each group's centre, shape (g,).
    """
    v = unit_vectors(lon_deg, lat_deg)
    centre = np.stack([np.bincount(group, weights=v[:, axis]) for axis in range(3)], axis=1)
    lon0 = np.arctan2(centre[:, 1], centre[:, 0])
    lat0 = np.arctan2(centre[:, 2], np.hypot(centre[:, 0], centre[:, 1]))
    sin_lon, cos_lon = np.sin(lon0), np.cos(lon0)
    sin_lat, cos_lat = np.sin(lat0), np.cos(lat0)
    x, y = np.empty(len(v)), np.empty(len(v))
    for rows in blocks(len(v)):
        g = group[rows]
        v0, v1, v2 = v[rows].T.copy()
        across = cos_lon[g] * v0 + sin_lon[g] * v1
        east = cos_lon[g] * v1 - sin_lon[g] * v0
        north = cos_lat[g] * v2 - sin_lat[g] * across
        off_axis = np.hypot(east, north)
        angle = np.arctan2(off_axis, cos_lat[g] * across + sin_lat[g] * v2)
        scale = EARTH_RADIUS_M * np.divide(
            angle, off_axis, out=np.ones_like(angle), where=off_axis > 0.0
        )
        x[rows], y[rows] = east * scale, north * scale
    return x, y, np.degrees(lat0)


def collapse_sentinel(
    sites: Sites, land_m2: FloatArray, limits: CollapseLimits
) -> list[dict[str, Any]]:
    """Judge every country with at least ``min_sites`` sites for stripes, corridors and piles.

    A country is flagged when its point cloud is a line (anisotropy, the ratio of the principal
    standard deviations in local metres, above its limit with linearity, the share of the first
    principal variance, above its own), or when its distinct coordinates at four decimals are fewer
    than ``distinct_ratio_min`` of what its land can hold: pairs against min(n, four-decimal cells
    of the land), latitudes and longitudes against min(n, cells along the side of a square of that
    area), so that a lattice is caught and a microstate is not.

    Parameters
    ----------
    sites
        All sites.
    land_m2
        Land area by country, square metres, shape (676,).
    limits
        Limits.

    Returns
    -------
    One mapping a judged country in order of code: ``country_iso``, ``sites``, ``anisotropy``
    (NaN when the minor axis has no extent), ``linearity``, ``distinct_ratio``,
    ``distinct_lat_ratio``, ``distinct_lon_ratio``, ``flagged`` and ``reasons``.
    """
    counts = country_counts(sites.country)
    cohort = np.flatnonzero(counts >= limits.min_sites)
    if not len(cohort):
        return []
    lookup = np.full(countries.CODES, -1, dtype=np.int64)
    lookup[cohort] = np.arange(len(cohort))
    group = lookup[sites.country]
    rows = group >= 0
    group, lon, lat = group[rows], sites.lon[rows], sites.lat[rows]
    n = counts[cohort].astype(np.float64)

    x, y, lat0 = local_metres(group, lon, lat)
    x -= (np.bincount(group, weights=x) / n)[group]
    y -= (np.bincount(group, weights=y) / n)[group]
    xx, yy, xy = (np.bincount(group, weights=w) / n for w in (x * x, y * y, x * y))
    half_trace, spread = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
    major, minor = half_trace + spread, np.maximum(half_trace - spread, 0.0)
    # A millimetre: below it the minor axis is rounding of the projection, not extent.
    line = minor <= 1e-6
    with np.errstate(divide="ignore", invalid="ignore"):
        anisotropy = np.where(line, np.inf, np.sqrt(major / minor))
        linearity = np.where(line, 1.0, major / (major + minor))

    lon_step = np.round((lon + 180.0) * 1e4).astype(np.int64)
    lat_step = np.round((lat + 90.0) * 1e4).astype(np.int64)
    side = np.sqrt(land_m2[cohort]) / FOURTH_DECIMAL_M
    narrow = np.maximum(np.cos(np.radians(lat0)), 1e-6)
    holds = {
        "distinct_ratio": ((lon_step * _LAT_STEPS + lat_step), side * side / narrow),
        "distinct_lat_ratio": (lat_step, side),
        "distinct_lon_ratio": (lon_step, side / narrow),
    }
    ratios = {}
    for name, (key, cells) in holds.items():
        ranked = np.sort(group * (_LON_STEPS * _LAT_STEPS) + key)
        distinct = ranked[np.diff(ranked, prepend=-1) != 0] // (_LON_STEPS * _LAT_STEPS)
        held = np.bincount(distinct, minlength=len(cohort))
        ratios[name] = np.minimum(held / np.minimum(n, np.maximum(np.floor(cells), 1.0)), 1.0)

    report = []
    for i, code in enumerate(cohort):
        reasons = []
        if anisotropy[i] > limits.anisotropy_max and linearity[i] > limits.linearity_max:
            reasons.append("line")
        reasons += [name for name in holds if ratios[name][i] < limits.distinct_ratio_min]
        report.append(
            {
                "country_iso": countries.decode_one(int(code)),
                "sites": int(counts[code]),
                "anisotropy": float(anisotropy[i]) if np.isfinite(anisotropy[i]) else math.nan,
                "linearity": float(linearity[i]),
                **{name: float(ratios[name][i]) for name in holds},
                "flagged": bool(reasons),
                "reasons": reasons,
            }
        )
    return report


def coefficient_of_variation(values: Sequence[float]) -> float:
    """Sample standard deviation over mean, across seeds; NaN below two values or at mean 0."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2 or not abs(x.mean()) > 0.0:
        return math.nan
    return float(x.std(ddof=1) / abs(x.mean()))
