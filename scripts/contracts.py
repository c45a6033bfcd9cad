"""The contracts that govern every published file: dictionary, schemas, artefact registry.

``config/contracts/{1A,1B}/`` holds, for each segment, the dataset dictionary (id, path, keys, sort
order, retention, licence), the schemas (columns and types of tables, JSON Schema of objects) and
the artefact registry (which rule produces what from what). Paths, types and sort orders are
read from there and from nowhere else.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from scripts.errors import ContractError
from scripts.tables import (
    ROW_GROUP,
    parquet_writer,
    publish,
    read_json,
    read_parquet,
    write_json,
    write_parquet,
)

CONTRACTS_DIR = Path(__file__).resolve().parents[1] / "config" / "contracts"
SEGMENTS = ("1A", "1B")
_RESTORE = "restore it from git"
_ROWS = {
    "dictionary": ("datasets", ("id", "path", "format")),
    "registry": ("artefacts", ("id", "produced_by")),
}
_FILES = {
    "dictionary": "dataset_dictionary.layer1.{segment}.yaml",
    "schemas": "schemas.{segment}.yaml",
    "registry": "artefact_registry_{segment}.yaml",
}
_ARROW_TYPES = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "list<string>": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class Dataset:
    """One entry of a dataset dictionary."""

    id: str
    segment: str
    path: str
    format: str
    schema: str | None
    primary_key: tuple[str, ...]
    sort: tuple[str, ...]
    partitions: tuple[str, ...]
    entry: Mapping[str, Any]


@functools.cache
def load_yaml(path: Path) -> Any:
    """Parse a YAML file of the repository once; ``EX04`` when it is none."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ContractError("EX04", path, f"is not plain YAML: {error}", _RESTORE) from None


@functools.cache
def contract(segment: str, part: str) -> Mapping[str, Any]:
    """Parsed ``dictionary``, ``schemas`` or ``registry`` of a segment.

    Raises
    ------
    ContractError
        ``EX04`` when the file cannot be read as one.
    """
    path = CONTRACTS_DIR / segment / _FILES[part].format(segment=segment)
    found = load_yaml(path)
    table, keys = _ROWS.get(part, (None, ()))
    if not isinstance(found, Mapping) or (table and not isinstance(found.get(table), list)):
        raise ContractError("EX04", path, f"is no mapping with {table or 'schemas'}", _RESTORE)
    for number, row in enumerate(found[table] if table else ()):
        for key in keys:
            if not isinstance(row, Mapping) or not isinstance(row.get(key), str):
                raise ContractError("EX04", path, f"{table}[{number}] has no {key}", _RESTORE)
    return found


@functools.cache
def datasets() -> Mapping[str, Dataset]:
    """All datasets of both segments by id."""
    found: dict[str, Dataset] = {}
    for segment in SEGMENTS:
        for entry in contract(segment, "dictionary")["datasets"]:
            if entry["id"] in found:
                raise ContractError("EX03", entry["id"], "declared twice", "one entry per dataset")
            found[entry["id"]] = Dataset(
                id=entry["id"],
                segment=segment,
                path=entry["path"],
                format=entry["format"],
                schema=entry.get("schema"),
                primary_key=tuple(entry.get("primary_key", ())),
                sort=tuple(entry.get("sort", ())),
                partitions=tuple(entry.get("partitions", ())),
                entry=entry,
            )
    return found


def dataset(dataset_id: str) -> Dataset:
    """One dataset; ``EX03`` when the dictionary does not know it."""
    try:
        return datasets()[dataset_id]
    except KeyError:
        raise ContractError(
            "EX03", dataset_id, "is in no dataset dictionary", "declare it in config/contracts"
        ) from None


def require_declared(path: str) -> None:
    """Refuse a path template below the runs root that no dataset has (``EX03``)."""
    if path not in {entry.path for entry in datasets().values()}:
        raise ContractError("EX03", path, "is declared by no contract", "a dataset with this path")


def schema_of(dataset_id: str) -> Mapping[str, Any]:
    """Schema of a dataset: ``columns`` of a table, or the JSON Schema of an object."""
    entry = dataset(dataset_id)
    return contract(entry.segment, "schemas")[entry.schema or entry.id]


