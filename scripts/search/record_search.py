"""Leaderboard of a search: every attempt, best first, and the policies that won.

A short tail of distances and a true spacing of outlets pull at the same knobs, so the table marks
the attempts on their Pareto front (see :func:`front`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.scorers import companions
from scripts.scorers.truth.judgement import TESTS, margin_of
from scripts.search.policy import STATES
from scripts.search.score import FEASIBLE, order_key
from scripts.search.search_attempt import publish_policy

Json = Mapping[str, Any]
FIDELITY = (
    *("spearman_median", "overlap_median", "urban_difference_points", "two_sample_auc"),
    *(f"truth_{test}" for test in TESTS),
)
METRICS = ("country_gini", "top10_share", "nn_p99_p50_ratio")
SPACING = ("T1", "T2", "T3", "T4")


def mean_over_seeds(by_seed: Mapping[str, Json], name: str) -> float | None:
    """Mean of a value over the seeds; None where it is undefined or nothing ran."""
    values = [entry[name] for entry in by_seed.values()]
    return None if not values or None in values else float(sum(values) / len(values))


def spacing_margin(attempt: Json) -> float | None:
    """Least margin of T1 to T4 over the seeds of an attempt; None where one is undefined."""
    found = [
        (entry[f"truth_{test}"], TESTS[test].accepted)
        for entry in attempt["fidelity"].values()
        for test in SPACING
    ]
    if not found or any(value is None for value, _ in found):
        return None
    return min(margin_of(value, accepted) for value, accepted in found)


def front(attempts: Sequence[Json]) -> list[bool]:
    """Which attempts are on the Pareto front of the tail ratio and the least margin of T1 to T4.

    The ratio is the mean over the seeds, the margin the least. Of the attempts that hold every
    constraint, those to which no other is equal or better in both and better in one.
    """
    points = [
        (mean_over_seeds(attempt["metrics"], "nn_p99_p50_ratio"), spacing_margin(attempt))
        if attempt["status"] == FEASIBLE
        else (None, None)
        for attempt in attempts
    ]
    known = [(tail, margin) for tail, margin in points if tail is not None and margin is not None]
    return [
        tail is not None
        and margin is not None
        and not any(
            other != (tail, margin) and other[0] <= tail and other[1] >= margin for other in known
        )
        for tail, margin in points
    ]


def leaderboard_rows(attempts: Sequence[Json]) -> list[dict[str, Any]]:
    """Attempts from best to worst as rows of the table."""
    ranked = sorted(attempts, key=order_key)
    return [
        {
            "rank": rank,
            **{
                key: attempt[key]
                for key in ("cycle", "attempt", "state", "objective", "violation", "status")
            },
            "turned_for": ";".join(attempt["turned_for"]),
            "knobs": ";".join(f"{key}={value:g}" for key, value in attempt["knobs"].items()),
            "vetoes": "; ".join(attempt["vetoes"]),
            **{name: mean_over_seeds(attempt["fidelity"], name) for name in FIDELITY},
            **{name: mean_over_seeds(attempt["metrics"], name) for name in METRICS},
            "spacing_margin": spacing_margin(attempt),
            "on_front": int(on_front),
        }
        for rank, (attempt, on_front) in enumerate(zip(ranked, front(ranked), strict=True), start=1)
    ]


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``record_search``."""
    attempts = [read_object("search_attempt", path) for path in inputs.attempts]
    best = read_object("search_best", str(inputs.best))
    start = read_object("search_best", str(inputs.start))
    for state in STATES:
        publish_policy(getattr(outputs, state), best["policies"][state], getattr(inputs, state))
    companions.write_csv("search_leaderboard_table", outputs.table, leaderboard_rows(attempts))
    write_object(
        "search_leaderboard",
        outputs.leaderboard,
        {
            "search": wildcards.search,
            "seeds": list(params.seeds),
            "attempts": len(attempts),
            "feasible": sum(attempt["status"] == FEASIBLE for attempt in attempts),
            "start": start["attempt"],
            "best": best,
            "leaderboard": sorted(attempts, key=order_key),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
