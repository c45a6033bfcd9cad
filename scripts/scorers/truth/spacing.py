"""How the sites of one country lie to each other: T1 to T4, and T7.

Distances are great circles on the sphere of mean radius; neighbours are those of a k-d tree on the
unit sphere, whose chord order is the arc order, so neither the antimeridian nor a pole is special.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from scripts.geo.distance import EARTH_RADIUS_M, unit_vectors
from scripts.geo.grid import Grid
from scripts.geo.metrics import FloatArray, IntArray, chord_to_m
from scripts.scorers.truth.spacing_kernels import join_pairs

GROUP_REACH_M = 10_000.0
TWIN_REACH_M = 9_300.0
TWIN_ISOLATION = 3.0
GRID_PAIR_M = 5_000.0
# Least sizes of the classes that groups are told by: lone sites, pairs, and larger ones.
GROUP_SIZES = (1, 2, 3, 5, 10, 20)


def chord_of_m(distance_m: float) -> float:
    """Chord of the unit sphere below a great circle of so many metres."""
    return 2.0 * math.sin(distance_m / (2.0 * EARTH_RADIUS_M))


@dataclass(frozen=True)
class Neighbours:
    """The two nearest others of every site, each of shape (n,).

    ``nearest`` int64 rows; ``first_m`` and ``second_m`` metres to the nearest and the second
    nearest, infinite where there is none.
    """

    nearest: IntArray
    first_m: FloatArray
    second_m: FloatArray


def neighbours_of(vectors: FloatArray) -> Neighbours:
    """The two nearest others of each of n >= 2 points of the unit sphere, shape (n, 3)."""
    n = len(vectors)
    chord, index = cKDTree(vectors).query(vectors, k=3)
    # A site is not its own neighbour; among coincident sites it need not come first, or at all.
    own = index == np.arange(n)[:, None]
    own[~own.any(axis=1), 2] = True
    index = index[~own].reshape(n, 2).astype(np.int64)
    distance = np.where(np.isfinite(chord), chord_to_m(chord), np.inf)[~own].reshape(n, 2)
    return Neighbours(index[:, 0], distance[:, 0], distance[:, 1])


def group_sizes(vectors: FloatArray, reach_m: float = GROUP_REACH_M) -> IntArray:
    """Sizes of the groups of single linkage: sites nearer than ``reach_m`` belong together.

    Single linkage cut at a height is the connected components of the graph of all pairs within it
    (Gower and Ross, "Minimum spanning trees and single linkage cluster analysis", 1969).

    Parameters
    ----------
    vectors
        Points of the unit sphere, shape (n, 3).
    reach_m
        Greatest distance inside a group, metres.

    Returns
    -------
    Sites of each group, shape (groups,).
    """
    pairs = cKDTree(vectors).query_pairs(chord_of_m(reach_m), output_type="ndarray")
    group = np.arange(len(vectors))
    join_pairs(pairs, group)
    sizes = np.bincount(group).astype(np.int64)
    return sizes[sizes > 0]


def twins(near: Neighbours) -> npt.NDArray[np.bool_]:
    """Which sites are one of an isolated mutual pair; bool, shape (n,).

    Both are each other's nearest, less than 9.3 km apart (a tile of 5 arc-minutes), and the site's
    second nearest is at least three times as far as its twin. A pile of three is no pair.
    """
    mutual = near.nearest[near.nearest] == np.arange(len(near.nearest))
    isolated = (near.second_m >= TWIN_ISOLATION * near.first_m) & (near.second_m > near.first_m)
    both: npt.NDArray[np.bool_] = mutual & isolated & (near.first_m < TWIN_REACH_M)
    return both


def variance_ratio(count: IntArray, weight: FloatArray, outside: int = 0) -> float:
    """Variance of counts per cell, over that of as many independent sites with the same weights.

    The mean over cells of ``(n - e)**2 / (e * (1 - e / N))``, which is 1 on average when ``N``
    sites fall independently by weight, below 1 when they are more regular than chance and above 1
    when they cluster (the index of dispersion of quadrat counts: Cressie, "Statistics for spatial
    data", 1993, section 8.2). Cells that expect less than one site are one cell; where even that
    expects less than one, it joins the least of the others.

    Parameters
    ----------
    count, weight
        Sites and weight of each cell of a country, shape (cells,); weights of any scale.
    outside
        Sites of the country in none of the cells; they count among the sites of the poorest cells.

    Returns
    -------
    NaN without sites or weight, or where one cell expects them all.
    """
    sites = int(count.sum()) + outside
    total = float(weight.sum())
    if sites == 0 or not total > 0.0:
        return math.nan
    rank = np.argsort(-weight, kind="stable")
    e, n = weight[rank] * (sites / total), count[rank].astype(np.float64)
    rich = int((e >= 1.0).sum())
    poor_e = float(e[rich:].sum())
    poor_n = float(n[rich:].sum()) + outside
    e, n = e[:rich], n[:rich]
    if poor_e >= 1.0 or not rich:
        e, n = np.append(e, poor_e), np.append(n, poor_n)
    else:
        e[-1] += poor_e
        n[-1] += poor_n
    if len(e) < 2:
        return math.nan
    return float(np.mean((n - e) ** 2 / (e * (1.0 - e / sites))))


def shared_tiles(
    lon_deg: FloatArray, lat_deg: FloatArray, near: Neighbours, grid: Grid
) -> tuple[int, int, float]:
    """How many close nearest pairs share a tile, and how many would if the grid lay elsewhere.

    A pair is a site and its nearest, less than 5 km apart. On a grid shifted at random two points
    that are dx and dy cells apart share a cell with probability ``(1 - dx) * (1 - dy)``: the mean
    over all shifted grids, without a draw.

    Returns
    -------
    Pairs, pairs in one tile of the grid, and the mean number of them over all shifted grids.
    """
    a = np.flatnonzero(near.first_m < GRID_PAIR_M)
    b = near.nearest[a]
    tile = grid.tile_at(lon_deg, lat_deg)
    dx = np.abs(lon_deg[a] - lon_deg[b])
    dx = np.minimum(dx, 360.0 - dx) / grid.cell_deg
    dy = np.abs(lat_deg[a] - lat_deg[b]) / grid.cell_deg
    shifted = np.maximum(1.0 - dx, 0.0) * np.maximum(1.0 - dy, 0.0)
    return len(a), int((tile[a] == tile[b]).sum()), float(shifted.sum())


@dataclass(frozen=True)
class Spacing:
    """Counts of one country at the reference density, added up over its thinned maps.

    ``sites``; ``grouped``, sites in groups of each class of :data:`GROUP_SIZES`, shape (6,);
    ``twin`` sites; ``pairs`` close nearest pairs, ``same_tile`` of them in one tile and
    ``same_shifted`` on the mean shifted grid; ``nearest_m`` metres to the nearest, shape (sites,).
    """

    sites: int
    grouped: IntArray
    twin: int
    pairs: int
    same_tile: int
    same_shifted: float
    nearest_m: FloatArray

    @staticmethod
    def empty() -> Spacing:
        """No sites."""
        return Spacing(0, np.zeros(len(GROUP_SIZES), dtype=np.int64), 0, 0, 0, 0.0, np.empty(0))

    @property
    def lone(self) -> int:
        """Sites alone."""
        return int(self.grouped[0])

    @property
    def paired(self) -> int:
        """Sites in groups of exactly two."""
        return int(self.grouped[1])

    def __add__(self, other: Spacing) -> Spacing:
        return Spacing(
            self.sites + other.sites,
            self.grouped + other.grouped,
            self.twin + other.twin,
            self.pairs + other.pairs,
            self.same_tile + other.same_tile,
            self.same_shifted + other.same_shifted,
            np.concatenate([self.nearest_m, other.nearest_m]),
        )


def sites_by_group(sizes: IntArray) -> IntArray:
    """Sites in groups of each class of :data:`GROUP_SIZES`, from the sizes of all groups."""
    group = np.searchsorted(GROUP_SIZES, sizes, side="right") - 1
    return np.bincount(group, sizes, len(GROUP_SIZES)).astype(np.int64)


def spacing_of(lon_deg: FloatArray, lat_deg: FloatArray, grid: Grid) -> Spacing:
    """Spacing of the sites of one country, shape (n,) each; n may be 0."""
    n = len(lon_deg)
    if n < 2:
        alone = sites_by_group(np.ones(n, dtype=np.int64))
        return Spacing(n, alone, 0, 0, 0, 0.0, np.full(n, np.inf))
    vectors = unit_vectors(lon_deg, lat_deg)
    near = neighbours_of(vectors)
    return Spacing(
        n,
        sites_by_group(group_sizes(vectors)),
        int(twins(near).sum()),
        *shared_tiles(lon_deg, lat_deg, near, grid),
        near.first_m,
    )
