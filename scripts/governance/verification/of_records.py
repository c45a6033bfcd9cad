"""Checks that records were measured on the files, and made by the code, that are here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from scripts.contracts import datasets, state_datasets
from scripts.contracts.measured import MEASURED_ON, asks, path_of
from scripts.governance import locks
from scripts.governance.anchors import BANDS
from scripts.governance.verification.view import (
    OF_RUN,
    OF_TILES,
    SEGMENT,
    Record,
    View,
    same,
)
from scripts.scorers.gates import GATES_FILE

OF_WORLD = "segment_1A/{run_id}/"
OF_PHASES = ("segment1b_phase_candidate", "segment1b_p4_integrated", "segment1b_p4_recovery")
_OF_TREE = {path.rpartition("/")[2]: path for path in (GATES_FILE, BANDS)}


def _asked(folder: str) -> list[str]:
    """Datasets below a folder whose records say what they were measured on."""
    return [n for n, entry in datasets().items() if entry.path.startswith(folder) and asks(n)]


def _records(view: View, seed: int, receipt: Record) -> Iterator[tuple[str, Record]]:
    """Records of a run, its tiles and its world that are here, by dataset."""
    world = {"run_id": receipt["upstream_run_id"]}
    beside = {OF_TILES: {"tiles_id": receipt["tiles_id"]}, OF_WORLD: world}
    folders: dict[str, dict[str, str]] = {OF_RUN: {}, **(beside if view.root else {})}
    for folder, ids in folders.items():
        for name in _asked(folder):
            pattern = view.path(name, seed=seed, part="*", **ids)
            for path in sorted(pattern.parent.glob(pattern.name)):
                yield name, view.record(name, seed=seed, part=path.stem, **ids)


def records_were_measured_on_what_is_here(view: View, seed: int) -> Iterator[str]:
    """Records of the states, scorecards and those of 1A name the files, policies and code here."""
    receipt = view.record("run_receipt", seed=seed)
    sealed = view.record("sealed_inputs_1B", seed=seed).content
    sources = {entry["path"]: entry["sha256_hex"] for entry in sealed} | receipt["policies"]
    of_states, versions = set(state_datasets()), set(receipt["rule_versions"].values())
    for name, record in _records(view, seed, receipt):
        yield from _held(view, record, receipt, sources)
        code = record.content.get(MEASURED_ON, {}).get("code")
        if name in of_states and code not in versions:
            yield f"{record.path}: was made by code {code}, which {receipt.path} does not list"


def reports_were_measured_on_what_is_here(view: View, certificate: Record) -> Iterator[str]:
    """The records of P0 and of the 1A authority name the files here."""
    run_id = certificate["baseline_run_id"]
    baseline = replace(view, folder=view.below_root(SEGMENT) / run_id)
    receipt = baseline.record("run_receipt", seed=view.seeds()[0])
    for record in (
        baseline.record("segment1b_p0_baseline", run_id=run_id),
        baseline.record("segment1a_p5_certification"),
    ):
        yield from _held(baseline, record, receipt, {})


def phases_were_measured_on_what_is_here(view: View) -> Iterator[str]:
    """Records that a standing lock accepted this run by name the files here; others are told of."""
    for record, receipt, accepted in _of_phases(view):
        lines = list(_held(view, record, receipt, {}))
        if accepted:
            yield from lines
        elif lines:
            view.skipped.add(f"{record.path}: was superseded, {lines[0]}")


def other_files_of_phases(view: View) -> Iterator[Path]:
    """Files of other runs on which records that a standing lock accepted this run by were measured.

    A release holds them, so that these records can be verified in it.
    """
    for record, receipt, accepted in _of_phases(view):
        for name in record.content.get(MEASURED_ON, {"files": {}})["files"] if accepted else ():
            if "/" in name and not name.startswith(OF_RUN):
                path = path_of(name, receipt["upstream_run_id"], receipt["tiles_id"])
                yield view.below_root(path)


def _of_phases(view: View) -> Iterator[tuple[Record, Record, bool]]:
    """Records of phases about the run, a receipt of it, and whether a standing lock names them."""
    accepted = {
        path
        for lock in locks.standing_records(view.below_root(locks.FOLDER))
        for path in lock.record["evidence"]
    }
    for name in OF_PHASES:
        pattern = view.path(name, phase="*", run_id=view.folder.name)
        for path in sorted(pattern.parent.glob(pattern.name)):
            phase = path.name.split("_")[1]
            record = view.record(name, phase=phase, run_id=view.folder.name)
            receipt = view.record("run_receipt", seed=record["seeds"][0])
            yield record, receipt, path.relative_to(view.below_root("")).as_posix() in accepted


def _held(view: View, record: Record, receipt: Record, sources: Mapping[str, str]) -> Iterator[str]:
    """What a record was measured on, held against the files of the runs and the run's sources."""
    if MEASURED_ON not in record.content:
        yield f"{record.path}: does not say what it was measured on"
        return
    own, below = {}, {}
    for name, digest in record[MEASURED_ON]["files"].items():
        if name.startswith(OF_RUN):
            own[name.removeprefix(OF_RUN)] = digest
        elif "/" in name:
            below[path_of(name, receipt["upstream_run_id"], receipt["tiles_id"])] = digest
        elif name in sources:
            yield from same(record.path, name, digest, sources[name], receipt.path)
        elif view.tree is not None:
            path = view.tree / _OF_TREE.get(name, f"config/{name}")
            yield from view.expect(path, digest, record.path)
    yield from view.hold(own, record.path, view.folder)
    if view.root is not None:
        yield from view.hold(below, record.path)


OF_SEED = (records_were_measured_on_what_is_here,)
