"""Target ``recover``: how the bounded recovery ended, and what to do with its winner.

It ends well whether or not an attempt reached BPLUS: a candidate in ``AMBER_NEAR_BPLUS`` holds B,
and the best safe attempt, or the candidate as it is, is accepted. Nothing is certified here.
"""

from collections.abc import Mapping
from typing import Any

from scripts.entry import run
from scripts.governance import locks

Json = Mapping[str, Any]
BEST = 3


def summary(record: Json, runs_root: str) -> list[str]:
    """Lines of a recovery: where it started, the best attempts, the winner's policies."""
    tried = [attempt for attempt in record["attempts"] if attempt["shortfall"] is not None]
    best = sorted(tried, key=lambda attempt: attempt["shortfall"])[:BEST]
    lines = [f"start: shortfall {record['start']['shortfall']:.4f}"]
    for attempt in best:
        knobs = ", ".join(f"{key}={value:g}" for key, value in attempt["knobs"].items())
        lines.append(
            f"cycle {attempt['cycle']} attempt {attempt['attempt']} {attempt['status']} "
            f"shortfall {attempt['shortfall']:.4f} ({knobs})"
        )
    winner = record["winner"]
    if winner is None:
        return [*lines, "no safe movement: the candidate is accepted as it is, grade B"]
    return [
        *lines,
        f"winner: cycle {winner['cycle']} attempt {winner['attempt']}, grade {winner['grade']}; "
        "copy its policies over those of the candidate:",
        *(f"  {runs_root}/{entry['path']}" for entry in winner["policies"].values()),
    ]


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``recover``; refused before anything runs when promotion is (``EG41``)."""
    locks.refuse(params.faults)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