@functools.cache
def arrow_schema(dataset_id: str) -> pa.Schema:
    """Arrow schema of a table; every column that is not ``nullable`` is required."""
    return pa.schema(
        [
            pa.field(c["name"], _ARROW_TYPES[c["type"]], nullable=c.get("nullable", False))
            for c in schema_of(dataset_id)["columns"]
        ]
    )


def _row_of(mask: pa.Array) -> int:
    return int(pc.index(mask, pa.scalar(True)).as_py())


def _fail(where: Any, column: str, row: int, value: Any, rule: str) -> ContractError:
    return ContractError(
        "EX11", where, f"column {column!r} row {row}: {value!r} breaks {rule}", "see its schema"
    )


def check_table(dataset_id: str, table: pa.Table, where: Any = None) -> None:
    """Hold a table against its schema, primary key and sort order.

    Raises
    ------
    ContractError
        ``EX10`` columns or types, ``EX11`` a value, ``EX12`` sort order, ``EX13`` duplicate key;
        the message names file, column and row (zero-based).
    """
    where = where or dataset_id
    schema = arrow_schema(dataset_id)
    for field in schema:
        if field.name not in table.column_names:
            raise ContractError("EX10", where, f"column {field.name!r} is missing", str(field.type))
        found = table.schema.field(field.name).type
        if found != field.type:
            raise ContractError(
                "EX10", where, f"column {field.name!r} has type {found}", f"type {field.type}"
            )
    extra = [name for name in table.column_names if name not in schema.names]
    if extra:
        raise ContractError("EX10", where, f"column {extra[0]!r} is not declared", "remove it")
    for column in schema_of(dataset_id)["columns"]:
        _check_values(where, column, table.column(column["name"]))
    _check_order(dataset_id, table, where)


def _check_values(where: Any, column: Mapping[str, Any], values: pa.ChunkedArray) -> None:
    name = column["name"]
    if values.null_count and not column.get("nullable", False):
        raise _fail(where, name, _row_of(pc.is_null(values)), None, "non-null")
    if pa.types.is_floating(values.type):
        bad = pc.invert(pc.fill_null(pc.is_finite(values), True))
        if pc.any(bad).as_py():
            row = _row_of(bad)
            raise _fail(where, name, row, values[row].as_py(), "finite")
    bounds = (("minimum", pc.less), ("exclusive_minimum", pc.less_equal), ("maximum", pc.greater))
    for key, violates in bounds:
        if key in column:
            bad = pc.fill_null(violates(values, pa.scalar(column[key], type=values.type)), False)
            if pc.any(bad).as_py():
                row = _row_of(bad)
                raise _fail(where, name, row, values[row].as_py(), f"{key} {column[key]}")
    if "enum" in column or "pattern" in column:
        distinct = pc.unique(values.drop_null())
        if "enum" in column:
            ok = pc.is_in(distinct, value_set=pa.array(column["enum"], type=values.type))
        else:
            ok = pc.match_substring_regex(distinct, column["pattern"])
        if not pc.all(ok, min_count=0).as_py():
            value = distinct.filter(pc.invert(ok))[0]
            rule = f"enum {column['enum']}" if "enum" in column else f"pattern {column['pattern']}"
            raise _fail(where, name, _row_of(pc.equal(values, value)), value.as_py(), rule)


def order_keys(table: pa.Table, names: Sequence[str]) -> list[np.ndarray]:
    """Integer or float arrays that sort like the named columns."""
    keys = []
    for name in names:
        column = table.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_string(column.type):
            encoded = pc.dictionary_encode(column)
            if isinstance(encoded, pa.ChunkedArray):
                encoded = encoded.combine_chunks()
            words = np.array(encoded.dictionary.to_pylist(), dtype=object)
            rank = np.empty(len(words), dtype=np.int64)
            rank[np.argsort(words, kind="stable")] = np.arange(len(words))
            keys.append(rank[encoded.indices.to_numpy()] if len(words) else np.empty(0, np.int64))
        else:
            keys.append(column.to_numpy(zero_copy_only=False))
    return keys


