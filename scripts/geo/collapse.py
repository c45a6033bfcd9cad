"""The collapse sentinel: countries whose sites fall on a line, on a lattice or in piles.

A country is held against its own people, as many random ones as it has sites: people who live on
islands in a row are no fault of a map, a stripe through a round country is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts import countries
from scripts.geo.distance import EARTH_RADIUS_M, blocks, unit_vectors
from scripts.geo.metrics import FloatArray, IntArray, Sites, country_counts
from scripts.geo.people import Points
from scripts.geo.thinning import Rank, lowest_by_country

# One step of the fourth decimal of a degree, in metres of arc.
FOURTH_DECIMAL_M = math.radians(1e-4) * EARTH_RADIUS_M
DISTINCT = ("distinct_ratio", "distinct_lat_ratio", "distinct_lon_ratio")
WHERE_NOBODY_LIVES = 2048
_LAT_STEPS = 1_800_001
_LON_STEPS = 3_600_001


@dataclass(frozen=True)
class CollapseLimits:
    """Limits of the sentinel; see :func:`collapse_sentinel`."""

    min_sites: int = 50
    anisotropy_max: float = 12.0
    anisotropy_of_people_max: float = 2.0
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


def principal_axes(
    group: IntArray, size: int, lon_deg: FloatArray, lat_deg: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Anisotropy and linearity of ``size`` groups of points, and the latitudes of their centres.

    Anisotropy is the ratio of the principal standard deviations in local metres, infinite without
    a minor axis; linearity the share of the first principal variance; shape (size,) each. A group
    without points is a line.
    """
    x, y, lat0 = local_metres(group, lon_deg, lat_deg)
    n = np.maximum(np.bincount(group, minlength=size), 1)

    def mean(values: FloatArray) -> FloatArray:
        return np.bincount(group, values, size) / n

    x -= mean(x)[group]
    y -= mean(y)[group]
    xx, yy, xy = mean(x * x), mean(y * y), mean(x * y)
    half_trace, spread = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
    major, minor = half_trace + spread, np.maximum(half_trace - spread, 0.0)
    # A millimetre: below it the minor axis is rounding of the projection, not extent.
    line = minor <= 1e-6
    with np.errstate(divide="ignore", invalid="ignore"):
        anisotropy = np.where(line, np.inf, np.sqrt(major / minor))
        linearity = np.where(line, 1.0, major / (major + minor))
    return anisotropy, linearity, lat0


def distinct_coordinates(
    group: IntArray, size: int, lon_deg: FloatArray, lat_deg: FloatArray
) -> dict[str, IntArray]:
    """Distinct pairs, latitudes and longitudes of each group at four decimals; shape (size,)."""
    lon_step = np.round((lon_deg + 180.0) * 1e4).astype(np.int64)
    lat_step = np.round((lat_deg + 90.0) * 1e4).astype(np.int64)
    held = {}
    for name, key in zip(
        DISTINCT, (lon_step * _LAT_STEPS + lat_step, lat_step, lon_step), strict=True
    ):
        ranked = np.sort(group * (_LON_STEPS * _LAT_STEPS) + key)
        first = ranked[np.diff(ranked, prepend=-1) != 0] // (_LON_STEPS * _LAT_STEPS)
        held[name] = np.bincount(first, minlength=size)
    return held


def sites_judged(counts: IntArray, people: Points) -> IntArray:
    """Sites that a country is judged by: as many as random people where any live; shape (676,)."""
    drawn = country_counts(people.country)
    return np.minimum(counts, np.where(drawn > 0, drawn, WHERE_NOBODY_LIVES))


def collapse_sentinel(
    sites: Sites,
    rank: Rank,
    counts: IntArray,
    people: Points,
    land_m2: FloatArray,
    limits: CollapseLimits,
) -> list[dict[str, Any]]:
    """Judge every country with at least ``min_sites`` sites for stripes, corridors and piles.

    A country is flagged when its sites are a line: their anisotropy is above its limit and above
    ``anisotropy_of_people_max`` times that of as many of its people, their linearity is above its
    own limit, and the people are no such line themselves. Or when their distinct coordinates at
    four decimals are fewer than ``distinct_ratio_min`` of those of as many people, or of what its
    land can hold where that is less: pairs against the four-decimal cells of the land, latitudes
    and longitudes against the cells along the side of a square of that area. So a lattice is caught
    and a microstate is not.

    Parameters
    ----------
    sites, rank
        All sites and their keyed ranks, or at least those of the lowest ranks that a country is
        judged by (:func:`sites_judged`).
    counts
        All sites by country, shape (676,).
    people
        Random people of every country.
    land_m2
        Land area by country, square metres, shape (676,).
    limits
        Limits.

    Returns
    -------
    One mapping a judged country in order of code: ``country_iso``, ``sites``, ``anisotropy`` and
    ``people_anisotropy`` (NaN when the minor axis has no extent), ``linearity``,
    ``distinct_ratio``, ``distinct_lat_ratio``, ``distinct_lon_ratio``, ``flagged`` and ``reasons``.
    """
    cohort = np.flatnonzero(counts >= limits.min_sites)
    if not len(cohort):
        return []
    lookup = np.full(countries.CODES, -1, dtype=np.int64)
    lookup[cohort] = np.arange(len(cohort))
    size = len(cohort)

    most = np.where(lookup < 0, 0, sites_judged(counts, people))
    some = sites.take(lowest_by_country(sites.country, rank, most))
    like = np.flatnonzero((lookup[people.country] >= 0) & (people.rank < counts[people.country]))
    group, reference = lookup[some.country], lookup[people.country[like]]
    here, there = (
        (group, size, some.lon, some.lat),
        (reference, size, people.lon[like], people.lat[like]),
    )
    anisotropy, linearity, lat0 = principal_axes(*here)
    of_people, _, _ = principal_axes(*there)
    # Where nobody lives, the limits stand alone.
    nobody = country_counts(people.country)[cohort] == 0
    of_people[nobody] = 0.0
    line = (
        (anisotropy > limits.anisotropy_max)
        & (anisotropy > limits.anisotropy_of_people_max * of_people)
        & (of_people <= limits.anisotropy_max)
        & (linearity > limits.linearity_max)
    )
    line |= np.isinf(anisotropy)

    side = np.sqrt(land_m2[cohort]) / FOURTH_DECIMAL_M
    narrow = np.maximum(np.cos(np.radians(lat0)), 1e-6)
    cells = dict(zip(DISTINCT, (side * side / narrow, side, side / narrow), strict=True))
    held, lived = distinct_coordinates(*here), distinct_coordinates(*there)
    ratios = {
        name: np.minimum(
            held[name]
            / np.minimum(
                np.where(nobody, most[cohort], lived[name]),
                np.maximum(np.floor(cells[name]), 1.0),
            ),
            1.0,
        )
        for name in DISTINCT
    }

    def finite(value: float) -> float:
        return float(value) if np.isfinite(value) else math.nan

    report = []
    for i, code in enumerate(cohort):
        reasons = ["line"] if line[i] else []
        reasons += [name for name in DISTINCT if ratios[name][i] < limits.distinct_ratio_min]
        report.append(
            {
                "country_iso": countries.decode_one(int(code)),
                "sites": int(counts[code]),
                "anisotropy": finite(anisotropy[i]),
                "people_anisotropy": finite(of_people[i]),
                "linearity": float(linearity[i]),
                **{name: float(ratios[name][i]) for name in DISTINCT},
                "flagged": bool(reasons),
                "reasons": reasons,
            }
        )
    return report
