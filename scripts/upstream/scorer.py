"""Grades of a 1A world: bands, hard gates, scorecard of a seed, certification of the authority.

``eligible_B`` needs every hard gate and the policy's share of measures in their B band;
``eligible_B_plus`` needs every hard gate, its share in B+ bands, and top10 and Gini of outlets
inside their B bands. Over several seeds a measure passes when it passes on each.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.errors import UpstreamError
from scripts.tables import read_parquet
from scripts.upstream.metrics import diagnostics, measure, stored_view
from scripts.upstream.tables_1a import SCORED_TABLES
from scripts.upstream.validation import DISPERSION_COLUMNS, dispersion_check

Bands = Mapping[str, Any]
CONCENTRATION = ("top10_outlet_share", "gini_outlets_per_merchant")
_REPRESENTATIVE = {
    "single_share": "single_site_share",
    "median_outlets_per_merchant": "median_outlets_per_merchant",
    "top10_outlet_share": "top10_outlet_share",
    "gini_outlets_per_merchant": "gini_outlets_per_merchant",
    "phi_cv": "phi_cv",
    "phi_p95_p05_ratio": "phi_p95_p05_ratio",
}


def in_band(value: Any, band: Sequence[float | None] | None, tolerance: float = 0.0) -> bool:
    """Is a measure inside a closed interval, a side of which may be open (None)?

    A boolean measure has no interval and passes when true; None passes nothing.
    """
    if value is None:
        return False
    if band is None:
        return value is True
    low, high = band
    return (low is None or value >= low - tolerance) and (high is None or value <= high + tolerance)


def band_checks(measures: Mapping[str, Any], bands: Bands) -> list[dict[str, Any]]:
    """One row per measure, in name order."""
    rows = []
    for name, value in sorted(measures.items()):
        limits = bands["bands"].get(name, {})
        rows.append(
            {
                "metric": name,
                "value": value,
                "B_pass": in_band(value, limits.get("B")),
                "B_plus_pass": in_band(value, limits.get("B_plus")),
            }
        )
    return rows


def hard_gates(measures: Mapping[str, Any], bands: Bands) -> dict[str, Any]:
    """The gates without which there is no grade; an undefined measure fails its gate."""
    limits = bands["hard_gates"]
    checks = {
        "single_site_tier_exists_materially": in_band(
            measures["single_site_share"], (limits["single_site_share_min"], None)
        ),
        "candidate_not_near_global_by_default": in_band(
            measures["candidate_count_median"], (None, limits["candidate_count_median_max"])
        ),
        "dispersion_heterogeneity_restored": in_band(
            measures["phi_cv"], (limits["phi_cv_min"], None)
        )
        and in_band(measures["phi_p95_p05_ratio"], (limits["phi_p95_p05_ratio_min"], None)),
        "required_outputs_emitted": measures["required_outputs_present"] is True,
    }
    return {"checks": checks, "all_pass": all(checks.values())}


def band_coverage(rows: Sequence[Mapping[str, Any]], bands: Bands) -> dict[str, Any]:
    """How many measures hold their bands."""
    passed = {grade: sum(row[f"{grade}_pass"] for row in rows) for grade in ("B", "B_plus")}
    return {
        "total_checks": len(rows),
        "B_pass_count": passed["B"],
        "B_plus_pass_count": passed["B_plus"],
        "B_pass_share": passed["B"] / len(rows),
        "B_plus_pass_share": passed["B_plus"] / len(rows),
        "B_threshold": bands["grade"]["B_pass_share_min"],
        "B_plus_threshold": bands["grade"]["B_plus_pass_share_min"],
        "concentration_no_major_regression": all(
            row["B_pass"] for row in rows if row["metric"] in CONCENTRATION
        ),
    }


def grade_decision(gates: Mapping[str, Any], coverage: Mapping[str, Any]) -> dict[str, Any]:
    """Grade of one set of checks."""
    eligible_b = gates["all_pass"] and coverage["B_pass_share"] >= coverage["B_threshold"]
    eligible_b_plus = (
        gates["all_pass"]
        and coverage["B_plus_pass_share"] >= coverage["B_plus_threshold"]
        and coverage["concentration_no_major_regression"]
    )
    return {
        "grade": "B_plus" if eligible_b_plus else "B" if eligible_b else "below_B",
        "eligible_B": eligible_b,
        "eligible_B_plus": eligible_b_plus,
        "veto_notes": [] if gates["all_pass"] else ["hard_gate_failure_caps_grade"],
    }


def grade(measures: Mapping[str, Any], bands: Bands) -> dict[str, Any]:
    """Checks, gates, coverage and grade of one set of measures."""
    rows, gates = band_checks(measures, bands), hard_gates(measures, bands)
    coverage = band_coverage(rows, bands)
    return {
        "target_band_checks": rows,
        "hard_gates": gates,
        "band_coverage": coverage,
        "grade_decision": grade_decision(gates, coverage),
    }


def scorecard(
    files: Mapping[str, str], checks: Mapping[str, Mapping[str, Any]], bands: Bands
) -> dict[str, Any]:
    """Everything that the scorecard of one seed says but its lineage.

    Parameters
    ----------
    files
        Tables by dataset id.
    checks
        What their validation found, by check (:func:`scripts.upstream.validation.validate`).
    bands
        Policy of bands.
    """
    required = {name: name in checks and checks[name]["passed"] for name in SCORED_TABLES}
    dispersion: dict[str, Any] = {"passed": False, "reason": "no draw log"}
    logged = np.empty(0)
    if "rng_draw_log_1A" in files:
        log = read_parquet(files["rng_draw_log_1A"], DISPERSION_COLUMNS)
        dispersion = dispersion_check(log, bands["dispersion_test_alpha"])
        if dispersion["passed"]:
            logged = log.filter(log.column("is_multi")).column("dispersion_k").to_numpy()
    view = stored_view(files)
    return {
        **grade(measure(view, logged, checks["identity"]["passed"], required), bands),
        "required_outputs": required,
        "dispersion": dispersion,
        "diagnostics": diagnostics(view),
    }


def over_seeds(cards: Sequence[Mapping[str, Any]], bands: Bands) -> dict[str, Any]:
    """Checks, gates, coverage and grade of a run over its seeds.

    The value of a measure is its median over seeds (booleans: all of them); it passes where every
    seed passes; the grade is that of the weakest seed at most.
    """
    by_metric = [{row["metric"]: row for row in card["target_band_checks"]} for card in cards]
    rows = []
    for name in sorted(by_metric[0]):
        seeds = [card[name] for card in by_metric]
        values = [row["value"] for row in seeds]
        rows.append(
            {
                "metric": name,
                "value": _middle(values),
                "minimum": None if None in values else min(values),
                "maximum": None if None in values else max(values),
                "B_pass": all(row["B_pass"] for row in seeds),
                "B_plus_pass": all(row["B_plus_pass"] for row in seeds),
            }
        )
    names = sorted(cards[0]["hard_gates"]["checks"])
    checks = {name: all(card["hard_gates"]["checks"][name] for card in cards) for name in names}
    gates = {"checks": checks, "all_pass": all(checks.values())}
    coverage = band_coverage(rows, bands)
    decision = grade_decision(gates, coverage)
    for key in ("eligible_B", "eligible_B_plus"):
        decision[key] = decision[key] and all(card["grade_decision"][key] for card in cards)
    decision["grade"] = (
        "B_plus" if decision["eligible_B_plus"] else "B" if decision["eligible_B"] else "below_B"
    )
    return {
        "target_band_checks": rows,
        "hard_gates": gates,
        "band_coverage": coverage,
        "grade_decision": decision,
    }


def _middle(values: Sequence[Any]) -> Any:
    if any(value is None for value in values):
        return None
    if all(isinstance(value, bool) for value in values):
        return all(values)
    return statistics.median(values)


def representative(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The size measures of a graded run or seed under the names that the guard compares."""
    value = {row["metric"]: row["value"] for row in summary["target_band_checks"]}
    return {name: value[metric] for name, metric in _REPRESENTATIVE.items()}


