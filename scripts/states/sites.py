"""What the site states S5 to S9 share: keys of sites, and sites by pair."""

from __future__ import annotations

import functools
import operator
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import Check, arrow_schema, dataset_blocks, read_dataset
from scripts.errors import ContractError, StateError
from scripts.ordering import in_order, run_starts
from scripts.states.pair_kernels import add_pairs
from scripts.tables import ROW_GROUP, row_count

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]
Item = TypeVar("Item")
Made = TypeVar("Made")
ALL: Mask = np.ones(countries.CODES, dtype=bool)
# Families of draws.
ASSIGN_FAMILY, JITTER_FAMILY = "site_tile_assign", "in_cell_jitter"
KEY = ("merchant_id", "legal_country_iso", "site_order")
_ROWS_WORTH_A_THREAD = 1 << 19
BLOCK = 1 << 16


@dataclass(frozen=True)
class SiteKeys:
    """Keys of sites: ``merchant`` uint64, ``country`` int16 codes, ``order`` int32, shape (n,)."""

    merchant: npt.NDArray[np.uint64]
    country: Codes
    order: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.merchant)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> SiteKeys:
        return SiteKeys(self.merchant[rows], self.country[rows], self.order[rows])

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint64], Codes, npt.NDArray[np.int32]]:
        """The three keys."""
        return self.merchant, self.country, self.order

    def name(self, row: int) -> str:
        """One site in words."""
        country = countries.decode_one(int(self.country[row]))
        return f"merchant {int(self.merchant[row])} country {country} site {int(self.order[row])}"

    def columns(self) -> dict[str, Any]:
        """The three key columns of a table."""
        return {
            "merchant_id": self.merchant,
            "legal_country_iso": countries.decode(self.country),
            "site_order": self.order,
        }


def first_difference(left: SiteKeys, right: SiteKeys) -> int | None:
    """First row in which two lists of keys differ, None when they are equal."""
    if all(map(operator.is_, left.arrays, right.arrays)):
        return None
    shared = min(len(left), len(right))
    differs = (
        (left.merchant[:shared] != right.merchant[:shared])
        | (left.country[:shared] != right.country[:shared])
        | (left.order[:shared] != right.order[:shared])
    )
    if differs.any():
        return int(np.argmax(differs))
    return None if len(left) == len(right) else shared


def country_codes(column: pa.ChunkedArray, where: str | Path) -> Codes:
    """Codes of a country column; ``EX11`` when a value is not a country code."""
    try:
        return countries.encode(column)
    except KeyError as error:
        raise ContractError(
            "EX11", where, f"{error.args[0]!r} is no country code", "two capital letters"
        ) from None


def site_keys(table: pa.Table, where: str | Path) -> SiteKeys:
    """Keys of a site table."""
    return SiteKeys(
        table.column("merchant_id").to_numpy(),
        country_codes(table.column("legal_country_iso"), where),
        table.column("site_order").to_numpy(),
    )


class ColumnFiller:
    """Puts a column together from blocks; one that repeats another array is that array, no copy.

    Parameters
    ----------
    rows, dtype
        Of the column.
    like
        What it may repeat.
    """

    def __init__(self, rows: int, dtype: Any, like: npt.NDArray[Any] | None = None) -> None:
        self._rows, self._dtype = rows, dtype
        self._like = like if like is not None and len(like) == rows else None
        self._made = np.empty(rows, dtype) if self._like is None else self._like
        self._row = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        """Take the next rows."""
        rows = slice(self._row, self._row + len(values))
        self._row = rows.stop
        if self._made is self._like:
            if np.array_equal(self._made[rows], values):
                return
            self._made = np.empty(self._rows, self._dtype)
            self._made[: rows.start] = self._like[: rows.start]
        self._made[rows] = values

    def result(self) -> npt.NDArray[Any]:
        """The column."""
        return self._made


