"""The flag of a validation bundle: written when S9 passed, refused when it did not."""

import sys
from pathlib import Path
from typing import Any

from scripts.contracts import read_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.records.bundle import MEND_A_FAILURE, write_flag


def refuse_failure(summary: dict[str, Any], where: str | Path) -> None:
    """Raise ``E910`` when the verdict is not PASS, after one line for each failed check."""
    failed = [row for row in summary["checks"] if row["status"] == "FAIL"]
    if summary["verdict"] == "PASS" and not failed:
        return
    for row in failed:
        print(f"{row['code']} {row['check']}: {row['reason']}", file=sys.stderr)
    named = ", ".join(f"{row['code']} {row['check']}" for row in failed)
    raise StateError(
        "E910",
        where,
        f"{len(failed)} checks failed: {named}",
        MEND_A_FAILURE,
    )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s9_passed_flag``."""
    refuse_failure(read_object("validation_summary_1B", inputs.summary), inputs.summary)
    write_flag(Path(inputs.summary).parent)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
