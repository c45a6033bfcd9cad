"""What a search turns, what it maximises and what it must hold.

``config/knobs.yaml`` names the knobs with the range of each; ``config/calibration.yaml`` and
``config/recovery.yaml`` are two searches over them, under one schema. Which of them a cycle turns
is read from the measured table (:mod:`scripts.search.choice`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

from scripts.errors import ConfigError
from scripts.policies import load_schema, nearest, parse_yaml, validate
from scripts.scorers.gates import GATES
from scripts.scorers.truth.judgement import TESTS

SEARCHES = ("calibration", "recovery")
STATES = ("s2", "s4", "s6")
SCHEMAS = {
    "s2": "policy.s2.tile_weights",
    "s4": "policy.s4.alloc_plan",
    "s6": "policy.s6.jitter",
}
# Gates of B and BPLUS beside the metrics, and floors of fidelity, with their families.
_OTHER_GATES = {
    *("region_floor", "region", "no_collapse", "collapse"),
    *("no_site_outside_eligible", "structural", "stability"),
}
_FLOORS = {
    *("spearman_median", "overlap_median", "urban_difference_points", "nn_p50_m_min"),
    *("nn_p50_m_max", "nn_ratio", "time_zones_reached_share", "fidelity"),
}

# Policies of the states of STATES, as they are parsed.
Policies = dict[str, dict[str, Any]]


class Knob(TypedDict):
    """Range of a policy key; values are whole multiples of ``step`` where it is given."""

    low: float
    high: float
    scale: NotRequired[Literal["linear", "log"]]
    step: NotRequired[float]


class Group(TypedDict):
    """Knobs of one state that are turned together, by dotted key."""

    state: str
    knobs: dict[str, Knob]


class Cycle(TypedDict):
    """Some attempts within the part ``zoom`` of each range."""

    attempts: int
    zoom: float


class Constraint(TypedDict):
    """Rows that an attempt must hold, with ``margin`` of their threshold to spare.

    Without ``rows`` it is every row of the grade. ``held_at_start`` excuses those that the start
    misses.
    """

    grade: str
    rows: NotRequired[list[str]]
    margin: NotRequired[float]
    held_at_start: NotRequired[bool]


class Objective(TypedDict):
    """What a search maximises; see :mod:`scripts.search.score`."""

    kind: str
    grade: str
    rows: NotRequired[list[str]]


class Search(TypedDict):
    """One search: objective, constraints and budget."""

    policy_version: str
    seeds: Literal["all"] | list[int]
    starts: NotRequired[list[Policies]]
    attempt_budget: int
    minimum_gain: float
    goal: NotRequired[float]
    objective: Objective
    constraints: list[Constraint]
    cycles: list[Cycle]


# Ranges of knobs by state and dotted key.
Ranges = dict[str, dict[str, Knob]]


def names_of(grade: str, seeds: int | None = None) -> set[str]:
    """Gates and families that the rows of a grade have in a search.

    ``seeds`` is how many it runs on, None where that is not known: one has no stability.
    """
    if grade == "A":
        return {f"truth_{test}" for test in TESTS} | {test.family for test in TESTS.values()}
    if grade == "report":
        return _FLOORS
    families = {gate.family for gate in GATES}
    if grade == "p3":
        return {f"{gate.metric}_not_worse_than_p3" for gate in GATES} | families
    ends = {f"{gate.metric}_interval" for gate in GATES if gate.interval}
    names = {gate.metric for gate in GATES} | ends | families | _OTHER_GATES
    return names - {"stability"} if seeds == 1 else names


def policy_keys(state: str) -> dict[str, Mapping[str, Any]]:
    """Dotted keys that the policy of a state may have, with the schema of each."""
    schema = load_schema(SCHEMAS[state])

    def below(node: Mapping[str, Any], trail: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, known in node.get("properties", {}).items():
            key = f"{trail}{name}"
            if "$ref" in known:
                known = {**schema["$defs"][known["$ref"].rsplit("/", 1)[-1]], **known}
            yield key, known
            yield from below(known, f"{key}.")

    return dict(below(schema, ""))


def _is_number(known: Mapping[str, Any]) -> bool:
    """Whether a schema takes numbers."""
    choices = known.get("enum", [None])
    return known.get("type") in ("number", "integer") or isinstance(choices[0], int | float)


def _require_known(
    name: str, known: Collection[str], path: str | Path, where: str, what: str
) -> None:
    """Refuse a name that is not known (``EC11``); the remedy is the nearest one, or all."""
    if name not in known:
        rule = f"key {where!r}: {name!r} is no {what}"
        raise ConfigError("EC11", path, rule, nearest(name, known))


def load_knobs(path: str | Path) -> Ranges:
    """Ranges of ``config/knobs.yaml`` (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
    document = parse_yaml(path)
    validate(document, load_schema("knobs"), path)
    ranges = cast(Ranges, document["ranges"])
    for state, knobs in ranges.items():
        numbers = {key for key, known in policy_keys(state).items() if _is_number(known)}
        for key, knob in knobs.items():
            _require_known(key, numbers, path, f"ranges.{state}", f"number of the {state} policy")
            where = f"key 'ranges.{state}.{key}'"
            if not knob["low"] < knob["high"]:
                raise ConfigError(
                    "EC11", path, f"{where}: no range", "a low end below the high end"
                )
            if knob.get("scale") == "log" and not knob["low"] > 0.0:
                raise ConfigError(
                    "EC11",
                    path,
                    f"{where}: no logarithm",
                    "a low end above 0 for a logarithmic knob",
                )
    return ranges


def load_search(path: str | Path) -> Search:
    """Read and validate a search (``EC01``, ``EC02``, ``EC10``, ``EC11``).

    The name of the file says which of :data:`SEARCHES` it is.
    """
    document = parse_yaml(path)
    validate(document, load_schema("search"), path)
    search = cast(Search, document)
    spent, budget = sum(cycle["attempts"] for cycle in search["cycles"]), search["attempt_budget"]
    if spent > budget:
        raise ConfigError(
            "EC11",
            path,
            f"key 'cycles': {spent} attempts, the budget is {budget}",
            "fewer attempts, or a larger budget",
        )
    _check_rows(search, path)
    for number, changes in enumerate(starts_of(search)):
        for state, keys in changes.items():
            where, known = f"starts.{number}.{state}", policy_keys(state)
            for key in keys:
                _require_known(key, known, path, where, f"key of the {state} policy")
    return search


def _check_rows(search: Search, path: str | Path) -> None:
    """Objective and constraints choose rows that an attempt has (``EC11``)."""
    seeds = None if search["seeds"] == "all" else len(search["seeds"])
    asked: dict[str, Constraint | Objective] = {"objective": search["objective"]}
    asked |= {f"constraints.{i}": one for i, one in enumerate(search["constraints"])}
    for where, rows in asked.items():
        grade = rows["grade"]
        if grade == "p3" and Path(path).stem != "recovery":
            raise ConfigError(
                "EC11", path, f"key '{where}.grade': p3 is for a recovery", "B, BPLUS, A or report"
            )
        for name in rows.get("rows", []):
            known = names_of(grade, seeds)
            _require_known(name, known, path, f"{where}.rows", f"gate or family of {grade}")


def starts_of(search: Search) -> list[Policies]:
    """Changes to the policies in force that the attempts of cycle 0 make; none by default."""
    in_force: Policies = {}
    return search.get("starts", [in_force])


def attempts_of(search: Search) -> list[int]:
    """Attempts of every cycle; those of cycle 0 are the starts."""
    return [len(starts_of(search)), *(cycle["attempts"] for cycle in search["cycles"])]


def zoom_of(search: Search, cycle: int) -> float:
    """Part of each range that the attempts of a cycle search; cycle 0 turns nothing."""
    return search["cycles"][cycle - 1]["zoom"] if cycle else 1.0


def seeds_of(search: Search, configured: Sequence[int]) -> list[int]:
    """Seeds that every attempt runs on, ascending."""
    seeds = search["seeds"]
    return sorted(configured if seeds == "all" else seeds)


def tuned_seed(search: Search, configured: Sequence[int]) -> int:
    """First seed of a search that is configured; else the first that is."""
    return next((s for s in seeds_of(search, configured) if s in configured), configured[0])
