"""Where a recovery starts: a candidate that is AMBER_NEAR_BPLUS, and nothing else.

Refused (``EG49``) unless the integrated record allows a recovery: GREEN_B has nothing to recover,
RED_REOPEN_REQUIRED asks for a reopening and not for tuning.
"""

from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.ladder.calibration import STATES
from scripts.ladder.recovery import load_search, standing
from scripts.policies import load_policy
from scripts.scorers.classification import RED
from scripts.scorers.gates import load_gates
from scripts.tables import published


def require_allowed(record: Any, where: object) -> None:
    """Refuse a recovery that the integrated record does not allow (``EG49``)."""
    if not record["recovery_allowed"]:
        remedy = (
            "reopen what the contradiction names: segment1b reopen PHASE"
            if record["classification"] == RED
            else "nothing to recover: every BPLUS gate holds"
        )
        raise GovernanceError(
            "EG49",
            where,
            f"P4 is {record['classification']}, recovery is for AMBER_NEAR_BPLUS",
            remedy,
        )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``start_recovery``; every list by seed is in ascending order of seed."""
    record = read_object("segment1b_p4_integrated", inputs.integrated)
    require_allowed(record, inputs.integrated)
    load_search(inputs.recovery, inputs.calibration)
    found = standing(
        [read_object("segment1b_scorecard", path) for path in inputs.scorecards],
        [read_object("segment1b_scorecard", path) for path in inputs.reference_scorecards],
        load_gates(inputs.gates),
    )
    write_object(
        "recovery_start",
        outputs.start,
        published(
            {
                "cycle": 0,
                "attempt": 0,
                "attempt_id": None,
                "knobs": {},
                "grade": found["grade"],
                "missed": found["missed"],
                "faithless": found["faithless"],
                "shortfall": found["shortfall"],
                "policies": {state: dict(load_policy(getattr(inputs, state))) for state in STATES},
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
