"""How faithful the map is to the reference Earth, reported beside every grade.

None of these decides a grade; they show whether a grade was bought with an unreal map. What can be
compared with chance is: beside the agreement of sites and population stands the score of the same
number of sites drawn at random in proportion to population.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo.distance import unit_vectors
from scripts.geo.grid import Grid
from scripts.geo.metrics import (
    Codes,
    FloatArray,
    IntArray,
    Map,
    Sites,
    country_counts,
    median_known,
)
from scripts.geo.people import Points
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import Countries
from scripts.geo.thinning import Rank, lowest
from scripts.geo.time_zones import ZonedPlaces
from scripts.geo.urban import look_up, near_urban_fraction
from scripts.ordering import rank_right
from scripts.progress import track
from scripts.randomness import keyed_uniforms

DEGREE_GRID = Grid(60.0)
RANDOM_MAP_NAMESPACE = "scorers.fidelity.random_map"
POINTS_NAMESPACE = "scorers.fidelity.points"
SPLIT_NAMESPACE = "scorers.fidelity.split"
POINTS_A_COUNTRY = 2048
LAND_ATTEMPTS = 64
AUC_SITES_MAX = 10_000


@dataclass(frozen=True)
class Cells:
    """Population on the one-degree grid, one row a (country, cell), sorted by both.

    ``country`` int16 codes, ``cell`` int64 ids of :data:`DEGREE_GRID`, ``population`` and
    ``urban_population`` persons, ``area_m2`` land; all of shape (c,).
    """

    country: Codes
    cell: IntArray
    population: FloatArray
    urban_population: FloatArray
    area_m2: FloatArray


def by_country(country: Codes, weights: FloatArray) -> FloatArray:
    """Sum by country code; shape (676,)."""
    sums = np.bincount(country, weights=weights, minlength=countries.CODES)
    return sums.astype(np.float64)


def population_cells(
    country: Codes,
    tile_id: npt.NDArray[np.uint64],
    population: FloatArray,
    area_m2: FloatArray,
    grid: Grid,
    near_urban: npt.NDArray[np.bool_],
) -> Cells:
    """Tiles summed to the one-degree grid; all arrays of shape (tiles,)."""
    cell = grid.cell_of(tile_id, DEGREE_GRID)
    key, group = np.unique(country * np.int64(DEGREE_GRID.ntiles) + cell, return_inverse=True)
    urban = np.zeros(len(tile_id))
    inhabited = population > 0.0
    urban[inhabited] = near_urban_fraction(near_urban, grid, tile_id[inhabited])

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(group, weights=values, minlength=len(key)).astype(np.float64)

    return Cells(
        country=(key // DEGREE_GRID.ntiles).astype(np.int16),
        cell=key % DEGREE_GRID.ntiles,
        population=summed(population),
        urban_population=summed(population * urban),
        area_m2=summed(area_m2),
    )


def population_points(
    country: Codes,
    tile_id: npt.NDArray[np.uint64],
    population: FloatArray,
    grid: Grid,
    land: Countries,
    size: int = POINTS_A_COUNTRY,
) -> Points:
    """Random points of each country, tiles drawn by population and uniform on the tile's land.

    Parameters
    ----------
    country, tile_id, population
        Tiles sorted by country, shape (tiles,).
    grid
        The tile grid.
    land
        Polygons. A point that finds no land in :data:`LAND_ATTEMPTS` draws stays in its tile.
    size
        Points a country.

    Returns
    -------
    ``size`` points of every country with population.
    """
    running = np.cumsum(population)
    codes, first = np.unique(country, return_index=True)
    ends = np.append(first[1:], len(country)) - 1
    before = running[first] - population[first]
    totals = running[ends] - before
    codes, before, totals, ends = (a[totals > 0.0] for a in (codes, before, totals, ends))
    rank = np.tile(np.arange(size, dtype=np.int32), len(codes))
    group = np.repeat(np.arange(len(codes)), size)
    u = keyed_uniforms(0, POINTS_NAMESPACE, codes[group], site=rank)
    row = np.searchsorted(running, before[group] + u[:, 0] * totals[group], side="right")
    row = np.minimum(row, ends[group])
    edges, drawn = grid.bounds(tile_id[row]), codes[group].astype(np.int16)
    west, width = edges.west_deg, edges.east_deg - edges.west_deg
    south, height = edges.south_deg, edges.north_deg - edges.south_deg
    lon, lat = west + u[:, 1] * width, south + u[:, 2] * height
    at_sea = np.arange(len(lon))
    for attempt in range(1, LAND_ATTEMPTS):
        some = at_sea
        at_sea = some[~contains_points(land, drawn[some], lon[some], lat[some])]
        if not len(at_sea):
            break
        u = keyed_uniforms(0, POINTS_NAMESPACE, drawn[at_sea], site=rank[at_sea], attempt=attempt)
        lon[at_sea] = west[at_sea] + u[:, 1] * width[at_sea]
        lat[at_sea] = south[at_sea] + u[:, 2] * height[at_sea]
    return Points(drawn, rank, lon, lat)


def average_ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, row, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = np.cumsum(count) - (count - 1) / 2.0
    return ranks[row]


def spearman(x: FloatArray, y: FloatArray) -> float:
    """Spearman's rank correlation with average ranks for ties; NaN when either is constant."""
    a, b = average_ranks(x), average_ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0.0 else math.nan