def read_columns(
    dataset_id: str,
    paths: Sequence[str | Path],
    names: Sequence[str],
    check: Check = "types",
    like: Mapping[str, npt.NDArray[Any]] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Columns of all parts of a table as arrays of the declared types, countries as codes.

    Read in blocks, so that no column is held twice; see :func:`read_dataset`. One that repeats its
    namesake of ``like`` is not held again.
    """
    schema, rows = arrow_schema(dataset_id), sum(map(row_count, paths))
    coded = {name for name in names if name.endswith("country_iso")}
    fillers = {}
    for name in names:
        dtype = np.int16 if name in coded else schema.field(name).type.to_pandas_dtype()
        fillers[name] = ColumnFiller(rows, dtype, (like or {}).get(name))
    for path in paths:
        for block in dataset_blocks(dataset_id, path, names, BLOCK, check):
            for name, filler in fillers.items():
                column = block.column(name)
                filler.add(
                    country_codes(column, path)
                    if name in coded
                    else column.to_numpy(zero_copy_only=False)
                )
    return {name: filler.result() for name, filler in fillers.items()}


def read_site_blocks(
    dataset_id: str, path: str | Path, columns: tuple[str, ...], rows: int = ROW_GROUP
) -> Iterator[tuple[SiteKeys, dict[str, npt.NDArray[Any]]]]:
    """Keys and numeric columns of a site table, in blocks of equally many rows for each table."""
    for table in dataset_blocks(dataset_id, path, [*KEY, *columns], rows):
        numbers = {name: table.column(name).to_numpy(zero_copy_only=False) for name in columns}
        yield site_keys(table, path), numbers


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
    nothing = PairCounts(np.empty(0, np.uint64), np.empty(0, np.int16), np.empty(0, np.int64))
    return functools.reduce(_added, map(_once_each, parts), nothing)


def unbalanced(left: Sequence[PairCounts], right: Sequence[PairCounts]) -> PairCounts:
    """Pairs whose sums differ, with ``left`` minus ``right``."""
    negated = [PairCounts(part.merchant, part.country, -part.n_sites) for part in right]
    return sum_pairs([*left, *negated])


def falls(keys: SiteKeys, repeats: bool = False) -> I64:
    """Rows whose key is below that of the row before, or the same where ``repeats`` count."""
    merchant, country, order = keys.merchant, keys.country, keys.order
    same_merchant = merchant[1:] == merchant[:-1]
    same_pair = same_merchant & (country[1:] == country[:-1])
    compare = np.less_equal if repeats else np.less
    below = (
        (merchant[1:] < merchant[:-1])
        | (same_merchant & (country[1:] < country[:-1]))
        | (same_pair & compare(order[1:], order[:-1]))
    )
    return np.flatnonzero(below) + 1


def require_sorted(keys: SiteKeys, code: str, where: str | Path) -> None:
    """Refuse site keys that are not strictly ascending; the message names the first row."""
    for row in falls(keys, repeats=True)[:1]:
        raise StateError(
            code, where, f"{keys.name(row)} repeats or is out of order", f"sort by {', '.join(KEY)}"
        )


def absolute_deg(
    centre_lon: F64, centre_lat: F64, delta_lon: F64, delta_lat: F64
) -> tuple[F64, F64]:
    """Coordinates of offsets from cell centres; longitudes wrap into [-180, 180)."""
    lon = centre_lon + delta_lon
    lon = np.where(lon >= 180.0, lon - 360.0, np.where(lon < -180.0, lon + 360.0, lon))
    return lon, centre_lat + delta_lat


def rng_metadata(seed: int, namespace: str, family: str) -> dict[str, str]:
    """What an RNG log's file metadata say: the key of its draws."""
    return {
        "rng.algorithm": "philox4x64-10",
        "rng.family": family,
        "rng.namespace": namespace,
        "rng.seed": str(seed),
    }


def workers_for(rows: int) -> int:
    """Threads worth starting for this many rows; no result depends on it."""
    return min(os.cpu_count() or 1, 4) if rows > _ROWS_WORTH_A_THREAD else 1


def map_ahead(
    function: Callable[[Item], Made], items: Iterable[Item], workers: int
) -> Iterator[Made]:
    """What a function makes of each item, in order; some threads are at most as far ahead."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
