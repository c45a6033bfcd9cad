"""Tables that are read country by country and written together again, in bounded memory.

A shard reads, of a table of all countries, the rows of its own. Parts of one dataset hold disjoint
sets of countries and are each sorted by (merchant, country, ...); :func:`merged_blocks` is their
k-way merge, block by block: all rows below the smallest of the last keys that the parts have read
are complete, and a stable sort puts them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import arrow_schema, dataset_stream
from scripts.states.sites import country_codes, read_blocks
from scripts.tables import ROW_GROUP

I64 = npt.NDArray[np.int64]
Block = dict[str, npt.NDArray[Any]]
# Row groups of parts: small, so that all parts can be open at once.
PART_ROWS = 1 << 14
MERCHANT, LEGAL = "merchant_id", "legal_country_iso"


def sites_by_country(dataset_id: str, path: str, weight: str | None = None) -> I64:
    """Rows, or the sum of a column, by code of the legal country; shape (676,)."""
    names = [LEGAL] if weight is None else [LEGAL, weight]
    total = np.zeros(countries.CODES, dtype=np.int64)
    for table in read_blocks(dataset_id, path, names):
        weights = None if weight is None else table.column(weight).to_numpy()
        code = country_codes(table.column(LEGAL), path)
        total += np.bincount(code, weights=weights, minlength=countries.CODES).astype(np.int64)
    return total


def read_members(
    dataset_id: str, path: str, mine: npt.NDArray[np.bool_], names: Sequence[str]
) -> pa.Table:
    """Rows of a shard's countries; the first country column of ``names`` decides.

    Parameters
    ----------
    dataset_id, path
        The table of all countries.
    mine
        Which country codes belong to the shard, shape (676,).
    names
        Columns wanted.
    """
    where = next(name for name in names if name.endswith("country_iso"))
    kept = [
        table.filter(pa.array(mine[country_codes(table.column(where), path)]))
        for table in read_blocks(dataset_id, path, names, PART_ROWS)
    ]
    schema = pa.schema([arrow_schema(dataset_id).field(name) for name in names])
    return pa.concat_tables([schema.empty_table(), *(t.cast(schema) for t in kept)])


def write_part(dataset_id: str, path: str, table: pa.Table) -> None:
    """Publish a part."""
    with dataset_stream(dataset_id, path, row_group=PART_ROWS) as stream:
        stream.write(table)


class _Part:
    """One part with the rows that were read and not yet taken."""

    def __init__(self, dataset_id: str, path: str, rows: int) -> None:
        self._names = arrow_schema(dataset_id).names
        self._path = path
        self._blocks = read_blocks(dataset_id, path, self._names, rows)
        self._rows = rows
        self.held: Block = {}
        self.ended = False
        self.read()

    def read(self) -> None:
        """Take another batch in; ``ended`` when there is none."""
        table = next(self._blocks, None)
        if table is None:
            self.ended = True
            return
        block = {name: self._plain(name, table.column(name)) for name in self._names}
        if len(self):
            block = {name: np.concatenate([self.held[name], block[name]]) for name in self._names}
        self.held = block

    def _plain(self, name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
        if name == LEGAL:
            return country_codes(column, self._path)
        if pa.types.is_binary(column.type):
            return byte_rows(column)
        return column.to_numpy(zero_copy_only=False)

    def __len__(self) -> int:
        return len(self.held[MERCHANT]) if self.held else 0

    def fill(self) -> None:
        """Read until a batch of rows is held or the part has ended."""
        while not self.ended and len(self) < self._rows:
            self.read()

    def last_key(self) -> tuple[int, int]:
        """Merchant and country code of the last row held."""
        return int(self.held[MERCHANT][-1]), int(self.held[LEGAL][-1])

    def below(self, key: tuple[int, int]) -> int:
        """Number of rows held with a smaller key."""
        merchant = self.held[MERCHANT] if self.held else np.empty(0, dtype=np.uint64)
        first, end = (
            int(np.searchsorted(merchant, np.uint64(key[0]), side)) for side in ("left", "right")
        )
        if first == end:
            return first
        return first + int(np.searchsorted(self.held[LEGAL][first:end], key[1], "left"))

    def take(self, rows: int) -> Block:
        """Remove and return the first rows."""
        taken = {name: values[:rows] for name, values in self.held.items()}
        self.held = {name: values[rows:] for name, values in self.held.items()}
        return taken


def merged_blocks(dataset_id: str, paths: Sequence[str], rows: int = PART_ROWS) -> Iterator[Block]:
    """Rows of all parts in the order of (merchant, country), cut between pairs.

    Parameters
    ----------
    dataset_id
        Dataset of the parts; no country is in two of them.
    paths
        The parts, each sorted.
    rows
        Rows of each part to hold, more where one pair has more.

    Yields
    ------
    Columns as arrays, countries as codes.
    """
    parts = [_Part(dataset_id, path, rows) for path in paths]
    while True:
        for part in parts:
            part.fill()
        parts = [part for part in parts if len(part)]
        if not parts:
            return
        waiting = [part for part in parts if not part.ended]
        if waiting:
            bound = min(part.last_key() for part in waiting)
            cuts = [part.below(bound) for part in parts]
            if not any(cuts):
                for part in waiting:
                    if part.last_key() == bound:
                        part.read()
                continue
        else:
            cuts = [len(part) for part in parts]
        taken = [part.take(cut) for part, cut in zip(parts, cuts, strict=True) if cut]
        block = {name: np.concatenate([piece[name] for piece in taken]) for name in taken[0]}
        if len(taken) > 1:
            order = np.lexsort((block[LEGAL], block[MERCHANT]))
            block = {name: values[order] for name, values in block.items()}
        yield block


def byte_rows(column: pa.ChunkedArray) -> npt.NDArray[np.void]:
    """Binary values, all of one length, as an array of that item size; shape (n,)."""
    if not len(column):
        return np.empty(0, dtype="V1")
    width = len(column[0].as_py())
    values = pa.concat_arrays(column.cast(pa.binary(width)).chunks)
    data, first = values.buffers()[1], values.offset * width
    return np.frombuffer(data, dtype=f"V{width}", count=len(values), offset=first)


def as_table(block: Block, names: Sequence[str]) -> pa.Table:
    """Columns of a block as a table, countries as text."""

    def column(name: str) -> pa.Array | npt.NDArray[Any]:
        values = block[name]
        if name == LEGAL:
            return countries.decode(values)
        if values.dtype.kind != "V":
            return values
        rows = pa.py_buffer(np.ascontiguousarray(values))
        width = pa.binary(values.dtype.itemsize)
        return pa.Array.from_buffers(width, len(values), [None, rows]).cast(pa.binary())

    return pa.table({name: column(name) for name in names})


def batch_rows(parts: int) -> int:
    """Rows of each of so many parts to hold: an eighth of a row group between them."""
    return max(1024, min(PART_ROWS, ROW_GROUP // 8 // max(parts, 1)))
