"""Every use of Snakemake that is no part of its documented interface, each with its reason.

All were seen in Snakemake 9.27.1; look at them again before another version is taken.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from snakemake.io import _IOFile, sourcecache_entry
from snakemake.script import PythonScript

from scripts.errors import ConfigError, GovernanceError
from scripts.tables import publish
from scripts.view import Planned

METADATA = Path(".snakemake/metadata")
INCOMPLETE = Path(".snakemake/incomplete")
# Those of profiles/default.
TRIGGERS = ("mtime", "params", "input", "software-env")


def source(path: Any) -> Any:
    """Mark one or more files as sources: read where they are, also when runs are in storage.

    The documented ``local`` would do that too, and tie every job that reads one to the machine
    where it was started; ``workflow.source_path`` reads a copy in a folder with a new name each
    time, so that every job would run again.
    """
    if isinstance(path, str):
        return sourcecache_entry(path, str(path))
    return [source(part) for part in path]


def configuration_given(workflow: Any) -> tuple[list[Path], list[str]]:
    """Files of ``--configfile`` and ``KEY=VALUE`` of ``--config``, as they were written.

    The documented ``config`` holds what Snakemake made of them: ``candidate=0601`` is the number
    601 there, and of a key that stands twice in a file only the second value is left.
    """
    return list(workflow.overwrite_configfiles), list(workflow.config_settings.config_args or ())


def is_job(workflow: Any) -> bool:
    """Whether this process reads the workflow to run one job of it, sent by another process."""
    return not workflow.is_main_process


def in_storage(workflow: Any, path: str) -> Any:
    """Object of a path at the default storage provider; None where files are on disk.

    Snakemake translates the paths of inputs and outputs alone; records name files by their path
    below the runs root, and so have to know where that is.

    Raises
    ------
    ConfigError
        ``EC20`` the provider knows no such place.
    """
    storage = workflow.storage_settings
    if storage is None or storage.default_storage_provider is None:
        return None
    query = f"{storage.default_storage_prefix.rstrip('/')}/{os.path.normpath(path)}"
    provider = workflow.storage_registry.default_storage_provider
    valid = provider.is_valid_query(query)
    if not valid:
        raise ConfigError(
            "EC20", "--default-storage-prefix", f"{query}: {valid.reason}", "s3://BUCKET/FOLDER"
        )
    return provider.object(query)


def root_of_jobs(workflow: Any, runs_root: str) -> str:
    """Folder below which a job finds the files of the runs root: itself or a copy."""
    stored = in_storage(workflow, runs_root)
    return runs_root if stored is None else str(stored.local_path())


def store(workflow: Any, path: str) -> None:
    """Bring a file that no rule declares to object storage."""
    workflow.async_run(in_storage(workflow, path).managed_store())


def fetch(workflow: Any, path: str) -> Path:
    """A local copy of a file in object storage; ``FileNotFoundError`` where there is none."""
    stored = in_storage(workflow, path)
    if not workflow.async_run(stored.managed_exists()):
        raise FileNotFoundError(path)
    workflow.async_run(stored.managed_retrieve())
    return Path(stored.local_path())


def planned_jobs(workflow: Any) -> dict[int, Planned]:
    """Jobs that will run, by their number; the logger's events name jobs by it."""
    jobs = workflow.dag.needrun_jobs()
    return {
        workflow.dag.jobid(job): Planned(
            job.rule.name, str(job.wildcards.get("seed", "")), next(map(str, job.log), "")
        )
        for job in jobs
    }


def asked_for(workflow: Any) -> dict[str, list[str]]:
    """Targets of a run: rule or file, with the files that it asks for."""
    found = {}
    for job in workflow.dag.targetjobs:
        made = sorted(map(str, job.output))
        found[", ".join(made) or job.rule.name] = made or sorted(map(str, job.input))
    return found


