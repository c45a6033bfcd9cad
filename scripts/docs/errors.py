"""Every error code of the package with what it says, as its modules raise it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts import errors

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"E[A-Z0-9][0-9]{2}")
_CLASSES = frozenset(name for name, value in vars(errors).items() if isinstance(value, type)) - {
    "SegmentError"
}


@dataclass(frozen=True)
class Raised:
    """One place where a code is raised: exception class, module and broken rule."""

    code: str
    kind: str
    module: str
    rule: str


@functools.cache
def raised() -> tuple[Raised, ...]:
    """Every place of the package that raises an error with a code of its own, by code."""
    found: list[Raised] = []
    for path in sorted((ROOT / "scripts").rglob("*.py")):
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        found += list(_of_module(module, ast.parse(path.read_bytes())))
    return tuple(sorted(found, key=lambda place: (place.code, place.module)))


def _of_module(module: str, tree: ast.Module) -> Iterator[Raised]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 3:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        code = node.args[0]
        if name in _CLASSES and isinstance(code, ast.Constant) and _CODE.fullmatch(str(code.value)):
            yield Raised(str(code.value), name, module, _text(node.args[2]))


def _text(rule: ast.expr) -> str:
    """A message as its source has it: what is filled in stands in braces."""
    if isinstance(rule, ast.Constant):
        return str(rule.value)
    if isinstance(rule, ast.JoinedStr):
        return "".join(_text(part) for part in rule.values)
    if isinstance(rule, ast.FormattedValue):
        return f"{{{ast.unparse(rule.value)}}}"
    return f"{{{ast.unparse(rule)}}}"
