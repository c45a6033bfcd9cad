"""The bounded search: which policies to try next, and which attempt is the best.

A cycle turns the two or three knobs of one group. Its attempts are points of a Halton sequence
(Halton 1960; unscrambled, so a search can be repeated) over the group's ranges about the best
attempt so far, and they do not depend on each other: a cycle runs in parallel, a longer one keeps
the attempts of a shorter one, and every attempt is a job that Snakemake does not repeat. Attempts
differ in their policies alone, since draws are keyed by meaning: what moves is due to the knobs.

Attempts are ranked by Deb's rules (Deb 2000, "An efficient constraint handling method for genetic
algorithms"): one that holds every constraint before any that does not, then the higher objective;
among those that do not, the smaller violation. The policies in force give way only to a gain of
``minimum_gain``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.policies import load_schema, parse_yaml, validate
from scripts.scorers.gates import fidelity_rows, seed_rows

Json = Mapping[str, Any]
STATES = ("s2", "s4", "s6")
DIGITS = 4
SLACK_FULL = 0.5
# Seeds of one policy differ by this much in the urban share, so less says nothing of a policy.
URBAN_NOISE_POINTS = 1.0


def load_calibration(path: str | Path) -> Json:
    """Read and validate ``config/calibration.yaml`` (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
    settings = parse_yaml(path)
    validate(settings, load_schema("calibration"), path)
    total = sum(settings["objective"].values())
    if abs(total - 1.0) > 1e-9:
        raise ConfigError("EC11", path, f"key 'objective': weights sum to {total:g}", "exactly 1")
    for number, cycle in enumerate(settings["cycles"]):
        if cycle["group"] not in settings["groups"]:
            known = ", ".join(sorted(settings["groups"]))
            raise ConfigError(
                "EC11", path, f"key 'cycles.{number}': no group {cycle['group']!r}", known
            )
    for name, group in settings["groups"].items():
        for key, span in group["knobs"].items():
            if not span["low"] < span["high"]:
                raise ConfigError(
                    "EC11", path, f"key 'groups.{name}.knobs.{key}': no range", "low below high"
                )
    require_budget(settings, path)
    return settings


def require_budget(settings: Json, path: str | Path) -> None:
    """Refuse cycles of more attempts than the budget allows (``EC11``)."""
    spent = sum(cycle["attempts"] for cycle in settings["cycles"])
    if spent > settings["attempt_budget"]:
        raise ConfigError(
            "EC11",
            path,
            f"key 'cycles': {spent} attempts, the budget is {settings['attempt_budget']}",
            "fewer attempts",
        )


def get_key(policy: Json, key: str) -> Any:
    """Value of a dotted key; ``EC11`` when the policy does not have it."""
    node: Any = policy
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ConfigError("EC11", "config/calibration.yaml", f"no knob {key!r}", "a policy key")
        node = node[part]
    return node


def with_keys(policy: Json, changes: Json, rest: Json | None = None) -> dict[str, Any]:
    """Copy of a policy with dotted keys set.

    ``rest`` names a ``key`` that takes what its ``siblings`` leave of 1.
    """
    found: dict[str, Any] = copy.deepcopy(dict(policy))

    def put(key: str, value: Any) -> None:
        *trail, last = key.split(".")
        get_key(found, key)
        node = found
        for part in trail:
            node = node[part]
        node[last] = value

    for key, value in changes.items():
        put(key, value)
    if rest is not None:
        put(rest["key"], round(1.0 - sum(get_key(found, k) for k in rest["siblings"]), DIGITS))
    return found


def halton(points: int, dimensions: int) -> list[list[float]]:
    """First points of the unscrambled Halton sequence, the origin left out; values in (0, 1)."""
    from scipy.stats.qmc import Halton

    sequence = Halton(dimensions, scramble=False)
    sequence.fast_forward(1)
    return [[float(value) for value in row] for row in sequence.random(points)]


def values_of(span: Json, zoom: float, centre: float, u: float) -> float:
    """Value at ``u`` in the part ``zoom`` of a range about ``centre``, inside the range."""
    width = zoom * (span["high"] - span["low"])
    low = min(max(centre - width / 2.0, span["low"]), span["high"] - width)
    return round(low + u * width, DIGITS)


def attempts_of(settings: Json) -> list[int]:
    """Attempts of every cycle; the first is the policies in force, alone."""
    return [1, *(cycle["attempts"] for cycle in settings["cycles"])]


def propose(settings: Json, cycle: int, attempt: int, best: Json) -> dict[str, Any]:
    """Policies of an attempt.

    Parameters
    ----------
    settings
        The calibration.
    cycle, attempt
        From 0; cycle 0 has one attempt, the policies themselves.
    best
        Policies by state of the best attempt of the cycles before.

    Returns
    -------
    ``group`` and ``knobs`` that were turned, and ``policies`` by state.
    """
    if cycle == 0:
        return {"group": "", "knobs": {}, "policies": dict(best)}
    turn = settings["cycles"][cycle - 1]
    group = settings["groups"][turn["group"]]
    state, knobs = group["state"], group["knobs"]
    point = halton(attempt + 1, len(knobs))[attempt]
    values = {
        key: values_of(span, turn["zoom"], get_key(best[state], key), u)
        for (key, span), u in zip(knobs.items(), point, strict=True)
    }
    changed = with_keys(best[state], values, group.get("rest"))
    return {"group": turn["group"], "knobs": values, "policies": {**best, state: changed}}


def constraints(card: Json, settings: Json, margin: float) -> list[dict[str, Any]]:
    """What an attempt must hold, with the slack left.

    Graded metrics need ``margin`` of their BPLUS threshold; region floors, the collapse sentinel
    and the floors of fidelity need to hold. The rows of S9 are left out: it runs on a finished run.

    Returns
    -------
    ``gate``, ``metric``, ``slack`` (None where undefined) and ``missing``, zero when it holds.
    """
    rows = [
        row
        for row in seed_rows(card, settings)
        if row["grade"] == "BPLUS" and not row["gate"].startswith("s9_")
    ]
    found = []
    for row in [*rows, *fidelity_rows(card, settings)]:
        graded = row["metric"] in settings["gates"]
        scale = abs(row["threshold"]) if row["threshold"] else 1.0
        slack = None if row["margin"] is None else row["margin"] / scale
        wanted = margin if graded else 0.0
        found.append(
            {
                "gate": row["gate"],
                "metric": row["metric"],
                "graded": graded,
                "slack": slack,
                "missing": 1.0 if slack is None else max(wanted - slack, 0.0),
            }
        )
    return found


def objective(card: Json, held: Sequence[Json], settings: Json, weights: Json) -> float | None:
    """Weighted fidelity of an attempt, at most 1; None where a part is undefined."""
    fidelity = card["fidelity"]
    urban, auc = fidelity["urban"]["difference_points"], fidelity["two_sample"]["auc"]
    slacks = [row["slack"] for row in held if row["graded"]]
    parts = {
        "spearman_median": fidelity["population"]["spearman_median"],
        "overlap_median": fidelity["population"]["overlap_median"],
        "urban_share": None
        if urban is None
        else 1.0
        - max(abs(urban) - URBAN_NOISE_POINTS, 0.0)
        / settings["fidelity"]["urban_difference_points_max"],
        "two_sample": None if auc is None else 1.0 - 2.0 * abs(auc - 0.5),
        "slack": None if None in slacks else min(min(slacks), SLACK_FULL) / SLACK_FULL,
    }
    if None in parts.values():
        return None
    return float(sum(weights[name] * value for name, value in parts.items() if value is not None))


def improves(attempt: Json, best: Json, minimum_gain: float) -> bool:
    """Whether an attempt takes the place of the best before it."""
    if attempt["feasible"] and best["feasible"]:
        gain = attempt["objective"] - best["objective"]
        return bool(gain >= minimum_gain)
    return order_key(attempt) < order_key(best)


def order_key(attempt: Json) -> tuple[bool, float, float, int, int]:
    """Key that sorts attempts from best to worst; the earlier of two equals first."""
    score = attempt["objective"]
    feasible = attempt["feasible"] and score is not None
    return (
        not feasible,
        -score if feasible else 0.0,
        attempt["violation"],
        attempt["cycle"],
        attempt["attempt"],
    )