def unmade(workflow: Any) -> frozenset[str]:
    """Outputs of jobs that had to run and did not end well."""
    dag = workflow.dag
    left = (job for job in dag.jobs if dag.needrun(job) and not dag.finished(job))
    return frozenset(str(path) for job in left for path in job.output)


def rules_to_run(workflow: Any) -> set[str]:
    """Names of the rules of the planned jobs; ``onstart`` is told nothing of the plan."""
    return {job.rule.name for job in workflow.dag.jobs}


def files_to_read(workflow: Any) -> set[str]:
    """Inputs of the jobs that will run which no other job will make."""
    jobs = list(workflow.dag.needrun_jobs())
    made = {str(path) for job in jobs for path in job.output}
    return {str(path) for job in jobs for path in job.input} - made


def lift_job_rate(workflow: Any) -> None:
    """Start jobs on this machine without a limit a second, which no option can lift.

    Under the limit, 100 by default, every look for jobs to start sets a timer for the next one, and
    every job that ends begins another such chain: by the hundredth, the workflow looks a hundred
    times a second at all inputs of all jobs that are ready.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def scripts_to_run(workflow: Any) -> list[str]:
    """Scripts of the planned jobs that this machine will run, a job each; none on a cluster."""
    if not workflow.local_exec or workflow.dryrun:
        return []
    return [str(job.rule.script) for job in workflow.dag.needrun_jobs() if job.rule.script]


def run_scripts_with(run: Callable[[str, Mapping[str, str]], int]) -> None:
    """Let jobs without a conda environment, container or module run their script by a function.

    It is given the file and the environment, and gives the exit status; where it raises OSError,
    the script has an interpreter of its own. Every documented way to run a script starts one.
    """
    alone = PythonScript.execute_script

    def execute_script(self: PythonScript, fname: str, edit: bool = False) -> None:
        if self.conda_env or self.container_img or self.env_modules:
            alone(self, fname, edit)
            return
        folder = str(self.resources.get("tmpdir") or tempfile.gettempdir())
        environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder)}
        try:
            status = run(fname, environment)
        except OSError:
            alone(self, fname, edit)
            return
        if status:
            raise subprocess.CalledProcessError(status, fname)

    PythonScript.execute_script = execute_script


def take_checksums_once() -> None:
    """Read a file once for its checksum, as long as it stays the same file of one size and time.

    When a job has ended Snakemake takes the checksums of all its inputs again for each of its
    outputs (its issue 4240), and no option stops that without giving the checksums up.
    """
    alone = _IOFile.checksum
    known: dict[tuple[Any, ...], str | None] = {}

    async def checksum(self: _IOFile, *args: Any, **options: Any) -> str | None:
        try:
            state = None if self.is_storage else os.stat(self.file)
        except OSError:
            state = None
        if state is None:
            found: str | None = await alone(self, *args, **options)
            return found
        now = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
        asked = *now, *args, *sorted(options.items())
        if asked not in known:
            known[asked] = await alone(self, *args, **options)
        return known[asked]

    _IOFile.checksum = checksum


def handle_sigterm_in_thread() -> None:
    """Hand SIGTERM to Snakemake's handler beside the main thread.

    That handler takes a lock of the scheduler. The main thread, in which Python calls handlers, may
    hold it when the signal comes, and would wait for itself for ever.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler):
        return

    def in_thread(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=handler, args=(number, frame), daemon=True).start()

    signal.signal(signal.SIGTERM, in_thread)


def record_path(folder: Path, output: str) -> Path:
    """Where Snakemake keeps its record of an output: its path in URL-safe base64, in pieces."""
    longest = os.pathconf(".", "PC_NAME_MAX") - 1
    name = base64.urlsafe_b64encode(output.encode()).decode()
    pieces = [name[i : i + longest] for i in range(0, len(name), longest)]
    return folder.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def is_recorded(output: str | Path) -> bool:
    """Whether Snakemake has a record of an output, or a mark that its job has not ended well.

    It makes again what is marked, and compares what is recorded with its code, parameters and
    inputs of today; anything else it takes as it is.
    """
    if record_path(INCOMPLETE, str(output)).is_file():
        return True
    # Of a broken record it says no more than of none.
    with contextlib.suppress(OSError, ValueError, TypeError):
        return "params" in json.loads(record_path(METADATA, str(output)).read_bytes())
    return False


