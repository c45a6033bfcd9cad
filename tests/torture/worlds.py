"""What the torture tests share: fresh and half-done worlds, and digests of what is published."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.records.identity import run_id
from scripts.tables import file_digest
from tests import small_world
from tests.certified import RUNS, timeline

SEGMENT = RUNS / "segment_1B"
RELEASE = SEGMENT / run_id("1B", "reopened")
LOCK_SET = SEGMENT / "reports/segment1b_p5_lock_set.json"
# The list of superseded runs says what was there when it was made, not what the run is.
# The second says on which day a release was sealed.
NOT_COMPARED = {"segment1b_p0_prune_check.txt", "sealed.json"}
FOUR_SEEDS = (42, 7, 101, 202)
LIMIT_S = 1800
# A refusal before anything runs, that of a job, or Snakemake's for an output that it may not write.
NAMED = re.compile(
    r"^(FAIL .+?: )?(\w+Error: )?E[A-Z0-9]{3} \S|^ProtectedOutputException ", re.MULTILINE
)
# What the name of a rule holds, and the stage of the chain that it belongs to.
STAGES = (
    ("freeze_guard", "guard"),
    ("_1a", "1A"),
    ("run_receipt", "S8"),
    ("certify", "certificate"),
    ("attest", "certificate"),
    ("", "scoring"),
)


def share(count: int) -> int:
    """A share of a count, ``TORTURE_SHARE`` of it (default 1), at least one."""
    return max(1, round(count * float(os.environ.get("TORTURE_SHARE", "1"))))


def published(world: Path, runs: Path = RUNS) -> dict[str, str]:
    """SHA-256 of every published file by its path below the runs root, strays included."""
    root = world / runs
    return {
        path.relative_to(root).as_posix(): file_digest(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.relative_to(root).parts[0] not in ("logs", "benchmarks")
        and path.name not in NOT_COMPARED
    }


def undo_jitter(world: Path) -> None:
    """Delete what S6 made, so that S6 to the certificate run again."""
    for folder in (world / RELEASE).glob("seed=*/s6_site_jitter"):
        shutil.rmtree(folder)


def command(*arguments: str, cores: int = 2, quiet: bool = True) -> list[str]:
    """Command line of Snakemake in a world; unless it is quiet, its log names the jobs."""
    return [
        *(sys.executable, "-m", "snakemake", *(arguments or ("certify",))),
        *(("--quiet", "rules") if quiet else ()),
        *("--cores", str(cores)),
    ]


def environment() -> dict[str, str]:
    """Environment of a user, without this repository on the path."""
    return small_world.without_package(os.environ)


def start(
    world: Path,
    *arguments: str,
    log: str = "torture.log",
    settings: Mapping[str, str] | None = None,
    program: str = "snakemake",
) -> subprocess.Popen[bytes]:
    """Start a workflow, or with program ``scripts.cli`` a command, as a terminal does.

    It is the leader of a process group of its own.
    """
    with open(world / log, "wb") as output:
        return subprocess.Popen(
            command(*arguments, quiet=False)
            if program == "snakemake"
            else [sys.executable, "-m", program, *arguments],
            cwd=world,
            env={**environment(), **(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@dataclass(frozen=True)
class Blow:
    """A signal, and whether it hits the whole process group or the workflow's process alone."""

    signal: int = signal.SIGKILL
    group: bool = True


def struck(world: Path, after_s: float, blow: Blow) -> int | None:
    """Start ``certify`` and strike; None when it was hit, its exit status when it had ended."""
    process = start(world)
    try:
        return process.wait(after_s)
    except subprocess.TimeoutExpired:
        pass
    (os.killpg if blow.group else os.kill)(process.pid, blow.signal)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if blow.signal == signal.SIGKILL and not blow.group:
        return None
    end_group(process.pid)
    return None


def end_group(leader: int, patience_s: float = 5.0) -> None:
    """Wait for the rest of a process group; kill what stays."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def output(world: Path, log: str = "torture.log") -> str:
    """What the last workflow said."""
    return (world / log).read_text(encoding="utf-8", errors="replace")


def finish(
    world: Path,
    *prefix: str,
    target: Sequence[str] = ("certify",),
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a target to its end; one that does not end in time is killed and has status -9."""
    process = subprocess.Popen(
        [*prefix, *command(*target)],
        cwd=world,
        env={**environment(), **(settings or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        said = f"{said}\ndid not end within {LIMIT_S} s"
    return subprocess.CompletedProcess(process.args, process.returncode, said, "")


def logs_of(world: Path) -> set[Path]:
    """Snakemake's logs, one a start."""
    return set((world / ".snakemake/log").glob("*.snakemake.log"))


def at_work(world: Path, before: set[Path]) -> list[str]:
    """Stages of the jobs that a workflow had started and not ended; ``start-up`` for none.

    Snakemake's log names rule and number of a job that starts, and its number when it ends.
    ``before`` are the logs of earlier starts.
    """
    logs = sorted(logs_of(world) - before)
    text = logs[-1].read_text(encoding="utf-8", errors="replace") if logs else ""
    block = r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    jobid: (\d+)$"
    started = {job: rule for rule, job in re.findall(block, text, re.MULTILINE)}
    if not started:
        return ["start-up"]
    for job in re.findall(r"^Finished jobid: (\d+)", text, re.MULTILINE):
        started.pop(job, None)
    return sorted(map(stage_of, started.values())) or ["between jobs"]


def stage_of(rule: str) -> str:
    """Stage of a job by its rule: the state, or its part of the chain."""
    if re.match(r"s\d_", rule):
        return rule[:2].upper()
    return next(stage for words, stage in STAGES if words in rule)


def left_behind(world: Path) -> list[str]:
    """What a blow left that the next start has to deal with."""
    snakemake = world / ".snakemake"
    kinds = {
        "locks": any((snakemake / "locks").glob("*.lock")),
        "incomplete outputs": any((snakemake / "incomplete").glob("*")),
        "temporary files": any((world / "runs").rglob(".*-tmp")),
    }
    return [kind for kind, found in kinds.items() if found]


def fresh(template: Path, folder: Path) -> Path:
    """A copy of a world that has not run."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, symlinks=True)
    return folder


def half_done(done: Path, folder: Path, moment_s: float) -> Path:
    """A copy of an undisturbed world without the files that came after a moment of its run."""
    fresh(done, folder)
    latest = timeline(done).began + moment_s
    later = [p for root in ("runs", ".snakemake") for p in (folder / root).rglob("*")]
    for path in later:
        if not path.is_dir() and path.lstat().st_mtime > latest:
            path.unlink()
    for path in sorted(later, reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    # A release is moved into place whole; what is left of one are links to older files.
    for release in (folder / RUNS / "releases").glob("*"):
        if not (release / "release.json").is_file():
            shutil.rmtree(release)
    return folder
