"""Laws that put the sites of a country on its tiles.

``joint_v2`` allocates a country at once. Its N sites become *units*, tiles in the order of the
Hilbert curve, drawn by systematic sampling with probability proportional to size (Madow 1949):

* a share ``lone_share`` of the units are lone sites, one for each step of the cumulative weight p;
* the others come in clusters of at least two. A cluster on tile i has real size
  ``s_i = clip(mean_sites_per_tile * (p_i / p_ref) ** place_growth, 2, max_sites_per_tile)`` with
  ``p_ref = exp(sum p log p)``, the weight of the tile where the typical person lives. Cluster tiles
  are drawn with probability proportional to ``p_i / s_i``, so the expected number of sites stays
  proportional to p, and cumulative rounding makes the sizes integers with an exact sum.

Fifty sites are two dozen clusters, and where they fall by chance decides the shape of a small
country. So of ``starts`` evenly spaced starts of the sample the one is taken whose sites balance
position best: after whitening by the weights (mean 0, covariance I), the squared distances of mean
and covariance of the sites from 0 and I are least. This is balanced sampling (Deville and Tille
2004) in the plain form of rerandomisation (Morgan and Rubin 2012).

In countries of several time zones one unit may then move (:mod:`scripts.states.time_zone_floor`).

Site k of merchant m asks for position ``(k + phase_m) / n_m``; requests sorted by position are
matched to the units in curve order. Row and column sums are exact and each merchant's sites are
spread over the whole country by weight. Phases are multiples of the golden ratio, a low-discrepancy
sequence over the merchants of the country: nothing is drawn at random.

``largest_remainder_v1`` splits every pair by Hamilton apportionment of the country's weights; pairs
of equal size in a country share one result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.ordering import run_starts
from scripts.progress import track
from scripts.states.pairs import Pairs
from scripts.states.time_zone_floor import ZoneFloor

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
LEAST_CLUSTER = 2
# With more sites than this in a country, any start is balanced well enough.
BALANCED_SITES_MAX = 4096
# Squared extent, in radians, below which an axis has none: a metre.
_LEAST_VARIANCE = (1.0 / 6_371_000.0) ** 2


@dataclass(frozen=True)
class Ground:
    """What the joint law knows of the Earth: the grid of the tiles, and where time zones are."""

    grid: Grid
    zone_floor: ZoneFloor


@dataclass(frozen=True)
class Tiles:
    """Tiles grouped by country: ``rows[code]`` is the slice of a country in the arrays."""

    rows: Mapping[int, slice]
    tile_id: npt.NDArray[np.uint64]
    value: I64


def group_by_country(code: npt.NDArray[np.integer], tile_id: Any, value: I64) -> Tiles:
    """Slices of equal codes of arrays sorted by country."""
    rows = {int(code[a]): slice(int(a), int(b)) for a, b in pairwise(run_starts(code))}
    return Tiles(rows, tile_id, value)


def systematic(cumulative: F64, draws: int, start: F64) -> I64:
    """Systematic PPS samples: index of the cell that holds each of ``draws`` even steps.

    Parameters
    ----------
    cumulative
        Cumulative weights, shape (n,), the last one positive.
    start
        Where in the first step each sample starts, in (0, 1), shape (s,).

    Returns
    -------
    Shape (s, draws).
    """
    steps = (np.arange(draws) + start[:, None]) * (cumulative[-1] / max(draws, 1))
    cell: I64 = np.minimum(np.searchsorted(cumulative, steps, side="right"), len(cumulative) - 1)
    return cell


def quota_units(
    cumulative_fp: I64,
    n_sites: int,
    agglomeration: Mapping[str, Any],
    position: F64 | None = None,
) -> I64:
    """Curve positions of a country's ``n_sites`` units, ascending.

    Parameters
    ----------
    cumulative_fp
        Cumulative weights along the curve, shape (tiles,), the last one positive.
    agglomeration
        Block of the S4 policy.
    position
        Unit vectors of the tiles, shape (tiles, 3), to balance the sites by; None takes the middle
        start.
    """
    starts = agglomeration["starts"] if position is not None else 1
    start = (np.arange(starts) + 0.5) / starts
    cumulative = cumulative_fp / cumulative_fp[-1]
    p = np.diff(cumulative, prepend=0.0)
    lone = round(agglomeration["lone_share"] * n_sites)
    clustered = n_sites - lone
    tiles = [systematic(cumulative, lone, start)]
    sites = [np.ones((starts, lone), dtype=np.int64)]
    if clustered:
        size = real_sizes(p, agglomeration)
        parents_mass = np.cumsum(p / size)
        clusters = min(round(clustered * parents_mass[-1]), clustered // LEAST_CLUSTER)
        tiles.append(systematic(parents_mass, max(1, clusters), start))
        sites.append(cluster_sizes(size[tiles[-1]], clustered))
    tile, held = np.concatenate(tiles, axis=1), np.concatenate(sites, axis=1)
    best = 0
    if position is not None:
        centre, whitening = main_axes(position, p)
        best = int(np.argmin(imbalance((position[tile] - centre) @ whitening, held)))
    return np.sort(np.repeat(tile[best], held[best]))


def real_sizes(p: F64, agglomeration: Mapping[str, Any]) -> F64:
    """Real size of a cluster on every tile, from the shares of the weight, shape (tiles,)."""
    used = p > 0
    p_ref = np.exp(np.sum(p[used] * np.log(p[used])))
    size = np.full_like(p, LEAST_CLUSTER)
    size[used] = np.clip(
        agglomeration["mean_sites_per_tile"] * (p[used] / p_ref) ** agglomeration["place_growth"],
        LEAST_CLUSTER,
        agglomeration["max_sites_per_tile"],
    )
    return size


def cluster_sizes(size: F64, n_sites: int) -> I64:
    """Integers near ``size`` with sum ``n_sites``, none below two unless one site is all there is.

    Every cluster has two; cumulative rounding deals out the rest in proportion to what ``size``
    exceeds two by, or evenly where nothing does.

    Parameters
    ----------
    size
        Real sizes of the clusters of some samples, shape (samples, clusters).
    """
    if n_sites < LEAST_CLUSTER:
        return np.full(size.shape, n_sites)
    extra = size - LEAST_CLUSTER
    extra[extra.sum(axis=1) <= 0.0] = 1.0
    share = np.cumsum(extra, axis=1)
    rest = n_sites - LEAST_CLUSTER * size.shape[1]
    edges = np.round(share / share[:, -1:] * rest).astype(np.int64)
    sizes: I64 = LEAST_CLUSTER + np.diff(edges, axis=1, prepend=0)
    return sizes


def main_axes(position: F64, p: F64) -> tuple[F64, F64]:
    """Centre of a country's weight, and its two main axes divided by their standard deviations.

    Parameters
    ----------
    position
        Unit vectors of the tiles, shape (tiles, 3).
    p
        Shares of the weight, shape (tiles,).

    Returns
    -------
    Shapes (3,) and (3, 2); an axis without extent is zero.
    """
    centre = p @ position
    centred = position - centre
    variance, axes = np.linalg.eigh((centred * p[:, None]).T @ centred)
    scale = np.where(variance > _LEAST_VARIANCE, np.sqrt(np.maximum(variance, 0.0)), np.inf)
    return centre, axes[:, 1:] / scale[1:]


def imbalance(z: F64, sites: I64) -> F64:
    """How far mean and covariance of samples are from 0 and I.

    Parameters
    ----------
    z
        Whitened positions of the tiles of every sample, shape (samples, units, 2).
    sites
        Sites on them, shape (samples, units).

    Returns
    -------
    Shape (samples,), rounded so that a platform's last bit decides no tie.
    """
    share = sites / sites.sum(axis=1, keepdims=True)
    mean = np.einsum("su,sud->sd", share, z)
    second = np.einsum("su,sud,sue->sde", share, z, z)
    covariance = second - mean[:, :, None] * mean[:, None, :]
    off = covariance - np.eye(2)
    distance: F64 = np.round((mean**2).sum(axis=1) + (off**2).sum(axis=(1, 2)), 9)
    return distance


def match_sites(n_sites: I64) -> I64:
    """Pair index of every unit in curve order; pair i appears ``n_sites[i]`` times."""
    pair = np.repeat(np.arange(len(n_sites)), n_sites)
    first = np.repeat(np.cumsum(n_sites) - n_sites, n_sites)
    phase = np.modf((np.arange(len(n_sites)) + 1) * GOLDEN)[0]
    position = (np.arange(len(pair)) - first + phase[pair]) / n_sites[pair]
    return pair[np.argsort(position, kind="stable")]


def joint_allocation(
    pairs: Pairs,
    curve: Tiles,
    agglomeration: Mapping[str, Any],
    ground: Ground | None = None,
) -> tuple[I64, npt.NDArray[np.uint64]]:
    """Pair row and tile of every site, under the joint law, grouped by country.

    Parameters
    ----------
    pairs
        Sites per (merchant, country).
    curve
        Cumulative weights of the tiles of every country in curve order.
    agglomeration
        Block of the S4 policy.
    ground
        To balance the sites on and to hold the floor for time zones; None does without both.
    """
    order = np.argsort(pairs.country, kind="stable")
    pair_rows, tiles = [], []
    starts = run_starts(pairs.country[order])
    for a, b in track(pairwise(starts), "countries", len(starts) - 1):
        rows = order[a:b]
        country = int(pairs.country[rows[0]])
        where = curve.rows[country]
        n_sites = pairs.n_sites[rows]
        tile_id = curve.tile_id[where]
        total = int(n_sites.sum())
        position = None
        if ground and agglomeration["starts"] > 1 and total <= BALANCED_SITES_MAX:
            position = ground.grid.centre_vectors(tile_id)
        units = quota_units(curve.value[where], total, agglomeration, position)
        if ground:
            units = ground.zone_floor.serve(country, units, tile_id)
        pair_rows.append(rows[match_sites(n_sites)])
        tiles.append(tile_id[units])
    return np.concatenate(pair_rows), np.concatenate(tiles)


def hamilton(weight: I64, heaviest: I64, unit: int, n_sites: int) -> tuple[I64, I64]:
    """Largest-remainder split of ``n_sites`` over tiles; tile rows and counts above zero.

    Parameters
    ----------
    weight
        Fixed-point weights with sum ``unit``, in tile order.
    heaviest
        Rows by weight descending, ties by tile.

    Raises
    ------
    StateError
        ``E416`` when ``weight * n_sites`` does not fit 64 bits.
    """
    if int(weight[heaviest[0]]) * n_sites >= 1 << 63:
        raise StateError("E416", f"{n_sites} sites", "weights overflow 64 bits", "lower dp")
    if int(weight[heaviest[0]]) * n_sites < unit:
        return heaviest[:n_sites], np.ones(min(n_sites, len(weight)), dtype=np.int64)
    base, remainder = np.divmod(weight * n_sites, unit)
    short = n_sites - int(base.sum())
    base[np.argsort(-remainder, kind="stable")[:short]] += 1
    rows = np.flatnonzero(base)
    return rows, base[rows]


def largest_remainder_allocation(
    pairs: Pairs, weights: Tiles, unit: int
) -> tuple[I64, npt.NDArray[np.uint64]]:
    """Pair row and tile of every site, pair by pair under the Hamilton rule."""
    order = np.lexsort((pairs.n_sites, pairs.country))
    pair_rows, tiles = [], []
    starts = run_starts(pairs.country[order], pairs.n_sites[order])
    country, where, heaviest = -1, slice(0), np.empty(0, dtype=np.int64)
    for a, b in track(pairwise(starts), "counts of a country", len(starts) - 1):
        rows = order[a:b]
        if int(pairs.country[rows[0]]) != country:
            country = int(pairs.country[rows[0]])
            where = weights.rows[country]
            heaviest = np.argsort(-weights.value[where], kind="stable")
        picked, count = hamilton(weights.value[where], heaviest, unit, int(pairs.n_sites[rows[0]]))
        chosen = np.repeat(weights.tile_id[where][picked], count)
        pair_rows.append(np.repeat(rows, len(chosen)))
        tiles.append(np.tile(chosen, len(rows)))
    return np.concatenate(pair_rows), np.concatenate(tiles)
