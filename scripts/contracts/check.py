"""Tables and objects held against their contract, with the row or key that breaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts.declared import arrow_schema, dataset
from scripts.errors import ContractError
from scripts.tables import encoded


def _row_of(mask: pa.Array) -> int:
    return int(pc.index(mask, pa.scalar(True)).as_py())


def _fail(where: Any, column: str, row: int, value: Any, rule: str) -> ContractError:
    return ContractError(
        "EX11", where, f"column {column!r} row {row}: {value!r} breaks {rule}", "see its schema"
    )


def check_table(dataset_id: str, table: pa.Table, where: Any = None) -> None:
    """Hold a table against its schema, primary key and sort order.

    A column in the form of a dictionary has the type of the dictionary's values.

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
        if pa.types.is_dictionary(found):
            found = found.value_type
        if found != field.type:
            raise ContractError(
                "EX10", where, f"column {field.name!r} has type {found}", f"type {field.type}"
            )
    extra = [name for name in table.column_names if name not in schema.names]
    if extra:
        raise ContractError("EX10", where, f"column {extra[0]!r} is not declared", "remove it")
    for column in dataset(dataset_id).columns:
        _check_values(where, column, table.column(column["name"]))
    check_order(dataset_id, table, where)


def _check_values(where: Any, column: Mapping[str, Any], values: pa.ChunkedArray) -> None:
    name = column["name"]
    if pa.types.is_dictionary(values.type):
        values = values.unify_dictionaries()
    if values.null_count and not column.get("nullable", False):
        raise _fail(where, name, _row_of(pc.is_null(values)), None, "non-null")
    if pa.types.is_floating(values.type):
        bad = pc.invert(pc.is_finite(values))
        if pc.any(bad).as_py():
            row = _row_of(bad)
            raise _fail(where, name, row, values[row].as_py(), "finite")
    bounds = (("minimum", pc.less), ("exclusive_minimum", pc.less_equal), ("maximum", pc.greater))
    for key, violates in bounds:
        if key in column:
            bad = violates(values, pa.scalar(column[key], type=values.type))
            if pc.any(bad).as_py():
                row = _row_of(bad)
                raise _fail(where, name, row, values[row].as_py(), f"{key} {column[key]}")
    if "enum" in column or "pattern" in column:
        distinct = pc.unique(values.drop_null())
        if pa.types.is_dictionary(values.type):
            distinct = distinct.dictionary_decode()
        if "enum" in column:
            ok = pc.is_in(distinct, value_set=pa.array(column["enum"], type=distinct.type))
        else:
            ok = pc.match_substring_regex(distinct, column["pattern"])
        if not pc.all(ok, min_count=0).as_py():
            value = distinct.filter(pc.invert(ok))[0]
            rule = f"enum {column['enum']}" if "enum" in column else f"pattern {column['pattern']}"
            row = _row_of(pc.equal(values.cast(distinct.type), value))
            raise _fail(where, name, row, value.as_py(), rule)


def order_keys(table: pa.Table, names: Sequence[str]) -> list[np.ndarray]:
    """Integer or float arrays that sort like the named columns."""
    keys = []
    for name in names:
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
            text = encoded(column)
            words = np.array(text.dictionary.to_pylist(), dtype=object)
            _, rank = np.unique(words, return_inverse=True)
            keys.append(rank[text.indices.to_numpy()])
        else:
            keys.append(column.to_numpy())
    return keys


def check_order(dataset_id: str, table: pa.Table, where: Any) -> None:
    """Hold the order of rows (``EX12``) and unique keys (``EX13``) against a contract."""
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
    if entry.keys == entry.sort and undecided.any():
        row = int(np.argmax(undecided)) + 1
        key_text = ", ".join(f"{k}={table.column(k)[row].as_py()}" for k in entry.keys)
        raise ContractError("EX13", where, f"row {row} repeats key {key_text}", "one row per key")


class TableCheck:
    """Holds a table that comes in pieces, in its sort order, against its contract."""

    def __init__(self, dataset_id: str, where: Any = None) -> None:
        self.rows = 0
        self._id, self._where = dataset_id, where or dataset_id
        self._last: pa.Table | None = None

    def hold(self, piece: pa.Table) -> None:
        """Hold the next rows; see :func:`check_table`."""
        where = f"{self._where} (from row {self.rows} on)" if self.rows else self._where
        check_table(self._id, piece, where)
        if not piece.num_rows:
            return
        if self._last is not None:
            check_order(self._id, pa.concat_tables([self._last, piece.slice(0, 1)]), where)
        last = [column.take([piece.num_rows - 1]) for column in piece.columns]
        self._last = pa.table(last, piece.schema)
        self.rows += piece.num_rows


def check_object(dataset_id: str, value: Any, where: Any = None) -> None:
    """Hold a JSON object against its JSON Schema; ``EX14`` names the key, ``EX03`` a dataset that
    has none.
    """
    from jsonschema import Draft202012Validator

    schema = dataset(dataset_id).schema
    if schema is None:
        raise ContractError(
            "EX03", dataset_id, "is declared without a schema", "properties or schema"
        )
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=str)
    if errors:
        key = "/".join(str(part) for part in errors[0].absolute_path) or "(top)"
        raise ContractError(
            "EX14",
            where or dataset_id,
            f"{key}: {errors[0].message}",
            f"what config/contracts.yaml says of {dataset_id}",
        )
