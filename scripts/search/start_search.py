"""Where a search starts: the policies in force.

A recovery is refused (``EG49``) unless the integrated record allows it: GREEN_B has nothing to
recover, RED_REOPEN_REQUIRED asks for a reopening and not for tuning.
"""

from collections.abc import Mapping
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.policies import load_policy
from scripts.scorers.classification import RED
from scripts.search.policy import STATES


def require_allowed(record: Mapping[str, Any], where: object) -> None:
    """Refuse a recovery that the integrated record does not allow (``EG49``)."""
    if not record["recovery_allowed"]:
        red = record["classification"] == RED
        remedy = "mend what fails in it" if red else "nothing to recover: every BPLUS gate holds"
        raise GovernanceError(
            "EG49",
            where,
            f"P4 is {record['classification']}, recovery is for AMBER_NEAR_BPLUS",
            remedy,
        )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``start_search``; a calibration has no integrated record."""
    if inputs.integrated:
        record = read_object("segment1b_p4_integrated", inputs.integrated)
        require_allowed(record, inputs.integrated)
    policies = {state: dict(load_policy(getattr(inputs, state))) for state in STATES}
    write_object("search_start", outputs.start, {"policies": policies})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
