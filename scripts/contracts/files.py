"""Datasets read and published as their contract says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.contracts.check import TableCheck, check_object, check_table
from scripts.contracts.declared import arrow_schema, dataset
from scripts.contracts.measured import stamped
from scripts.errors import ContractError
from scripts.tables import (
    ROW_GROUP,
    open_parquet,
    parquet_writer,
    publish,
    read_json,
    read_parquet,
    readable,
    row_blocks,
    write_json,
    write_parquet,
)

Check = Literal["types", "cast", "rows"]


def _as_declared(dataset_id: str, table: pa.Table) -> pa.Table:
    """Columns in the declared order and types where all are there; metadata stay.

    A dictionary stays one where its values have the type: it is checked several times as fast.
    """
    schema = arrow_schema(dataset_id)
    if set(table.column_names) != set(schema.names):
        return table
    fields = [
        table.field(field.name)
        if table.field(field.name).type == pa.dictionary(pa.int32(), field.type)
        else field
        for field in schema
    ]
    declared = table.select(schema.names).cast(pa.schema(fields))
    return declared.replace_schema_metadata(table.schema.metadata)


def _without_dictionaries(dataset_id: str, table: pa.Table) -> pa.Table:
    """A table that was checked as it is written."""
    plain = table.cast(arrow_schema(dataset_id))
    return plain.replace_schema_metadata(table.schema.metadata)


def write_dataset(dataset_id: str, path: str | Path, table: pa.Table) -> None:
    """Cast to the declared column order, hold against the contract, publish."""
    table = _as_declared(dataset_id, table)
    check_table(dataset_id, table, path)
    table = _without_dictionaries(dataset_id, table)
    write_parquet(path, table, fast=dataset(dataset_id).is_passed_on)


class DatasetStream:
    """Takes a table piece by piece; see :func:`dataset_stream`."""

    def __init__(
        self, dataset_id: str, path: str | Path, file: pq.ParquetWriter, row_group: int
    ) -> None:
        self._id, self._path, self._file, self._row_group = dataset_id, path, file, row_group
        self._check = TableCheck(dataset_id, path)
        self._open: list[pa.Table] = []
        self._waiting = 0

    def write(self, table: pa.Table) -> None:
        """Hold the next rows against the contract and write the row groups that they fill."""
        table = _as_declared(self._id, table).replace_schema_metadata(None)
        self._check.hold(table)
        table = _without_dictionaries(self._id, table)
        while table.num_rows:
            piece = table.slice(0, self._row_group - self._waiting)
            table = table.slice(piece.num_rows)
            self._open.append(piece)
            self._waiting += piece.num_rows
            if self._waiting == self._row_group:
                self.flush()

    def flush(self) -> None:
        """Write what waits as one row group, in one chunk a column as a whole table has it."""
        group = pa.concat_tables(self._open).combine_chunks()
        self._file.write_table(
            group.replace_schema_metadata(self._file.schema.metadata), self._row_group
        )
        self._open, self._waiting = [], 0

    def finish(self) -> None:
        """Write the last row group; an empty table has one without rows."""
        if not self._check.rows:
            self._open = [arrow_schema(self._id).empty_table()]
        if self._open:
            self.flush()


@contextlib.contextmanager
def dataset_stream(
    dataset_id: str,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    row_group: int = ROW_GROUP,
) -> Iterator[DatasetStream]:
    """Publish a table that comes in pieces, in its sort order: one row group is in memory.

    The bytes are those of :func:`write_dataset` on the whole table, however it is cut.
    """
    schema = arrow_schema(dataset_id)
    if metadata is not None:
        schema = schema.with_metadata(metadata)
    fast = dataset(dataset_id).is_passed_on
    with publish(path) as temporary, parquet_writer(temporary, schema, fast) as file:
        stream = DatasetStream(dataset_id, path, file, row_group)
        yield stream
        stream.finish()


def read_dataset(
    dataset_id: str,
    path: str | Path,
    columns: Sequence[str] | None = None,
    check: Check = "types",
) -> pa.Table:
    """Read the named columns of a table, in that order, or all.

    Named columns of countries come as dictionaries, unless ``check`` is ``rows``.

    Parameters
    ----------
    check
        What is held against the contract: ``types``, and nulls, of the columns that are read; or
        ``rows``, every value of the whole table, its order and keys. ``cast`` takes what can be
        cast to the declared type, and a null as NaN, for a reader that reports such faults itself.

    Raises
    ------
    ContractError
        ``EX01`` not readable Parquet, ``EX10`` a column is missing or of another type, ``EX11`` a
        null; and as :func:`check_table`.
    """
    if check == "rows":
        table = read_parquet(path)
        check_table(dataset_id, table, path)
        return table if columns is None else table.select(list(columns))
    names = arrow_schema(dataset_id).names if columns is None else columns
    table = read_parquet(path, names, dictionaries=columns is not None)
    return _of_declared_types(dataset_id, table, path, cast=check == "cast")


def dataset_blocks(
    dataset_id: str,
    path: str | Path,
    columns: Sequence[str],
    rows: int = ROW_GROUP,
    check: Check = "types",
) -> Iterator[pa.Table]:
    """The same in blocks of at most ``rows`` rows, so that a file of any size fits the memory."""
    file = open_parquet(path, columns, dictionaries=True)
    with readable(path):
        for table in row_blocks(file, rows, columns):
            yield _of_declared_types(dataset_id, table, path, cast=check == "cast")


def _of_declared_types(dataset_id: str, table: pa.Table, path: str | Path, cast: bool) -> pa.Table:
    schema = arrow_schema(dataset_id)
    columns = {
        name: _of_declared_type(table.column(name), schema.field(name), path, cast)
        for name in table.column_names
    }
    return pa.table(columns, metadata=table.schema.metadata)


def _of_declared_type(
    column: pa.ChunkedArray, field: pa.Field, path: str | Path, cast: bool
) -> pa.ChunkedArray:
    if cast and pa.types.is_floating(field.type):
        column = column.fill_null(float("nan"))
    if column.null_count and not field.nullable:
        raise ContractError(
            "EX11", path, f"column {field.name!r} holds a null", "a value in every row"
        )
    found = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if found == field.type:
        return column
    if cast:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return column.cast(field.type)
    raise ContractError(
        "EX10", path, f"column {field.name!r} has type {found}", f"type {field.type}"
    )


def write_object(dataset_id: str, path: str | Path, value: Any) -> None:
    """Hold a JSON object against its schema and publish it, with what it was measured on."""
    value = stamped(dataset_id, value)
    check_object(dataset_id, value, path)
    write_json(path, value)


def read_object(dataset_id: str, path: str | Path) -> Any:
    """Read a JSON object and hold it against its schema."""
    value = read_json(path)
    check_object(dataset_id, value, path)
    return value
