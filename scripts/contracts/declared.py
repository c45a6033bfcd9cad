"""The datasets that ``config/contracts.yaml`` declares."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from scripts.errors import ContractError

Json = Mapping[str, Any]

CONTRACTS = Path(__file__).resolve().parents[2] / "config" / "contracts.yaml"
_SECTIONS = ("defaults", "columns", "definitions", "datasets")
_HOLDS = ("columns", "properties", "schema")
_WORDS = frozenset(
    {"description", "path", "keys", "sort", "optional", "final_in_layer", *_HOLDS}
    | {"licence", "pii", "retention_days"}
)
_JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_TYPES = {
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
    """One kind of file: where it lies and what it holds.

    ``columns`` is empty unless it is a table, ``schema`` None unless it is a JSON document; a file
    that is neither is declared by its path alone.
    """

    id: str
    path: str
    description: str
    columns: tuple[Json, ...]
    schema: Json | None
    keys: tuple[str, ...]
    sort: tuple[str, ...]
    licence: str
    pii: bool
    retention_days: int
    final_in_layer: bool

    @property
    def is_passed_on(self) -> bool:
        """Whether it is a table of sites or their draws that only later jobs read."""
        return "site_order" in self.keys and not self.final_in_layer

    def holds(self, path: str) -> bool:
        """Whether a path, below whatever runs root, is one of this dataset's files."""
        return _pattern(self.path).fullmatch(path) is not None

    @property
    def digest(self) -> str:
        """SHA-256 of what it holds: columns or schema, keys and order, without descriptions."""
        return _digest([self.columns, self.schema, self.keys, self.sort])

    @property
    def column_names(self) -> list[str]:
        """Columns of a table, in order."""
        return [column["name"] for column in self.columns]


def _digest(value: Any) -> str:
    """SHA-256 of a value as JSON, descriptions left out."""
    return hashlib.sha256(json.dumps(_undescribed(value), sort_keys=True).encode()).hexdigest()


def _undescribed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _undescribed(part)
            for key, part in value.items()
            if not (key == "description" and isinstance(part, str))
        }
    return [_undescribed(part) for part in value] if isinstance(value, list | tuple) else value


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    """Paths that fill a template in; a wildcard stands for letters, digits and dashes."""
    return re.compile("(.*/)?" + re.sub(r"\\{\w+\\}", "[A-Za-z0-9-]+", re.escape(template)))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which no key stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.MarkedYAMLError(
                problem=f"{twice!r} stands twice", problem_mark=node.start_mark
            )
        return dict(super().construct_mapping(node, deep))


def _broken(where: object, rule: str) -> ContractError:
    return ContractError("EX04", where, rule, "restore it from git")


