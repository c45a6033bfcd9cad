"""P4: whether the integrated posture contradicts the gates, with the evidence for a reopening.

The integrated run stands on the frozen upstream authority. When a gate of grade B fails there, no
retuning of locked phases is allowed on a hunch: this record names the failing gates with their
numbers, what the upstream offers, and the lane that the triage map recommends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.scorers.classification import RED, verdict
from scripts.scorers.gates import evaluate, load_gates
from scripts.scorers.p0_baseline import by_seed
from scripts.tables import published

Json = Mapping[str, Any]


def contradiction(cards: Sequence[Json], settings: Json, posture: str) -> dict[str, Any]:
    """The record.

    Parameters
    ----------
    cards
        Scorecards of the integrated run by ascending seed.
    settings
        ``config/gates.yaml``.
    posture
        Name of the run's posture.
    """
    found = verdict(evaluate(cards, settings)["rows"])
    eligible = len(cards[0]["eligible_countries"])
    wanted = {
        grade: settings["gates"]["eligible_country_nonzero_share"][grade]
        for grade in ("B", "BPLUS")
    }
    return {
        "phase": "P4",
        "run_id": cards[0]["run_id"],
        "posture": posture,
        "seeds": [card["seed"] for card in cards],
        "class": found["class"],
        "grade": found["grade"],
        "reopen_required": found["class"] == RED,
        "deciding_grade": found["deciding_grade"],
        "failing_gates": found["failing"],
        "lanes": found["lanes"],
        "recommended_lane": found["recommended_lane"],
        "metrics": {str(card["seed"]): card["metrics"] for card in cards},
        "countries_offered": {
            "eligible": eligible,
            "with_sites": {
                str(card["seed"]): card["counts"]["active_eligible_countries"] for card in cards
            },
            "wanted_share": wanted,
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``p4_contradiction``."""
    cards = by_seed(
        [read_object("segment1b_scorecard", path) for path in inputs.scorecards],
        inputs.scorecards[0],
    )
    document = contradiction(cards, load_gates(inputs.gates), params.posture)
    write_object("segment1b_p4_red_reopen", outputs.report, published(document))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
