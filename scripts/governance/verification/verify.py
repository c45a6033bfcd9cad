"""Runs the checks of a run and of its release, and tells what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.errors import GovernanceError, SegmentError
from scripts.governance.verification import (
    of_measures,
    of_records,
    of_release,
    of_run,
    of_tables,
)
from scripts.governance.verification.view import MISREAD, SEGMENT, Record, View
from scripts.records.identity import run_id


@dataclass(frozen=True)
class Findings:
    """Faults, what could not be looked at, and how many files were hashed."""

    faults: list[str]
    skipped: list[str]
    hashed: int


def verify(
    folder: Path,
    *,
    root: Path | None = None,
    tree: Path | None = None,
    reference: Path | None = None,
    public_key: Path | None = None,
    policies: Iterable[str | Path] = (),
    promoting: bool = False,
) -> Findings:
    """Verify the run in a folder, and whatever stands beside it.

    Parameters
    ----------
    folder
        Folder of a run.
    root
        Runs root; by default the one that the folder lies in, if any.
    tree
        Source tree whose policies, contracts, gates and locked files are held against the records.
    reference
        Reference snapshot that is held against the sealed inputs.
    public_key
        Ed25519 public key (PEM) that must have signed an attestation of this run.
    policies
        Policy files of the configuration, which may lie outside the source tree.
    promoting
        Before a promotion: ``last_good``, the final lock set and the evidence of the locks are of
        the release before this one, and are left out.
    """
    given = tuple(map(Path, policies))
    view = View(folder, root or root_of(folder), tree, reference, public_key, given)
    faults = dict.fromkeys(" ".join(line.split()) for line in _faults(view, promoting))
    return Findings(list(faults), sorted(view.skipped), len(view.digests))


def _faults(view: View, promoting: bool) -> Iterator[str]:
    """Lines of all checks that what is at hand allows."""
    certificate = None
    if view.root is None:
        view.skipped.add("certificate, pointers and locks: only the run's folder is here")
    else:
        yield from _told(of_release.certificate_can_be_read, view)
        certificate = view.records.get(view.path(of_release.CERTIFICATE))
    if certificate is None or certificate["run"]["run_id"] != view.folder.name:
        if certificate is not None:
            view.skipped.add(f"certificate: it is that of run {certificate['run']['run_id']}")
        if view.public_key is not None:
            yield f"{view.folder}: no certificate of it is here that a key could have signed"
        yield from _of_runs([view])
        yield from _beside(view, certificate, promoting)
        return
    seeds, met = tuple(certificate["seeds"]), certificate["verdict"]["minimum_grade_met"]
    folder = view.below_root(SEGMENT) / certificate["baseline_run_id"]
    release = replace(view, covered=seeds, certified=met)
    baseline = replace(view, folder=folder, covered=seeds)
    scored = [
        (run, seed, against)
        for seed in release.seeds()
        for run, against in ((release, baseline), (baseline, None))
    ]
    with of_measures.Measurements(scored) as measurements:
        yield from _of_runs([release, baseline])
        yield from _beside(release, certificate, promoting)
        for one in scored:
            check = of_measures.scorecard_is_measured_on_its_sites
            yield from _told(check, *one, measurements)
    yield from _told(of_records.reports_were_measured_on_what_is_here, release, certificate)
    last = () if promoting else of_release.OF_CERTIFICATE_AFTER_PROMOTION
    for of_certificate in (*of_release.OF_CERTIFICATE, *last):
        yield from _told(of_certificate, release, certificate)


def _of_runs(runs: Iterable[View]) -> Iterator[str]:
    """Lines of the checks of single runs."""
    for run in runs:
        for check in of_run.OF_WHOLE_RUN:
            yield from _told(check, run)
        for seed in run.seeds():
            upstream = of_run.OF_UPSTREAM if run.root is not None else ()
            again = (*of_records.OF_SEED, *of_tables.OF_SEED)
            for of_seed in (*of_run.OF_SEED, *upstream, *again):
                yield from _told(of_seed, run, seed)


def _beside(view: View, certificate: Record | None, promoting: bool) -> Iterator[str]:
    """Lines of the checks of what stands beside a run: phases, pointers and locks."""
    if view.root is None:
        return
    if not promoting:
        yield from _told(of_records.phases_were_measured_on_what_is_here, view)
    after = () if promoting else of_release.BESIDE_AFTER_PROMOTION
    for check in (*of_release.BESIDE, *after):
        yield from _told(check, view, certificate)


def _told(check: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """Lines of one check, and one more for the error that ends it."""
    try:
        yield from check(*arguments)
    except SegmentError as error:
        yield f"{error.where}: {error.code} {error.rule}; {error.remedy}"
    except OSError as error:
        yield f"{error.filename}: {error.strerror}"
    except MISREAD as error:
        lacks = f"{type(error).__name__}: {error}"
        yield f"{check.__name__}: a record lacks what it must hold ({lacks})"


def _places(name: str, runs_root: Path) -> tuple[Path, ...]:
    """Where a runs root has the run of an id, or of a name; nowhere for a path."""
    runs = runs_root / SEGMENT
    return () if "/" in name else (runs / name, runs / run_id("1B", name))


def has_run(name: str, runs_root: Path) -> bool:
    """Whether a runs root has a run of this id or name."""
    return any(folder.is_dir() for folder in _places(name, runs_root))


def folder_of(name: str, runs_root: Path) -> Path:
    """Folder of a run given by id, name or folder, in this order (``EG88`` when there is none)."""
    for folder in (*_places(name, runs_root), Path(name)):
        if name and folder.is_dir():
            return folder
    raise GovernanceError(
        "EG88",
        name or "verify",
        "is no run folder, run id or name",
        f"a run below {runs_root / SEGMENT}",
    )


def root_of(folder: Path) -> Path | None:
    """Runs root that a run's folder lies in, None when it was copied alone."""
    absolute = folder.resolve()
    return absolute.parent.parent if absolute.parent.name == SEGMENT else None


def refuse(result: Findings, run: str) -> None:
    """Refuse what has any fault (``EG89``)."""
    if result.faults:
        raise GovernanceError(
            "EG89",
            run,
            f"does not hold what its records say, {len(result.faults)} faults, first "
            f"{result.faults[0]}",
            "segment1b verify names all",
        )


def lines(result: Findings, folder: Path) -> list[str]:
    """What a person reads: what was not looked at, every fault, and the verdict."""
    return [
        *(f"not checked: {text}" for text in result.skipped),
        *(f"FAULT {text}" for text in result.faults),
        f"{folder}: {result.hashed} files hashed, {len(result.faults)} faults",
    ]
