"""Target ``candidate``: points to the run under evaluation, once every seed has a scorecard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path, read_object, write_object
from scripts.entry import run
from scripts.governance.pointers import candidate_pointer
from scripts.records.ledger import Ledger


def point(root: Path, scorecards: Sequence[str | Path], receipts: Sequence[str | Path]) -> Any:
    """Move ``current_candidate`` to the run of some scorecards and receipts; the pointer.

    Every target that a run passes moves it: ``candidate``, a phase, ``certify``. One that names the
    run already is left as it is.
    """
    pointer = candidate_pointer(
        [read_object("segment1b_scorecard", path) for path in scorecards],
        [read_object("run_receipt", path) for path in receipts],
        Ledger.of(root, [*scorecards, *receipts]).digests,
        scorecards[0],
    )
    place = dataset_path(root, "current_candidate_pointer")
    if not place.is_file() or read_object("current_candidate_pointer", place) != pointer:
        write_object("current_candidate_pointer", place, pointer)
    return pointer


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``candidate``."""
    point(Path(params.runs_root), inputs.scorecards, inputs.receipts)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
