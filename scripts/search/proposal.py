"""Which policies an attempt tries.

A cycle turns the knobs of one group (:mod:`scripts.search.choice`). Its attempts are points of a
Halton sequence (Halton 1960; unscrambled, so a search can be repeated) over the group's ranges
about the best attempt so far, and they do not depend on each other: a cycle runs in parallel, a
longer one keeps the attempts of a shorter one, and every attempt is a job that Snakemake does not
repeat.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from scripts.errors import ConfigError
from scripts.search.policy import Group, Knob, Policies

DIGITS = 4
KNOBS_FILE = "config/knobs.yaml"


def get_key(policy: Mapping[str, Any], key: str, where: str = KNOBS_FILE) -> Any:
    """Value of a dotted key; ``EC11`` when the policy does not have what a file names."""
    node: Any = policy
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ConfigError("EC11", where, f"no knob {key!r}", "a key of the policy in force")
        node = node[part]
    return node


def with_keys(
    policy: Mapping[str, Any], changes: Mapping[str, Any], where: str = KNOBS_FILE
) -> dict[str, Any]:
    """Copy of a policy with dotted keys set; ``EC11`` as :func:`get_key`."""
    made: dict[str, Any] = copy.deepcopy(dict(policy))
    for key, value in changes.items():
        get_key(made, key, where)
        *trail, last = key.split(".")
        node = made
        for part in trail:
            node = node[part]
        node[last] = value
    return made


def halton(points: int, dimensions: int) -> list[list[float]]:
    """First points of the unscrambled Halton sequence, the origin left out; values in (0, 1)."""
    from scipy.stats.qmc import Halton

    sequence = Halton(dimensions, scramble=False)
    sequence.fast_forward(1)
    return [[float(value) for value in row] for row in sequence.random(points)]


def value_of(knob: Knob, zoom: float, centre: float, u: float) -> float:
    """Value at ``u`` in the part ``zoom`` of a range about ``centre``, inside the range."""
    log = knob.get("scale") == "log"
    ends = (knob["low"], knob["high"])
    low, high = map(math.log, ends) if log else ends
    middle = math.log(min(max(centre, ends[0]), ends[1])) if log else centre
    width = zoom * (high - low)
    value = min(max(middle - width / 2.0, low), high - width) + u * width
    value = math.exp(value) if log else value
    step = knob.get("step")
    if step is None:
        return round(value, DIGITS)
    stepped = round(value / step) * step
    return stepped if isinstance(step, int) else round(stepped, 2 * DIGITS)


def start(changes: Policies, in_force: Policies, where: str) -> tuple[dict[str, float], Policies]:
    """Knobs that a start of the search in a file sets, and its policies by state."""
    made = {
        state: with_keys(policy, changes.get(state, {}), where)
        for state, policy in in_force.items()
    }
    return {key: value for state in changes.values() for key, value in state.items()}, made


def propose(
    group: Group, zoom: float, attempt: int, base: Policies
) -> tuple[dict[str, float], Policies]:
    """Knobs that an attempt turns, and its policies by state.

    Parameters
    ----------
    group
        Knobs that its cycle turns.
    zoom
        Part of each range that it searches.
    attempt
        Number of the attempt in its cycle, from 0.
    base
        Policies of the best attempt of the cycles before.
    """
    state, knobs = group["state"], group["knobs"]
    point = halton(attempt + 1, len(knobs))[attempt]
    values = {
        key: value_of(knob, zoom, get_key(base[state], key), u)
        for (key, knob), u in zip(knobs.items(), point, strict=True)
    }
    return values, {**base, state: with_keys(base[state], values)}