def overlap(x: FloatArray, y: FloatArray) -> float:
    """Sum of the smaller of two normalised shares, in [0, 1]; NaN when either sums to 0."""
    if not (x.sum() > 0.0 and y.sum() > 0.0):
        return math.nan
    return float(np.minimum(x / x.sum(), y / y.sum()).sum())


def population_agreement(sites: Map, cells: Cells, seed: int, min_sites: int) -> dict[str, Any]:
    """Spearman's rho and overlap of sites and population on the one-degree grid, by country.

    ``*_random`` is the score of as many sites drawn at random by cell population: what chance
    leaves even of a perfect map at that count. Countries with fewer than ``min_sites`` sites are
    left out; rho is undefined in a country of one cell.
    """
    size = np.int64(DEGREE_GRID.ntiles)
    cell_key = cells.country * size + cells.cell
    running = np.append(0.0, np.cumsum(cells.population))
    ends = np.searchsorted(cells.country, np.arange(countries.CODES + 1))
    floor, total = running[ends[:-1]], np.diff(running[ends])
    counts, drawn = np.zeros(countries.CODES, dtype=np.int64), np.zeros(len(cell_key))
    held: list[tuple[IntArray, IntArray]] = []
    for block in sites.blocks():
        at = DEGREE_GRID.tile_at(block.lon, block.lat).astype(np.int64)
        held.append(np.unique(block.country * size + at, return_counts=True))
        counts += country_counts(block.country)
        some = block.take(np.flatnonzero(total[block.country] > 0.0))
        u = keyed_uniforms(seed, RANDOM_MAP_NAMESPACE, some.merchant, some.country, some.order)
        point = floor[some.country] + u[:, 0] * total[some.country]
        row = np.minimum(rank_right(running[1:], point), ends[some.country + 1] - 1)
        drawn += np.bincount(row, minlength=len(cell_key))

    site_key, observed_sites = (np.concatenate(column) for column in zip(*held, strict=True))
    key = np.union1d(cell_key, site_key)
    population, random_map = np.zeros(len(key)), np.zeros(len(key))
    of_cell = np.searchsorted(key, cell_key)
    population[of_cell], random_map[of_cell] = cells.population, drawn
    observed = np.bincount(np.searchsorted(key, site_key), observed_sites, len(key)).astype(float)
    ends = np.searchsorted(key // size, np.arange(countries.CODES + 1))
    table: list[dict[str, Any]] = []
    judged = np.flatnonzero((counts >= min_sites) & (total > 0.0))
    for code in track(judged, "fidelity: countries", len(judged)):
        rows = slice(ends[code], ends[code + 1])
        people = population[rows]
        table.append(
            {
                "country_iso": countries.decode_one(int(code)),
                "sites": int(counts[code]),
                "cells": len(people),
                "spearman": spearman(observed[rows], people),
                "overlap": overlap(observed[rows], people),
                "spearman_random": spearman(random_map[rows], people),
                "overlap_random": overlap(random_map[rows], people),
            }
        )
    names = ("spearman", "overlap", "spearman_random", "overlap_random")
    medians = {f"{name}_median": median_known([row[name] for row in table]) for name in names}
    return {**medians, "countries": table, "min_sites": min_sites}


def _mixed_share(part: FloatArray, whole: FloatArray, mix: IntArray) -> float:
    """Mean over countries of part / whole, weighted by the number of sites of each."""
    known = (whole > 0.0) & (mix > 0)
    total = float(mix[known].sum())
    return float((mix[known] * (part[known] / whole[known])).sum()) / total if total else math.nan


def urban_agreement(
    sites: Map, near_urban: npt.NDArray[np.bool_], cells: Cells, places: ZonedPlaces
) -> dict[str, float]:
    """Share of sites in or next to urban land cover, against population under the same mix.

    ``population_share`` and ``place_share`` weight each country's own share (of modelled tile
    population, and of people living in named places) by the release's sites in that country.
    ``difference_points`` is sites minus population in percentage points.
    """
    mix, urban = np.zeros(countries.CODES, dtype=np.int64), 0
    for block in sites.blocks():
        mix += country_counts(block.country)
        urban += int(look_up(near_urban, block.lon, block.lat).sum())
    total = int(mix.sum())
    at_places = look_up(near_urban, places.lon, places.lat)
    site_share = urban / total if total else math.nan
    population_share = _mixed_share(
        by_country(cells.country, cells.urban_population),
        by_country(cells.country, cells.population),
        mix,
    )
    return {
        "site_share": site_share,
        "population_share": population_share,
        "place_share": _mixed_share(
            by_country(places.country, places.population * at_places),
            by_country(places.country, places.population),
            mix,
        ),
        "difference_points": 100.0 * (site_share - population_share),
    }


def time_zone_reach(sites: Map, places: ZonedPlaces, min_sites: int) -> dict[str, Any]:
    """How many countries of several UTC offsets have sites at more than one of them.

    A site has the offset of the nearest place of its own country: the places define which
    offsets a country has, so no second source can disagree at a border, and no site can borrow the
    zone of a neighbour. ``expected_off_main`` is how many sites a map in proportion to place
    population would put off the main offset.
    """
    from scipy.spatial import cKDTree

    # A fourth coordinate wider than the sphere keeps every search inside its own country.
    def embed(country: Codes, lon: FloatArray, lat: FloatArray) -> FloatArray:
        return np.column_stack([unit_vectors(lon, lat), country * 4.0])

    key = places.country * np.int64(10_000) + places.utc_offset + 5_000
    several = np.bincount(np.unique(key) // 10_000, minlength=countries.CODES) >= 2
    p = np.flatnonzero(several[places.country])
    tree = cKDTree(embed(places.country[p], places.lon[p], places.lat[p])) if len(p) else None
    mix, met = np.zeros(countries.CODES, dtype=np.int64), []
    for block in sites.blocks():
        mix += country_counts(block.country)
        s = np.flatnonzero(several[block.country])
        if tree is not None and len(s):
            _, nearest = tree.query(embed(block.country[s], block.lon[s], block.lat[s]))
            met.append(np.unique(key[p][nearest]))
    reached = np.bincount(
        np.unique(np.concatenate([np.empty(0, np.int64), *met])) // 10_000,
        minlength=countries.CODES,
    )
    chosen = several & (mix >= min_sites)
    table: list[dict[str, Any]] = []
    for code in np.flatnonzero(chosen):
        mine = places.country[p] == code
        held, slot = np.unique(places.utc_offset[p][mine], return_inverse=True)
        people = np.bincount(slot, weights=places.population[p][mine])
        off_main = 1.0 - people.max() / people.sum() if people.sum() > 0.0 else 0.0
        table.append(
            {
                "country_iso": countries.decode_one(int(code)),
                "sites": int(mix[code]),
                "offsets": len(held),
                "offsets_reached": int(reached[code]),
                "expected_off_main": float(mix[code] * off_main),
            }
        )
    multi_zone = sum(row["offsets_reached"] >= 2 for row in table)
    return {
        "multi_zone_countries": len(table),
        "multi_zone_reached": multi_zone,
        "multi_zone_reached_share": multi_zone / len(table) if table else math.nan,
        "countries": table,
        "min_sites": min_sites,
    }


def rank_auc(score: FloatArray, positive: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve, the Mann-Whitney statistic over both counts; ties count half."""
    p, n = int(positive.sum()), int((~positive).sum())
    if not p or not n:
        return math.nan
    ranks = average_ranks(score)
    return (float(ranks[positive].sum()) - p * (p + 1) / 2.0) / (p * n)


def two_sample_auc(sites: Sites, points: Points, rank: Rank, seed: int) -> dict[str, float | int]:
    """Classifier two-sample test of sites against population-weighted points of the same mix.

    Up to :data:`AUC_SITES_MAX` sites, by keyed rank, face as many points of the same countries;
    half of both trains a k-nearest-neighbour classifier on the sphere with k = floor(sqrt(n)), the
    other half is told apart by it (Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample
    tests"). 0.5: cannot be told apart; 1: wholly different. The features are the coordinates and
    nothing else, so a library of classifiers would add weight and no power.
    """
    from scipy.spatial import cKDTree

    pick = sites.take(lowest(rank, AUC_SITES_MAX))
    held = np.bincount(points.country, minlength=countries.CODES)
    order = np.argsort(pick.country, kind="stable")
    starts = np.searchsorted(pick.country[order], np.arange(countries.CODES))
    index = np.empty(len(pick), dtype=np.int64)
    index[order] = np.arange(len(pick)) - starts[pick.country[order]]
    pick = pick.take(np.flatnonzero(index < held[pick.country]))
    wanted = np.bincount(pick.country, minlength=countries.CODES)
    rows = np.flatnonzero(points.rank < wanted[points.country])
    if len(pick) < 8:
        return {"auc": math.nan, "sites": len(pick), "neighbours": 0}

    lon = np.concatenate([pick.lon, points.lon[rows]])
    lat = np.concatenate([pick.lat, points.lat[rows]])
    is_site = np.arange(len(lon)) < len(pick)
    u = np.concatenate(
        [
            keyed_uniforms(seed, SPLIT_NAMESPACE, pick.merchant, pick.country, pick.order)[:, 0],
            keyed_uniforms(seed, SPLIT_NAMESPACE, 0, points.country[rows], points.rank[rows])[:, 0],
        ]
    )
    train = u < 0.5
    vectors = unit_vectors(lon, lat)
    neighbours = max(1, math.isqrt(int(train.sum())))
    _, nearest = cKDTree(vectors[train]).query(vectors[~train], k=neighbours)
    score = is_site[train][nearest.reshape(len(nearest), -1)].mean(axis=1)
    return {
        "auc": rank_auc(score, is_site[~train]),
        "sites": len(pick),
        "neighbours": neighbours,
    }


def nn_shift(baseline_m: FloatArray, candidate_m: FloatArray) -> Mapping[str, float]:
    """Two-sample evidence that nearest-neighbour distances moved from baseline to candidate.

    Kolmogorov-Smirnov distance and Mann-Whitney effect (the chance that a candidate's distance
    exceeds a baseline's, ties half), with the two-sided p-values of their limit laws. Neighbouring
    distances depend on each other, so the p-values overstate the evidence; read the effects first.
    """
    from scipy.special import kolmogorov, ndtr

    n, m = len(candidate_m), len(baseline_m)
    if not n or not m:
        return dict.fromkeys(
            ("ks_distance", "ks_p_value", "mann_whitney_effect", "mann_whitney_p_value"), math.nan
        )
    both = np.concatenate([candidate_m, baseline_m])
    steps = [
        np.searchsorted(np.sort(part), both, side="right") / len(part)
        for part in (candidate_m, baseline_m)
    ]
    distance = float(np.abs(steps[0] - steps[1]).max())
    # Normal limit of the rank sum, with the variance that ties leave (Lehmann 1975).
    wins = float(average_ranks(both)[:n].sum()) - n * (n + 1) / 2.0
    _, ties = np.unique(both, return_counts=True)
    spread = n + m + 1 - float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    scale = math.sqrt(n * m / 12.0 * spread)
    z = (abs(wins - n * m / 2.0) - 0.5) / scale if scale > 0.0 else 0.0
    return {
        "ks_distance": distance,
        "ks_p_value": float(kolmogorov(distance * math.sqrt(n * m / (n + m)))),
        "mann_whitney_effect": wins / (n * m),
        "mann_whitney_p_value": min(1.0, 2.0 * float(ndtr(-z))),
    }
