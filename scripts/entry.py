"""The edge between Snakemake and the pure functions: logging and one-line failures."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.errors import SegmentError


def run(main: Callable[..., None], smk: Any) -> None:
    """Call ``main(input, output, params, wildcards)`` for a rule.

    A :class:`SegmentError` becomes one line on standard error and in the rule's log file, and exit
    status 1; anything else is a defect and keeps its traceback. A job that succeeds leaves its cost
    in the log file: seconds of ``main`` alone, and CPU seconds and peak memory of the process.
    """
    start = time.perf_counter()
    try:
        main(smk.input, smk.output, smk.params, smk.wildcards)
    except SegmentError as error:
        line = f"{type(error).__name__}: {error}"
        if smk.log:
            Path(str(smk.log[0])).write_text(line + "\n", encoding="utf-8")
        print(line, file=sys.stderr)
        raise SystemExit(1) from None
    else:
        if smk.log:
            cost = cost_of_process() | {"main_s": round(time.perf_counter() - start, 3)}
            Path(str(smk.log[0])).write_text(json.dumps(cost, sort_keys=True) + "\n")


def cost_of_process() -> dict[str, float]:
    """CPU seconds of this process and its peak resident memory in MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss / unit, 1),
    }
