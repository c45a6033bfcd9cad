"""Sites per (merchant, country), the moves between countries, and what they are held against.

What S3 and S4's guard share: their tables as arrays, and the governed mass as targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.ordering import in_order, is_among

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
CANDIDATES = ("merchant_id", "country_iso", "candidate_rank")


@dataclass(frozen=True)
class Pairs:
    """Sites per (merchant, country), sorted by both.

    ``merchant`` indexes the merchants, ``country`` is the code of :mod:`scripts.countries`.
    """

    merchant: I64
    country: I64
    n_sites: I64

    @property
    def total(self) -> int:
        """Sites of all pairs."""
        return int(self.n_sites.sum())

    @property
    def first_site(self) -> I64:
        """Sites of the pairs before each, and of all; shape (pairs + 1,)."""
        return np.concatenate([[0], np.cumsum(self.n_sites)])

    def by_country(self) -> I64:
        """Sites by country code, shape (676,)."""
        held = np.zeros(countries.CODES, dtype=np.int64)
        np.add.at(held, self.country, self.n_sites)
        return held


@dataclass(frozen=True)
class Candidates:
    """Candidate countries of each merchant by rank (0 = home), sorted by merchant and rank."""

    merchant: npt.NDArray[np.integer]
    country: npt.NDArray[np.integer]
    rank: npt.NDArray[np.integer]

    def homes(self, merchants: int) -> I64:
        """Home country of every merchant, that of rank 0; -1 where it has none."""
        homes = np.full(merchants, -1, dtype=np.int64)
        at_home = self.rank == 0
        homes[self.merchant[at_home]] = self.country[at_home]
        return homes


@dataclass(frozen=True)
class Moves:
    """Sites moved per (merchant, from, to), sorted by all three."""

    merchant: I64
    source: I64
    target: I64
    n_sites: I64

    @property
    def total(self) -> int:
        """Sites moved."""
        return int(self.n_sites.sum())


def sum_moves(parts: Sequence[Moves]) -> Moves:
    """One ledger out of several, summed by (merchant, from, to)."""
    none = np.empty(0, dtype=np.int64)
    stacked = Moves(
        np.concatenate([none, *(part.merchant for part in parts)]),
        np.concatenate([none, *(part.source for part in parts)]),
        np.concatenate([none, *(part.target for part in parts)]),
        np.concatenate([none, *(part.n_sites for part in parts)]),
    )
    width = np.int64(countries.CODES)
    key, inverse = np.unique(
        (stacked.merchant * width + stacked.source) * width + stacked.target, return_inverse=True
    )
    n_sites = np.bincount(inverse, weights=stacked.n_sites, minlength=len(key)).astype(np.int64)
    return Moves(key // width // width, key // width % width, key % width, n_sites)


def read_pairs(table: pa.Table) -> tuple[Ids, Pairs]:
    """Merchant ids and pairs of a table like ``s3_requirements``."""
    ids, merchant = np.unique(table["merchant_id"].to_numpy(), return_inverse=True)
    country = countries.encode(table["legal_country_iso"]).astype(np.int64)
    return ids, Pairs(merchant.astype(np.int64), country, table["n_sites"].to_numpy())


def pairs_table(ids: Ids, pairs: Pairs) -> pa.Table:
    """Pairs as a table like ``s3_requirements``."""
    return pa.table(
        {
            "merchant_id": ids[pairs.merchant],
            "legal_country_iso": countries.names(pairs.country),
            "n_sites": pairs.n_sites,
        }
    )


def moves_table(ids: Ids, moves: Moves) -> pa.Table:
    """Moves as a ledger table."""
    return pa.table(
        {
            "merchant_id": ids[moves.merchant],
            "from_country_iso": countries.names(moves.source),
            "to_country_iso": countries.names(moves.target),
            "n_sites": moves.n_sites,
        }
    )


def read_candidates(tables: Iterable[pa.Table], ids: Ids) -> Candidates:
    """Candidate countries of the merchants that hold sites, sorted by merchant and rank.

    Parameters
    ----------
    tables
        The candidate set of 1A, its columns :data:`CANDIDATES`, in blocks.
    ids
        Merchants that hold sites, rising.
    """
    parts = []
    for table in tables:
        merchant_id = table["merchant_id"].to_numpy()
        known = np.flatnonzero(is_among(ids, merchant_id))
        parts.append(
            (
                np.searchsorted(ids, merchant_id[known]).astype(np.int32),
                countries.encode(table["country_iso"])[known],
                table["candidate_rank"].to_numpy()[known],
            )
        )
    merchant, country, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = in_order(merchant, rank)
    return Candidates(merchant[order], country[order], rank[order])


def mass_targets(mass: pa.Table, total: int) -> F64:
    """Target sites per country code, shape (676,); NaN where the country has no tiles."""
    targets = np.full(countries.CODES, np.nan)
    targets[countries.encode(mass["country_iso"])] = mass["mass_share"].to_numpy() * total
    return targets


def distance_to_mass(pairs: Pairs, targets: F64) -> float:
    """Total variation distance between the country shares and the governed mass."""
    held = pairs.by_country()
    return float(np.abs(held - np.nan_to_num(targets)).sum() / 2 / max(held.sum(), 1))
