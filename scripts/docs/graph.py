"""The jobs of the workflow as data: which rule makes, and which read, every file.

    python -m scripts.docs.graph '{"seeds": [42]}' certify dossier

prints the jobs of these targets under this configuration as JSON: rule, inputs and outputs. Nothing
runs for it. Pages take from here what a rule reads and makes, and what a change runs again, so that
nobody keeps it by hand.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.contracts import arrow_schema, datasets
from scripts.snakemake_private import jobs_of, plan
from scripts.states import CHAIN
from scripts.tables import write_parquet

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    *("certify", "p1", "p2", "p3", "integrated", "recover", "calibrate", "ladder"),
    *("freeze_guard", "site_maps", "dossier", "export"),
)
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One job: the name of its rule, and its files."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def jobs(targets: Iterable[str], config: Json) -> list[Job]:
    """Jobs of some targets of the Snakefile of this folder, in the order of the graph."""
    return [
        Job(job.rule.name, tuple(map(str, job.input)), tuple(map(str, job.output)))
        for job in jobs_of(plan(targets, config))
    ]


def read_graph(
    targets: Sequence[str] = TARGETS, config: Json | None = None, folder: Path = ROOT
) -> list[Job]:
    """Jobs of some targets, asked of a process of its own that starts in a workflow's folder."""
    command = [sys.executable, "-m", "scripts.docs.graph", json.dumps(config or {}), *targets]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return [
        Job(job["rule"], tuple(job["inputs"]), tuple(job["outputs"]))
        for job in json.loads(result.stdout.splitlines()[-1])
    ]


@functools.cache
def whole_graph() -> tuple[Job, ...]:
    """Jobs of all targets, and of those that a user's own inputs ask for, whatever was run here."""
    with tempfile.TemporaryDirectory() as folder:
        own, external = _own_inputs(Path(folder))
        nothing = {"runs_root": f"{folder}/runs"}
        return (
            *read_graph(config=nothing),
            *read_graph(["export"], {**nothing, **own}),
            *read_graph(["export"], {**nothing, **external}),
        )


def _own_inputs(folder: Path) -> tuple[Json, Json]:
    """Configurations of own polygons and raster, and of an external 1A, on empty files."""
    seed = folder / "seed=42"
    empty = arrow_schema("outlet_catalogue").empty_table()
    for name in ("outlet_catalogue", "s3_candidate_set"):
        write_parquet(seed / f"{name}.parquet", empty)
    files = [folder / name for name in ("borders.gpkg", "people.tif")]
    bundle = ("index.json", "egress_checksums.json", "_passed.flag")
    for path in (*files, *(seed / "validation" / name for name in bundle)):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    own = {"polygons": {"path": str(files[0])}, "population": {"raster": str(files[1])}}
    external = {"upstream": {"kind": "external", "external_root": str(folder)}, "seeds": [42]}
    return own, external


def datasets_of(paths: Iterable[str]) -> set[str]:
    """Datasets that some paths are files of."""
    return {name for path in set(paths) for name in _datasets_of(path)}


@functools.cache
def _datasets_of(path: str) -> frozenset[str]:
    return frozenset(name for name, entry in datasets().items() if entry.holds(path))


def makers_and_readers(jobs: Sequence[Job]) -> dict[str, tuple[list[str], list[str]]]:
    """Rules that make and rules that read each dataset, in the order of the graph."""
    found: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in datasets()}
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        for side, files in enumerate(("outputs", "inputs")):
            for name in datasets_of(path for job in of_rule for path in getattr(job, files)):
                found[name][side].append(rule)
    return found


def reruns(jobs: Sequence[Job], changed: str) -> list[str]:
    """Rules that run again when a file changes, in the order of the graph."""
    stale, rules = {changed}, []
    for job in jobs:
        if not stale.isdisjoint(job.inputs):
            stale.update(job.outputs)
            rules.append(job.rule)
    return list(dict.fromkeys(rules))


def needed_by(jobs: Sequence[Job], rule: str) -> list[Job]:
    """Jobs that a rule's jobs stand on, themselves among them, in the order of the graph."""
    needed: list[Job] = []
    read: set[str] = set()
    for job in reversed(jobs):
        if job.rule == rule or not read.isdisjoint(job.outputs):
            needed.append(job)
            read.update(job.inputs)
    return needed[::-1]


def states(rules: Iterable[str]) -> list[str]:
    """States, from S0 to S9, that some rules are."""
    return sorted({rule.partition("_")[0].upper() for rule in rules if rule in CHAIN})


if __name__ == "__main__":
    print(json.dumps([asdict(job) for job in jobs(sys.argv[2:], json.loads(sys.argv[1]))]))
