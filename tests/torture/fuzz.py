"""Generated documents and tables: shipped ones with random damage, and what may come of them."""

from __future__ import annotations

import contextlib
import copy
import signal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import strategies as st

LIMIT_S = 30

WEIRD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e308, -1e308, 10**18, 10**40, 2**63),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "x", "1", "0.5", "nan", "true", "\n"),
    *("\u0410D", "\uff21\uff24", "A\u200bD", "\u202eDA", "e\u0301", "\U0001f600" * 3, "x" * 3000),
    *(
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "a/b",
        "a\\b",
        "~",
        "$HOME",
        "%00",
        "a\x00b",
    ),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": {"c": 1}}}, list(range(50)), {"x": "y"}),
    *("uniform", "population", "outlets_v3", "towns_v3", "Africa", "builtin", "external", "B"),
]

# What text can hold that no document of this project may: bombs, anchors, tags, deep nesting.
TEXTS = [
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "a: {<<: {b: 1}}\n",
    "!!python/object/apply:os.system [ls]\n",
    "? [a]\n: 1\n",
    "x: !!bool abc\n",
    "x: !!timestamp abc\n",
    "x: !!int abc\n",
    "x: !!float abc\n",
    "x: !!binary '%%%'\n",
    "[" * 3000 + "]" * 3000,
    "x: " + "9" * 20000,
    "x: 0x" + "f" * 20000,
    "x: 2020-13-45\n",
    "a: 1\na: 2\n",
    "a: 1\n---\nb: 2\n",
    "\ufeff",
    "x: \x01\n",
    "- 1\n- 2\n",
    "~: 1\nnull: 2\n",
    ".nan: 1\n.nan: 2\n",
    "x: *unknown\n",
    "x: 0742\n",
    "x: 1_000\n",
    "x: 1:30\n",
    "1: x\n",
    "%YAML 9.9\n---\nx: 1\n",
    "",
]


def paths_of(value: Any, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Trail of every node below the root."""
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*trail, key)
            yield from paths_of(child, (*trail, key))


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to four values replaced, scaled, dropped, renamed or added.

    One in three is only turned a little, so that what passes the schema is tried too.
    """
    changed = copy.deepcopy(document)
    gentle = draw(st.integers(0, 2)) == 0
    for _ in range(draw(st.integers(1, 2 if gentle else 4))):
        trails = list(paths_of(changed))
        if not trails:
            break
        *trail, last = draw(st.sampled_from(trails))
        parent = changed
        for key in trail:
            parent = parent[key]
        how = draw(st.sampled_from(["weird", "weird", "scale", "drop", "rename", "add", "number"]))
        value = parent[last]
        if gentle:
            if isinstance(value, int | float) and not isinstance(value, bool):
                parent[last] = type(value)(value * draw(st.sampled_from([0.8, 0.95, 1.05, 1.3])))
            continue
        if how == "drop":
            del parent[last]
        elif how == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from([f"{last}x", f" {last}", "", 1, None]))] = parent.pop(last)
        elif how == "add" and isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = copy.deepcopy(draw(st.sampled_from(WEIRD)))
        elif how == "scale" and isinstance(value, int | float) and not isinstance(value, bool):
            parent[last] = value * draw(st.sampled_from([0, -1, 0.1, 0.5, 0.9, 1.1, 2, 10, 1000]))
        elif how == "number":
            parent[last] = draw(st.one_of(st.integers(-5, 100), st.floats(0, 1), st.floats()))
        else:
            parent[last] = copy.deepcopy(draw(st.sampled_from(WEIRD)))
    return changed


@st.composite
def texts(draw: st.DrawFn, document: Any) -> bytes:
    """Bytes of a damaged document, at times with damaged text, or text of no document at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(TEXTS)).encode("utf-8")
    changed = draw(damaged(document))
    text = yaml.safe_dump(changed, sort_keys=False, allow_unicode=draw(st.booleans()))
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    how = draw(st.integers(0, 9))
    if how == 0 and data:
        del data[draw(st.integers(0, len(data))) :]
    elif how == 1 and data:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    elif how == 2:
        at = draw(st.integers(0, len(data)))
        data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def damaged_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """A file that is cut, or of which some bytes are others; at times garbage or nothing."""
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.binary(max_size=64))
    if how <= 3:
        return data[: draw(st.integers(0, len(data) - 1))]
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


@st.composite
def damaged_table(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    """A table with one to three columns or rows damaged."""
    for _ in range(draw(st.integers(1, 3))):
        if not table.num_columns:
            break
        at = draw(st.integers(0, table.num_columns - 1))
        name, column = table.column_names[at], table.column(at)
        row = draw(st.integers(0, max(table.num_rows - 1, 0)))
        how = draw(
            st.sampled_from(["value", "value", "drop", "type", "repeat", "swap", "cut", "add"])
        )
        if how == "drop":
            table = table.drop_columns([name])
        elif how == "type":
            table = table.set_column(at, name, pa.array([str(v) for v in column.to_pylist()]))
        elif how == "repeat" and table.num_rows:
            table = pa.concat_tables([table.slice(0, row + 1), table.slice(row)])
        elif how == "swap" and table.num_rows > 1:
            table = pa.concat_tables([table.slice(row), table.slice(0, row)])
        elif how == "cut":
            table = table.slice(0, row)
        elif how == "add":
            table = table.append_column(f"{name}_too", column)
        elif table.num_rows:
            values = column.to_pylist()
            values[row] = draw(st.sampled_from([*WEIRD[:35], "XX", "ad", "GB"]))
            with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, ValueError):
                field = pa.field(name, column.type)
                table = table.set_column(at, field, pa.array(values, type=column.type))
    return table


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Fail what takes longer than the limit."""

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
