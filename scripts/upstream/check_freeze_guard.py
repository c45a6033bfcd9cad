"""Rules ``check_freeze_guard`` and ``check_freeze_guard_seed``: the guard's verdict, as a file."""

from typing import Any

from scripts.contracts import write_object
from scripts.entry import run
from scripts.upstream.freeze_guard import judge_files


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind certification, scorecards and bands to the verdict."""
    write_object(
        "segment1a_freeze_guard",
        outputs.guard,
        judge_files(wildcards.run_id, inputs.certification, inputs.scorecards, inputs.bands),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
