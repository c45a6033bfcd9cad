"""How the sites of pairs lie on the tiles of their countries: what the report of S4 says.

A spread is five integers a pair. Most pairs share theirs with others, so the spreads of a part are
its distinct ones, each with its number of pairs; those of all parts together are the same whatever
the parts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_KEYS = ("n_sites", "top", "squares", "active", "capacity")


@dataclass(frozen=True)
class Spreads:
    """Distinct spreads, ascending, and the number of pairs of each; shape (s,).

    ``n_sites`` of the pair, ``top`` the largest number of them on one tile, ``squares`` the sum of
    squared numbers, ``active`` the tiles in use, ``capacity`` the tiles of the country.
    """

    n_sites: I64
    top: I64
    squares: I64
    active: I64
    capacity: I64
    pairs: I64

    def table(self) -> pa.Table:
        """The table ``s4_spread``."""
        return pa.table({name: getattr(self, name) for name in (*_KEYS, "pairs")})


def distinct_spreads(tables: Sequence[pa.Table]) -> Spreads:
    """Spreads of all tables, each with columns like ``s4_spread``."""
    whole = pa.concat_tables(tables).group_by(list(_KEYS), use_threads=False)
    distinct = whole.aggregate([("pairs", "sum")]).sort_by([(name, "ascending") for name in _KEYS])
    return Spreads(*(distinct[name].to_numpy() for name in (*_KEYS, "pairs_sum")))


def spreads_of(n_sites: I64, capacity: I64, pair: I64, count: I64) -> Spreads:
    """Spreads of pairs.

    Parameters
    ----------
    n_sites, capacity
        Sites of every pair and tiles of its country, shape (pairs,).
    pair, count
        Row of the pair and sites on a tile, for every row of a plan; every pair has some.
    """
    active = np.bincount(pair, minlength=len(n_sites))
    first = np.cumsum(active) - active
    top, squares = np.maximum.reduceat(count, first), np.add.reduceat(count**2, first)
    ones = np.ones_like(n_sites)
    columns = (n_sites, top, squares, active, capacity, ones)
    return distinct_spreads([pa.table(dict(zip((*_KEYS, "pairs"), columns, strict=True)))])


def diagnostics(spreads: Spreads) -> dict[str, Any]:
    """Concentration within pairs: top-1 share, HHI, active tiles, headroom to the floors.

    With n sites over m tiles and ``q, r = divmod(n, m)`` the least top-1 share is
    ``ceil(n / m) / n`` and the least HHI ``(r (q+1)^2 + (m-r) q^2) / n^2``.
    """
    n, active, capacity = spreads.n_sites, spreads.active, spreads.capacity
    top1 = spreads.top / n
    hhi = spreads.squares / n**2
    q, r = np.divmod(n, capacity)
    top1_floor = -(-n // capacity) / n
    hhi_floor = (r * (q + 1) ** 2 + (capacity - r) * q**2) / n**2

    def of_pairs(values: npt.NDArray[Any]) -> F64:
        return np.repeat(values.astype(np.float64), spreads.pairs)

    return {
        "pairs_total": int(spreads.pairs.sum()),
        "top1_share": _summary(of_pairs(top1)),
        "hhi": _summary(of_pairs(hhi)),
        "active_tiles": _summary(of_pairs(active)),
        "top1_headroom_mean": float(of_pairs(top1 - top1_floor).mean()),
        "hhi_headroom_mean": float(of_pairs(hhi - hhi_floor).mean()),
        "distinct_tiles_per_site": float((active @ spreads.pairs) / (n @ spreads.pairs)),
    }


def _summary(values: F64) -> dict[str, float]:
    q50, q90, q99 = np.quantile(values, [0.5, 0.9, 0.99])
    return {"mean": float(values.mean()), "p50": float(q50), "p90": float(q90), "p99": float(q99)}
