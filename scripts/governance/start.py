"""What a workflow does before its first job and after its last one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts import root_lock, snakemake_private
from scripts.contracts import dataset_path
from scripts.errors import GovernanceError, SegmentError
from scripts.governance.retention import prune
from scripts.job_server import JobServer
from scripts.settings import Settings

# Rules that look at a whole run tree, not at declared inputs: it has to be on disk.
ON_DISK = frozenset(
    {
        *("p1", "p2", "p3", "p4", "integrated", "recover"),
        *("reference_environment", "build_reference", "validate_reference"),
    }
)
# What every job does before its own work, and what scripts import inside functions.
COMMON_TO_JOBS = (
    *("snakemake.script", "scripts.contracts:datasets", "jsonschema"),
    *("scipy.sparse.csgraph", "scipy.spatial", "scipy.special"),
)
# Below that the interpreters that are saved cost less than the one that waits.
JOBS_WORTH_A_SERVER = 6
# What `certify` writes beside a verdict that it made already.
BESIDE_VERDICT = ("last_good_pointer", "segment1b_p5_lock_set")


def refuse_in_storage(rules: Iterable[str]) -> None:
    """Refuse targets that need a run tree on disk (``EG95``)."""
    refused = sorted(ON_DISK.intersection(rules))
    if refused:
        raise GovernanceError(
            "EG95",
            ", ".join(refused),
            "works on a run tree on disk, the runs are in object storage",
            "copy them to a folder and name it with runs_root",
        )


def list_superseded(settings: Settings) -> None:
    """List superseded runs when the candidate's folder is about to be made."""
    root = Path(settings.runs_root)
    if not (root / "segment_1B" / settings.run_named(settings.candidate).run_id).exists():
        prune(root, settings.kept_runs, execute=False)


def serve_jobs(scripts: list[str]) -> None:
    """Run the scripts of many jobs in copies of one process, where the system can fork safely."""
    if sys.platform != "linux" or len(scripts) < JOBS_WORTH_A_SERVER:
        return
    files = {script[script.rindex("scripts/") :] for script in scripts}
    modules = sorted(file.removesuffix(".py").replace("/", ".") for file in files)
    # Where it cannot start (no fork, no room, a path too long for a socket), jobs start alone.
    with contextlib.suppress(OSError):
        snakemake_private.run_scripts_with(JobServer([*COMMON_TO_JOBS, *modules]).run)


def begin(workflow: Any, settings: Settings, root_of_jobs: str) -> None:
    """Take the runs root, then see to superseded runs; one line and status 1 on refusal."""
    snakemake_private.handle_sigterm_in_thread()
    rules = snakemake_private.rules_to_run(workflow)
    in_storage = root_of_jobs != settings.runs_root
    try:
        if in_storage:
            refuse_in_storage(rules)
        root_lock.take(root_of_jobs)
        root_lock.refuse_later_files(root_of_jobs, snakemake_private.files_to_read(workflow))
        if not in_storage:
            list_superseded(settings)
        serve_jobs(snakemake_private.scripts_to_run(workflow))
    except (SegmentError, OSError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None


def end(workflow: Any, settings: Settings, root_of_jobs: str) -> None:
    """Bring what ``certify`` wrote beside its verdict to object storage, if runs are there."""
    if root_of_jobs == settings.runs_root:
        return
    for name in BESIDE_VERDICT:
        local = dataset_path(root_of_jobs, name)
        if local.is_file():
            snakemake_private.store(workflow, str(dataset_path(settings.runs_root, name)), local)
