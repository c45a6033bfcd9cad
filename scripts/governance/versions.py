"""Version of a state: a digest of its code and of the contracts that it obeys.

Snakemake watches the time stamp of one script. What a result depends on is the content of that
script, of every module of this package that it imports, and of the schemas of the tables that it
reads and writes. Rules carry this digest among their parameters, so a changed helper reruns exactly
the states that import it and a touched file reruns nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from pathlib import Path

from scripts.contracts import contract, dataset, datasets, schema_of

PACKAGE = Path(__file__).resolve().parents[1]
# The edge and the messages decide nothing that is published.
_NEUTRAL = {
    "scripts",
    "scripts.entry",
    "scripts.errors",
    "scripts.lightness",
    "scripts.progress",
    "scripts.root_lock",
}


def _source(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _parsed(module: str) -> tuple[str, frozenset[str]]:
    """SHA-256 of a module's source, and the package modules that it imports."""
    text = source_of(module).read_bytes()
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
    local = {name for name in imported if name.split(".")[0] == PACKAGE.name and _source(name)}
    return hashlib.sha256(text).hexdigest(), frozenset(local - _NEUTRAL)


def source_of(module: str) -> Path:
    """Source file of a module of this package."""
    source = _source(module)
    if source is None:
        raise FileNotFoundError(module)
    return source


@functools.cache
def modules_of(module: str) -> tuple[str, ...]:
    """The module and all modules of this package that it imports, directly or not, sorted."""
    found: set[str] = set()
    open_modules = [module]
    while open_modules:
        name = open_modules.pop()
        if name not in found:
            found.add(name)
            open_modules.extend(_parsed(name)[1])
    return tuple(sorted(found))


@functools.cache
def registry() -> dict[str, dict[str, tuple[str, ...]]]:
    """Datasets that each rule consumes and produces, from the artefact registries."""
    rules: dict[str, dict[str, set[str]]] = {}
    for segment in ("1A", "1B"):
        for artefact in contract(segment, "registry")["artefacts"]:
            entry = rules.setdefault(
                artefact["produced_by"], {"consumes": set(), "produces": set()}
            )
            entry["produces"].add(artefact["id"])
            entry["consumes"].update(i for i in artefact.get("consumes", ()) if i in datasets())
    return {r: {k: tuple(sorted(v)) for k, v in e.items()} for r, e in sorted(rules.items())}


def code_digest(module: str) -> str:
    """SHA-256 over the sources of a module and of all package modules it imports."""
    total = hashlib.sha256()
    for name in modules_of(module):
        total.update(f"{name}:{_parsed(name)[0]};".encode())
    return total.hexdigest()


def contract_digest(rule: str) -> str:
    """SHA-256 over keys, sort orders and schemas of the datasets that a rule touches."""
    touched = registry().get(rule, {"consumes": (), "produces": ()})
    fragments = {}
    for dataset_id in sorted({*touched["consumes"], *touched["produces"]}):
        entry = dataset(dataset_id)
        fragments[dataset_id] = {
            "schema": schema_of(dataset_id) if entry.schema != "none" else None,
            "keys": [entry.primary_key, entry.sort],
        }
    return hashlib.sha256(json.dumps(fragments, sort_keys=True).encode()).hexdigest()


def state_version(module: str, rule: str | None = None) -> str:
    """Digest that reruns a rule when, and only when, its code or its contracts change.

    Parameters
    ----------
    module
        Path below the package with dots, for example ``states.s2_tile_weights``.
    rule
        Rule name in the artefact registry; the module's last part by default.
    """
    rule = rule or module.rsplit(".", 1)[-1]
    code = code_digest(f"{PACKAGE.name}.{module}")
    return hashlib.sha256((code + contract_digest(rule)).encode()).hexdigest()[:16]
