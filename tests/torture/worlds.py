"""What the torture tests share: fresh and half-done worlds, and digests of what is published."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.governance.identity import run_id
from scripts.tables import file_digest
from tests import small_world

RUNS = Path("runs/fix-data-engine")
SEGMENT = RUNS / "segment_1B"
RELEASE = SEGMENT / run_id("1B", "reopened")
# The list of superseded runs says what was there when it was made, not what the run is.
NOT_COMPARED = {"segment1b_p0_prune_check.txt"}


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


def command(*arguments: str, cores: int = 2) -> list[str]:
    """Command line of Snakemake in a world."""
    return [
        *(sys.executable, "-m", "snakemake", *(arguments or ("certify",))),
        *("--quiet", "rules", "--cores", str(cores)),
    ]


def environment() -> dict[str, str]:
    """Environment of a user, without this repository on the path."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def start(world: Path, *arguments: str, log: str = "torture.log") -> subprocess.Popen[bytes]:
    """Start a workflow as the leader of a process group of its own."""
    with open(world / log, "wb") as output:
        return subprocess.Popen(
            command(*arguments),
            cwd=world,
            env=environment(),
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


def finish(world: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    """Run ``certify`` to its end."""
    return subprocess.run(
        [*prefix, *command()],
        cwd=world,
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
        timeout=600,
    )


def fresh(template: Path, folder: Path) -> Path:
    """A copy of a world that has not run."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, symlinks=True)
    return folder


def template(folder: Path) -> Path:
    """A world that has not run."""
    return small_world.build(folder)
