"""What the ladder reads off a scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.scorers.gates import AT_LEAST, AT_MOST, GATED_GRADES, GATES, seed_rows
from scripts.scorers.truth.judgement import TESTS

Json = Mapping[str, Any]
PASS, FAIL, UNGATED = "pass", "fail", ""
# On neither side of one threshold, but in a range.
WITHIN = "within"


@dataclass(frozen=True)
class Measure:
    """One number of a scorecard.

    ``path`` leads to it; ``direction`` says on which side of a threshold it should lie.
    """

    name: str
    title: str
    path: tuple[str, ...]
    direction: str
    magnitude: bool = False

    def of(self, card: Json) -> float | None:
        """Value in a scorecard; None where it is undefined."""
        value: Any = card
        for key in self.path:
            value = value[key]
        number: float | None = abs(value) if self.magnitude and value is not None else value
        return number


def _metric(name: str, title: str, direction: str) -> Measure:
    return Measure(name, title, ("metrics", name), direction)


MEASURES = (
    _metric("country_gini", "Gini of countries", AT_MOST),
    _metric("top1_share", "top 1 % of countries", AT_MOST),
    _metric("top5_share", "top 5 % of countries", AT_MOST),
    _metric("top10_share", "top 10 % of countries", AT_MOST),
    _metric("eligible_country_nonzero_share", "countries with a site", AT_LEAST),
    _metric("southern_hemisphere_share", "southern share", AT_LEAST),
    _metric("nn_contraction", "contraction of NN p99/p50", AT_LEAST),
    _metric("nn_p99_p50_ratio", "NN p99/p50", AT_LEAST),
    Measure(
        "spearman_median",
        "rank agreement with population",
        ("fidelity", "population", "spearman_median"),
        AT_LEAST,
    ),
    Measure(
        "overlap_median",
        "overlap with population",
        ("fidelity", "population", "overlap_median"),
        AT_LEAST,
    ),
    Measure(
        "urban_difference_points",
        "urban share off population's, points",
        ("fidelity", "urban", "difference_points"),
        AT_MOST,
        magnitude=True,
    ),
    Measure("two_sample_auc", "AUC, sites against people", ("fidelity", "two_sample", "auc"), ""),
    *(
        Measure(f"truth_{test}", f"{test} {found.title}", ("truth", test, "value"), WITHIN)
        for test, found in TESTS.items()
    ),
)
GATED = tuple(gate.metric for gate in GATES)


def statuses(card: Json, settings: Json) -> dict[str, dict[str, str]]:
    """``pass`` or ``fail`` by grade: of gated metrics, their interval counted in, and of truth."""
    held = {name: dict.fromkeys(GATED_GRADES, PASS) for name in GATED}
    for row in seed_rows(card, settings):
        if row["grade"] == "A":
            held[row["gate"]] = {"A": PASS if row["passed"] else FAIL}
        elif row["metric"] in held and not row["passed"]:
            held[row["metric"]][row["grade"]] = FAIL
    return held


def thresholds(settings: Json) -> dict[str, dict[str, float]]:
    """Lines of each measure by name: B and BPLUS of the gates, ``floor`` of fidelity, the ends
    ``A_low`` and ``A_high`` of truth.
    """
    limits = settings["fidelity"]
    floors = {
        "nn_p99_p50_ratio": limits["nn_ratio_min"],
        "spearman_median": limits["spearman_median_min"],
        "overlap_median": limits["overlap_median_min"],
        "urban_difference_points": limits["urban_difference_points_max"],
    }
    lines: dict[str, dict[str, float]] = {}
    for measure in MEASURES:
        if measure.name in GATED:
            lines[measure.name] = {
                grade: settings["gates"][measure.name][grade] for grade in GATED_GRADES
            }
        elif measure.name in floors:
            lines[measure.name] = {"floor": floors[measure.name]}
        elif measure.direction == WITHIN:
            low, high = TESTS[measure.path[1]].accepted
            ends = {"A_low": low, "A_high": high}
            lines[measure.name] = {name: end for name, end in ends.items() if end is not None}
        else:
            lines[measure.name] = {}
    return lines


def grouped_by_run(cards: Iterable[Json]) -> dict[str, list[Json]]:
    """Scorecards by run id, each list by ascending seed."""
    runs: dict[str, list[Json]] = {}
    for card in cards:
        runs.setdefault(card["run_id"], []).append(card)
    return {run: sorted(group, key=lambda card: card["seed"]) for run, group in runs.items()}
