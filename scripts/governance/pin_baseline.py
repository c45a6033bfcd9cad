"""Rule ``pin_baseline``: P0's baseline authority, pinned by digest.

A pinned baseline stays until another one is asked for by name; the pointer then keeps the digests
of the one before. While a lock stands, the baseline that it was measured against may not move.
"""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.locks import refuse_moved_baseline, standing_records
from scripts.governance.pointers import baseline_pointer, refuse_unasked_repin
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
    pointer = baseline_pointer(report, receipts, digests, inputs.report)
    if Path(outputs.pointer).is_file():
        before = read_object("baseline_pointer", outputs.pointer)
        if not params.repin:
            refuse_unasked_repin(before, digests, outputs.pointer)
        replaced = before["digests"] if params.repin else before.get("replaced")
        pointer |= {"replaced": replaced} if replaced else {}
    write_object("baseline_pointer", outputs.pointer, pointer)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
