"""Leaderboard of a calibration: every attempt, best first, and the policies that won."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.ladder.calibration import load_calibration, order_key
from scripts.ladder.evaluate_attempt import write_policy
from scripts.scorers import companions
from scripts.tables import published

Json = Mapping[str, Any]


def leaderboard_rows(attempts: Sequence[Json]) -> list[dict[str, Any]]:
    """Attempts from best to worst as rows of the table."""
    rows = []
    for rank, attempt in enumerate(sorted(attempts, key=order_key), start=1):
        rows.append(
            {
                "rank": rank,
                **{key: attempt[key] for key in ("cycle", "attempt", "group", "objective")},
                "violation": attempt["violation"],
                "status": "refused"
                if attempt["refused"]
                else ("feasible" if attempt["feasible"] else "infeasible"),
                "knobs": ";".join(f"{key}={value:g}" for key, value in attempt["knobs"].items()),
                "missed": " ".join(attempt["missed"]),
                **{
                    key: attempt["fidelity"].get(key)
                    for key in (
                        "spearman_median",
                        "overlap_median",
                        "urban_difference_points",
                        "two_sample_auc",
                    )
                },
                **{
                    key: attempt["metrics"].get(key)
                    for key in ("country_gini", "top10_share", "nn_p99_p50_ratio")
                },
            }
        )
    return rows


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``rank_calibration``."""
    search = load_calibration(inputs.calibration)
    attempts = [read_object("calibration_attempt", path) for path in inputs.attempts]
    best = read_object("calibration_best", str(inputs.best))
    companions.write_csv("calibration_leaderboard_table", outputs.table, leaderboard_rows(attempts))
    for state, policy in best["policies"].items():
        write_policy(getattr(outputs, state), policy)
    start = min(attempts, key=lambda a: (a["cycle"], a["attempt"]))
    write_object(
        "calibration_leaderboard",
        outputs.leaderboard,
        published(
            {
                "seed": search["seed"],
                "margin": search["margin"],
                "attempts": len(attempts),
                "feasible": sum(attempt["feasible"] for attempt in attempts),
                "start_objective": start["objective"],
                "best": best,
                "leaderboard": [
                    {key: value for key, value in attempt.items() if key != "policies"}
                    for attempt in sorted(attempts, key=order_key)
                ],
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
