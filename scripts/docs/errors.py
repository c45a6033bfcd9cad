"""Every error code of the package with what it says, as its modules raise it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import errors

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"E[A-Z0-9][0-9]{2}")
_CLASSES = frozenset(name for name, value in vars(errors).items() if isinstance(value, type)) - {
    "SegmentError"
}
# A check of S9 stands for the error that it becomes: code, kind, violation.
_CHECK = "_check"
# The whole syntax tree of a module.
Nodes = Sequence[ast.AST]


@dataclass(frozen=True)
class Raised:
    """One place where a code is raised: exception class, module, broken rule, what is right."""

    code: str
    kind: str
    module: str
    rule: str
    remedy: str


@functools.cache
def raised() -> tuple[Raised, ...]:
    """Every place of the package that raises an error with a code of its own, by code."""
    modules = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): list(
            ast.walk(ast.parse(path.read_bytes()))
        )
        for path in sorted((ROOT / "scripts").rglob("*.py"))
    }
    takers = {name: found for nodes in modules.values() for name, found in _takers(nodes)}
    found = [
        place for module, nodes in modules.items() for place in _of_module(module, nodes, takers)
    ]
    known = {place.code for place in found}
    for module, nodes in modules.items():
        found += [place for place in _told(module, nodes) if place.code not in known]
    return tuple(sorted(found, key=lambda place: (place.code, place.module)))


def _told(module: str, nodes: Nodes) -> Iterator[Raised]:
    """Codes that a module takes from a table, with what its docstrings say of them."""
    texts = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    said = " ".join(" ".join((ast.get_docstring(node) or "").split()) for node in texts)
    values = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for code in sorted(filter(_CODE.fullmatch, values)):
        rule = re.search(rf"``{code}`` ([^;.`]+)", said)
        text = rule[1].strip(" ,") if rule else ""
        yield Raised(code, "", module, text if "(" in text else text.rstrip(")"), "")


@dataclass(frozen=True)
class _Taker:
    """A function that raises with a code of its caller's: which argument that is."""

    position: int
    raises: ast.Call


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _takers(nodes: Nodes) -> Iterator[tuple[str, _Taker]]:
    for function in nodes:
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _name(call) in _CLASSES and len(call.args) > 2:
                code = call.args[0]
                if isinstance(code, ast.Name) and code.id in names:
                    yield function.name, _Taker(names.index(code.id), call)


def _codes(argument: ast.expr) -> list[str]:
    """Codes that an argument is, or is one of."""
    values = [node.value for node in ast.walk(argument) if isinstance(node, ast.Constant)]
    plain = isinstance(argument, ast.Constant | ast.IfExp)
    return [str(value) for value in values if plain and _CODE.fullmatch(str(value))]


def _of_module(module: str, nodes: Nodes, takers: Mapping[str, _Taker]) -> Iterator[Raised]:
    for call in nodes:
        if not isinstance(call, ast.Call):
            continue
        name = _name(call)
        raises, position = call, 0
        if name in takers:
            raises, position = takers[name].raises, takers[name].position
        elif name not in _CLASSES | {_CHECK}:
            continue
        if len(call.args) <= position or len(raises.args) < 3:
            continue
        kind = "StateError" if name == _CHECK else _name(raises)
        remedy = _text(raises.args[3]) if len(raises.args) > 3 else ""
        for code in _codes(call.args[position]):
            yield Raised(code, kind, module, _text(raises.args[2]), remedy)


def _text(rule: ast.expr) -> str:
    """A message as its source has it: what is filled in stands in braces."""
    if isinstance(rule, ast.Constant):
        return str(rule.value)
    if isinstance(rule, ast.JoinedStr):
        return "".join(_text(part) for part in rule.values)
    if isinstance(rule, ast.FormattedValue):
        return f"{{{ast.unparse(rule.value)}}}"
    return f"{{{ast.unparse(rule)}}}"
