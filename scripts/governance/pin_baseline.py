"""Rule ``pin_baseline``: P0's baseline authority, pinned by digest.

The pin follows the baseline while nothing was accepted against it. Once a lock stands, the
baseline that the lock was measured against may not move.
"""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.locks import refuse_moved_baseline, standing_records
from scripts.governance.pointers import baseline_pointer
from scripts.governance.run_receipt import verify_outputs
from scripts.records.ledger import Ledger


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Pin the baseline."""
    root = Path(params.runs_root)
    receipts = [read_object("run_receipt", path) for path in inputs.receipts]
    verify_outputs(receipts, Ledger.of(root, inputs.state_outputs))
    digests = Ledger.of(root, [inputs.report, *inputs.scorecards, *inputs.receipts]).digests
    report = read_object("segment1b_p0_baseline", inputs.report)
    refuse_moved_baseline(
        standing_records(Path(inputs.report).parent),
        report,
        Ledger.of(root, [inputs.report]).digests,
    )
    write_object(
        "baseline_pointer",
        outputs.pointer,
        baseline_pointer(report, receipts, digests, inputs.report),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
