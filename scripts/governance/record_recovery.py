"""The record of a recovery (P4.3): every attempt, how it ended, and the policies that won.

It ends when BPLUS is reached (later attempts do not run) or when all attempts are spent; what is
then accepted is the best safe attempt, or the candidate as it is when nothing moved. S9 does not
run on an attempt: ``integrated`` runs it once the accepted policies are in force.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.scorers.classification import classify
from scripts.scorers.gates import reaches
from scripts.search.policy import STATES
from scripts.search.score import FEASIBLE, INFEASIBLE
from scripts.tables import file_digest, published

Json = Mapping[str, Any]
REACHED, SPENT, STILL = "BPLUS_REACHED", "ATTEMPTS_SPENT", "NO_SAFE_MOVEMENT"
# What the record calls an attempt that holds every constraint, and one that does not.
STATUS = {FEASIBLE: "safe", INFEASIBLE: "vetoed"}


def outcome(best: Json) -> str:
    """How a recovery ended."""
    if best["cycle"] == 0:
        return STILL
    return REACHED if reaches(best["grade"], "BPLUS") else SPENT


def standing(attempt: Json) -> dict[str, Any]:
    """Grade of an attempt, the BPLUS gates that it misses, and what it lacks of them."""
    lacking = attempt["objective"]
    return {
        "grade": attempt["grade"],
        "missed": attempt["missed"],
        "shortfall": None if lacking is None else 0.0 - lacking,
    }


def attempt_entry(attempt: Json) -> dict[str, Any]:
    """An attempt as the record lists it."""
    names = ("cycle", "attempt", "attempt_id", "state", "turned_for", "knobs", "policies")
    return {
        **{name: attempt[name] for name in names},
        "status": STATUS.get(attempt["status"], attempt["status"]),
        "vetoes": attempt["vetoes"],
        **standing(attempt),
        "metrics": attempt["metrics"],
    }


def recovery_record(
    integrated: Json,
    start: Json,
    best: Json,
    attempts: Sequence[Json],
    won: Json,
    turned: Sequence[str],
) -> dict[str, Any]:
    """The record, without the digest of what it started from.

    Parameters
    ----------
    integrated
        P4's record of the candidate.
    start, best
        The candidate's own attempt, and the best safe one.
    attempts
        Every attempt of the search.
    won
        ``path`` and ``sha256`` of the accepted policies by state.
    turned
        States whose policy is another than the one in force.
    """
    ended = outcome(best)
    accepted = [row for row in integrated["rows"] if row["grade"] == "B"]
    winner = {name: best[name] for name in ("cycle", "attempt", "attempt_id", "knobs")}
    after_start = [attempt for attempt in attempts if attempt["cycle"]]
    return {
        "phase": "P4",
        **{key: integrated[key] for key in ("run_id", "name", "posture", "parameter_hash")},
        "seeds": integrated["seeds"],
        "start": standing(start),
        "outcome": ended,
        "classification": classify(accepted, recovery_ended=True),
        "winner": None
        if ended == STILL
        else {**winner, **standing(best), "policies": dict(won), "turned": list(turned)},
        "attempts": [
            attempt_entry(attempt)
            for attempt in sorted(after_start, key=lambda a: (a["cycle"], a["attempt"]))
        ],
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``record_recovery``."""
    search = read_object("search_leaderboard", inputs.leaderboard)
    files = {state: str(getattr(inputs, state)) for state in STATES}
    won = {
        state: {
            "path": Path(path).relative_to(params.runs_root).as_posix(),
            "sha256": file_digest(path),
        }
        for state, path in files.items()
    }
    in_force = read_object("search_start", inputs.start)["policies"]
    accepted = search["best"]["policies"]
    record = recovery_record(
        read_object("segment1b_p4_integrated", inputs.integrated),
        search["start"],
        search["best"]["attempt"],
        search["leaderboard"],
        won,
        [state for state in STATES if accepted[state] != in_force[state]],
    )
    document = {**record, "integrated_sha256": file_digest(inputs.integrated)}
    write_object("segment1b_p4_recovery", outputs.record, published(document))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
