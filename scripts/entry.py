"""The edge between Snakemake and the pure functions: logging and one-line failures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.errors import SegmentError


def run(main: Callable[..., None], smk: Any) -> None:
    """Call ``main(input, output, params, wildcards)`` for a rule.

    A :class:`SegmentError` becomes one line on standard error and in the rule's log file, and exit
    status 1; anything else is a defect and keeps its traceback.
    """
    try:
        main(smk.input, smk.output, smk.params, smk.wildcards)
    except SegmentError as error:
        line = f"{type(error).__name__}: {error}"
        if smk.log:
            Path(str(smk.log[0])).write_text(line + "\n", encoding="utf-8")
        print(line, file=sys.stderr)
        raise SystemExit(1) from None
