"""The record of a recovery: every attempt, how it ended, and the policies that won."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.ladder.calibration import STATES
from scripts.ladder.evaluate_attempt import write_policy
from scripts.ladder.recovery import STILL, outcome
from scripts.policies import load_policy
from scripts.scorers.classification import classify
from scripts.tables import file_digest, published, write_text

Json = Mapping[str, Any]


def recovery_record(
    integrated: Json, start: Json, best: Json, attempts: Sequence[Json], won: Json
) -> dict[str, Any]:
    """The record, without the digest of what it started from.

    Parameters
    ----------
    integrated
        P4's record of the candidate.
    start, best
        Where the recovery started, and its best safe attempt.
    attempts
        Every attempt in the order of the cycles.
    won
        ``path`` and ``sha256`` of the accepted policies by state.
    """
    ended = outcome(best)
    accepted = [row for row in integrated["rows"] if row["grade"] == "B"]
    return {
        "phase": "P4",
        **{key: integrated[key] for key in ("run_id", "name", "posture", "parameter_hash")},
        "seeds": integrated["seeds"],
        "start": {key: start[key] for key in ("grade", "missed", "shortfall")},
        "outcome": ended,
        "classification": classify(accepted, recovery_ended=True),
        "winner": None
        if ended == STILL
        else {
            **{
                key: best[key]
                for key in ("cycle", "attempt", "attempt_id", "knobs", "grade", "missed")
            },
            "shortfall": best["shortfall"],
            "policies": dict(won),
        },
        "attempts": [dict(attempt) for attempt in attempts],
    }


def publish_policy(path: str, policy: Json, in_force: str) -> None:
    """Publish a policy that won; one that the winner did not turn keeps its bytes."""
    if policy == load_policy(in_force):
        write_text(path, Path(in_force).read_text(encoding="utf-8"))
    else:
        write_policy(path, policy)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``record_recovery``."""
    best = read_object("recovery_best", str(inputs.best))
    for state in STATES:
        publish_policy(getattr(outputs, state), best["policies"][state], getattr(inputs, state))
    files = {state: getattr(outputs, state) for state in STATES}
    won = {
        state: {
            "path": Path(path).relative_to(params.runs_root).as_posix(),
            "sha256": file_digest(path),
        }
        for state, path in files.items()
    }
    record = recovery_record(
        read_object("segment1b_p4_integrated", inputs.integrated),
        read_object("recovery_start", inputs.start),
        best,
        [read_object("recovery_attempt", path) for path in inputs.attempts],
        won,
    )
    document = {**record, "integrated_sha256": file_digest(inputs.integrated)}
    write_object("segment1b_p4_recovery", outputs.record, published(document))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
