"""The edge between Snakemake and the pure functions: logging and one-line failures."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts import progress
from scripts.console import VIEW
from scripts.contracts import measured
from scripts.errors import ContractError, RefusedError, SegmentError, lines
from scripts.root_lock import hold_as_job

# The C library gives every large array back to the system when it is freed, and the next one takes
# its pages anew, which large worlds pay for. One heap that keeps what was freed spares that; a
# library that is not glibc does not read these names.
_HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(16 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def export_heap() -> None:
    """Let the processes of all jobs keep freed memory; what the user has set stays."""
    for name, value in _HEAP.items():
        os.environ.setdefault(name, value)


def export_package_path(folder: str) -> None:
    """Let the scripts of all jobs import this package, ahead of any other of the same name."""
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    parts = [folder, *(part for part in before if part and part != folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join(parts)


def run(main: Callable[..., None], smk: Any) -> None:
    """Call ``main(input, output, params, wildcards)`` for a rule.

    A :class:`SegmentError` becomes one line in the rule's log file, or on standard error where no
    view reads the logs, and exit status 1; so does what the operating system refuses (``EX20``:
    disk full, read-only, gone), and each error of a group. Anything else is a defect and keeps its
    traceback. A policy that changes while the job runs fails it (``EX23``). A job that succeeds
    leaves its cost in the log file: seconds of ``main`` alone, and CPU seconds and peak memory of
    the process.
    """
    hold_as_job()
    if smk.log:
        progress.begin(smk.log[0])
    start = time.perf_counter()
    try:
        run_id, code = getattr(smk.wildcards, "run_id", ""), getattr(smk.params, "code", "")
        job = measured.Job(smk.input, run_id, code.split(" ")[0])
        measured.begin(job)
        main(smk.input, smk.output, smk.params, smk.wildcards)
        job.end()
    except (SegmentError, RefusedError) as error:
        told = lines(error)
    except OSError as error:
        told = lines(os_error(error, smk.output))
    else:
        cost = cost_of_process() | {"main_s": round(time.perf_counter() - start, 3)}
        _log(smk, [json.dumps(cost, sort_keys=True)])
        return
    if not (_log(smk, told) and os.environ.get(VIEW)):
        print("\n".join(told), file=sys.stderr)
    raise SystemExit(1)


def _log(smk: Any, last: list[str]) -> bool:
    """Last lines of the rule's log; whether the disk took them."""
    if not smk.log:
        return False
    try:
        with Path(str(smk.log[0])).open("a", encoding="utf-8") as file:
            file.write("\n".join([*last, ""]))
    except OSError:
        return False
    return True


def cost_of_process() -> dict[str, float]:
    """CPU seconds of this process and its peak resident memory in MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(_peak_kib(usage.ru_maxrss) / 2**10, 1),
    }


def _peak_kib(largest_rss: int) -> float:
    """Peak of this program; ``ru_maxrss`` of Linux may be that of the process it came from."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return largest_rss / 2**10 if sys.platform == "darwin" else largest_rss
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return float(peak[1]) if peak else largest_rss


def os_error(error: OSError, outputs: Any) -> ContractError:
    """What the operating system refused, in the words of a broken rule (``EX20``)."""
    where = error.filename or next(iter(outputs), "output")
    reason = error.strerror or str(error)
    return ContractError(
        "EX20", where, f"the operating system says: {reason}", "put that right and start again"
    )
