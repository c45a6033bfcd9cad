"""The published tables of a 1A world, read by whole merchants: no table is in memory at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.tables import encoded, open_parquet, readable, row_blocks, whole_merchants

ROWS_EACH = 1 << 18
_TEXT = pa.dictionary(pa.int32(), pa.string())
_LAST = (1 << 64) - 1


def blocks(
    path: str, columns: Sequence[str] | None = None, rows: int = ROWS_EACH
) -> Iterator[pa.Table]:
    """Blocks of at most so many rows, text as dictionaries; one without rows of an empty table."""
    schema = open_parquet(path, columns).schema_arrow
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    with readable(path):
        yield from row_blocks(pq.ParquetFile(path, read_dictionary=text), rows, columns)


def same_values(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Whether two columns hold the same, be it in different dictionaries."""
    text = pa.types.is_dictionary(one.type), other.type in (pa.string(), _TEXT)
    if not all(text):
        return bool(one.equals(other))
    both = pa.chunked_array([encoded(one), encoded(other)]).unify_dictionaries()
    return bool(both.chunk(0).indices.equals(both.chunk(1).indices))


def padded_numbers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Number that each text writes in six digits, or more where it needs them; -1 for another."""
    text = encoded(column)
    numbers = [_padded_number(name) for name in text.dictionary.to_pylist()]
    return np.array(numbers, dtype=np.int64)[text.indices.to_numpy()]


def _padded_number(name: str) -> int:
    number = int(name) if name.isascii() and name.isdigit() else -1
    return number if name == f"{number:06d}" else -1


class Rows:
    """Rows of a file, taken in order; text is in dictionaries."""

    def __init__(self, path: str, columns: Sequence[str] | None = None) -> None:
        self._blocks = blocks(path, columns)
        self._held = next(self._blocks)

    def _hold(self, rows: int) -> bool:
        """Read until so many rows are held; whether there are."""
        waiting = [self._held]
        held = self._held.num_rows
        while held < rows and (block := next(self._blocks, None)) is not None:
            waiting.append(block)
            held += block.num_rows
        self._held = pa.concat_tables(waiting)
        return held >= rows

    def take(self, rows: int) -> pa.Table:
        """The next rows; fewer at the end."""
        self._hold(rows)
        taken, self._held = self._held.slice(0, rows), self._held.slice(rows)
        return taken

    def take_through(self, merchant: int) -> pa.Table:
        """The rows of merchants up to one."""
        rows = 1
        while self._hold(rows) and self._merchants()[-1] <= merchant:
            rows = 2 * self._held.num_rows
        return self.take(int(np.searchsorted(self._merchants(), np.uint64(merchant), "right")))

    def _merchants(self) -> npt.NDArray[np.uint64]:
        merchant: npt.NDArray[np.uint64] = self._held.column("merchant_id").to_numpy()
        return merchant


def merchant_slices(
    files: Mapping[str, str], columns: Mapping[str, Sequence[str]], rows: int = ROWS_EACH
) -> Iterator[dict[str, pa.Table]]:
    """Some merchants after the other, with all their rows in each table.

    Parameters
    ----------
    files
        Tables by dataset id, the catalogue among them, sorted by merchant.
    columns
        Columns of each table that is wanted, where it is there.
    rows
        Rows of the catalogue that are read at a time.
    """
    stored = {name: Rows(files[name], of) for name, of in columns.items() if name in files}
    del stored["outlet_catalogue"]
    read = blocks(files["outlet_catalogue"], columns["outlet_catalogue"], rows)
    slices = whole_merchants(read)
    coming = next(slices, None)
    while coming is not None:
        outlets, coming = coming, next(slices, None)
        last = _LAST if coming is None else outlets.column("merchant_id")[-1].as_py()
        others = {name: table.take_through(last) for name, table in stored.items()}
        yield {"outlet_catalogue": outlets, **others}
