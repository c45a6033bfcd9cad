"""Reading and publishing of files: deterministic bytes, all or nothing.

A file is written beside its destination, flushed to the disk and renamed; a reader sees the old
file or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts import countries
from scripts.errors import ContractError
from scripts.ordering import run_starts

ROW_GROUP = 1 << 20
# Records and policies are far smaller and flatter.
LARGEST_TEXT = 64 << 20
DEEPEST = 64
_FEW_VALUES = (pa.string(), pa.int8(), pa.int16())
_TEMPORARY = re.compile(r"\..+\.[0-9]+\.segment1b-tmp")


@contextlib.contextmanager
def publish(path: str | Path) -> Iterator[Path]:
    """A temporary sibling of ``path`` that takes its place when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.segment1b-tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file has the name that :func:`publish` gives before the rename."""
    return _TEMPORARY.fullmatch(path.name) is not None


def parquet_writer(path: Path, schema: pa.Schema, fast: bool = False) -> pq.ParquetWriter:
    """Writer with the settings of every published table (zstd).

    A ``fast`` one leaves floating-point columns as they are, which for draws and coordinates costs
    a few hundredths of the space, and makes no dictionary of columns that have too many values.
    """
    if not fast:
        return pq.ParquetWriter(path, schema, compression="zstd")
    return pq.ParquetWriter(
        path,
        schema,
        compression={
            field.name: "none" if pa.types.is_floating(field.type) else "zstd" for field in schema
        },
        use_dictionary=[field.name for field in schema if field.type in _FEW_VALUES],
    )


def write_parquet(path: str | Path, table: pa.Table, fast: bool = False) -> None:
    """Publish a table as Parquet (zstd, fixed row groups); see :func:`parquet_writer`."""
    with publish(path) as temporary, parquet_writer(temporary, table.schema, fast) as file:
        file.write_table(table, ROW_GROUP)


def refuse_special(path: str | Path) -> None:
    """``OSError`` for a pipe or a device, which would keep its reader for ever."""
    if Path(path).exists() and not Path(path).is_file():
        raise OSError(errno.EINVAL, "no plain file", str(path))


def read_bytes(path: str | Path, most: int = LARGEST_TEXT) -> bytes:
    """Bytes of a plain file of at most so many; ``OSError`` for anything else."""
    refuse_special(path)
    with open(path, "rb") as handle:
        data = handle.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"over {most} bytes", str(path))
    return data


def everything_below(folder: Path) -> list[Path]:
    """Files, folders and links below a folder, sorted; ``OSError`` where one cannot be listed."""

    def refuse(error: OSError) -> None:
        raise error

    return sorted(
        Path(where, name)
        for where, folders, files in os.walk(folder, onerror=refuse)
        for name in (*folders, *files)
    )


def require_flat(value: Any) -> None:
    """``ValueError`` for a document nested deeper than any of ours, whose reader would give up."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for part in level
            for child in (part.values() if isinstance(part, dict) else part)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"nested over {DEEPEST} deep")


@contextlib.contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn what the Parquet reader raises into ``EX01``."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ContractError(
            "EX01", path, f"not a readable Parquet file ({error})", "a file written by this chain"
        ) from None


def open_parquet(
    path: str | Path, columns: Sequence[str] | None = None, dictionaries: bool = False
) -> pq.ParquetFile:
    """A Parquet file in which the named columns are there, each once.

    With ``dictionaries``, named columns of countries come as such: read and encoded twice as fast.

    Raises
    ------
    ContractError
        ``EX01`` when the file is not readable Parquet, ``EX10`` when it lacks a column or has one
        twice.
    """
    named = list(filter(countries.hold, columns or ()))
    with readable(path):
        refuse_special(path)
        file = pq.ParquetFile(path, read_dictionary=named if dictionaries else None)
        names = file.schema_arrow.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContractError("EX10", path, f"column {twice[0]!r} stands twice", "each once")
    missing = [name for name in columns or () if name not in names]
    if missing:
        raise ContractError("EX10", path, f"column {missing[0]!r} is missing", f"has {names}")
    return file


def require_text(table: pa.Table) -> pa.Table:
    """The table; ``ArrowInvalid`` where text is not UTF-8, which the reader lets pass."""
    for column in table.columns:
        for chunk in column.chunks:
            text = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            if pa.types.is_string(text.type) or pa.types.is_large_string(text.type):
                text.validate(full=True)
    return table


def read_parquet(
    path: str | Path, columns: Sequence[str] | None = None, dictionaries: bool = False
) -> pa.Table:
    """Read the named columns, in that order, or all; see :func:`open_parquet`."""
    file = open_parquet(path, columns, dictionaries)
    with readable(path):
        return require_text(file.read(columns=list(columns) if columns is not None else None))


def row_blocks(
    file: pq.ParquetFile, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Blocks of so many rows, the last one shorter, whatever the file's row groups are.

    A file without rows has one block without rows. Read group by group: one iterator over a whole
    file keeps every column that it went through.
    """
    waiting: list[pa.RecordBatch] = []
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(rows, [group], columns):
            waiting.append(batch)
            # A block that was handed out is not held while the next is read.
            del batch
            if sum(part.num_rows for part in waiting) < rows:
                continue
            table = require_text(pa.Table.from_batches(waiting))
            waiting = table.slice(rows).to_batches()
            yield table.slice(0, rows)
            del table
    if waiting:
        yield require_text(pa.Table.from_batches(waiting))
    if not file.metadata.num_rows:
        yield require_text(file.read(columns=columns))


def encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Distinct values of a column, and which of them each row has."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    return column.unify_dictionaries().combine_chunks()


def whole_merchants(blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Blocks of rows that are sorted by merchant, cut between merchants."""
    held: pa.Table | None = None
    for block in blocks:
        held = block if held is None else pa.concat_tables([held, block])
        starts = run_starts(held.column("merchant_id").to_numpy())
        if len(starts) > 2:
            yield held.slice(0, starts[-2])
            held = held.slice(starts[-2])
    if held is not None:
        yield held


def footer(path: str | Path) -> pq.FileMetaData:
    """Rows, columns and statistics of a Parquet file (``EX01`` when it is not readable)."""
    with readable(path):
        return pq.read_metadata(path)


def row_count(path: str | Path) -> int:
    """Rows of a Parquet file, from its footer."""
    return int(footer(path).num_rows)


def to_json_bytes(value: Any) -> bytes:
    """Canonical JSON: sorted keys, two-space indent, ASCII, one newline at the end, no NaN."""
    text = json.dumps(value, sort_keys=True, indent=2, allow_nan=False, default=_plain)
    return text.encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def published(value: Any, digits: int = 10) -> Any:
    """A JSON value as measures are published: floats to ``digits`` significant digits, NaN as null.

    Ten digits are far below any threshold's meaning and far above what vector units of different
    processors disagree on, so the bytes do not depend on the machine.
    """
    if isinstance(value, Mapping):
        return {str(key): published(item, digits) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [published(item, digits) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def write_json(path: str | Path, value: Any) -> None:
    """Publish a value as canonical JSON."""
    with publish(path) as temporary:
        temporary.write_bytes(to_json_bytes(value))


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises
    ------
    ContractError
        ``EX02`` when the file is absent, not JSON, too large, or nested too deep.
    """
    try:
        value = json.loads(read_bytes(path).decode("utf-8"))
        if isinstance(value, dict | list):
            require_flat(value)
        return value
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError("EX02", path, f"not readable JSON ({error})", "a JSON file") from None


def write_text(path: str | Path, text: str) -> None:
    """Publish text as UTF-8."""
    with publish(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    refuse_special(path)
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
