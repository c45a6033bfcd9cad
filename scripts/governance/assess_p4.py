"""Rule ``assess_p4``: all gates of one run in one table, classified.

``segment1b_p4_integrated`` holds the whole table, what got worse than in P3, the class, and what 1A
offers. The part of it that a reopening is argued with is written when the class is RED
(:func:`reopening_case`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.pointers import verify_baseline
from scripts.records.ledger import Ledger
from scripts.scorers.classification import AMBER, RED, verdict
from scripts.scorers.gates import evaluate, load_gates
from scripts.scorers.phase_rows import deltas, p4_rows
from scripts.scorers.triage import with_triage
from scripts.tables import file_digest, published

Json = Mapping[str, Any]
POSTURES = {
    "concentration": ("concentration",),
    "coverage": ("coverage", "hemisphere", "region"),
    "geometry": ("nn_tail", "collapse"),
    "structure": ("structural", "validation"),
    "stability": ("stability",),
}


def assess(cards: Sequence[Json], references: Sequence[Json], settings: Json) -> dict[str, Any]:
    """Table and class of a run over all its seeds.

    Parameters
    ----------
    cards, references
        Scorecards of the run and of P3 by seed, in the same order.
    settings
        ``config/gates.yaml``.
    """
    rows = evaluate(cards, settings)["rows"]
    judged = verdict(rows)
    compared = with_triage(p4_rows(cards, references))
    regressions = [row for row in compared if not row["passed"]]
    classification = RED if regressions else judged["class"]
    return {
        "classification": classification,
        "reopen_required": classification == RED,
        **{key: judged[key] for key in ("grade", "deciding_grade", "lanes", "recommended_lane")},
        "posture_holds": {
            name: all(
                row["passed"] for row in rows if row["grade"] == "B" and row["family"] in families
            )
            for name, families in POSTURES.items()
        },
        "recovery_allowed": classification == AMBER,
        "rows": rows,
        "no_regression": compared,
        "delta": deltas(cards, references),
        "countries_offered": countries_offered(cards, settings),
    }


def countries_offered(cards: Sequence[Json], settings: Json) -> dict[str, Any]:
    """Countries that 1A lets sites stand in, those that have some by seed, and the share wanted."""
    gate = settings["gates"]["eligible_country_nonzero_share"]
    return {
        "eligible": len(cards[0]["eligible_countries"]),
        "with_sites": {
            str(card["seed"]): card["counts"]["active_eligible_countries"] for card in cards
        },
        "wanted_share": {grade: gate[grade] for grade in ("B", "BPLUS")},
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Assess; every list by seed is in ascending order of seed."""
    pin = read_object("baseline_pointer", inputs.baseline_pointer)
    verify_baseline(pin, Path(params.runs_root), inputs.baseline_pointer)
    cards = [read_object("segment1b_scorecard", path) for path in inputs.scorecards]
    references = [read_object("segment1b_scorecard", path) for path in inputs.reference_scorecards]
    receipt = read_object("run_receipt", inputs.receipts[0])
    table = assess(cards, references, load_gates(inputs.gates))
    of_run = {
        "phase": "P4",
        "run_id": receipt["run_id"],
        "posture": receipt["posture"],
        "seeds": [card["seed"] for card in cards],
        "metrics": {str(card["seed"]): card["metrics"] for card in cards},
    }
    stood_on = {
        "name": receipt["name"],
        "parameter_hash": receipt["parameter_hash"],
        "reference_run_id": references[0]["run_id"],
        "envelope_sha256": file_digest(inputs.envelope),
        "scorecards": Ledger.of(params.runs_root, inputs.scorecards).digests,
    }
    write_object(
        "segment1b_p4_integrated", outputs.integrated, published({**of_run, **stood_on, **table})
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
