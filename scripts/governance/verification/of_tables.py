"""Makes again what no check of S9 replays: tiles and their people, weights, and moves between
countries.

The scripts of the states themselves run once more, into a folder that goes, on the files that are
here; what they make must be what is here. It takes some eight seconds of CPU time for the tiles of
a whole world, and two for a run. What tiles and weights of the shipped snapshot are stands in
``config/known_tables.json``, by digest: files that are found there are not made again, as long as
the list is the one that ``config/anchors.yaml`` names, which every certificate repeats.
``python -m scripts.governance.write_anchors`` makes them and writes both.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.contracts import dataset, measured
from scripts.governance.anchors import ANCHORS, KNOWN_TABLES, REPOSITORY
from scripts.governance.verification.view import Record, View
from scripts.policies import parse_yaml
from scripts.records.identity import OWN_INPUTS
from scripts.scorers import fidelity_reference
from scripts.settings import CONFIG_FILE, Run, load_settings
from scripts.states import (
    s1_population_surface,
    s1_tile_index,
    s2_tile_weights,
    s3_requirements,
    s4_guard,
)
from scripts.states.s0_gate import REFERENCE
from scripts.tables import file_digest, read_json, read_parquet, to_json_bytes

KNOWN = REPOSITORY / KNOWN_TABLES


@dataclass(frozen=True)
class Step:
    """A script, and by the names that it knows them: its datasets, policies and what it makes."""

    main: Callable[..., None]
    reads: dict[str, str]
    policies: dict[str, str]
    makes: dict[str, str]


_TILE_POLICY, _S2_POLICY = "policy.s1.tile_index", "policy.s2.tile_weights"
TILES = (
    Step(
        s1_tile_index.main,
        {"countries": "countries"},
        {"policy": _TILE_POLICY},
        {"tile_index": "tile_index", "report": "s1_run_report"},
    ),
    Step(
        s1_population_surface.main,
        {name: name for name in ("tile_index", "facts", "places", "land_cover")},
        {"tile_policy": _TILE_POLICY, "policy": "policy.s1.population"},
        {"tile_population": "tile_population", "report": "s1_population_report"},
    ),
    Step(
        fidelity_reference.main,
        {name: name for name in ("tile_index", "tile_population", "countries", "land_cover")},
        {"tile_policy": _TILE_POLICY},
        {
            "cells": "fidelity_cells",
            "points": "fidelity_points",
            "width": "people_width",
            "near_urban": "near_urban_cells",
        },
    ),
)
SHARED = (
    Step(
        s2_tile_weights.main,
        {name: name for name in ("tile_index", "tile_population", "facts")},
        {"policy": _S2_POLICY},
        {
            "tile_weights": "tile_weights",
            "country_mass": "country_mass",
            "report": "s2_run_report",
        },
    ),
)
OF_A_SEED = (
    Step(
        s3_requirements.main,
        {
            "outlet_catalogue": "outlet_catalogue",
            "candidate_set": "s3_candidate_set",
            "country_mass": "country_mass",
        },
        {"policy": _S2_POLICY},
        {
            "requirements": "s3_requirements",
            "ledger": "s3_steering_ledger",
            "report": "s3_run_report",
        },
    ),
    Step(
        s4_guard.main,
        {
            "requirements": "s3_requirements",
            "candidate_set": "s3_candidate_set",
            "country_mass": "country_mass",
        },
        {"s2_policy": _S2_POLICY, "policy": "policy.s4.alloc_plan"},
        {
            "pairs": "s4_guarded_pairs",
            "ledger": "s4_reroute_ledger",
            "summary": "s4_guard_summary",
        },
    ),
)


def tables_follow_from_their_laws(view: View, seed: int) -> Iterator[str]:
    """Tiles, people, weights, requirements and moves are what their states make of what is here."""
    if view.root is None or view.tree is None or view.reference is None:
        view.skipped.add(
            "tables of S1 to S4: made again with runs root, tree and reference at hand"
        )
        return
    receipt = view.record("run_receipt", seed=seed)
    steps: tuple[Step, ...] = (*TILES, *SHARED, *OF_A_SEED)
    if f"{OWN_INPUTS}raster" in receipt["sealed_inputs"]:
        view.skipped.add("tiles: people of the user's raster are not summed again")
        steps = steps[len(TILES) :]
    for step in steps:
        ids: dict[str, object] = {"tiles_id": receipt["tiles_id"]}
        if step not in TILES:
            ids["run_id"] = receipt["run_id"]
        if step in OF_A_SEED:
            ids["seed"] = seed
        known = {
            **{role: _file(view, receipt, seed, name) for role, name in step.reads.items()},
            **{role: view.policy_of(receipt, stem) for role, stem in step.policies.items()},
        }
        made = {role: _file(view, receipt, seed, name) for role, name in step.makes.items()}
        files = tuple(
            (role, str(path), view.digest(path)) for role, path in {**known, **made}.items()
        )
        for role in _differing(step.main, tuple(sorted(ids.items())), files, tuple(made)):
            yield f"{made[role]}: is not what its law makes of the files that it was made from"


def _file(view: View, receipt: Record, seed: int, name: str) -> Path:
    """A file of the snapshot, or of a dataset of the run, its tiles or its world."""
    if name in REFERENCE:
        snapshot = view.snapshot(receipt)
        assert snapshot is not None
        return snapshot / REFERENCE[name]
    ids: dict[str, object] = {"seed": seed, "tiles_id": receipt["tiles_id"]}
    if dataset(name).path.startswith("segment_1A"):
        ids["run_id"] = receipt["upstream_run_id"]
    return view.path(name, **ids)


# The digests are part of what is asked: the same files are made again once.
@functools.lru_cache(maxsize=64)
def _differing(
    main: Callable[..., None],
    ids: tuple[tuple[str, object], ...],
    files: tuple[tuple[str, str, str], ...],
    made: tuple[str, ...],
) -> list[str]:
    """Outputs of a script, by their names, that are not what it makes of its inputs."""
    paths: dict[str, Any] = {role: path for role, path, _ in files}
    if _listed(files, made) in _known():
        return []
    with tempfile.TemporaryDirectory() as folder, measured.outside_jobs():
        again = {role: str(Path(folder, role)) for role in made}
        _make(main, paths, again, {key: str(value) for key, value in ids})
        return [role for role in made if not _same(again[role], paths[role])]


def _make(
    main: Callable[..., None], inputs: dict[str, Any], outputs: dict[str, str], ids: dict[str, str]
) -> None:
    """Run a script outside a job."""
    read = SimpleNamespace(**{**inputs, "raster_cells": []})
    main(read, SimpleNamespace(**outputs), None, SimpleNamespace(**ids))


def _listed(
    files: Iterable[tuple[str, str, str]], made: tuple[str, ...]
) -> frozenset[tuple[str, str]]:
    """Digests by role of what a script reads and makes; of a report, that of its own content."""
    return frozenset(
        (role, _digest_of_content(path) if role in made and path.endswith(".json") else digest)
        for role, path, digest in files
    )


def _digest_of_content(path: str) -> str:
    return hashlib.sha256(to_json_bytes(_plain(path))).hexdigest()


@functools.cache
def _known() -> frozenset[frozenset[tuple[str, str]]]:
    """What ``config/known_tables.json`` lists; nothing where it is not the anchored list."""
    anchored = parse_yaml(REPOSITORY / ANCHORS)["known_tables"].values()
    if not KNOWN.is_file() or file_digest(KNOWN) not in anchored:
        return frozenset()
    return frozenset(frozenset(files.items()) for files in read_json(KNOWN))


def known_tables() -> list[dict[str, str]]:
    """Digests by role of what scripts read and make of the shipped snapshot: tiles and weights.

    They are those of the candidate and of the baseline. Run in the workflow's folder.
    """
    settings = load_settings(parse_yaml(CONFIG_FILE))
    found: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for run in map(settings.run_of, settings.kept_runs):
            tiles = Path(folder, run.tiles_id)
            # Runs with the same policies of S1 have the same tiles.
            for step in SHARED if tiles.is_dir() else (*TILES, *SHARED):
                there = Path(folder, run.run_id) if step in SHARED else tiles
                there.mkdir(exist_ok=True)
                inputs = {role: _shipped(name, tiles) for role, name in step.reads.items()}
                inputs |= {role: _named(stem, run) for role, stem in step.policies.items()}
                outputs = {
                    role: str(there / Path(dataset(name).path).name)
                    for role, name in step.makes.items()
                }
                _make(step.main, inputs, outputs, {"tiles_id": run.tiles_id, "run_id": run.run_id})
                paths = inputs | outputs
                files = [(role, path, file_digest(path)) for role, path in paths.items()]
                found.append(dict(sorted(_listed(files, tuple(outputs)))))
    return found


def _shipped(name: str, tiles: Path) -> str:
    """A file of the shipped snapshot, or a table of tiles made of it."""
    if name in REFERENCE:
        return f"resources/reference/{REFERENCE[name]}"
    return str(tiles / Path(dataset(name).path).name)


def _named(stem: str, run: Run) -> str:
    """The policy file of a run whose name begins with ``stem``."""
    return next(path for path in run.policies.values() if Path(path).name.startswith(stem))


def _same(made: str, there: str) -> bool:
    """Whether two files have the same content, whatever library wrote them."""
    if there.endswith(".json"):
        return _plain(made) == _plain(there)
    return file_digest(made) == file_digest(there) or read_parquet(made).equals(read_parquet(there))


def _plain(path: str) -> dict[str, Any]:
    record: dict[str, Any] = read_json(path)
    return {key: value for key, value in record.items() if key != measured.MEASURED_ON}


OF_SEED = (tables_follow_from_their_laws,)
