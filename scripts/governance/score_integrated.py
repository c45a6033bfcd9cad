"""Rule ``score_integrated``: P4, all gates of one run in one table, classified.

``p4_contradiction`` writes the case for reopening beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance import phases
from scripts.governance.pointers import verify_baseline
from scripts.records.ledger import Ledger
from scripts.scorers.classification import AMBER, RED, verdict
from scripts.scorers.gates import evaluate, load_gates
from scripts.tables import file_digest, published

POSTURES = {
    "concentration": ("concentration",),
    "coverage": ("coverage", "hemisphere", "region"),
    "geometry": ("nn_tail", "collapse"),
    "structure": ("structural", "validation"),
    "stability": ("stability",),
}


def held_against(
    cards: Sequence[phases.Json], references: Sequence[phases.Json]
) -> list[phases.Row]:
    """Rows that veto a regression against P3, seed by seed."""
    return [
        entry
        for card, reference in zip(cards, references, strict=True)
        for entry in phases.no_regression(
            card, reference, (*phases.CONCENTRATION, *phases.COVERAGE), "p3"
        )
    ]


def integrated(
    cards: Sequence[phases.Json], references: Sequence[phases.Json], settings: phases.Json
) -> dict[str, Any]:
    """Table and class of a run over all its seeds.

    Parameters
    ----------
    cards, references
        Scorecards of the run and of P3 by seed, in the same order.
    settings
        ``config/gates.yaml``.
    """
    evaluated = evaluate(cards, settings)
    found = verdict(evaluated["rows"])
    held = phases.with_triage(held_against(cards, references))
    regressions = [entry for entry in held if not entry["passed"]]
    classification = RED if regressions else found["class"]
    return {
        "classification": classification,
        "grade": found["grade"],
        "posture_holds": {
            name: all(
                entry["passed"]
                for entry in evaluated["rows"]
                if entry["grade"] == "B" and entry["family"] in families
            )
            for name, families in POSTURES.items()
        },
        "recovery_allowed": classification == AMBER,
        "reopen_required": classification == RED,
        "rows": evaluated["rows"],
        "no_regression": held,
        "delta": phases.deltas(cards, references),
        "recommended_lane": found["recommended_lane"],
        "lanes": found["lanes"],
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Score; every list by seed is in ascending order of seed."""
    root = Path(params.runs_root)
    pin = read_object("baseline_pointer", inputs.baseline_pointer)
    verify_baseline(pin, root, inputs.baseline_pointer)
    cards = [read_object("segment1b_scorecard", path) for path in inputs.scorecards]
    references = [read_object("segment1b_scorecard", path) for path in inputs.reference_scorecards]
    receipt = read_object("run_receipt", inputs.receipts[0])
    found = integrated(cards, references, load_gates(inputs.gates))
    head = {
        "phase": "P4",
        **{key: receipt[key] for key in ("run_id", "name", "posture", "parameter_hash")},
        "seeds": [card["seed"] for card in cards],
        "reference_run_id": references[0]["run_id"],
        "envelope_sha256": file_digest(inputs.envelope),
    }
    write_object(
        "segment1b_p4_integrated",
        outputs.integrated,
        published(
            {
                **head,
                "metrics": {str(card["seed"]): card["metrics"] for card in cards},
                "scorecards": Ledger.of(root, inputs.scorecards).digests,
                **found,
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
