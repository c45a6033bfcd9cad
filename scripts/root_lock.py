"""One workflow at a time on a runs root, and a way back after a kill.

Every workflow that executes jobs, and every command that changes the run tree, holds an advisory
lock (``flock``) beside the runs root. The kernel drops it with its process, however that ends, so
that nothing is left to clear away after a kill:

* a second start is refused by name and changes nothing;
* every job holds another lock, shared. A start waits for jobs that outlived a killed workflow, so
  that they cannot write over what it makes, then sweeps the temporary files of dead writers;
* what a job is to read may not be later than the clock: Snakemake takes what the job then makes
  for older than its inputs, and throws it away.

Where the file system has no ``flock``, a start warns that nothing is locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from scripts.errors import GovernanceError
from scripts.tables import is_temporary

JOBS_LOCK = "SEGMENT1B_JOBS_LOCK"
WAIT_S = 600.0
# A job takes longer than clocks of machines that share a file system differ.
LATER_S = 5.0
# Snapshot on a user's own polygons, below the runs root.
OWN_REFERENCE = "own_reference"
# What a runs root holds.
OWN_FOLDERS = ("segment_1A", "segment_1B", OWN_REFERENCE, "releases")
_NO_FLOCK = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
# Held until the process ends; a closed descriptor would drop its lock.
_held: list[int] = []


def lock_files(runs_root: str) -> tuple[Path, Path]:
    """Lock files of the workflow and of its jobs, beside the runs root."""
    root = Path(os.path.realpath(runs_root))
    return root.parent / f".{root.name}.lock", root.parent / f".{root.name}.jobs.lock"


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _flock(handle: int, operation: int) -> bool | None:
    """True when taken, False when another process holds it, None where there is no flock."""
    try:
        fcntl.flock(handle, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return None
        raise
    return True


def take(runs_root: str, wait_s: float = WAIT_S) -> None:
    """Take a runs root for the life of this process.

    Raises
    ------
    GovernanceError
        ``EG90`` another process is at work on it; ``EG91`` jobs of a killed workflow still run
        after ``wait_s`` seconds; ``EG92`` the lock cannot be written.
    """
    workflow, jobs = lock_files(runs_root)
    try:
        handle, jobs_handle = _open(workflow), _open(jobs)
        taken = _flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise GovernanceError(
            "EG92",
            error.filename or workflow,
            f"cannot be written ({error.strerror})",
            "a folder to write to; delete another user's file where no workflow runs",
        ) from None
    if taken is False:
        owner = workflow.read_text(encoding="utf-8", errors="replace").strip() or "unknown"
        os.close(handle)
        os.close(jobs_handle)
        raise GovernanceError(
            "EG90",
            runs_root,
            f"is in use by {owner}",
            "wait until it ends, or give another runs_root",
        )
    if taken is None:
        print(f"{workflow}: no locks on this file system; start one at a time", file=sys.stderr)
    _held.append(handle)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {platform.node()} since {since}\n".encode(), 0)
    deadline = time.monotonic() + wait_s
    while _flock(jobs_handle, fcntl.LOCK_EX) is False:
        if time.monotonic() > deadline:
            raise GovernanceError(
                "EG91",
                jobs,
                f"jobs of a killed workflow still run after {wait_s:g} s",
                "end these processes, then start again",
            )
        time.sleep(0.2)
    sweep(Path(runs_root))
    os.close(jobs_handle)


def refuse_later_files(runs_root: str, inputs: Iterable[str]) -> None:
    """Refuse inputs that are later than the clock that new files are stamped with.

    Called after :func:`take`, whose lock file takes the stamp.

    Raises
    ------
    GovernanceError
        ``EG94`` naming the latest input: the clock was set back, or was ahead when it was made.
    """
    workflow, _ = lock_files(runs_root)
    os.utime(workflow)
    now = workflow.stat().st_mtime
    times = {path: os.stat(path).st_mtime for path in inputs if os.path.exists(path)}
    latest = max(sorted(times), key=lambda path: times[path], default=None)
    if latest is not None and times[latest] > now + LATER_S:
        later = sum(time > now + LATER_S for time in times.values())
        raise GovernanceError(
            "EG94",
            latest,
            f"is {times[latest] - now:.0f} s later than the clock, the latest of {later} files",
            "set the clock right, or touch the files",
        )


def sweep(runs_root: Path) -> list[Path]:
    """Remove the temporary files that killed writers left in the folders of a runs root.

    Files of other names, of other users and of a runs root within this one are left alone.
    """
    left = []
    for folder in OWN_FOLDERS:
        for path in sorted((runs_root / folder).rglob(".*")):
            if is_temporary(path) and path.is_file() and path.stat().st_uid == os.geteuid():
                path.unlink()
                left.append(path)
    return left


def name_to_jobs(runs_root: str) -> None:
    """Name the jobs' lock of a runs root to the processes that this one starts."""
    _, jobs = lock_files(runs_root)
    os.environ[JOBS_LOCK] = str(jobs)


def hold_as_job() -> None:
    """Hold the jobs' lock that the environment names, if any, until this process ends."""
    name = os.environ.get(JOBS_LOCK)
    if not name:
        return
    try:
        handle = _open(Path(name))
    except OSError:
        return
    if _flock(handle, fcntl.LOCK_SH) is True:
        _held.append(handle)
    else:
        os.close(handle)
