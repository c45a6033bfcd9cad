"""What a search turns, what it maximises and what it must hold.

``config/knobs.yaml`` names the knobs with the range of each; ``config/calibration.yaml`` and
``config/recovery.yaml`` are two searches over them, under one schema. Which of them a cycle turns
is read from the measured table (:mod:`scripts.search.choice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

from scripts.errors import ConfigError
from scripts.policies import load_schema, parse_yaml, validate

SEARCHES = ("calibration", "recovery")
STATES = ("s2", "s4", "s6")

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


def load_knobs(path: str | Path) -> Ranges:
    """Ranges of ``config/knobs.yaml`` (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
    document = parse_yaml(path)
    validate(document, load_schema("knobs"), path)
    ranges = cast(Ranges, document["ranges"])
    for state, knobs in ranges.items():
        for key, knob in knobs.items():
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
    """Read and validate a search (``EC01``, ``EC02``, ``EC10``, ``EC11``)."""
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
    return search


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