def read_contracts(path: Path = CONTRACTS) -> Mapping[str, Dataset]:
    """All datasets of a contract file by id.

    Raises
    ------
    ContractError
        ``EX04`` when the file cannot be read as one.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _broken(path, f"is not plain YAML: {error}") from None
    for section in _SECTIONS:
        if not isinstance(document, Mapping) or section not in document:
            raise _broken(path, f"has no {section}")
    try:
        return {
            name: _dataset(path, name, entry, document)
            for name, entry in document["datasets"].items()
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _broken(path, f"is not as its head says: {error!r}") from None


def _dataset(file: Path, name: str, entry: Json, document: Json) -> Dataset:
    where = f"{file} {name}"
    unknown = sorted(set(entry) - _WORDS)
    if unknown or not isinstance(entry.get("path"), str):
        raise _broken(where, f"has an unknown {unknown[0]!r}" if unknown else "has no path")
    if sum(word in entry for word in _HOLDS) > 1:
        raise _broken(where, "holds more than one of columns, properties and schema")
    given: dict[str, Any] = {}
    for default in document["defaults"]:
        if fnmatchcase(entry["path"], default["path"]):
            given |= default
    given |= entry
    shared = document["columns"]
    columns = tuple(
        {"name": column, **shared[column]} if isinstance(column, str) else column
        for column in entry.get("columns", ())
    )
    schema = _json_schema(entry)
    unknown = sorted({column["type"] for column in columns} - _TYPES.keys())
    unknown += sorted(set(_types_of(schema)) - _JSON_TYPES)
    if unknown:
        raise _broken(where, f"has the unknown type {unknown[0]!r}")
    keys = tuple(entry.get("keys", ()))
    sort = tuple(entry.get("sort", keys if given["path"].endswith(".parquet") else ()))
    absent = sorted({*keys, *sort} - {column["name"] for column in columns})
    if absent:
        raise _broken(where, f"has the key {absent[0]!r}, which is no column of it")
    return Dataset(
        id=name,
        path=given["path"],
        description=given.get("description", ""),
        columns=columns,
        schema=schema,
        keys=keys,
        sort=sort,
        licence=given["licence"],
        pii=given["pii"],
        retention_days=given["retention_days"],
        final_in_layer=given.get("final_in_layer", False),
    )


def _json_schema(entry: Json) -> Json | None:
    if "properties" not in entry:
        schema: Json | None = entry.get("schema")
        return schema
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(entry["properties"]),
        "properties": {**entry["properties"], **entry.get("optional", {})},
    }


def _types_of(schema: Any, names: bool = False) -> Iterator[str]:
    """Types that a JSON Schema names; below ``properties`` the keys are ``names`` of values.

    The validator says that a type is none when a value is held against it, which is too late.
    """
    if isinstance(schema, list):
        for part in schema:
            yield from _types_of(part)
    if isinstance(schema, dict):
        for key, part in schema.items():
            if key == "type" and not names:
                yield from [part] if isinstance(part, str) else part
            else:
                yield from _types_of(part, key == "properties" and not names)


@functools.cache
def datasets() -> Mapping[str, Dataset]:
    """All datasets by id, in the order of the file."""
    return read_contracts()


def contracts_digest(declared: Mapping[str, Dataset]) -> str:
    """SHA-256 of what contracts say, whatever their comments, descriptions and layout."""
    return _digest({name: vars(entry) for name, entry in declared.items()})


def dataset(dataset_id: str) -> Dataset:
    """One dataset; ``EX03`` when the contracts do not declare it."""
    try:
        return datasets()[dataset_id]
    except KeyError:
        raise ContractError(
            "EX03", dataset_id, "is no dataset", "declare it in config/contracts.yaml"
        ) from None


def dataset_path(root: str | Path, dataset_id: str, **tokens: object) -> Path:
    """Where a dataset lies below a runs root, its path's tokens filled in."""
    return Path(root) / dataset(dataset_id).path.format(**tokens)


@functools.cache
def _paths() -> Mapping[str, list[str]]:
    """Path templates of all datasets, with the names that they are made of."""
    return {entry.path: entry.path.split("/") for entry in datasets().values()}


def name_below_root(path: str) -> str | None:
    """Path of a dataset's file below the runs root, whatever that is; None for any other file."""
    names = path.split("/")
    for template, parts in _paths().items():
        # To compile one pattern takes longer than to rule out the others by their fixed names.
        pairs = zip(parts, names[-len(parts) :], strict=False)
        fits = all(part == name or "{" in part for part, name in pairs)
        if fits and (match := _pattern(template).fullmatch(path)):
            return path.removeprefix(match[1] or "")
    return None


def require_declared(path: str) -> None:
    """Refuse a path template below the runs root that no dataset has (``EX03``)."""
    if path not in _paths():
        raise ContractError(
            "EX03", path, "is the path of no dataset", "declare it in config/contracts.yaml"
        )


def state_datasets(folder: str = r"s[0-8]_\w+") -> tuple[str, ...]:
    """Datasets that S0 to S8 publish: the files in a state's own folder, of one state or of all."""
    where = r"({run_id}/shared|{run_id}/seed={seed}|tiles/{tiles_id})"
    of_state = re.compile(rf"segment_1B/{where}/{folder}/.+")
    return tuple(name for name, entry in datasets().items() if of_state.fullmatch(entry.path))


@functools.cache
def arrow_schema(dataset_id: str) -> pa.Schema:
    """Arrow schema of a table; every column that is not ``nullable`` is required."""
    return pa.schema(
        [
            pa.field(c["name"], _TYPES[c["type"]], nullable=c.get("nullable", False))
            for c in dataset(dataset_id).columns
        ]
    )
