"""The eleven tests of a map, each measured once and judged.

T1 to T4 are medians over the countries with at least 60 sites, and they and T7 are measured at the
reference density (:mod:`scripts.geo.thinning`). T5 looks at countries whose people live
more than 150 km apart (the median distance of two), T9 at those above 100 km. T8 is the median over
twelve countries that real networks were measured in. What is accepted stands in
:data:`scripts.scorers.truth.judgement.TESTS`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts import countries
from scripts.geo.metrics import FloatArray, Map, Sites, median_known
from scripts.geo.thinning import MAPS_AT_MOST, Lowest, Rank, thinning_rank
from scripts.progress import track
from scripts.scorers.truth.country import (
    MIN_SITES,
    CountryPart,
    Ground,
    country_rows,
    ground_of,
    measure_country,
)
from scripts.scorers.truth.earth import Earth
from scripts.scorers.truth.judgement import TESTS, Detail, Row, judge
from scripts.scorers.truth.merchants import Networks, entries, networks_of

MIN_PAIRS = 500
MIN_NETWORKS = 10
MIN_OUTLETS = 60
MIN_ENTRY_OUTLETS = 20
MIN_PLACE_SITES = 20
MIN_PLACE_COUNTRIES = 6
# Of fewer sites a single one is more than the share that T10 accepts.
MIN_GROUND_SITES = 1000
PLACE_COUNTRIES = ("CA", "CL", "DE", "DZ", "FR", "GB", "IT", "JP", "MA", "PT", "US", "ZA")
LOCAL_M = 50_000.0
T5_WIDTH_M = 150_000.0
T9_WIDTH_M = 100_000.0
SIZES = ((2, 4), (5, 9), (10, 19), (20, 49), (50, None))
GROUPS = ("group_1", "group_2", "group_3-4", "group_5-9", "group_10-19", "group_20+")


def measure(sites: Map, earth: Earth, seed: int) -> list[Row]:
    """All eleven tests of a map, in order.

    Parameters
    ----------
    sites
        Sites in any order.
    earth
        What they are held against.
    seed
        Key of the thinning.
    """
    lowest = Lowest(0, MAPS_AT_MOST * earth.reference_sites)
    grounds, networks = [], []
    for block in sites.blocks():
        rank = thinning_rank(block, seed)
        lowest.add(block, rank)
        grounds.append(ground_of(block, earth))
        networks.append(networks_of(block, rank, *earth.cities))
    ground = functools.reduce(Ground.__add__, grounds)
    parts = country_parts(*lowest.result(), ground, earth)
    return rows_of(parts, Networks.joined(networks), earth.width_m)


def country_parts(sites: Sites, rank: Rank, ground: Ground, earth: Earth) -> list[CountryPart]:
    """Every country of a map that has sites, in order of its code; see :func:`measure_country`."""
    rows_of_country = dict(country_rows(sites.country))
    none = np.empty(0, dtype=np.int64)
    held = np.flatnonzero(ground.sites).tolist()
    parts = []
    for code in track(held, "truth: countries", len(held)):
        rows = rows_of_country.get(code, none)
        parts.append(measure_country(code, sites.take(rows), rank[rows], ground, earth))
    return parts


def rows_of(parts: Sequence[CountryPart], networks: Networks, width_m: FloatArray) -> list[Row]:
    """The tests of a map from its countries.

    Parameters
    ----------
    parts
        Its countries, in order of their codes.
    networks
        Its branch networks.
    width_m
        :attr:`Earth.width_m`, shape (676,).
    """
    if not parts:
        return [judge(test, math.nan, 0, "no sites") for test in TESTS]
    return [
        *spacing_rows(parts),
        *spread_rows(networks, width_m),
        grid_row(parts),
        place_row(parts),
        entry_row(networks, width_m),
        empty_row(parts),
    ]


def _share(part: float, whole: float) -> float:
    """``part / whole``; infinite when only the whole is nothing, NaN when both are."""
    if whole == 0:
        return math.nan if part == 0 else math.inf
    return float(part / whole)


def _few(count: int, least: int, what: str) -> str:
    return "" if count >= least else f"{count} {what}, fewer than {least}"


def spacing_table(parts: Sequence[CountryPart]) -> list[dict[str, Any]]:
    """T1 to T4 of every country with at least 60 sites a map; T2 may be infinite or NaN."""
    return [
        {
            "country_iso": part.iso,
            "sites": part.sites,
            "maps": part.maps,
            "sites_a_map": part.map_sites,
            "T1": _share(part.spacing.lone, part.spacing.sites),
            "T2": _share(part.spacing.paired, part.spacing.lone),
            "T3": _share(part.spacing.twin, part.spacing.sites),
            "T4": part.variance,
            **{
                name: _share(int(sites), part.spacing.sites)
                for name, sites in zip(GROUPS, part.spacing.grouped, strict=True)
            },
            "nn_p50_m": float(np.quantile(part.spacing.nearest_m, 0.5)),
            "nn_p99_m": float(np.quantile(part.spacing.nearest_m, 0.99)),
        }
        for part in parts
        if part.map_sites >= MIN_SITES
    ]


def spacing_rows(parts: Sequence[CountryPart]) -> list[Row]:
    """T1 to T4; the table of countries stands with T1."""
    table = spacing_table(parts)
    none = "" if table else f"no country with {MIN_SITES} sites"
    sites = sum(row["maps"] * row["sites_a_map"] for row in table)
    details: dict[str, Sequence[Detail]] = {"T1": table}
    return [
        judge(test, median_known([row[test] for row in table]), sites, none, details.get(test, ()))
        for test in ("T1", "T2", "T3", "T4")
    ]


def spread_table(networks: Networks, width_m: FloatArray) -> list[dict[str, Any]]:
    """Networks of every class of sizes in countries over 150 km: their spread over that of people,
    the share within 50 km of the medoid, and the share of outlets with a sibling within 5 km.
    """
    size = networks.size
    wide = width_m[networks.country] > T5_WIDTH_M
    table = []
    for low, high in SIZES:
        rows = wide & (size >= low) & (size <= (high or size))
        siblings, outlets = networks.with_sibling[rows].sum(), networks.told[rows].sum()
        table.append(
            {
                "outlets": f"{low}-{high}" if high else f"{low}+",
                "networks": int(rows.sum()),
                "spread": median_known(_ratio(networks, width_m)[rows].tolist()),
                "local": _share(int((networks.reach_m[rows] <= LOCAL_M).sum()), int(rows.sum())),
                "sibling": _share(int(siblings), int(outlets)),
            }
        )
    return table


def _ratio(networks: Networks, width_m: FloatArray) -> FloatArray:
    """Median distance of two outlets over that of two people of the country."""
    return networks.median_m / width_m[networks.country]


def spread_rows(networks: Networks, width_m: FloatArray) -> list[Row]:
    """T5a, T5b and T6; the table of sizes stands with T5a."""
    size = networks.size
    wide = width_m[networks.country] > T5_WIDTH_M
    small = wide & (size >= 2) & (size <= 4)
    medium = wide & (size >= 5) & (size <= 19)
    several = size >= 2
    outlets = int(networks.told[several].sum())
    smalls, mediums = int(small.sum()), int(medium.sum())
    where = "in countries over 150 km"
    return [
        judge(
            "T5a",
            _share(int((networks.reach_m[small] <= LOCAL_M).sum()), smalls),
            smalls,
            _few(smalls, MIN_NETWORKS, f"merchants with 2 to 4 outlets {where}"),
            spread_table(networks, width_m),
        ),
        judge(
            "T5b",
            median_known(_ratio(networks, width_m)[medium].tolist()),
            mediums,
            _few(mediums, MIN_NETWORKS, f"merchants with 5 to 19 outlets {where}"),
        ),
        judge(
            "T6",
            _share(int(networks.with_sibling[several].sum()), outlets),
            outlets,
            _few(outlets, MIN_OUTLETS, "outlets of merchants with two in a country"),
        ),
    ]


def grid_table(parts: Sequence[CountryPart]) -> list[dict[str, Any]]:
    """T7 of every country with at least 500 close nearest pairs."""
    return [
        {
            "country_iso": part.iso,
            "pairs": part.spacing.pairs,
            "T7": (part.spacing.same_tile - part.spacing.same_shifted) / part.spacing.pairs,
        }
        for part in parts
        if part.spacing.pairs >= MIN_PAIRS
    ]


def grid_row(parts: Sequence[CountryPart]) -> Row:
    """T7."""
    pairs = sum(part.spacing.pairs for part in parts)
    excess = sum(part.spacing.same_tile - part.spacing.same_shifted for part in parts)
    few = _few(pairs, MIN_PAIRS, "nearest pairs under 5 km")
    return judge("T7", _share(excess, pairs), pairs, few, grid_table(parts))


def place_table(parts: Sequence[CountryPart]) -> list[dict[str, Any]]:
    """T8 of each of its twelve countries that has at least 20 sites."""
    return [
        {"country_iso": part.iso, "sites": part.sites, "T8": part.at_places / part.sites}
        for part in parts
        if part.iso in PLACE_COUNTRIES and part.sites >= MIN_PLACE_SITES
    ]


def place_row(parts: Sequence[CountryPart]) -> Row:
    """T8."""
    table = place_table(parts)
    few = _few(
        len(table),
        MIN_PLACE_COUNTRIES,
        f"of the twelve countries of T8 with {MIN_PLACE_SITES} sites",
    )
    value = median_known([row["T8"] for row in table])
    return judge("T8", value, sum(row["sites"] for row in table), few, table)


def entry_row(networks: Networks, width_m: FloatArray) -> Row:
    """T9."""
    rows = entries(networks) & (width_m[networks.country] > T9_WIDTH_M)
    country = networks.country[rows]
    by_country = np.bincount(country, networks.size[rows], countries.CODES)
    in_city = np.bincount(country, networks.in_city[rows], countries.CODES)
    outlets = int(by_country.sum())
    return judge(
        "T9",
        _share(in_city.sum(), outlets),
        outlets,
        _few(outlets, MIN_ENTRY_OUTLETS, "outlets of foreign entries in countries over 100 km"),
        [
            {
                "country_iso": countries.decode_one(int(code)),
                "outlets": int(by_country[code]),
                "T9": float(in_city[code] / by_country[code]),
            }
            for code in np.flatnonzero(by_country >= MIN_ENTRY_OUTLETS)
        ],
    )


def empty_row(parts: Sequence[CountryPart]) -> Row:
    """T10."""
    sites = sum(part.sites for part in parts)
    return judge(
        "T10",
        _share(sum(part.on_empty_land for part in parts), sites),
        sites,
        _few(sites, MIN_GROUND_SITES, "sites"),
        [
            {"country_iso": part.iso, "sites": part.sites, "T10": part.on_empty_land / part.sites}
            for part in parts
            if part.on_empty_land
        ],
    )
