"""Bootstrap intervals of the concentration and hemisphere metrics over merchants.

Merchants, not sites, are the sampling units: a merchant's sites hang together. They are resampled
with replacement within their home country (Davison and Hinkley 1997, section 3.2: stratified
resampling), each draw is scored by the same definitions as the release, and the interval is the
percentile interval (Efron 1981).

Beyond some ten thousand merchants the units are random groups of a stratum's merchants of one size,
resampled in their place: sums of random groups vary between draws as those of single merchants do
(Wolter, "Introduction to variance estimation", 2007, chapter 2), at a cost that stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo.metrics import FloatArray, Sites
from scripts.inequality import CONCENTRATION, TOP_FRACTIONS, top_count
from scripts.ordering import run_starts
from scripts.progress import track
from scripts.randomness import keyed_uniforms

NAMESPACE = "scorers.bootstrap"
GROUPS_NAMESPACE = "scorers.bootstrap.groups"
UNITS = 1 << 14
GROUPS_AT_LEAST = 32
METRICS = (*CONCENTRATION, "southern_hemisphere_share")
_DRAWS_A_BLOCK = 4
_CHUNK_CELLS = 1 << 23


@dataclass(frozen=True)
class Population:
    """Sampling units: merchants, or random groups of merchants.

    ``unit`` uint64 id of a merchant of each and ``stratum`` int64 home codes, shape (m,); ``pairs``
    a sparse matrix (676, m) of sites by country and unit; ``south`` sites south of the equator by
    unit, shape (m,).
    """

    unit: npt.NDArray[np.uint64]
    stratum: npt.NDArray[np.int64]
    pairs: Any
    south: npt.NDArray[np.int64]


def random_groups(
    merchant: npt.NDArray[np.uint64], stratum: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.int64]:
    """Row of the merchant that stands for each merchant's unit; shape (m,).

    Up to :data:`UNITS` merchants, each is a unit of its own. Beyond, a stratum is divided at random
    into groups of one size, or one more; into :data:`GROUPS_AT_LEAST` and more, because groups that
    are too few understate the variance.
    """
    m = len(merchant)
    if m <= UNITS:
        return np.arange(m)
    u = keyed_uniforms(seed, GROUPS_NAMESPACE, merchant)[:, 0]
    order = np.lexsort((u, stratum))
    _, first, size = np.unique(stratum[order], return_index=True, return_counts=True)
    members = np.clip(size // GROUPS_AT_LEAST, 1, -(-m // UNITS))
    first, groups = np.repeat(first, size), np.repeat(size // members, size)
    unit = np.empty(m, dtype=np.int64)
    unit[order] = order[first + (np.arange(m) - first) % groups]
    return unit


@dataclass(frozen=True)
class Pairs:
    """Rows of sites by (merchant, country), in any order, a pair in one row or several.

    ``merchant`` uint64, ``country`` int16 codes, ``n_sites`` and ``south`` int32 sites, all and
    those south of the equator; shape (p,).
    """

    merchant: npt.NDArray[np.uint64]
    country: npt.NDArray[np.int16]
    n_sites: npt.NDArray[np.int32]
    south: npt.NDArray[np.int32]


def pairs_of(sites: Sites) -> Pairs:
    """Runs of sites of one merchant and country."""
    starts = run_starts(sites.merchant, sites.country)
    first = starts[:-1]
    southern = np.append(0, np.cumsum(sites.lat < 0.0))
    return Pairs(
        sites.merchant[first],
        sites.country[first],
        np.diff(starts).astype(np.int32),
        np.diff(southern[starts]).astype(np.int32),
    )


def population_of(pairs: Pairs, home: npt.NDArray[np.int64], seed: int) -> Population:
    """Sampling units of a site set.

    Parameters
    ----------
    pairs
        All sites.
    home
        Home country code of each merchant, in ascending order of merchant id, shape (m,).
    seed
        Of the random groups.
    """
    from scipy.sparse import csr_matrix

    merchant, row = np.unique(pairs.merchant, return_inverse=True)
    standing, unit = np.unique(random_groups(merchant, home, seed), return_inverse=True)
    row, merchant = unit[row], merchant[standing]
    by_country = csr_matrix(
        (pairs.n_sites.astype(np.float64), (pairs.country.astype(np.int64), row)),
        shape=(countries.CODES, len(merchant)),
    )
    south = np.bincount(row, pairs.south, len(merchant)).astype(np.int64)
    return Population(merchant, home[standing], by_country, south)


def _resample_weights(population: Population, seed: int, first: int, draws: int) -> FloatArray:
    """How often each unit is drawn; shape (m, draws), columns for draws ``first`` onwards.

    The slot of unit i takes a member of i's stratum by a uniform keyed by i's id and the draw.
    """
    m = len(population.unit)
    by_stratum = np.argsort(population.stratum, kind="stable")
    _, start, size = np.unique(
        population.stratum[by_stratum], return_index=True, return_counts=True
    )
    start, size = np.repeat(start, size), np.repeat(size, size)
    blocks = np.arange(first // _DRAWS_A_BLOCK, -(-(first + draws) // _DRAWS_A_BLOCK))
    u = keyed_uniforms(
        seed, NAMESPACE, population.unit[by_stratum][:, None], block=blocks[None, :]
    ).reshape(m, -1)[:, :draws]
    member = start[:, None] + np.minimum((u * size[:, None]).astype(np.int64), size[:, None] - 1)
    cell = by_stratum[member] * draws + np.arange(draws)
    return np.bincount(cell.ravel(), minlength=m * draws).astype(np.float64).reshape(m, draws)


def concentration_rows(counts: FloatArray, active_only: bool) -> dict[str, FloatArray]:
    """Concentration of many count vectors at once.

    Parameters
    ----------
    counts
        Shape (draws, k), non-negative.
    active_only
        Whether the population is the positive entries of each row, or all of them.

    Returns
    -------
    Per metric, shape (draws,).
    """
    ascending = np.sort(counts, axis=1)
    draws, k = ascending.shape
    total = ascending.sum(axis=1)
    n = (ascending > 0.0).sum(axis=1) if active_only else np.full(draws, k)
    rank = np.arange(1, k + 1)[None, :] + (n - k)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        measures = {
            "country_gini": np.maximum(
                ((2.0 * rank - n[:, None] - 1.0) * ascending).sum(axis=1) / (n * total), 0.0
            )
        }
        from_top = np.cumsum(ascending[:, ::-1], axis=1)
        for name, fraction in TOP_FRACTIONS.items():
            top = np.array([min(top_count(int(size), fraction), k) for size in n])
            measures[name] = from_top[np.arange(draws), top - 1] / total
    return measures


def intervals(
    population: Population,
    eligible: npt.NDArray[np.bool_],
    seed: int,
    draws: int,
    level: float,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the gated value of each metric in :data:`METRICS`.

    For the concentration metrics each draw takes the worse of the two populations of countries, as
    the gate does. Draws are worked in chunks of about 8 million (unit, draw) cells: at most 400 MB.

    Parameters
    ----------
    population
        Sampling units.
    eligible
        Mask of E by country code, shape (676,).
    seed
        Seed of the scored world.
    draws, level
        Number of resamples, and confidence level in (0, 1).
    """
    m = len(population.unit)
    if m == 0:
        return dict.fromkeys(METRICS, (float("nan"), float("nan")))
    chunk = max(_DRAWS_A_BLOCK, _CHUNK_CELLS // m // _DRAWS_A_BLOCK * _DRAWS_A_BLOCK)
    pieces: dict[str, list[FloatArray]] = {name: [] for name in METRICS}
    blocks = range(0, draws, chunk)
    for first in track(blocks, "bootstrap: blocks of resamples", len(blocks)):
        weights = _resample_weights(population, seed, first, min(chunk, draws - first))
        counts = np.ascontiguousarray((population.pairs @ weights).T)
        over_eligible = concentration_rows(counts[:, eligible], active_only=False)
        over_active = concentration_rows(counts, active_only=True)
        for name in CONCENTRATION:
            pieces[name].append(np.maximum(over_eligible[name], over_active[name]))
        south = (population.south.astype(np.float64)[:, None] * weights).sum(axis=0)
        pieces["southern_hemisphere_share"].append(south / counts.sum(axis=1))
    tail = (1.0 - level) / 2.0
    intervals = {}
    for name, parts in pieces.items():
        low, high = np.quantile(np.concatenate(parts), (tail, 1.0 - tail))
        intervals[name] = (float(low), float(high))
    return intervals
