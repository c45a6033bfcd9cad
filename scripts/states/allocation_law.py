"""``largest_remainder_v1``, the legacy law of S4.

Every pair is split alone, by Hamilton apportionment of its country's weights: merchants of equal
size in a country stand on the same tiles. Pairs of equal size in a country share one result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.errors import StateError
from scripts.ordering import run_starts
from scripts.progress import track
from scripts.states.pairs import Pairs

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tiles:
    """Tiles grouped by country: ``rows[code]`` is the slice of a country in the arrays."""

    rows: Mapping[int, slice]
    tile_id: npt.NDArray[np.uint64]
    value: I64

    def weighted(self, mine: npt.NDArray[np.bool_]) -> tuple[I64, I64]:
        """Country code and row of the tiles with weight in some countries, in order."""
        own = [code for code in self.rows if mine[code]]
        found = [
            np.flatnonzero(self.value[self.rows[code]] > 0) + self.rows[code].start for code in own
        ]
        return np.repeat(own, [len(rows) for rows in found]), np.concatenate(found)


def group_by_country(code: npt.NDArray[np.integer], tile_id: Any, value: I64) -> Tiles:
    """Slices of equal codes of arrays sorted by country."""
    rows = {int(code[a]): slice(int(a), int(b)) for a, b in pairwise(run_starts(code))}
    return Tiles(rows, tile_id, value)


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
        raise StateError(
            "E416", f"{n_sites} sites", "weights overflow 64 bits", "a lower dp in the policy"
        )
    if int(weight[heaviest[0]]) * n_sites < unit:
        return heaviest[:n_sites], np.ones(min(n_sites, len(weight)), dtype=np.int64)
    base, remainder = np.divmod(weight * n_sites, unit)
    short = n_sites - int(base.sum())
    base[np.argsort(-remainder, kind="stable")[:short]] += 1
    rows = np.flatnonzero(base)
    return rows, base[rows]


def largest_remainder_allocation(pairs: Pairs, weights: Tiles, unit: int) -> npt.NDArray[np.uint64]:
    """Tile of every site, pair by pair under the Hamilton rule."""
    order = np.lexsort((pairs.n_sites, pairs.country))
    first, tile_id = pairs.first_site, np.empty(pairs.total, dtype=np.uint64)
    starts = run_starts(pairs.country[order], pairs.n_sites[order])
    country, where, heaviest = -1, slice(0), np.empty(0, dtype=np.int64)
    for a, b in track(pairwise(starts), "counts of a country", len(starts) - 1):
        rows = order[a:b]
        if int(pairs.country[rows[0]]) != country:
            country = int(pairs.country[rows[0]])
            where = weights.rows[country]
            heaviest = np.argsort(-weights.value[where], kind="stable")
        n_sites = int(pairs.n_sites[rows[0]])
        picked, count = hamilton(weights.value[where], heaviest, unit, n_sites)
        chosen = np.repeat(weights.tile_id[where][picked], count)
        tile_id[first[rows][:, None] + np.arange(n_sites)] = chosen
    return tile_id
