"""One workflow at a time on a runs root, and a way back after a kill.

Snakemake locks the files of a run by name and leaves these locks behind when it is killed; the next
start is then refused until somebody says ``--unlock``. Whether the owner still lives cannot be seen
from them. Here every workflow that executes jobs holds an advisory lock (``flock``) beside the runs
root, which the kernel drops with its process, however that ends:

* a start that gets the lock knows that Snakemake's locks on this runs root have no living owner,
  and removes them; one that does not is refused and changes nothing;
* starting and ending take turns: Snakemake removes the folder of everybody's locks when it ends,
  and falls over when that folder vanishes while it starts;
* what a job is to read may not be later than the clock: Snakemake takes what the job then makes
  for older than its inputs, and throws it away;
* every job holds another lock, shared. A start waits for jobs that outlived a killed workflow, so
  that they cannot write over what it makes, then sweeps the temporary files of dead writers.

Where the file system has no ``flock``, Snakemake's own locks are all there is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from scripts.errors import GovernanceError

JOBS_LOCK = "SEGMENT1B_JOBS_LOCK"
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
WAIT_S = 600.0
TURN_S = 120.0
# A job takes longer than clocks of machines that share a file system differ.
LATER_S = 5.0
_NO_FLOCK = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
# Held until the process ends; a closed descriptor would drop its lock.
_held: list[int] = []
_turns: list[int] = []


def lock_files(runs_root: str) -> tuple[Path, Path]:
    """Lock files of the workflow and of its jobs, beside the runs root."""
    root = Path(os.path.abspath(runs_root))
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


def take_turn(runs_root: str, wait_s: float = TURN_S) -> None:
    """Wait until nobody else starts or ends on a runs root, and hold that for this process.

    Raises
    ------
    GovernanceError
        ``EG93`` somebody still starts or ends after ``wait_s`` seconds.
    """
    workflow, _ = lock_files(runs_root)
    path = workflow.with_name(f"{workflow.name.removesuffix('.lock')}.turn.lock")
    try:
        handle = _open(path)
    except OSError:
        # Nothing can be written here: `enter` says so, and readers need no turn.
        return
    deadline = time.monotonic() + wait_s
    while _flock(handle, fcntl.LOCK_EX) is False:
        if time.monotonic() > deadline:
            os.close(handle)
            raise GovernanceError(
                "EG93", path, f"other workflows start or end for {wait_s:g} s", "end them"
            )
        time.sleep(0.05)
    _turns.append(handle)


def end_turn() -> None:
    """Let the next one start."""
    while _turns:
        os.close(_turns.pop())


def heed_sigterm() -> None:
    """Hand SIGTERM to Snakemake's handler beside the main thread.

    That handler takes a lock of the scheduler. The main thread, in which Python calls handlers, may
    hold it when the signal comes, and would wait for itself for ever.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler):
        return

    def aside(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=handler, args=(number, frame), daemon=True).start()

    signal.signal(signal.SIGTERM, aside)


def leave(runs_root: str) -> None:
    """Take the turn in which Snakemake removes its locks; it ends with this process."""
    with contextlib.suppress(GovernanceError):
        take_turn(runs_root)


def clear_stale_locks(runs_root: str) -> list[Path]:
    """Remove Snakemake's locks on a runs root that no living workflow holds; those removed.

    Called when a workflow is read, before Snakemake looks at its locks. A dry run does it as well.
    """
    locks = sorted(SNAKEMAKE_LOCKS.glob("*.lock"))
    workflow, _ = lock_files(runs_root)
    if not locks or not workflow.exists():
        return []
    handle = _open(workflow)
    try:
        if _flock(handle, fcntl.LOCK_EX) is not True:
            return []
        prefix, removed = f"{os.path.normpath(runs_root)}/", []
        for path in locks:
            named = path.read_text(encoding="utf-8").splitlines()
            # A lock that was being written when its owner was killed may be empty.
            if not named or any(os.path.normpath(p).startswith(prefix) for p in named):
                path.unlink()
                removed.append(path)
        return removed
    finally:
        os.close(handle)


def enter(runs_root: str, wait_s: float = WAIT_S) -> None:
    """Take a runs root for the life of this process.

    Raises
    ------
    GovernanceError
        ``EG90`` another workflow is at work on it; ``EG91`` jobs of a killed workflow still run
        after ``wait_s`` seconds; ``EG92`` the lock cannot be written.
    """
    workflow, jobs = lock_files(runs_root)
    try:
        handle, jobs_handle = _open(workflow), _open(jobs)
        taken = _flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise GovernanceError(
            "EG92", workflow, f"cannot be written ({error.strerror})", "a folder to write to"
        ) from None
    if taken is False:
        owner = workflow.read_text(encoding="utf-8", errors="replace").strip() or "unknown"
        os.close(handle)
        os.close(jobs_handle)
        raise GovernanceError(
            "EG90",
            runs_root,
            f"another workflow is at work on it ({owner})",
            "wait until it ends, or give another runs_root",
        )
    _held.append(handle)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
    deadline = time.monotonic() + wait_s
    while _flock(jobs_handle, fcntl.LOCK_EX) is False:
        if time.monotonic() > deadline:
            raise GovernanceError(
                "EG91", jobs, f"jobs of a killed workflow still run after {wait_s:g} s", "end them"
            )
        time.sleep(0.2)
    sweep(Path(runs_root))
    os.close(jobs_handle)


def refuse_later_files(runs_root: str, inputs: Iterable[str]) -> None:
    """Refuse inputs that are later than the clock that new files are stamped with.

    Called after :func:`enter`, whose lock file takes the stamp.

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
    """Remove the temporary files that killed writers left below a runs root."""
    left = sorted(path for path in runs_root.rglob(".*.tmp") if path.is_file())
    for path in left:
        path.unlink()
    return left


def join(runs_root: str) -> None:
    """Note a job's presence for the life of its process, and name the lock to its children."""
    _, jobs = lock_files(runs_root)
    os.environ[JOBS_LOCK] = str(jobs)
    hold_shared()


def hold_shared() -> None:
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


def attend(runs_root: str, is_main_process: bool) -> None:
    """What a process does when it reads the workflow: clear the dead's locks, or join as a job."""
    if is_main_process:
        end_turn()
        take_turn(runs_root)
        clear_stale_locks(runs_root)
    else:
        join(runs_root)
