"""Sites by (merchant, country): what 1A and the ledgers say, added up and held together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import arrow_schema, dataset_blocks, read_dataset
from scripts.ordering import in_order, run_starts
from scripts.states.pair_kernels import add_pairs, find_pairs
from scripts.states.sites import ALL, I64, Codes, Mask, country_codes


@dataclass(frozen=True)
class PairCounts:
    """Signed sites per (merchant, country): uint64, int16 codes, int64; shape (p,)."""

    merchant: npt.NDArray[np.uint64]
    country: Codes
    n_sites: I64

    def within(self, mine: Mask) -> PairCounts:
        """Pairs of some countries, given by code, shape (676,)."""
        if mine.all():
            return self
        kept = mine[self.country]
        return PairCounts(self.merchant[kept], self.country[kept], self.n_sites[kept])

    def name(self, row: int) -> str:
        """One pair in words."""
        country = countries.decode_one(int(self.country[row]))
        return f"merchant {int(self.merchant[row])} country {country}"


@dataclass(frozen=True)
class Homes:
    """Merchants, rising, and the code of each one's home country; shape (m,)."""

    merchant: npt.NDArray[np.uint64]
    country: Codes

    def of(self, merchant: npt.NDArray[np.uint64]) -> Codes:
        """Home country of merchants that are among them."""
        last = max(len(self.merchant) - 1, 0)
        return self.country[np.minimum(np.searchsorted(self.merchant, merchant), last)]


def read_homes(path: str | Path) -> Homes:
    """Homes of the merchants of 1A."""
    merchants, homes = [], []
    for table in dataset_blocks("outlet_catalogue", path, ["merchant_id", "home_country_iso"]):
        merchant = table.column("merchant_id").to_numpy()
        first = run_starts(merchant)[:-1]
        merchants.append(merchant[first])
        homes.append(country_codes(table.column("home_country_iso"), path)[first])
    merchant, first = np.unique(np.concatenate(merchants), return_index=True)
    return Homes(merchant, np.concatenate(homes)[first])


@dataclass(frozen=True)
class Flows:
    """What sites must add up to: outlets of 1A, and what each ledger takes and gives."""

    upstream: PairCounts
    steering: list[PairCounts]
    reroute: list[PairCounts]

    def tally(self) -> dict[str, Any]:
        """What the report says of them."""
        return {
            "outlets_upstream": int(self.upstream.n_sites.sum()),
            "pairs_upstream": len(self.upstream.n_sites),
            "sites_steered": int(self.steering[1].n_sites.sum()),
            "sites_rerouted": int(self.reroute[1].n_sites.sum()),
        }


def count_pairs(merchant: npt.NDArray[np.uint64], country: Codes) -> PairCounts:
    """Rows of every run of one (merchant, country)."""
    starts = run_starts(merchant, country)
    return PairCounts(merchant[starts[:-1]], country[starts[:-1]], np.diff(starts))


def read_outlets(path: str | Path, mine: Mask = ALL) -> PairCounts:
    """Outlets of 1A by (merchant, country), of all countries or of some, given by code."""
    names = ["merchant_id", "legal_country_iso"]
    return sum_pairs(
        [
            count_pairs(
                table.column("merchant_id").to_numpy(),
                country_codes(table.column("legal_country_iso"), path),
            ).within(mine)
            for table in dataset_blocks("outlet_catalogue", path, names)
        ]
    )


def read_ledger(dataset_id: str, path: str | Path, mine: Mask = ALL) -> list[PairCounts]:
    """What the moves of a ledger take from pairs and what they give, in this order."""
    table = read_dataset(dataset_id, path, arrow_schema(dataset_id).names)
    merchant, n_sites = table.column("merchant_id").to_numpy(), table.column("n_sites").to_numpy()
    source = country_codes(table.column("from_country_iso"), path)
    target = country_codes(table.column("to_country_iso"), path)
    moves = (PairCounts(merchant, source, -n_sites), PairCounts(merchant, target, n_sites))
    return [pairs.within(mine) for pairs in moves]


def _once_each(part: PairCounts) -> PairCounts:
    """Pairs sorted by merchant and country, each once."""
    order = in_order(part.merchant, part.country)
    merchant, country = part.merchant[order], part.country[order]
    first = run_starts(merchant, country)[:-1]
    n_sites = np.add.reduceat(part.n_sites[order], first) if len(first) else np.empty(0)
    return PairCounts(merchant[first], country[first], n_sites.astype(np.int64, copy=False))


def _added(a: PairCounts, b: PairCounts) -> PairCounts:
    """Sum of pairs that are sorted and stand once each; sums of zero are dropped."""
    rows = len(a.n_sites) + len(b.n_sites)
    merchant, country = np.empty(rows, np.uint64), np.empty(rows, np.int16)
    n_sites = np.empty(rows, np.int64)
    both = a.merchant, a.country, a.n_sites, b.merchant, b.country, b.n_sites
    kept = add_pairs(*both, merchant, country, n_sites)
    return PairCounts(merchant[:kept], country[:kept], n_sites[:kept])


def sum_pairs(parts: Sequence[PairCounts]) -> PairCounts:
    """Sum over all parts by (merchant, country), sorted by both; sums of zero are dropped."""
    if len(parts) < 2:
        none = PairCounts(np.empty(0, np.uint64), np.empty(0, np.int16), np.empty(0, np.int64))
        return _added(none, _once_each(parts[0]) if parts else none)
    middle = len(parts) // 2
    return _added(sum_pairs(parts[:middle]), sum_pairs(parts[middle:]))


def outside(pairs: PairCounts, allowed: PairCounts) -> PairCounts:
    """Pairs, by rising merchant, that are not among others, which come in any order."""
    rows = in_order(allowed.merchant)
    known = np.empty(len(pairs.n_sites), dtype=bool)
    find_pairs(pairs.merchant, pairs.country, allowed.merchant[rows], allowed.country[rows], known)
    return PairCounts(pairs.merchant[~known], pairs.country[~known], pairs.n_sites[~known])


def unbalanced(left: Sequence[PairCounts], right: Sequence[PairCounts]) -> PairCounts:
    """Pairs whose sums differ, with ``left`` minus ``right``."""
    negated = [PairCounts(part.merchant, part.country, -part.n_sites) for part in right]
    return sum_pairs([*left, *negated])
