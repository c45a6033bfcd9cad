"""Rule ``pass_1a``: the flag of a bundle whose validation passed, and of no other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import read_object
from scripts.entry import run
from scripts.errors import UpstreamError
from scripts.records.bundle import MEND_A_FAILURE, write_flag


def refuse_failure(summary: Mapping[str, Any], where: str) -> None:
    """Refuse a validation that did not pass, naming the checks that failed (``EU40``)."""
    if summary["verdict"] != "PASS":
        raise UpstreamError(
            "EU40",
            where,
            f"validation failed: {', '.join(summary['failed'])}",
            MEND_A_FAILURE,
        )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind a bundle to its flag."""
    refuse_failure(read_object("validation_summary_1A", inputs.summary), inputs.summary)
    write_flag(Path(inputs.summary).parent)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
