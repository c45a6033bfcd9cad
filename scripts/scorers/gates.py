"""The gate table, and its verdict on scorecards.

One list says what is gated, one function judges every number. A row passes when the observed value
is on the right side of its threshold; a value that could not be measured is null and fails. The
grade is the best whose rows, and those of every lower grade, all pass on every seed; pooled figures
rescue no seed.

======  ==================================================================================
grade   asks for
======  ==================================================================================
B       the gates at the thresholds of B, S9, region floors, stability across seeds
BPLUS   the same at the thresholds of BPLUS
A       BPLUS, and the eleven tests of :mod:`scripts.scorers.truth`, whose limits are fixed
======  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.geo.metrics import coefficient_of_variation
from scripts.policies import load_schema, parse_yaml, validate
from scripts.scorers.triage import with_triage
from scripts.scorers.truth.judgement import TESTS, nearer_end
from scripts.tables import published

GATES_FILE = "config/gates.yaml"
# Grades whose thresholds it states.
GATED_GRADES = ("B", "BPLUS")
GRADES = (*GATED_GRADES, "A")
BELOW = "BELOW_B"
GRADE_NAMES = {"A": "A", "BPLUS": "B+", "B": "B", BELOW: "below B"}
AT_MOST, AT_LEAST = "at_most", "at_least"

Row = dict[str, Any]
Scorecard = Mapping[str, Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Gate:
    """One graded metric of the scorecard's ``metrics``.

    ``interval``: the unfavourable end of the bootstrap interval must hold the threshold too.
    ``stable_metric``: the metric whose variation across seeds is limited.
    """

    metric: str
    direction: str
    family: str
    interval: bool
    stable_metric: str


GATES = (
    Gate("country_gini", AT_MOST, "concentration", True, "country_gini"),
    Gate("top1_share", AT_MOST, "concentration", True, "top1_share"),
    Gate("top5_share", AT_MOST, "concentration", True, "top5_share"),
    Gate("top10_share", AT_MOST, "concentration", True, "top10_share"),
    Gate(
        "eligible_country_nonzero_share",
        AT_LEAST,
        "coverage",
        False,
        "eligible_country_nonzero_share",
    ),
    Gate("southern_hemisphere_share", AT_LEAST, "hemisphere", True, "southern_hemisphere_share"),
    Gate("nn_contraction", AT_LEAST, "nn_tail", False, "nn_p99_p50_ratio"),
)


def load_gates(path: str | Path) -> Settings:
    """Read and validate ``config/gates.yaml`` (``EC01``, ``EC02``, ``EC10``)."""
    settings: Settings = parse_yaml(path)
    validate(settings, load_schema("gates"), path)
    return settings


def judge(
    gate: str,
    grade: str,
    family: str,
    metric: str,
    seed: int | str,
    observed: float | None,
    threshold: float | None,
    direction: str,
    *,
    interval: Sequence[float | None] | None = None,
    accepted: Sequence[float | None] | None = None,
    reason: str = "",
) -> Row:
    """One row of the verdict.

    ``margin`` is the distance to the threshold, positive on the passing side. ``reason`` explains
    a failure; by default it states the comparison, or that the value is undefined. ``accepted`` are
    both ends of what a gate with a range accepts; the threshold is the nearer one.
    """
    margin = None
    if observed is not None and threshold is not None:
        margin = threshold - observed if direction == AT_MOST else observed - threshold
    passed = margin is not None and margin >= 0.0
    if not passed and not reason:
        relation = "above" if direction == AT_MOST else "below"
        reason = "undefined" if margin is None else f"{observed:.6g} is {relation} {threshold:.6g}"
    return {
        "gate": gate,
        "grade": grade,
        "family": family,
        "metric": metric,
        "seed": seed,
        "observed": observed,
        "threshold": threshold,
        "direction": direction,
        "interval": list(interval) if interval is not None else None,
        "accepted": list(accepted) if accepted is not None else None,
        "margin": published(margin),
        "passed": passed,
        "reason": "" if passed else reason,
    }


def _metric_rows(card: Scorecard, settings: Settings, grade: str) -> Iterable[Row]:
    for gate in GATES:
        threshold = settings["gates"][gate.metric][grade]
        observed = card["metrics"][gate.metric]
        interval = card["intervals"].get(gate.metric) if gate.interval else None
        common = (grade, gate.family, gate.metric, card["seed"])
        yield judge(gate.metric, *common, observed, threshold, gate.direction, interval=interval)
        if gate.interval:
            end = None
            if interval is not None:
                end = interval[1] if gate.direction == AT_MOST else interval[0]
            yield judge(
                f"{gate.metric}_interval",
                *common,
                end,
                threshold,
                gate.direction,
                interval=interval,
            )


def _floor_rows(card: Scorecard, grade: str) -> Iterable[Row]:
    floors = {name: floor for name, floor in card["region_floors"].items() if floor > 0.0}
    common = ("region_floor", grade, "region")
    if not floors:
        yield judge(
            *common,
            "region_shares",
            card["seed"],
            None,
            None,
            AT_LEAST,
            reason="undefined: the S2 policy of the run sets no region floor",
        )
    for region, floor in sorted(floors.items()):
        share = card["region_shares"].get(region)
        yield judge(*common, f"region_share.{region}", card["seed"], share, floor, AT_LEAST)


def _structural_rows(card: Scorecard, grade: str) -> Iterable[Row]:
    seed, flagged = card["seed"], card["collapse"]["flagged"]
    yield judge(
        "no_collapse",
        grade,
        "collapse",
        "collapse.flagged",
        seed,
        len(flagged),
        0,
        AT_MOST,
        reason=f"flagged: {', '.join(flagged)}",
    )
    checks = card["validation"]
    for kind, family in (("structural", "structural"), ("realism", "validation")):
        failing = checks[f"failing_{kind}"]
        yield judge(
            f"s9_{kind}",
            grade,
            family,
            f"validation.failing_{kind}",
            seed,
            len(failing),
            0,
            AT_MOST,
            reason=f"S9: {', '.join(failing)}",
        )
    yield judge(
        "s9_passed",
        grade,
        "structural" if checks["failing_structural"] else "validation",
        "validation.verdict",
        seed,
        int(checks["verdict"] == "PASS"),
        1,
        AT_LEAST,
        reason="S9 withheld its flag",
    )
    outside = card["counts"]["sites_outside_eligible"]
    yield judge(
        "no_site_outside_eligible",
        grade,
        "structural",
        "counts.sites_outside_eligible",
        seed,
        outside,
        0,
        AT_MOST,
        reason=f"{outside} sites in countries without people or tiles",
    )


def truth_rows(card: Scorecard) -> list[Row]:
    """Rows of grade A: the tests of truth, each against the nearer end of its range.

    A test that the map has too little for is not passed.
    """
    rows = []
    for test, found in card["truth"].items():
        threshold, below = nearer_end(found["value"], found["accepted"])
        direction = AT_LEAST if below else AT_MOST
        metric = f"truth.{found['name']}"
        common = (f"truth_{test}", "A", TESTS[test].family, metric, card["seed"])
        more = {"accepted": found["accepted"], "reason": found["reason"]}
        rows.append(judge(*common, found["value"], threshold, direction, **more))
    return rows


def seed_rows(card: Scorecard, settings: Settings) -> list[Row]:
    """Rows of every grade for the scorecard of one seed."""
    rows: list[Row] = []
    for grade in GATED_GRADES:
        rows += _metric_rows(card, settings, grade)
        rows += _floor_rows(card, grade)
        rows += _structural_rows(card, grade)
    return with_triage([*rows, *truth_rows(card)])


def stability_rows(cards: Sequence[Scorecard], settings: Settings) -> list[Row]:
    """Rows of the coefficient of variation of each core metric across the seeds."""
    rows = []
    for grade in GATED_GRADES:
        for gate in GATES:
            values = [card["metrics"][gate.stable_metric] for card in cards]
            cv = None
            if None not in values:
                cv = published(coefficient_of_variation(values))
            rows.append(
                judge(
                    "stability",
                    grade,
                    "stability",
                    f"cv.{gate.stable_metric}",
                    "all",
                    cv,
                    settings["stability_cv_max"][grade],
                    AT_MOST,
                )
            )
    return with_triage(rows)


def fidelity_rows(card: Scorecard, settings: Settings) -> list[Row]:
    """What a faithful map should show, judged the same way but deciding no grade."""
    limits, fidelity = settings["fidelity"], card["fidelity"]
    population, urban = fidelity["population"], fidelity["urban"]
    difference = urban["difference_points"]
    p50 = card["nn"]["quantiles_m"]["q50"]
    checks = (
        ("spearman_median", population["spearman_median"], limits["spearman_median_min"], AT_LEAST),
        ("overlap_median", population["overlap_median"], limits["overlap_median_min"], AT_LEAST),
        (
            "urban_difference_points",
            None if difference is None else abs(difference),
            limits["urban_difference_points_max"],
            AT_MOST,
        ),
        ("nn_p50_m_min", p50, limits["nn_p50_m"]["min"], AT_LEAST),
        ("nn_p50_m_max", p50, limits["nn_p50_m"]["max"], AT_MOST),
        ("nn_ratio", card["metrics"]["nn_p99_p50_ratio"], limits["nn_ratio_min"], AT_LEAST),
        (
            "time_zones_reached_share",
            fidelity["time_zones"]["multi_zone_reached_share"],
            limits["time_zones_reached_share_min"],
            AT_LEAST,
        ),
    )
    return [
        judge(name, "report", "fidelity", name, card["seed"], observed, limit, direction)
        for name, observed, limit, direction in checks
    ]


def grade_of(rows: Iterable[Row]) -> str:
    """Best grade whose rows, and those of every lower grade, all pass."""
    failed = {row["grade"] for row in rows if not row["passed"]}
    best = BELOW
    for grade in GRADES:
        if grade in failed:
            break
        best = grade
    return best


def reaches(grade: str, minimum: str) -> bool:
    """Whether a grade is at least the minimum."""
    order = (BELOW, *GRADES)
    return order.index(grade) >= order.index(minimum)


def evaluate(cards: Sequence[Scorecard], settings: Settings) -> dict[str, Any]:
    """Verdict on the scorecards of all seeds.

    Returns
    -------
    ``grade``, ``rows`` (gates of every seed and of stability) and ``fidelity`` (reported rows).
    """
    rows = [row for card in cards for row in seed_rows(card, settings)]
    rows += stability_rows(cards, settings)
    return {
        "grade": grade_of(rows),
        "rows": rows,
        "fidelity": [row for card in cards for row in fidelity_rows(card, settings)],
    }