def refuse_broken_records() -> None:
    """Refuse what stands where Snakemake keeps its records and is no folder of ours (``EG93``).

    Where it has none and can make none, it ends in a traceback, of a dry run too.
    """
    if not os.path.lexists(METADATA.parent) and not os.access(".", os.W_OK):
        raise GovernanceError(
            "EG93",
            METADATA.parent,
            "cannot be made: this folder is read-only",
            "link or mount a folder that can be written there",
        )
    for folder in (METADATA.parent, METADATA, INCOMPLETE):
        there = os.path.lexists(folder)
        if there and not (folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)):
            raise GovernanceError(
                "EG93",
                folder,
                "is no folder that can be read and written",
                "delete it: files without a record are held against the receipts of their runs",
            )


def copy_record(source: str, target: str, old: str, new: str) -> bool:
    """Copy Snakemake's record of one output to another, a run id renamed; False without one.

    Without a record of how they were made, the files that a fork shares would all be made again.
    """
    path = record_path(METADATA, source)
    if not path.is_file():
        return False
    record = json.loads(path.read_text(encoding="utf-8").replace(old, new))
    with publish(record_path(METADATA, target)) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")
    return True


def plan(
    targets: Iterable[str],
    config: Mapping[str, Any],
    configfiles: Iterable[Path] = (),
    resources: Mapping[str, int] | None = None,
) -> Any:
    """The graph of jobs of some targets of the Snakefile of this folder, planned and not run.

    The interface plans and prints, but gives neither the jobs nor their reasons.

    Raises
    ------
    GovernanceError
        ``EG80`` the workflow cannot be planned.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        # Inside the block, because leaving it prints and swallows what was raised.
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                workflow = api.workflow(
                    resource_settings=ResourceSettings(cores=1, default_resources=resources),
                    config_settings=ConfigSettings(
                        config_args=[f"{key}={json.dumps(config[key])}" for key in config],
                        configfiles=list(configfiles),
                    ),
                    snakefile=Path("Snakefile"),
                )
                settings = DAGSettings(
                    targets=set(targets),
                    rerun_triggers=frozenset(map(RerunTrigger.parse_choice, TRIGGERS)),
                    max_checksum_file_size=sys.maxsize,
                    force_incomplete=True,
                )
                workflow.dag(settings).execute_workflow(executor="dryrun")
            return workflow._workflow.dag
        except (WorkflowError, RuleException) as error:
            failure = str(error)
    raise GovernanceError("EG80", f"dry run of {', '.join(targets)}", failure)


def jobs_of(graph: Any) -> list[Any]:
    """Jobs of a graph, each after those that it stands on."""
    return [job for level in graph.toposorted() for job in level]


def needed(graph: Any, files: Container[str] | None = None) -> Iterator[tuple[str, Any, set[str]]]:
    """Jobs that would run, in their order: rule, Snakemake's reason, and the rules they follow.

    With ``files``, those that write one of them.
    """
    for level in graph.toposorted():
        for job in sorted(level, key=lambda job: (job.rule.name, sorted(map(str, job.output)))):
            writes = files is None or any(str(path) in files for path in job.output)
            if graph.needrun(job) and writes:
                reason = graph.reason(job)
                updated = set(map(str, reason.updated_input_run))
                follows = {
                    before.rule.name
                    for before, files in graph.dependencies[job].items()
                    if updated & set(map(str, files))
                }
                yield job.rule.name, reason, follows
