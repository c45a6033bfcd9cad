"""What runs were made from, held against what is there now, where Snakemake cannot see a change.

Snakemake runs again what is older than its inputs, and compares code and parameters with its own
record of every file, in its folder ``.snakemake``. It does not see other content in a source whose
time is older, and of a tree that was cleaned or copied without its records it takes every file as
it is. The records of the runs say what they were made from: run receipts, and those of 1A.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import contracts_digest, dataset_path, datasets, read_object
from scripts.contracts.measured import MEASURED_ON
from scripts.errors import ContractError, GovernanceError
from scripts.records.bundle import INDEX, bundle_digest
from scripts.records.identity import CONTRACTS_SEALED
from scripts.records.ledger import digest_now
from scripts.settings import Run, Settings
from scripts.snakemake_private import is_recorded
from scripts.states.s0_gate import REFERENCE
from scripts.tables import read_json
from scripts.upstream.tables_1a import deciding_policies

_BUNDLE = "bundle_sha256"
Sources = dict[str, Path]
Outputs = Callable[[str, Iterable[int]], Iterable[str]]
Versions = Callable[[str], Mapping[str, str]]
Scorers = Mapping[str, tuple[str, str]]


def sources_of(settings: Settings, run: Run) -> Sources:
    """Files that a run is made from, by the names under which its receipt lists their digests."""
    sources = {f"policy {Path(path).name}": Path(path) for path in run.policies.values()}
    if settings.polygons_path:
        sources["own/polygons"] = Path(settings.polygons_path)
    else:
        folder = Path(settings.reference)
        sources |= {f"reference/{name}": folder / file for name, file in REFERENCE.items()}
    if settings.population_raster:
        sources["own/raster"] = Path(settings.population_raster)
    return sources


def _listed(receipt: Mapping[str, Any], own_polygons: bool) -> dict[str, str]:
    """Digests of the sources in a receipt, by the names of :func:`sources_of`."""
    # Of the upstream tables 1A's own record tells; the other files of ``own/`` are made of these.
    made = (CONTRACTS_SEALED, "upstream/", "own/raster_", *(["reference/"] if own_polygons else []))
    sealed = {n: d for n, d in receipt["sealed_inputs"].items() if not n.startswith(made)}
    return {f"policy {name}": digest for name, digest in receipt["policies"].items()} | sealed


def changed_source(listed: Mapping[str, str], sources: Sources, record: Path) -> Path | None:
    """First source, by name, with other content than a record lists, and not later than it."""
    made = record.stat().st_mtime
    for name in sorted({*listed} & {*sources}):
        file = sources[name]
        if file.stat().st_mtime <= made and digest_now(file) != listed[name]:
            return file
    return None


def other_sources(listed: Mapping[str, str], sources: Sources) -> str:
    """First name that a record lists and no source has, or the other way round, or nothing."""
    return next(iter(sorted({*listed} ^ {*sources})), "")


def changed_setting(settings: Settings, run: Run, receipt: Mapping[str, Any], root: Path) -> str:
    """First key of the configuration that a run was made under another value of, or nothing."""
    if receipt["posture"] != run.posture.name:
        return "posture"
    if receipt["upstream_run_id"] != run.upstream_id:
        return "upstream.kind"
    if receipt["tiles_id"] != run.tiles_id:
        return "reference, polygons.path or population.raster"
    report = dataset_path(root, "raster_population_report", tiles_id=run.tiles_id)
    if settings.population_raster and report.is_file():
        identity = read_json(report)["identity"]
        for key in ("totals", "uncovered"):
            if identity.get(key) != getattr(settings, f"population_{key}"):
                return f"population.{key}"
    return ""


def changed_law(receipt: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """First state, or producer of 1A, whose code is another than it was, or nothing."""
    if receipt["sealed_inputs"].get(CONTRACTS_SEALED) != contracts_digest(datasets()):
        return "config/contracts.yaml"
    then = receipt["rule_versions"]
    return next((f"law of {name}" for name in sorted(now) if then.get(name) != now[name]), "")


def changed_scorer(card: Mapping[str, Any], code: str, text: Path) -> str:
    """What a scorecard was made with that is another now, its code or its gates, or nothing."""
    stamp = card.get(MEASURED_ON, {"code": "", "files": {}})
    if stamp["code"] != code:
        return "code of the scorer"
    return "" if stamp["files"].get(text.name) == digest_now(text) else text.name


def _faults_of_scorecards(
    settings: Settings, root: Path, scorers: Scorers
) -> Iterator[GovernanceError]:
    """Scorecards that Snakemake has no record of, by another scorer, gates or bands."""
    of_runs = {
        "segment1b_scorecard": [run.run_id for run in settings.runs.values()],
        "segment1a_scorecard": [world.run_id for world in settings.upstreams.values()],
    }
    for name, ids in of_runs.items():
        code, text = scorers[name]
        for run_id, seed in itertools.product(ids, settings.seeds):
            path = dataset_path(root, name, run_id=run_id, seed=seed)
            if not path.is_file() or is_recorded(path):
                continue
            what = changed_scorer(read_object(name, path), code, Path(text))
            if what:
                yield _made_otherwise(path, what, path)


def _receipts(root: Path, run: Run, seeds: Iterable[int]) -> dict[Path, Any]:
    """Receipts of a run by their paths; broken ones are left to ``certify`` and ``verify``."""
    receipts = {}
    for seed in seeds:
        path = dataset_path(root, "run_receipt", run_id=run.run_id, seed=seed)
        with contextlib.suppress(ContractError):
            receipts[path] = read_object("run_receipt", path)
    return receipts


def _older(record: Path, file: Path) -> GovernanceError:
    return GovernanceError(
        "EG37",
        file,
        f"has other content than {record} was made from, and is not later",
        f"touch {file}: what reads it runs again",
    )


def _made_otherwise(record: Path, what: str, folder: Path) -> GovernanceError:
    return GovernanceError(
        "EG38",
        record,
        f"was made with another {what}, and .snakemake has no record that would make it again",
        f"delete {folder}, or give the runs another name or runs_root",
    )


def _faults_of_world(settings: Settings, root: Path, seed: int) -> Iterator[GovernanceError]:
    for upstream in settings.upstreams.values():
        tokens = {"run_id": upstream.run_id, "seed": seed}
        record = dataset_path(root, "parameter_hash_resolved_1A", **tokens)
        taken = dataset_path(root, "external_source_1A", **tokens)
        if not (taken if upstream.kind == "external" else record).is_file():
            continue
        if upstream.kind == "external":
            folder = Path(settings.external_root) / f"seed={seed}"
            source = read_object("external_source_1A", taken)
            tables = {name: folder / name for name in source["files"]}
            gone = next((table for table in tables.values() if not table.is_file()), None)
            if gone:
                remedy = "put it back, or give the runs another runs_root"
                yield GovernanceError("EG37", gone, f"is gone, {taken} was made from it", remedy)
                continue
            file = changed_source(source["files"], tables, taken)
            bundle = [path for path in (folder / "validation").rglob("*") if path.is_file()]
            later = max(path.stat().st_mtime for path in bundle) > taken.stat().st_mtime
            if not file and not later and bundle_digest(folder / "validation") != source[_BUNDLE]:
                file = folder / "validation" / INDEX
            if file:
                yield _older(taken, file)
        elif not is_recorded(dataset_path(root, "outlet_catalogue", **tokens)):
            listed = read_object("parameter_hash_resolved_1A", record)["policies"]
            now = deciding_policies(upstream.policy, settings.merchants_total)
            key = next((n for n in sorted({*listed, *now}) if listed.get(n) != now.get(n)), None)
            policy = Path(upstream.policy)
            if key and not (key == policy.name and policy.stat().st_mtime > record.stat().st_mtime):
                yield _made_otherwise(record, key, record.parents[1])


def faults(
    settings: Settings,
    root: Path,
    outputs: Outputs,
    versions: Versions,
    scorers: Scorers,
) -> Iterator[GovernanceError]:
    """Files that would be taken as they are, although they were made from something else.

    Parameters
    ----------
    outputs
        Files that S0 to S8 of a run publish, by run id and seeds.
    versions
        Digests of the code of a run's states and of the producer of its 1A, by run id.
    scorers
        Digest of the code of a scorecard, and the gates or bands that it obeys, by dataset.

    Yields
    ------
    GovernanceError
        ``EG37`` a source that is another than a record says, and not later (a policy: where
        Snakemake has no record); where Snakemake has no record, ``EG38`` a record of other settings
        or laws, ``EG39`` a file that nothing tells of.
    """
    for seed in settings.seeds:
        yield from _faults_of_world(settings, root, seed)
    yield from _faults_of_scorecards(settings, root, scorers)
    unrecorded: set[str] = set()
    told: set[str] = set()
    for run in settings.runs.values():
        there = {path for path in outputs(run.run_id, settings.seeds) if Path(path).is_file()}
        mine = {path for path in there if not is_recorded(path)}
        # A job that is killed may leave a file before its record, among others that have theirs.
        unrecorded |= mine if mine == there else set()
        sources = sources_of(settings, run)
        # Snakemake has the digests of policies in its records of files.
        watched = {n: p for n, p in sources.items() if mine or not n.startswith("policy ")}
        for record, receipt in _receipts(root, run, settings.seeds).items():
            told |= {f"{root}/{path}" for path in receipt["outputs"]}
            listed = _listed(receipt, bool(settings.polygons_path))
            file = changed_source(listed, watched, record)
            if file:
                yield _older(record, file)
            # Snakemake itself sees these of files that it has a record of.
            what = mine and (
                changed_setting(settings, run, receipt, root)
                or other_sources(listed, sources)
                or changed_law(receipt, versions(run.run_id))
            )
            if what:
                yield _made_otherwise(record, what, root / "segment_1B" / run.run_id)
        fork = dataset_path(root, "candidate_fork", run_id=run.run_id)
        if mine and fork.is_file():
            told |= {f"{root}/{path}" for path in read_object("candidate_fork", fork)["inherited"]}
    for path in sorted(unrecorded - told):
        yield GovernanceError(
            "EG39",
            path,
            "stands in no receipt, and .snakemake has no record of how it was made",
            "delete it",
        )
