"""The numbers and switches of the policies of S2, S4 and S6, and how one is turned by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.policies import load_schema
from scripts.search.policy import SCHEMAS, STATES, Policies
from scripts.search.proposal import get_key, with_keys

Json = Mapping[str, Any]
STEP = 0.25
# Numbers that are no law: digits of a file, ceilings of retries that no draw reaches.
NO_KNOBS = ("policy_version", "dp", "max_attempts", "of_sites")
# Knobs of S4 that act before a country is looked at alone.
GUARD = (
    *("country_share_soft_guard", "reroute.enabled", "max_moved_share"),
    "residual_redistribution.enabled",
)
# The soft cap is no higher than the hard one.
SOFT, HARD = "country_mass.country_cap_share_soft", "country_mass.country_cap_share_hard"


@dataclass(frozen=True)
class Knob:
    """A number or switch of a policy, with the range that its schema allows."""

    state: str
    key: str
    value: float
    low: float
    high: float
    choices: tuple[float, ...] = ()

    @property
    def decides_countries(self) -> bool:
        """Whether it acts on how many sites a merchant has in each country, and no further."""
        first = self.key.partition(".")[0]
        return (self.state == "s2" and first != "tile_density") or self.key in GUARD

    @property
    def steps(self) -> list[float]:
        """Values to try: a step below and above, where the range has room."""
        if isinstance(self.value, bool):
            return [not self.value]
        if self.choices:
            at = self.choices.index(self.value)
            return [*self.choices[max(at - 1, 0) : at], *self.choices[at + 1 : at + 2]]
        size = STEP * (abs(self.value) or min(self.high - self.low, 1.0) * STEP)
        if isinstance(self.value, int):
            size = max(1, round(size))
        tried = (max(self.low, self.value - size), min(self.high, self.value + size))
        return [round(value, 6) for value in tried if value != self.value]


def _numbers(
    policy: Json, schema: Json, shared: Json, trail: tuple[str, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Dotted key, value, range and choices of every number and switch of a policy."""
    for key, value in policy.items():
        known = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
        known = known if isinstance(known, Mapping) else {}
        if "$ref" in known:
            known = {**shared[known["$ref"].rsplit("/", 1)[-1]], **known}
        if isinstance(value, Mapping):
            yield from _numbers(value, known, shared, (*trail, key))
        elif isinstance(value, int | float) and key not in NO_KNOBS:
            low = known.get("minimum", known.get("exclusiveMinimum", 0.0))
            high = known.get("maximum", known.get("exclusiveMaximum", max(1.0, 4.0 * value)))
            yield ".".join((*trail, key)), value, low, high, tuple(known.get("enum", ()))


def knobs_of(policies: Policies) -> list[Knob]:
    """Every knob of S2, S4 and S6."""
    schemas = {state: load_schema(SCHEMAS[state]) for state in STATES}
    return [
        Knob(state, *found)
        for state, schema in schemas.items()
        for found in _numbers(policies[state], schema, schema.get("$defs", {}))
    ]


def turned(policies: Policies, knob: Knob, value: float) -> Policies:
    """Policies with one knob turned; the rest of a mix, and the soft cap, make room for it."""
    value = value if isinstance(value, int) else round(value, 6)
    policy = with_keys(policies[knob.state], {knob.key: value})
    parent, _, last = knob.key.rpartition(".")
    if parent.endswith("basis_mix"):
        mix = get_key(policy, parent)
        first, second = (key for key in mix if key != last)
        whole = mix[first] + mix[second]
        part = mix[first] / whole if whole else 0.5
        share = round((1.0 - value) * part, 6)
        rest = round(1.0 - value - share, 6)
        policy = with_keys(policy, {f"{parent}.{first}": share, f"{parent}.{second}": rest})
    if knob.key == HARD:
        policy = with_keys(policy, {SOFT: min(value, get_key(policy, SOFT))})
    return {**policies, knob.state: policy}
