"""Distributions by inversion and integer splits: one uniform per decision, no rejection, no loop.

Every function is vectorised over merchants or over (merchant, country) rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

from scripts.apportionment import largest_remainder
from scripts.ordering import run_starts
from scripts.upstream.law_kernels import mark_largest

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# Steps of the merchant lattice: quadratic irrationals, whose multiples fill [0, 1) most evenly
# (Kuipers and Niederreiter, Uniform Distribution of Sequences, 1974, section 2.3). The golden ratio
# goes to the size ratio; in each dimension the two steps are independent over the rationals.
LATTICE = np.mod(np.array([(1.0 + np.sqrt(5.0)) / 2.0, np.sqrt(2.0), np.sqrt(3.0)]), 1.0)
BETWEEN = np.mod(np.sqrt([2.0, 3.0, 5.0]), 1.0)
MINIMUM_MULTI = 2
# A uniform just below one may round its probability to one, where a law has no quantile.
_BELOW_ONE = np.nextafter(1.0, 0.0)


def stratified_points(rotation: F64, stratum: I64, ordinal: I64) -> F64:
    """Points ``frac(rotation + stratum * BETWEEN + ordinal * LATTICE)`` in [0, 1)**3.

    Within a stratum, and over the first points of all strata, they are spread evenly. A point
    depends on its own stratum and ordinal alone, so strata can grow.

    Parameters
    ----------
    rotation
        Shape (3,) or more, in [0, 1).
    stratum, ordinal
        Shape (n,).
    """
    steps = stratum[:, None] * BETWEEN + ordinal[:, None] * LATTICE
    points: F64 = np.mod(rotation[:3] + steps, 1.0)
    return points


def size_ratio(
    u: F64, body_sigma: float, tail_share: float, tail_index: float, max_ratio: float
) -> F64:
    """Quantile of the size law: lognormal body, Pareto above its upper ``tail_share``, truncated.

    Median 1; continuous at the join.
    """
    body = np.minimum(u, 1.0 - tail_share)
    log_size = body_sigma * special.ndtri(np.clip(body, 1e-12, 1.0))
    excess = np.where(u > 1.0 - tail_share, -np.log((1.0 - u) / tail_share) / tail_index, 0.0)
    ratio: F64 = np.minimum(np.exp(log_size + excess), max_ratio)
    return ratio


def _negative_binomial_01(mu: F64, phi: F64) -> tuple[F64, F64]:
    p0 = np.exp(-phi * np.log1p(mu / phi))
    return p0, mu * p0 / (1.0 + mu / phi)


def truncated_nb_mean(mu: F64, phi: F64) -> F64:
    """Mean of NB2(mu, phi), variance ``mu + mu**2 / phi``, given at least two."""
    p0, p1 = _negative_binomial_01(mu, phi)
    return (mu - p1) / (1.0 - p0 - p1)


def truncated_nb_moments(mu: F64, phi: F64) -> tuple[F64, F64, F64]:
    """Mean, variance and fourth central moment of NB2(mu, phi) given at least two.

    From the factorial moments ``E[X(X-1)...(X-k+1)] = mu**k prod_{j<k}(1 + j/phi)`` (Johnson, Kemp
    and Kotz, *Univariate Discrete Distributions*, 2005, section 5.3).
    """
    p0, p1 = _negative_binomial_01(mu, phi)
    f1 = mu
    f2 = f1 * mu * (1.0 + 1.0 / phi)
    f3 = f2 * mu * (1.0 + 2.0 / phi)
    f4 = f3 * mu * (1.0 + 3.0 / phi)
    raw = (f1, f2 + f1, f3 + 3.0 * f2 + f1, f4 + 6.0 * f3 + 7.0 * f2 + f1)
    mass = 1.0 - p0 - p1
    m1, m2, m3, m4 = ((moment - p1) / mass for moment in raw)
    variance = m2 - m1**2
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1**2 * m2 - 3.0 * m1**4
    return m1, variance, fourth


def _least_count(q: F64, root: F64, cdf: Callable[[F64], F64]) -> I64:
    """Least count whose probability reaches ``q``: the real root of the law, or one below it."""
    count = np.ceil(root)
    less = np.maximum(count - 1.0, 0.0)
    return np.where(cdf(less) >= q, less, count).astype(np.int64)


def truncated_nb_quantile(u: F64, mu: F64, phi: F64) -> I64:
    """Outlets of a multi-site merchant: inverse CDF of NB2(mu, phi) given at least two."""
    p0, p1 = _negative_binomial_01(mu, phi)
    below = p0 + p1
    q, p = np.minimum(below + u * (1.0 - below), _BELOW_ONE), phi / (phi + mu)
    root = special.nbdtrik(q, phi, p)
    draw = _least_count(q, root, lambda count: special.betainc(phi, count + 1.0, p))
    return np.maximum(draw, MINIMUM_MULTI)


def zero_truncated_poisson_quantile(u: F64, rate: F64) -> I64:
    """Inverse CDF of Poisson(rate) given at least one."""
    p0 = np.exp(-rate)
    q = np.minimum(p0 + u * (1.0 - p0), _BELOW_ONE)
    draw = _least_count(q, special.pdtrik(q, rate), lambda count: special.pdtr(count, rate))
    return np.maximum(draw, 1)


def gumbel(u: F64) -> F64:
    """Standard Gumbel variate ``-log(-log u)``."""
    return -np.log(-np.log(u))


def position_in_segment(segment: I64) -> I64:
    """Zero-based position of each row in its run of equal values."""
    starts = run_starts(segment)
    return np.arange(len(segment)) - np.repeat(starts[:-1], np.diff(starts))


def top_k(segment: I64, key: F64, tie: I64, k: I64) -> npt.NDArray[np.bool_]:
    """Rows among the ``k`` largest keys of their segment; ties go to the smaller ``tie``.

    Parameters
    ----------
    segment
        Sorted segment of each row, shape (n,).
    key, tie
        Shape (n,).
    k
        Number wanted in the row's segment, shape (n,).

    Notes
    -----
    With ``key = log w + Gumbel`` this draws k without replacement with successive probabilities
    proportional to w (Yellott 1977; Efraimidis and Spirakis 2006).
    """
    chosen = np.zeros(len(segment), dtype=bool)
    mark_largest(run_starts(segment), key, tie, k, chosen)
    return chosen


def split_by_largest_remainder(segment: I64, weight: F64, units: I64) -> tuple[I64, I64]:
    """Split ``units`` of each segment over its rows in proportion to ``weight``.

    Parameters
    ----------
    segment
        Sorted segment index 0..n_segments-1 of each row, shape (n,).
    weight
        Non-negative, shape (n,); a segment without weight gives all its units to its first row.
    units
        Units of each segment, shape (n_segments,).

    Returns
    -------
    Units of each row, and the rank (from 1) of its remainder in its segment.
    """
    total = np.bincount(segment, weights=weight, minlength=len(units))
    first = np.zeros(len(segment))
    first[run_starts(segment)[:-1]] = 1.0
    weight = np.where(total[segment] > 0, weight, first)
    total = np.where(total > 0, total, 1.0)
    counts, rank, _ = largest_remainder(units[segment] * weight / total[segment], segment, units)
    return counts, rank + 1


def home_floor(n_outlets: I64, tiers: list[dict[str, float]]) -> I64:
    """Fewest outlets that stay at home: ``ceil(share * n)``, at least one.

    ``share`` is that of the first tier whose ``max_outlets`` is not below n; the last tier has
    none.
    """
    limits = np.array([tier.get("max_outlets", np.inf) for tier in tiers])
    share = np.array([tier["share"] for tier in tiers])[np.searchsorted(limits, n_outlets)]
    wanted: F64 = np.ceil(share * n_outlets - 1e-9)
    return np.clip(wanted.astype(np.int64), 1, np.maximum(n_outlets, 1))


def split_home_and_foreign(
    merchant: I64, is_home: npt.NDArray[np.bool_], weight: F64, n_outlets: I64, floor: I64
) -> tuple[I64, I64]:
    """Outlets of each country of each merchant's domain.

    The home country gets at least ``floor``, each foreign one at least one; what remains follows
    the shortfall of those bounds against ``n_outlets * share``, by largest remainder.

    Parameters
    ----------
    merchant
        Sorted index 0..m-1, shape (n,); every merchant has exactly one home row.
    is_home, weight
        Shape (n,); weight above zero.
    n_outlets, floor
        Shape (m,); ``floor + number of foreign rows`` is at most ``n_outlets``.

    Returns
    -------
    Outlets of each row (sum per merchant is ``n_outlets``) and the rank of its remainder.
    """
    bound = np.where(is_home, floor[merchant], 1)
    total = np.bincount(merchant, weights=weight, minlength=len(n_outlets))
    target = n_outlets[merchant] * weight / total[merchant]
    left = n_outlets - np.bincount(merchant, weights=bound, minlength=len(n_outlets)).astype(int)
    extra, rank = split_by_largest_remainder(merchant, np.maximum(target - bound, 0.0), left)
    return bound + extra, rank