def certification(cards: Sequence[Mapping[str, Any]], bands: Bands, where: str) -> dict[str, Any]:
    """Frozen authority from the scorecards of one run.

    Raises
    ------
    UpstreamError
        ``EU33`` no scorecard, scorecards of several runs, or a seed twice.
    """
    runs = {card["run_id"] for card in cards}
    seeds = [card["seed"] for card in cards]
    if len(runs) != 1 or len(set(seeds)) != len(seeds):
        raise UpstreamError(
            "EU33", where, f"{len(runs)} runs, seeds {seeds}", "one run, each seed once"
        )
    cards = sorted(cards, key=lambda card: card["seed"])
    summary = over_seeds(cards, bands)
    run_id = runs.pop()
    grades = {"B_plus": "FROZEN_CERTIFIED_B_PLUS", "B": "FROZEN_CERTIFIED_B"}
    value = {row["metric"]: row["value"] for row in summary["target_band_checks"]}
    return {
        "wave": "P5",
        "description": "Grade of the frozen 1A authority; value is the median over seeds, and a "
        "check passes where every seed passes.",
        "status": grades.get(summary["grade_decision"]["grade"], "NOT_CERTIFIED"),
        "authority_runs": {"run_id": run_id, "seeds": [card["seed"] for card in cards]},
        "lineage": {
            str(card["seed"]): {"parameter_hash": card["parameter_hash"], "inputs": card["inputs"]}
            for card in cards
        },
        **summary,
        "surface_metrics": {
            "p1_representative": {"run_id": run_id, **representative(summary)},
            "cross_border_topology": {
                name: value[name]
                for name in (
                    "candidate_count_median",
                    "candidate_membership_correlation",
                    "home_legal_mismatch_rate",
                    "multi_country_legal_spread",
                    "realization_ratio_median",
                    "size_gradient_pp_top_minus_bottom",
                )
            },
            "identity_semantics": value["identity_semantics_no_unexplained_duplicate_anomalies"],
            "p4_required_outputs": {
                "all_present": value["required_outputs_present"],
                "by_output": {
                    name: all(card["required_outputs"][name] for card in cards)
                    for name in SCORED_TABLES
                },
            },
        },
        "per_seed": [
            {
                key: card[key]
                for key in (
                    "seed",
                    "target_band_checks",
                    "hard_gates",
                    "band_coverage",
                    "grade_decision",
                    "diagnostics",
                )
            }
            for card in cards
        ],
    }
