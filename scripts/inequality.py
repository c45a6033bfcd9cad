"""Gini coefficient and top shares of counts or masses."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

TOP_FRACTIONS = {"top1_share": 0.01, "top5_share": 0.05, "top10_share": 0.10}
CONCENTRATION = ("country_gini", *TOP_FRACTIONS)


def gini(counts: npt.ArrayLike) -> float:
    """Gini coefficient of non-negative counts or masses, zeros included.

    Parameters
    ----------
    counts
        Shape (n,); any order, any scale.

    Returns
    -------
    ``sum_i (2i - n - 1) c_i / (n sum c)`` over the ascending c (Gini 1912; form of Damgaard and
    Weiner, Ecology 81, 2000): 0 when all are equal, at most 1 - 1/n. NaN when the total is not
    above zero.
    """
    ascending = np.sort(np.asarray(counts, dtype=np.float64))
    n = len(ascending)
    total = float(ascending.sum())
    if n == 0 or not total > 0.0:
        return math.nan
    rank = 2.0 * np.arange(1, n + 1) - n - 1.0
    return max(0.0, float((rank * ascending).sum()) / (n * total))


def top_count(n: int, fraction: float) -> int:
    """Entries that count as the top ``fraction`` of n: ``max(1, ceil(fraction * n))``."""
    # 1e-9 keeps a product such as 0.07 * 100 = 7.000000000000001 from rounding up to 8.
    return max(1, math.ceil(fraction * n - 1e-9))


def top_share(counts: npt.ArrayLike, fraction: float) -> float:
    """Share of the total that the largest ``top_count(n, fraction)`` of n entries hold.

    NaN when the total is not above zero.
    """
    ascending = np.sort(np.asarray(counts, dtype=np.float64))
    total = float(ascending.sum())
    if len(ascending) == 0 or not total > 0.0:
        return math.nan
    return float(ascending[-top_count(len(ascending), fraction) :].sum()) / total
