"""What a workflow does before its first job, and the verdict that it ends with."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts import console, root_lock, snakemake_private
from scripts.contracts import dataset_path, read_object
from scripts.errors import GovernanceError, RefusedError, SegmentError, lines
from scripts.governance import releases
from scripts.governance.closing import Outcome, Verdict, closing, refusals, refused
from scripts.governance.explain import INCOMPLETE, MISSING, gather, own_causes
from scripts.governance.pointers import pinned_files
from scripts.governance.promotion import run_names
from scripts.governance.retention import name_runs, prune
from scripts.governance.verdict import text
from scripts.job_server import JobServer
from scripts.settings import Settings
from scripts.tables import write_json
from scripts.view import View

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
    *("scipy.spatial", "scipy.special"),
)
# Below that the interpreters that are saved cost less than the one that waits.
JOBS_WORTH_A_SERVER = 6
# What targets write beside the files that rules declare.
BESIDE_VERDICT = ("current_candidate_pointer", "last_good_pointer", "segment1b_p5_lock_set")


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


def refuse_to_remake_baseline(workflow: Any, settings: Settings) -> None:
    """Refuse to run the pinned baseline again (``EG36``), unless files are missing alone."""
    root = Path(settings.runs_root)
    path = dataset_path(root, "baseline_pointer")
    if settings.repin or not path.is_file():
        return
    files = pinned_files(read_object("baseline_pointer", path), root)
    written = {f"{root.as_posix()}/{file}" for file in files}
    jobs = list(snakemake_private.needed(workflow.dag, written))
    changed = [job for job in jobs if set(own_causes(job[1])) - {MISSING, INCOMPLETE}]
    if changed:
        remedy = "restore what changed, or ask for another baseline: segment1b repin"
        after = f", with {len(jobs) - len(changed)} jobs after it" if jobs != changed else ""
        faults = [f"would run again{after}: {line}" for line in gather(changed)]
        raise RefusedError([GovernanceError("EG36", "baseline", f, remedy) for f in faults])


def tell_refusals(workflow: Any, settings: Settings, target: str) -> list[str]:
    """Why a target is refused before anything runs; a dry run says so."""
    found = refusals(settings, target)
    if workflow.output_settings.dryrun:
        for line in found:
            print(f"{target} is refused: {line}", file=sys.stderr)
    return found


def begin(workflow: Any, settings: Settings, root_of_jobs: str, view: View) -> None:
    """Take the runs root, then see to superseded runs; on refusal the verdict, lines, status 1."""
    snakemake_private.handle_sigterm_in_thread()
    snakemake_private.take_checksums_once()
    rules = snakemake_private.rules_to_run(workflow)
    in_storage = root_of_jobs != settings.runs_root
    try:
        if in_storage:
            refuse_in_storage(rules)
        root_lock.take(root_of_jobs)
        root_lock.refuse_later_files(root_of_jobs, snakemake_private.files_to_read(workflow))
        if not in_storage:
            refuse_to_remake_baseline(workflow, settings)
            list_superseded(settings)
        serve_jobs(snakemake_private.scripts_to_run(workflow))
        snakemake_private.lift_job_rate(workflow)
    except (SegmentError, RefusedError, OSError) as error:
        of_system = [f"{type(error).__name__}: {error}"]
        said = of_system if isinstance(error, OSError) else lines(error)
        targets = snakemake_private.asked_for(workflow)
        tell(settings, [refused(target, said) for target in targets], because=False)
        raise SystemExit("\n".join(said)) from None
    view.begin(snakemake_private.planned_jobs(workflow))


def end(workflow: Any, settings: Settings, root_of_jobs: str, view: View, passed: bool) -> None:
    """Print the verdict on every target, and write it where ``verdict_json`` says."""
    view.end()
    in_storage = root_of_jobs != settings.runs_root
    if not in_storage:
        name_runs(Path(settings.runs_root, "segment_1B"), run_names(settings))
    if in_storage and passed:
        store_beside_verdict(workflow, settings, root_of_jobs)
    verdicts = []
    unmade = snakemake_private.unmade(workflow)
    for target, files in snakemake_private.asked_for(workflow).items():
        reader = partial(snakemake_private.fetch, workflow) if in_storage else Path
        failed = [failure.job for failure in view.failures]
        outcome = Outcome(target, passed, files, unmade, failed, reader, given(workflow))
        verdicts.append(closing(settings, outcome))
    tell(settings, verdicts)


def given(workflow: Any) -> list[str]:
    """Options of this start that name its configuration, but for seeds and ``verdict_json``."""
    files, values = snakemake_private.configuration_given(workflow)
    kept = [value for value in values if not value.startswith(("seeds=", "verdict_json="))]
    options = []
    for option, named in (("--configfile", list(map(str, files))), ("--config", kept)):
        options += [option, *named] if named else []
    return options


def tell(settings: Settings, verdicts: Sequence[Verdict], because: bool = True) -> None:
    """Print verdicts, with or without why, and write them where ``verdict_json`` says."""
    for verdict in verdicts:
        shown = verdict if because else {**verdict, "because": []}
        told = text(shown, console.colours_wanted(), console.width())
        print("\n".join(told), flush=True)
    if settings.verdict_json:
        write_json(settings.verdict_json, verdicts)


def store_beside_verdict(workflow: Any, settings: Settings, root_of_jobs: str) -> None:
    """Bring what a target wrote beside the files that rules declare to object storage."""
    root = Path(root_of_jobs)
    made = [dataset_path(root, name) for name in BESIDE_VERDICT]
    made += sorted((root / releases.FOLDER).rglob("*"))
    for local in filter(Path.is_file, made):
        path = Path(settings.runs_root, local.relative_to(root))
        snakemake_private.store(workflow, path.as_posix())
    for name in BESIDE_VERDICT:
        dataset_path(root, name).unlink(missing_ok=True)
    releases.discard(root / releases.FOLDER)
