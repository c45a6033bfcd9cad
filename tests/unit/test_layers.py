"""Imports run downwards: a module imports from its own layer or from a lower one, never in circles.

``LAYERS`` is the order of the packages, lowest first, as docs/architecture.md draws it.
"""

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "scripts"
LAYERS = (
    "errors",
    "console",
    "view",
    "base",
    "contracts",
    "records",
    "settings",
    "resources",
    "geo",
    "entry",
    "states",
    "upstream",
    "reference",
    "own_inputs",
    "scorers",
    "search",
    "ladder",
    "governance",
    "report",
    "exports",
    "benchmarks",
    "docs",
    "cli",
)


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@functools.cache
def imported(module: str) -> frozenset[str]:
    """Modules of the package that one imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(KNOWN[module].read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in KNOWN else node.module for name in names]
        found.update(name for name in names if name in KNOWN and name != PACKAGE.name)
    return frozenset(found)


def layer(module: str) -> str:
    """Package of a module; a module that stands alone is a layer of its own or of the base."""
    part = module.split(".")[1]
    return part if part in LAYERS else "base"


KNOWN = modules()


@pytest.mark.parametrize("module", [name for name in KNOWN if name != PACKAGE.name])
def test_a_module_imports_from_its_own_layer_or_below(module):
    mine = LAYERS.index(layer(module))
    above = {name for name in imported(module) if LAYERS.index(layer(name)) > mine}
    assert not above


def test_every_package_has_a_layer():
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert packages <= set(LAYERS)


def test_no_two_modules_import_each_other():
    arrows = {name: imported(name) - {name} for name in KNOWN}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(arrows[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(arrows):
        visit(name, ())


def test_inputs_of_a_rule_are_taken_by_its_main_alone():
    """Files are named where they arrive; every other function says what it takes."""
    takers = [
        f"{module}.{node.name}"
        for module, path in KNOWN.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name != "main"
        for argument in node.args.args
        if argument.arg == "inputs" and ast.unparse(argument.annotation or argument) == "Any"
    ]
    assert not takers
