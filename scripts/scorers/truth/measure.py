"""The eleven tests of a map, each measured once and judged.

T1 to T4 are medians over the countries with at least 60 sites, and they and T7 are measured at the
reference density (:mod:`scripts.scorers.truth.thinning`). T5 looks at countries whose people live
more than 150 km apart (the median distance of two), T9 at those above 100 km. T8 is the median over
twelve countries that real networks were measured in. What is accepted stands in
:data:`scripts.scorers.truth.judgement.TESTS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.progress import track
from scripts.scorers.metrics import FloatArray, Sites
from scripts.scorers.truth.earth import CELL_GRID, Earth
from scripts.scorers.truth.ground import PLACE_COUNTRIES, sites_at_places, sites_on_empty_land
from scripts.scorers.truth.judgement import Row, judge
from scripts.scorers.truth.merchants import (
    Networks,
    Spread,
    entries,
    networks_of,
    outlets_near,
    spread_of,
)
from scripts.scorers.truth.spacing import Spacing, spacing_of, variance_ratio
from scripts.scorers.truth.thinning import disjoint_maps, thinning_rank

MIN_SITES = 60
MIN_PAIRS = 100
MIN_NETWORKS = 10
MIN_OUTLETS = 60
MIN_ENTRY_OUTLETS = 20
MIN_PLACE_SITES = 20
MIN_PLACE_COUNTRIES = 6
LOCAL_M = 50_000.0
T5_WIDTH_M = 150_000.0
T9_WIDTH_M = 100_000.0
SIZES = ((2, 4), (5, 9), (10, 19), (20, 49), (50, None))


@dataclass(frozen=True)
class _Country:
    """One country: sites held, thinned maps and sites of each, their spacing and T4."""

    code: int
    held: int
    maps: int
    size: int
    spacing: Spacing
    variance: float
    at_places: int
    on_empty_land: int


def measure(sites: Sites, earth: Earth, seed: int) -> list[Row]:
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
    rank = thinning_rank(sites, seed)
    order = np.lexsort((rank, sites.merchant, sites.country))
    sites, rank = sites.take(order), rank[order]
    codes, first = np.unique(sites.country, return_index=True)
    ends = np.append(first[1:], len(sites))
    parts = [
        _measure_country(sites.take(np.arange(a, b)), rank[a:b], int(code), earth)
        for code, a, b in track(zip(codes, first, ends, strict=True), "countries", len(codes))
    ]
    networks = networks_of(sites)
    width = earth.width_m
    spread = spread_of(sites, networks)
    return [
        *spacing_rows(parts),
        *spread_rows(networks, spread, width),
        grid_row(parts),
        place_row(parts),
        entry_row(sites, networks, width, earth),
        empty_row(parts),
    ]


def _measure_country(
    sites: Sites, rank: npt.NDArray[np.uint64], code: int, earth: Earth
) -> _Country:
    size = int(earth.reference_sites[code])
    cell, weight = earth.cells(code)
    spacing, ratios = spacing_of(np.empty(0), np.empty(0), earth.grid), []
    maps = disjoint_maps(rank, size)
    for rows in maps:
        lon, lat = sites.lon[rows], sites.lat[rows]
        spacing += spacing_of(lon, lat, earth.grid)
        if len(rows) >= MIN_SITES:
            ratios.append(cell_variance(lon, lat, cell, weight))
    places, tiles = earth.places(code), earth.tiles(code)
    return _Country(
        code,
        len(sites),
        len(maps),
        len(maps[0]) if maps else 0,
        spacing,
        float(np.mean(ratios)) if ratios else math.nan,
        sites_at_places(
            sites.lon, sites.lat, earth.place_lon_deg[places], earth.place_lat_deg[places]
        ),
        sites_on_empty_land(
            sites.lon, sites.lat, earth.tile_id[tiles], earth.people_per_km2(code), earth.grid
        ),
    )


def cell_variance(
    lon_deg: FloatArray, lat_deg: FloatArray, cell: npt.NDArray[np.int64], weight: FloatArray
) -> float:
    """T4 of the sites of one country, shape (n,), on its one-degree cells, rising, shape (c,)."""
    if not len(cell):
        return math.nan
    at = CELL_GRID.tile_at(lon_deg, lat_deg).astype(np.int64)
    row = np.minimum(np.searchsorted(cell, at), len(cell) - 1)
    inside = cell[row] == at
    count = np.bincount(row[inside], minlength=len(cell))
    return variance_ratio(count, weight, int((~inside).sum()))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _share(part: float, whole: float) -> float:
    """``part / whole``; infinite when only the whole is nothing, NaN when both are."""
    if whole == 0:
        return math.nan if part == 0 else math.inf
    return part / whole


def spacing_rows(parts: Sequence[_Country]) -> list[Row]:
    """T1 to T4."""
    table: list[dict[str, Any]] = []
    for part in parts:
        if part.size < MIN_SITES:
            continue
        near = part.spacing
        table.append(
            {
                "country_iso": countries.decode_one(part.code),
                "sites": part.held,
                "maps": part.maps,
                "sites_a_map": part.size,
                "T1": _share(near.lone, near.sites),
                "T2": _share(near.paired, near.lone),
                "T3": _share(near.twin, near.sites),
                "T4": part.variance,
                "paired_share": _share(near.paired, near.sites),
                "nn_p50_m": float(np.quantile(near.nearest_m, 0.5)),
                "nn_p99_m": float(np.quantile(near.nearest_m, 0.99)),
            }
        )
    none = "" if table else f"no country with {MIN_SITES} sites"
    sites = sum(row["maps"] * row["sites_a_map"] for row in table)
    rows = [
        judge(
            test, _median([row[test] for row in table]), sites, none, table if test == "T1" else ()
        )
        for test in ("T1", "T2", "T3", "T4")
    ]
    return rows


def spread_rows(networks: Networks, spread: Spread, width_m: FloatArray) -> list[Row]:
    """T5a, T5b and T6."""
    wide = width_m[networks.country] > T5_WIDTH_M
    ratio = spread.median_m / width_m[networks.country]
    table: list[dict[str, Any]] = []
    for low, high in SIZES:
        sized = (networks.size >= low) & (networks.size <= (high or networks.size))
        rows = wide & sized
        table.append(
            {
                "outlets": f"{low}-{high}" if high else f"{low}+",
                "networks": int(rows.sum()),
                "spread": float(np.median(ratio[rows])) if rows.any() else math.nan,
                "local_share": _share(int((spread.reach_m[rows] <= LOCAL_M).sum()), rows.sum()),
                "sibling_share": _share(
                    int(spread.near_sibling[sized].sum()), int(networks.size[sized].sum())
                ),
            }
        )
    small = wide & (networks.size >= 2) & (networks.size <= 4)
    medium = wide & (networks.size >= 5) & (networks.size <= 19)
    many = networks.size >= 2
    outlets = int(networks.size[many].sum())
    where = "in countries over 150 km"
    return [
        judge(
            "T5a",
            _share(int((spread.reach_m[small] <= LOCAL_M).sum()), int(small.sum())),
            int(small.sum()),
            _few(int(small.sum()), MIN_NETWORKS, f"merchants with 2 to 4 outlets {where}"),
            table,
        ),
        judge(
            "T5b",
            float(np.median(ratio[medium])) if medium.any() else math.nan,
            int(medium.sum()),
            _few(int(medium.sum()), MIN_NETWORKS, f"merchants with 5 to 19 outlets {where}"),
        ),
        judge(
            "T6",
            _share(int(spread.near_sibling[many].sum()), outlets),
            outlets,
            _few(outlets, MIN_OUTLETS, "outlets of merchants with two in a country"),
        ),
    ]


def _few(count: int, least: int, what: str) -> str:
    return "" if count >= least else f"{count} {what}, fewer than {least}"


def grid_row(parts: Sequence[_Country]) -> Row:
    """T7."""
    pairs = sum(part.spacing.pairs for part in parts)
    excess = sum(part.spacing.same_tile - part.spacing.same_shifted for part in parts)
    table = [
        {
            "country_iso": countries.decode_one(part.code),
            "pairs": part.spacing.pairs,
            "T7": (part.spacing.same_tile - part.spacing.same_shifted) / part.spacing.pairs,
        }
        for part in parts
        if part.spacing.pairs >= MIN_PAIRS
    ]
    return judge(
        "T7",
        _share(excess, pairs) if pairs else math.nan,
        pairs,
        _few(pairs, MIN_PAIRS, "nearest pairs under 5 km"),
        table,
    )


def place_row(parts: Sequence[_Country]) -> Row:
    """T8."""
    listed = {countries.encode_one(iso) for iso in PLACE_COUNTRIES}
    table: list[dict[str, Any]] = [
        {
            "country_iso": countries.decode_one(part.code),
            "sites": part.held,
            "T8": part.at_places / part.held,
        }
        for part in parts
        if part.code in listed and part.held >= MIN_PLACE_SITES
    ]
    where = f"of the twelve countries of T8 with {MIN_PLACE_SITES} sites"
    return judge(
        "T8",
        _median([row["T8"] for row in table]),
        sum(row["sites"] for row in table),
        _few(len(table), MIN_PLACE_COUNTRIES, where),
        table,
    )


def entry_row(sites: Sites, networks: Networks, width_m: FloatArray, earth: Earth) -> Row:
    """T9; ``sites`` are those of the networks."""
    city = np.full(countries.CODES, -1, dtype=np.int64)
    code, first = np.unique(earth.place_country, return_index=True)
    city[code] = first
    wide = (width_m > T9_WIDTH_M) & (city >= 0)
    rows = np.flatnonzero(entries(networks) & wide[networks.country])
    at = city[networks.country[rows]]
    near = outlets_near(sites, networks, rows, earth.place_lon_deg[at], earth.place_lat_deg[at])
    size, country = networks.size[rows], networks.country[rows]
    by_country = np.bincount(country, size, countries.CODES).astype(np.int64)
    near_by_country = np.bincount(country, near, countries.CODES)
    table = [
        {
            "country_iso": countries.decode_one(int(code)),
            "outlets": int(by_country[code]),
            "T9": float(near_by_country[code] / by_country[code]),
        }
        for code in np.flatnonzero(by_country >= MIN_ENTRY_OUTLETS)
    ]
    outlets = int(size.sum())
    return judge(
        "T9",
        _share(int(near.sum()), outlets),
        outlets,
        _few(outlets, MIN_ENTRY_OUTLETS, "outlets of foreign entries in countries over 100 km"),
        table,
    )


def empty_row(parts: Sequence[_Country]) -> Row:
    """T10."""
    held = sum(part.held for part in parts)
    table = [
        {
            "country_iso": countries.decode_one(part.code),
            "sites": part.held,
            "T10": part.on_empty_land / part.held,
        }
        for part in parts
        if part.on_empty_land
    ]
    on_empty_land = sum(part.on_empty_land for part in parts)
    return judge("T10", _share(on_empty_land, held), held, "" if held else "no sites", table)
