"""What the site states S5 to S9 share: keys of sites, runs of pairs, tiles in use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from scripts import countries
from scripts.contracts import arrow_schema
from scripts.errors import ContractError, StateError
from scripts.tables import ROW_GROUP, readable, row_blocks

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int16]
KEY = ("merchant_id", "legal_country_iso", "site_order")
_TILE_BITS = 40
_ROWS_WORTH_A_THREAD = 1 << 19


@dataclass(frozen=True)
class SiteKeys:
    """Keys of sites: ``merchant`` uint64, ``country`` int16 codes, ``order`` int32, shape (n,)."""

    merchant: npt.NDArray[np.uint64]
    country: Codes
    order: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.merchant)

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_]) -> SiteKeys:
        return SiteKeys(self.merchant[rows], self.country[rows], self.order[rows])

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


def read_columns(
    dataset_id: str, path: str | Path, names: Sequence[str], lenient: bool = False
) -> pa.Table:
    """Columns of a dataset; countries come as dictionaries, which read twice as fast.

    ``lenient`` casts a column of another type, and reads null as NaN, for a reader that reports
    such faults itself.

    Raises
    ------
    ContractError
        ``EX01`` not readable Parquet, ``EX10`` a column is missing or of another type, ``EX11`` a
        null.
    """
    with readable(path):
        table = _open_columns(path, names).read(columns=list(names))
    return _declared(dataset_id, table, names, path, lenient)


def read_blocks(
    dataset_id: str, path: str | Path, names: Sequence[str], rows: int = ROW_GROUP
) -> Iterator[pa.Table]:
    """The same in blocks of at most ``rows`` rows, so that a file of any size fits the memory."""
    with readable(path):
        file = _open_columns(path, names)
        for table in row_blocks(file, rows, names):
            yield _declared(dataset_id, table, names, path, False)


def _open_columns(path: str | Path, names: Sequence[str]) -> pq.ParquetFile:
    """Parquet file with countries as dictionaries; ``EX10`` when a column is missing."""
    named = [name for name in names if name.endswith("country_iso")]
    file = pq.ParquetFile(path, read_dictionary=named)
    missing = [name for name in names if name not in file.schema_arrow.names]
    if missing:
        raise ContractError("EX10", path, f"column {missing[0]!r} is missing", "the contract")
    return file


def _declared(
    dataset_id: str, table: pa.Table, names: Sequence[str], path: str | Path, lenient: bool
) -> pa.Table:
    """Columns with the declared types."""
    columns = {
        name: _as_declared(table.column(name), arrow_schema(dataset_id).field(name), path, lenient)
        for name in names
    }
    return pa.table(columns, metadata=table.schema.metadata)


def _as_declared(
    column: pa.ChunkedArray, field: pa.Field, path: str | Path, lenient: bool
) -> pa.ChunkedArray:
    if lenient and pa.types.is_floating(field.type):
        column = column.fill_null(float("nan"))
    if column.null_count:
        raise ContractError("EX11", path, f"column {field.name!r} holds a null", "no null")
    found = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if found == field.type:
        return column
    if lenient:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return column.cast(field.type)
    raise ContractError(
        "EX10", path, f"column {field.name!r} has type {found}", f"type {field.type}"
    )


def read_sites(
    dataset_id: str, path: str | Path, columns: tuple[str, ...]
) -> tuple[SiteKeys, dict[str, npt.NDArray[Any]]]:
    """Keys and further numeric columns of a site table."""
    table = read_columns(dataset_id, path, [*KEY, *columns])
    return _sites_of(table, path, columns)


def read_site_blocks(
    dataset_id: str, path: str | Path, columns: tuple[str, ...], rows: int = ROW_GROUP
) -> Iterator[tuple[SiteKeys, dict[str, npt.NDArray[Any]]]]:
    """The same in blocks of equally many rows for every site table."""
    for table in read_blocks(dataset_id, path, [*KEY, *columns], rows):
        yield _sites_of(table, path, columns)


def _sites_of(
    table: pa.Table, path: str | Path, columns: tuple[str, ...]
) -> tuple[SiteKeys, dict[str, npt.NDArray[Any]]]:
    return site_keys(table, path), {
        name: table.column(name).to_numpy(zero_copy_only=False) for name in columns
    }


def pair_starts(merchant: npt.NDArray[np.uint64], country: Codes) -> I64:
    """First row of every run of one (merchant, country), and the row count at the end."""
    if not len(merchant):
        return np.zeros(1, dtype=np.int64)
    changes = (merchant[1:] != merchant[:-1]) | (country[1:] != country[:-1])
    edges = np.flatnonzero(changes) + 1
    return np.concatenate(([0], edges, [len(merchant)])).astype(np.int64)


@dataclass(frozen=True)
class PairCounts:
    """Signed sites per (merchant, country): uint64, int16 codes, int64; shape (p,)."""

    merchant: npt.NDArray[np.uint64]
    country: Codes
    n_sites: I64

    def within(self, mine: npt.NDArray[np.bool_] | None) -> PairCounts:
        """Pairs of some countries, given by code, shape (676,); None for all."""
        if mine is None:
            return self
        kept = mine[self.country]
        return PairCounts(self.merchant[kept], self.country[kept], self.n_sites[kept])

    def name(self, row: int) -> str:
        """One pair in words."""
        country = countries.decode_one(int(self.country[row]))
        return f"merchant {int(self.merchant[row])} country {country}"


def count_pairs(merchant: npt.NDArray[np.uint64], country: Codes) -> PairCounts:
    """Rows of every run of one (merchant, country)."""
    starts = pair_starts(merchant, country)
    return PairCounts(merchant[starts[:-1]], country[starts[:-1]], np.diff(starts))


def read_outlets(path: str | Path, mine: npt.NDArray[np.bool_] | None = None) -> PairCounts:
    """Outlets of 1A by (merchant, country), of all countries or of some; see ``within``."""
    names = ["merchant_id", "legal_country_iso"]
    return sum_pairs(
        [
            count_pairs(
                table.column("merchant_id").to_numpy(),
                country_codes(table.column("legal_country_iso"), path),
            ).within(mine)
            for table in read_blocks("outlet_catalogue", path, names)
        ]
    )


def read_ledger(dataset_id: str, path: str | Path) -> list[PairCounts]:
    """What the moves of a ledger take from pairs and what they give, in this order."""
    table = read_columns(dataset_id, path, arrow_schema(dataset_id).names)
    merchant, n_sites = table.column("merchant_id").to_numpy(), table.column("n_sites").to_numpy()
    return [
        PairCounts(merchant, country_codes(table.column("from_country_iso"), path), -n_sites),
        PairCounts(merchant, country_codes(table.column("to_country_iso"), path), n_sites),
    ]


def _sum_runs(part: PairCounts) -> PairCounts:
    """Neighbouring rows of one pair as one."""
    first = pair_starts(part.merchant, part.country)[:-1]
    if not len(first):
        return part
    n_sites = np.add.reduceat(part.n_sites, first)
    return PairCounts(part.merchant[first], part.country[first], n_sites)


def sum_pairs(parts: Sequence[PairCounts]) -> PairCounts:
    """Sum over all parts by (merchant, country), sorted by both; sums of zero are dropped."""
    nothing = PairCounts(np.empty(0, np.uint64), np.empty(0, np.int16), np.empty(0, np.int64))
    parts = [nothing, *(_sum_runs(part) for part in parts)]
    merchant = np.concatenate([part.merchant for part in parts])
    country = np.concatenate([part.country for part in parts])
    n_sites = np.concatenate([part.n_sites for part in parts])
    order = np.lexsort((country, merchant))
    starts = pair_starts(merchant[order], country[order])[:-1]
    if not len(starts):
        return PairCounts(merchant, country, n_sites)
    total = np.add.reduceat(n_sites[order], starts)
    kept = total != 0
    return PairCounts(merchant[order][starts][kept], country[order][starts][kept], total[kept])


def unbalanced(left: Sequence[PairCounts], right: Sequence[PairCounts]) -> PairCounts:
    """Pairs whose sums differ, with ``left`` minus ``right``."""
    negated = [PairCounts(part.merchant, part.country, -part.n_sites) for part in right]
    return sum_pairs([*left, *negated])


def cell_keys(country: Codes, tile_id: npt.NDArray[np.uint64]) -> I64:
    """One integer per (country, tile) that sorts like both."""
    return (country.astype(np.int64) << _TILE_BITS) | tile_id.astype(np.int64)


def split_cell_keys(key: I64) -> tuple[Codes, I64]:
    """Country code and tile of cell keys."""
    return (key >> _TILE_BITS).astype(np.int16), key & ((1 << _TILE_BITS) - 1)


def used_cells(
    country: Codes, tile_id: npt.NDArray[np.uint64]
) -> tuple[I64, npt.NDArray[np.int32]]:
    """Distinct cell keys, ascending, and the cell of each row."""
    # Six times faster than np.unique with its inverse: only the distinct keys are sorted.
    found = pa.array(cell_keys(country, tile_id)).dictionary_encode()
    key = found.dictionary.to_numpy()
    order = np.argsort(key)
    rank = np.empty(len(key), dtype=np.int32)
    rank[order] = np.arange(len(key), dtype=np.int32)
    return key[order], rank[found.indices.to_numpy()]


def coverage_of(path: str | Path, key: I64) -> F64:
    """Covered fraction of cells, read from ``tile_index`` by row groups; NaN if it is not there.

    Parameters
    ----------
    path
        A ``tile_index`` file, sorted by country and tile.
    key
        Ascending cell keys, shape (c,).
    """
    found = np.full(len(key), np.nan)
    try:
        file = pq.ParquetFile(path, read_dictionary=["country_iso"])
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["country_iso", "tile_id", "coverage_fraction"])
            there = cell_keys(
                countries.encode(table.column("country_iso")), table.column("tile_id").to_numpy()
            )
            if not len(there):
                continue
            start, stop = np.searchsorted(key, there[0]), np.searchsorted(key, there[-1], "right")
            at = np.searchsorted(there, key[start:stop])
            hit = there[at] == key[start:stop]
            fraction = table.column("coverage_fraction").to_numpy()
            found[start:stop][hit] = fraction[at[hit]]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ContractError(
            "EX01", path, f"not a readable tile_index ({error})", "the output of S1"
        ) from None
    return found


def require_sorted(keys: SiteKeys, code: str, where: str | Path) -> None:
    """Refuse site keys that are not strictly ascending; the message names the first row."""
    merchant, country, order = keys.merchant, keys.country, keys.order
    same_merchant = merchant[1:] == merchant[:-1]
    same_pair = same_merchant & (country[1:] == country[:-1])
    ok = (
        (merchant[1:] > merchant[:-1])
        | (same_merchant & (country[1:] > country[:-1]))
        | (same_pair & (order[1:] > order[:-1]))
    )
    if not ok.all():
        row = int(np.argmin(ok)) + 1
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


class CountryTally:
    """Sums by country for a report, gathered block by block; a count of None counts rows."""

    def __init__(self) -> None:
        self._rows = np.zeros(countries.CODES, dtype=np.int64)
        self._sums: dict[str, I64] = {}

    def add(self, country: Codes, **counts: npt.NDArray[Any] | None) -> None:
        """Count some rows."""
        self._rows += np.bincount(country, minlength=countries.CODES)
        for name, values in counts.items():
            total = np.bincount(country, weights=values, minlength=countries.CODES)
            before = self._sums.get(name, 0)
            self._sums[name] = before + total.astype(np.int64)

    def report(self) -> dict[str, dict[str, int]]:
        """Sums of every country that was met."""
        return {
            countries.decode_one(int(code)): {
                name: int(total[code]) for name, total in self._sums.items()
            }
            for code in np.flatnonzero(self._rows)
        }


def by_country(country: Codes, **counts: npt.NDArray[Any] | None) -> dict[str, dict[str, int]]:
    """Sums by country of a whole table."""
    tally = CountryTally()
    tally.add(country, **counts)
    return tally.report()
