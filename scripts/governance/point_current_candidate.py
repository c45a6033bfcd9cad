"""Rule ``point_current_candidate``: the run under evaluation, once every seed has a scorecard."""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.pointers import candidate_pointer
from scripts.records.ledger import Ledger


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Move the pointer."""
    root = Path(params.runs_root)
    write_object(
        "current_candidate_pointer",
        outputs.pointer,
        candidate_pointer(
            [read_object("segment1b_scorecard", path) for path in inputs.scorecards],
            [read_object("run_receipt", path) for path in inputs.receipts],
            Ledger.of(root, [*inputs.scorecards, *inputs.receipts]).digests,
            inputs.scorecards[0],
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
