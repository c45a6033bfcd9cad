"""Digests of code that change when what it does may change, and not with its comments.

Snakemake watches the time stamp of one script. What a result depends on is the meaning of that
script, of every module of this package that it imports, and of the contracts of the datasets that
they name. Rules carry this digest among their parameters: a changed constant in a helper reruns
exactly the rules that import it; a comment, a docstring, a line break or a touched file nothing.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.contracts import datasets
from scripts.tables import write_json

PACKAGE = Path(__file__).resolve().parents[1]
# The edge and the messages decide nothing that is published.
_NEUTRAL = {
    "scripts",
    "scripts.console",
    "scripts.entry",
    "scripts.errors",
    "scripts.progress",
    "scripts.root_lock",
}


# What was kept by another version of this file is read anew.
_WRITER = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@dataclass(frozen=True)
class _Module:
    """Digest of a module's syntax, the package modules that it imports, the datasets it names."""

    digest: str
    imports: frozenset[str]
    datasets: frozenset[str]


def _path_of(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def source_of(module: str) -> Path:
    """Source file of a module of this package."""
    source = _path_of(module)
    if source is None:
        raise FileNotFoundError(module)
    return source


class _Syntax:
    """Writes a syntax tree down, alike on every Python, and notes what it imports and names."""

    def __init__(self, tree: ast.Module) -> None:
        self.words: list[str] = []
        self.imports: set[str] = set()
        self.strings: set[str] = set()
        self._node(tree)

    def _node(self, node: ast.AST) -> None:
        if isinstance(node, ast.Constant):
            self.words.append(repr(node.value))
            if isinstance(node.value, str):
                self.strings.add(node.value)
            return
        if isinstance(node, ast.Import):
            self.imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            self.imports.add(node.module)
            self.imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        self.words.append(f"({type(node).__name__}")
        if isinstance(node, ast.JoinedStr):
            # Some versions of Python put empty text between the parts of an f-string.
            node.values = [part for part in node.values if getattr(part, "value", None) != ""]
        for name in node._fields:
            # A field that a later Python adds is empty in code of today; ctx says again whether a
            # name is read or set.
            value = getattr(node, name, None)
            if value is not None and value != [] and name != "ctx":
                self.words.append(name)
                self._value(value)
        self.words.append(")")

    def _value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self._node(value)
        elif isinstance(value, list):
            for item in value:
                # A constant that stands as a statement, such as a docstring, does nothing.
                if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)):
                    self._value(item)
        else:
            self.words.append(repr(value))

    def digest(self) -> str:
        """SHA-256 of the tree, without comments, docstrings and layout."""
        return hashlib.sha256(" ".join(self.words).encode()).hexdigest()


def syntax_digest(path: Path) -> str:
    """SHA-256 of the syntax of a Python file: comments, docstrings and layout do not count.

    A file that is no Python any more has the digest of its bytes.
    """
    return _digest_of(path.read_bytes())


@functools.cache
def _digest_of(content: bytes) -> str:
    """The same of a file's bytes; locks ask for the same files again and again."""
    try:
        return _Syntax(ast.parse(content)).digest()
    except (SyntaxError, ValueError):
        return hashlib.sha256(content).hexdigest()


def _read(source: Path) -> tuple[str, list[str], list[str]]:
    """Digest of a source's syntax, what it imports, identifiers in its text.

    Kept beside its byte code, by its content.
    """
    content = source.read_bytes()
    of = [_WRITER, hashlib.sha256(content).hexdigest()]
    cache = Path(importlib.util.cache_from_source(str(source))).with_suffix(".syntax.json")
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = json.loads(cache.read_bytes())
        if kept[:2] == of:
            digest, imports, words = kept[2:]
            return digest, imports, words
    syntax = _Syntax(ast.parse(content))
    words = sorted(filter(str.isidentifier, syntax.strings))
    found = syntax.digest(), sorted(syntax.imports), words
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):
            write_json(cache, [*of, *found])
    return found


@functools.cache
def _parsed(module: str) -> _Module:
    digest, imports, words = _read(source_of(module))
    local = {name for name in imports if name.split(".")[0] == PACKAGE.name}
    return _Module(
        digest,
        frozenset(name for name in local - _NEUTRAL if _path_of(name)),
        frozenset(datasets().keys() & words),
    )


@functools.cache
def modules_of(module: str) -> tuple[str, ...]:
    """The module and all modules of this package that it imports, directly or not, sorted."""
    known: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting.extend(_parsed(name).imports)
    return tuple(sorted(known))


@functools.cache
def code_digest(module: str) -> str:
    """Digest that changes with the meaning of a module, of its imports and of its contracts.

    Parameters
    ----------
    module
        Path below the package with dots, for example ``states.s2_tile_weights``.
    """
    names = modules_of(f"{PACKAGE.name}.{module}")
    named = sorted(frozenset().union(*(_parsed(name).datasets for name in names)))
    parts = {name: _parsed(name).digest for name in names}
    parts |= {name: datasets()[name].digest for name in named}
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
