"""What the site states S5 to S9 share: keys of sites, and how their tables are read."""

from __future__ import annotations

import operator
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
from scripts.contracts import Check, arrow_schema, dataset_blocks
from scripts.cores import cores
from scripts.errors import ContractError, StateError
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
# Rows that are read at a time.
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
            "legal_country_iso": countries.names(self.country),
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


def array_type(field: pa.Field) -> np.dtype[Any]:
    """Type of a column as an array, countries as codes.

    ``to_pandas_dtype`` would say so, too, but asks older versions of Arrow for pandas.
    """
    if countries.hold(field.name):
        return np.dtype(np.int16)
    empty: npt.NDArray[Any] = pa.array([], field.type).to_numpy(zero_copy_only=False)
    return empty.dtype


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
    coded = set(filter(countries.hold, names))
    fillers = {}
    for name in names:
        fillers[name] = ColumnFiller(rows, array_type(schema.field(name)), (like or {}).get(name))
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
    return min(cores(), 4) if rows > _ROWS_WORTH_A_THREAD else 1


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
