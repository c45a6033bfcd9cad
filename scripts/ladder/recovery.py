"""P4.3: what a recovery attempt must hold, and which one is taken.

A candidate in ``AMBER_NEAR_BPLUS`` holds every B gate and misses some of BPLUS. The recovery turns
one knob group a cycle, each attempt on every required seed. An attempt is *vetoed* when a B gate
fails, a metric falls behind P3, or a floor of fidelity is missed that held before. Among the safe
ones the smaller *shortfall* is taken: what the missed BPLUS rows lack, each as a share of its
threshold, summed; 0 is BPLUS. Points are those of :mod:`scripts.ladder.calibration`, so a recovery
can be repeated to the byte.

It ends when BPLUS is reached (later attempts do not run) or when all attempts are spent; what is
then accepted is the best safe attempt, or the candidate as it is when nothing moved.

S9 does not run on an attempt: its structural checks need a published run. ``integrated`` runs it
once the accepted policies are in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.governance.score_integrated import held_against
from scripts.ladder.calibration import load_calibration, require_budget
from scripts.policies import load_schema, parse_yaml, validate
from scripts.scorers.gates import evaluate, grade_of

Json = Mapping[str, Any]
REACHED, SPENT, STILL = "BPLUS_REACHED", "ATTEMPTS_SPENT", "NO_SAFE_MOVEMENT"
SAFE, VETOED, REFUSED, NOT_RUN = "safe", "vetoed", "refused", "not_run"
WORST = 1e6


def load_recovery(path: str | Path) -> Json:
    """Read and validate ``config/recovery.yaml`` (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
    settings = parse_yaml(path)
    validate(settings, load_schema("recovery"), path)
    require_budget(settings, path)
    return settings


def load_search(path: str | Path, calibration: str | Path) -> dict[str, Any]:
    """The recovery with the knob groups of the calibration (``EC11``: one that is not there)."""
    settings = load_recovery(path)
    groups = load_calibration(calibration)["groups"]
    for number, cycle in enumerate(settings["cycles"]):
        if cycle["group"] not in groups:
            known = ", ".join(sorted(groups))
            raise ConfigError(
                "EC11", path, f"key 'cycles.{number}': no group {cycle['group']!r}", known
            )
    return {**settings, "groups": groups}


def missing(row: Json) -> float:
    """What a failing row lacks to its threshold, as a share of the threshold; 1 if undefined."""
    if row["margin"] is None:
        return 1.0
    return -float(row["margin"]) / (abs(row["threshold"]) or 1.0)


def name_of(row: Json) -> str:
    """Gate, what it measures where the gate has several, and seed of a row."""
    part = row["metric"].partition(".")[2]
    return f"{row['gate']}{f' {part}' if part else ''} seed {row['seed']}"


def standing(cards: Sequence[Json], references: Sequence[Json], settings: Json) -> dict[str, Any]:
    """How a run over all its seeds stands to the gates, S9 apart.

    Parameters
    ----------
    cards, references
        Scorecards of the run and of P3 by seed, in the same order.
    settings
        ``config/gates.yaml``.

    Returns
    -------
    ``grade``; ``broken`` (B rows that fail and metrics behind P3), ``missed`` (BPLUS rows that
    fail), ``faithless`` (floors of fidelity that are missed), as names; ``shortfall``.
    """
    found = evaluate(cards, settings)
    rows = [row for row in found["rows"] if not row["gate"].startswith("s9_")]
    failing = [row for row in rows if not row["passed"]]
    regressed = [row for row in held_against(cards, references) if not row["passed"]]
    return {
        "grade": grade_of(rows),
        "broken": [name_of(row) for row in failing if row["grade"] == "B"]
        + [f"{row['check']} seed {row['seed']}" for row in regressed],
        "missed": [name_of(row) for row in failing if row["grade"] == "BPLUS"],
        "faithless": [name_of(row) for row in found["fidelity"] if not row["passed"]],
        "shortfall": sum(missing(row) for row in failing if row["grade"] == "BPLUS"),
    }


def judge(found: Json, start: Json) -> dict[str, Any]:
    """Status of an attempt that stands as ``found``, where the candidate stood as ``start``."""
    vetoes = [*found["broken"], *(n for n in found["faithless"] if n not in start["faithless"])]
    return {
        "status": VETOED if vetoes else SAFE,
        "vetoes": vetoes,
        **{key: found[key] for key in ("grade", "missed", "shortfall")},
    }


def unjudged(status: str, reason: str) -> dict[str, Any]:
    """Status of an attempt without a scorecard."""
    return {
        "status": status,
        "vetoes": [" ".join(reason.split())],
        "grade": None,
        "missed": [],
        "shortfall": None,
    }


def order_key(attempt: Json) -> tuple[bool, float, int, int]:
    """Key that sorts attempts from best to worst; the earlier of two equals first."""
    safe = attempt["status"] == SAFE
    shortfall = attempt["shortfall"]
    worst = WORST if shortfall is None else shortfall
    return (not safe, worst, attempt["cycle"], attempt["attempt"])


def moves(attempt: Json, best: Json, minimum_gain: float) -> bool:
    """Whether a safe attempt takes the place of the best before it."""
    if attempt["status"] != SAFE:
        return False
    gain = best["shortfall"] - attempt["shortfall"]
    return bool(gain > 0.0 and (gain >= minimum_gain or attempt["grade"] == "BPLUS"))


def outcome(best: Json) -> str:
    """How a recovery ended."""
    if best["cycle"] == 0:
        return STILL
    return REACHED if best["grade"] == "BPLUS" else SPENT