def _check_order(dataset_id: str, table: pa.Table, where: Any) -> None:
    entry = dataset(dataset_id)
    if not entry.sort or table.num_rows < 2:
        return
    undecided = np.ones(table.num_rows - 1, dtype=bool)
    for key in order_keys(table, entry.sort):
        before, after = key[:-1], key[1:]
        wrong = undecided & (after < before)
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise ContractError(
                "EX12", where, f"row {row} is out of order", f"sort by {', '.join(entry.sort)}"
            )
        undecided &= after == before
    if entry.primary_key and entry.primary_key == entry.sort and undecided.any():
        row = int(np.argmax(undecided)) + 1
        key_text = ", ".join(f"{k}={table.column(k)[row].as_py()}" for k in entry.primary_key)
        raise ContractError("EX13", where, f"row {row} repeats key {key_text}", "one row per key")


def _as_declared(dataset_id: str, path: str | Path, table: pa.Table) -> pa.Table:
    """Columns in the declared order and types; metadata stay."""
    schema = arrow_schema(dataset_id)
    undeclared = sorted(set(table.column_names) - set(schema.names))
    if undeclared:
        raise ContractError("EX10", path, f"column {undeclared[0]!r} is not declared", "declare it")
    table = table.select([name for name in schema.names if name in table.column_names])
    if table.column_names == schema.names:
        table = table.cast(schema).replace_schema_metadata(table.schema.metadata)
    return table


def write_dataset(dataset_id: str, path: str | Path, table: pa.Table) -> None:
    """Cast to the declared column order, hold against the contract, publish."""
    table = _as_declared(dataset_id, path, table)
    check_table(dataset_id, table, path)
    write_parquet(path, table)


class DatasetStream:
    """Takes a table piece by piece; see :func:`dataset_stream`."""

    def __init__(
        self, dataset_id: str, path: str | Path, file: pq.ParquetWriter, row_group: int
    ) -> None:
        self.rows = 0
        self._id, self._path, self._file, self._row_group = dataset_id, path, file, row_group
        self._open: list[pa.Table] = []
        self._waiting = 0
        self._last: pa.Table | None = None

    def write(self, table: pa.Table) -> None:
        """Hold the next rows against the contract and write the row groups that they fill."""
        table = _as_declared(self._id, self._path, table).replace_schema_metadata(None)
        where = f"{self._path} (from row {self.rows} on)" if self.rows else self._path
        check_table(self._id, table, where)
        if self._last is not None and table.num_rows:
            _check_order(self._id, pa.concat_tables([self._last, table.slice(0, 1)]), where)
        if table.num_rows:
            self._last = pa.table(
                [column.take([table.num_rows - 1]) for column in table.columns], table.schema
            )
        self.rows += table.num_rows
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
        if not self.rows:
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
    with publish(path) as temporary, parquet_writer(temporary, schema) as file:
        stream = DatasetStream(dataset_id, path, file, row_group)
        yield stream
        stream.finish()


def read_dataset(
    dataset_id: str, path: str | Path, columns: Sequence[str] | None = None, check: bool = False
) -> pa.Table:
    """Read (columns of) a table; ``check`` holds the whole of it against its contract.

    Without ``check``, named columns of countries come as dictionaries.
    """
    table = read_parquet(path, None if check else columns, dictionaries=True)
    if check:
        check_table(dataset_id, table, path)
        table = table.select(list(columns)) if columns is not None else table
    return table


def check_object(dataset_id: str, value: Any, where: Any = None) -> None:
    """Hold a JSON object against its JSON Schema; ``EX14`` names the key."""
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema_of(dataset_id)).iter_errors(value), key=str)
    if errors:
        key = "/".join(str(part) for part in errors[0].absolute_path) or "(top)"
        raise ContractError(
            "EX14", where or dataset_id, f"{key}: {errors[0].message}", "its schema"
        )


def write_object(dataset_id: str, path: str | Path, value: Any) -> None:
    """Hold a JSON object against its schema and publish it."""
    check_object(dataset_id, value, path)
    write_json(path, value)


def read_object(dataset_id: str, path: str | Path) -> Any:
    """Read a JSON object and hold it against its schema."""
    value = read_json(path)
    check_object(dataset_id, value, path)
    return value
