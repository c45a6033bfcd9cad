"""Rule ``pass_1a``: the flag of a bundle whose validation passed, and of no other."""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object
from scripts.entry import run
from scripts.errors import UpstreamError
from scripts.records.bundle import write_flag


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Write the flag, or refuse with the names of the failed checks."""
    summary = read_object("validation_summary_1A", inputs.summary)
    if summary["verdict"] != "PASS":
        raise UpstreamError(
            "EU40",
            inputs.summary,
            f"validation failed: {', '.join(summary['failed'])}",
            "see checks in that file",
        )
    write_flag(Path(inputs.index).parent, outputs.flag)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
