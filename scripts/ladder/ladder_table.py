"""The ladder: what each step from the baseline to the release moved, and which state did it.

The postures differ from step to step in the policies that they name, so the cause of a step is read
off them and not asserted: the states whose policy changed. A step that changes none, the
integrated posture, must move nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.errors import ScoreError
from scripts.inequality import CONCENTRATION
from scripts.ladder.measures import (
    FAIL,
    GATED,
    MEASURES,
    UNGATED,
    statuses,
    thresholds,
)
from scripts.scorers.classification import RED, classify
from scripts.scorers.gates import BELOW, GATED_GRADES, GRADES, evaluate

Json = Mapping[str, Any]
# Lines of a measure that the table has a column for.
ENDS = (*GATED_GRADES, "A_low", "A_high")
START, NOTHING = "start", "none"
CAUSES = {
    "upstream": "1A",
    "s1_tile_index": "S1",
    "s1_population": "S1",
    "s2": "S2 through S3",
    "s4": "S4",
    "s5": "S5",
    "s6": "S6",
}


def changed_policies(step: Json, before: Json | None) -> list[str]:
    """Keys of the policies that differ from the previous step, sorted; an external 1A has none."""
    if before is None:
        return []
    now, then = step["policies"], before["policies"]
    return sorted(key for key in {*now, *then} if now.get(key) != then.get(key))


def cause_of(changed: Sequence[str], first: bool) -> str:
    """States that a step turned; S9 only judges, so its policy is no cause."""
    if first:
        return START
    return ", ".join(dict.fromkeys(CAUSES[k] for k in changed if k in CAUSES)) or NOTHING


def rows_of(
    steps: Sequence[Json], cards: Mapping[str, Sequence[Json]], settings: Json
) -> list[dict[str, Any]]:
    """One row a step, seed and measure, in that order.

    Parameters
    ----------
    steps
        ``posture``, ``run_id`` and ``cause`` of each step in order.
    cards
        Scorecards by run id, ascending by seed, the same seeds in all.
    settings
        ``config/gates.yaml``.
    """
    lines = thresholds(settings)
    first, before = cards[steps[0]["run_id"]], cards[steps[0]["run_id"]]
    rows = []
    for number, step in enumerate(steps):
        mine = cards[step["run_id"]]
        for card, previous, start in zip(mine, before, first, strict=True):
            status = statuses(card, settings)
            for measure in MEASURES:
                value = measure.of(card)
                limits, held = lines[measure.name], status.get(measure.name, {})
                rows.append(
                    {
                        "step": number,
                        "posture": step["posture"],
                        "cause": step["cause"],
                        "seed": card["seed"],
                        "metric": measure.name,
                        "value": value,
                        "delta_previous": _difference(value, measure.of(previous)),
                        "delta_baseline": _difference(value, measure.of(start)),
                        **{f"threshold_{end}": limits.get(end) for end in ENDS},
                        **{f"status_{g}": held.get(g, UNGATED) for g in GRADES},
                    }
                )
        before = mine
    return rows


def _difference(value: float | None, other: float | None) -> float | None:
    """Movement of a value; none where neither is defined, None where only one is."""
    if value is None and other is None:
        return 0.0
    return None if value is None or other is None else value - other


def attribution(rows: Sequence[Json]) -> list[dict[str, Any]]:
    """Mean and range over the seeds of each step's movement, one row a step and metric."""
    moved: dict[tuple[int, str], list[Json]] = {}
    for row in rows:
        moved.setdefault((row["step"], row["metric"]), []).append(row)
    moves = []
    for group in moved.values():
        values = [row["value"] for row in group]
        deltas = [row["delta_previous"] for row in group]
        known = None not in deltas
        moves.append(
            {
                **{key: group[0][key] for key in ("step", "posture", "cause", "metric")},
                "mean": None if None in values else float(np.mean(values)),
                "delta_mean": float(np.mean(deltas)) if known else None,
                "delta_min": min(deltas) if known else None,
                "delta_max": max(deltas) if known else None,
            }
        )
    return moves


def checks_of(steps: Sequence[Json], rows: Sequence[Json]) -> list[dict[str, Any]]:
    """What the ladder is expected to show, with the rows that say otherwise."""
    names = [step["posture"] for step in steps]

    def of(posture: str) -> list[Json]:
        return [row for row in rows if row["posture"] == posture]

    def name(row: Json) -> str:
        return f"seed {row['seed']} {row['metric']}"

    checks: list[tuple[str, list[str]]] = []
    if "p1" in names:
        risen = [
            name(row)
            for row in of("p1")
            if row["metric"] in CONCENTRATION
            and (row["delta_baseline"] is None or row["delta_baseline"] >= 0.0)
        ]
        checks.append(("p1_lowers_concentration_on_every_seed", risen))
    if "p2" in names:
        back = [
            name(row)
            for row in of("p2")
            if row["metric"] in CONCENTRATION
            and (row["delta_previous"] is None or row["delta_previous"] > 0.0)
        ]
        checks.append(("p2_does_not_reconcentrate", back))
    for step in steps:
        if step["cause"] == NOTHING:
            moved = [name(row) for row in of(step["posture"]) if row["delta_previous"] != 0.0]
            checks.append((f"{step['posture']}_repeats_the_step_before", moved))
    told = [] if any(row["status_A"] == FAIL for row in of(names[0])) else ["no test fails"]
    checks.append(("the_baseline_can_be_told_from_real_outlets", told))
    for step in steps:
        if step["posture"] == "p4":
            fault = [] if step["class"] == RED else [f"class {step['class']}"]
            checks.append(("p4_on_the_frozen_authority_is_red", fault))
        if step["posture"] == "reopened":
            fault = [] if step["grade"] != BELOW else [f"grade {step['grade']}"]
            checks.append(("reopened_reaches_a_grade", fault))
    return [{"check": text, "passed": not faults, "faults": faults} for text, faults in checks]


def ladder(
    steps: Sequence[Json], cards: Mapping[str, Sequence[Json]], settings: Json
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Document and table of the ladder.

    Raises
    ------
    ScoreError
        ``ES34`` when a step has no scorecards or other seeds than the first.
    """
    seeds = [card["seed"] for card in cards.get(steps[0]["run_id"], ())]
    described: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        mine = cards.get(step["run_id"], ())
        if not mine or [card["seed"] for card in mine] != seeds:
            raise ScoreError(
                "ES34", step["posture"], "has other seeds than the first step", f"seeds {seeds}"
            )
        before = steps[number - 1] if number else None
        changed = changed_policies(step, before)
        verdict = evaluate(mine, settings)
        described.append(
            {
                "posture": step["posture"],
                "run_id": step["run_id"],
                "policies": step["policies"],
                "changed": changed,
                "cause": cause_of(changed, before is None),
                "grade": verdict["grade"],
                "class": classify(verdict["rows"]),
                "failing_gates": {
                    grade: sorted(
                        {
                            r["gate"]
                            for r in verdict["rows"]
                            if r["grade"] == grade and not r["passed"]
                        }
                    )
                    for grade in GRADES
                },
                "sites": {str(card["seed"]): card["counts"]["sites"] for card in mine},
                "active_countries": {
                    str(card["seed"]): card["counts"]["active_eligible_countries"] for card in mine
                },
            }
        )
    rows = rows_of(described, cards, settings)
    return {
        "seeds": seeds,
        "steps": described,
        "attribution": attribution(rows),
        "checks": checks_of(described, rows),
        "gated_metrics": list(GATED),
        "thresholds": thresholds(settings),
    }, rows
