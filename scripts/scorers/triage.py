"""Which state to retune, and by which knobs, when gates fail.

The advice depends on what fails together: a concentration that fails alone is S2's to mend, one
that fails with coverage has its cause in the countries that 1A offers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """State to retune, its knobs and why."""

    state: str
    knobs: tuple[str, ...]
    why: str

    def as_json(self) -> dict[str, object]:
        """JSON form."""
        return {"state": self.state, "knobs": list(self.knobs), "why": self.why}


STRUCTURAL = Advice("code", (), "a broken contract is mended in the code before any tuning")
UPSTREAM = Advice(
    "1A",
    ("home_prior", "candidates.prior"),
    "country counts cannot leave the countries that 1A offers: reopen 1A behind the freeze guard",
)
CONCENTRATION = Advice(
    "S2",
    (
        "country_mass.country_cap_share_soft",
        "country_mass.country_cap_share_hard",
        "country_mass.topk_cap_targets",
        "country_mass.concentration_penalty_strength",
        "steering.max_moved_share",
    ),
    "caps and penalty first; the steering bound decides how much of them reaches the sites",
)
REGION_ALONE = Advice(
    "S4",
    ("residual_redistribution", "max_moved_share"),
    "concentration holds, so the refill of regions below their floor is too tight",
)
REGION_WITH_CONCENTRATION = Advice(
    "S2",
    ("country_mass.region_floor_share", "country_mass.topk_cap_targets"),
    "floors and caps fail together: mend the governed mass before its refill",
)
HEMISPHERE = Advice(
    "S2",
    ("country_mass.region_floor_share", "country_mass.basis_mix", "steering.max_moved_share"),
    "floors of Africa, South America and Oceania carry the south",
)
COVERAGE = Advice(
    "1A",
    ("home_prior", "candidates.prior"),
    "a country without sites is one that 1A did not offer: reopen 1A behind the freeze guard",
)
NN_TAIL = Advice(
    "S4, S6",
    ("outlets.company", "S6 towns.open_share", "S2 tile_density.population_exponent"),
    "a shorter distance to company in S4; then more open sites, or a flatter density",
)
NN_TAIL_WITH_CONCENTRATION = Advice(
    "S2",
    CONCENTRATION.knobs,
    "density follows the country counts: mend concentration first, then S6",
)
COLLAPSE = Advice(
    "S4",
    ("mode", "outlets.shape", "S6 towns.spread_km"),
    "the legacy allocation law lines sites up; else more draws of long countries in S4",
)
VALIDATION = Advice(
    "S9",
    ("realism",),
    "a realism check of S9 fails; its twin among these rows names the state that causes it",
)
SPACING = Advice(
    "S4",
    ("outlets.company", "outlets.field.local"),
    "how far a lonely site moves to company decides who stands alone and who in pairs",
)
VARIANCE = Advice(
    "S4",
    ("outlets.field", "outlets.national"),
    "the field makes counts vary more than chance, national networks spread them",
)
NETWORKS = Advice(
    "S4",
    ("outlets.reach", "outlets.national"),
    "the reach of a network decides how far its outlets lie apart",
)
ENTRY = Advice("S4", ("outlets.entry",), "foreign entries stand in the largest city too rarely")
POSITIONS = Advice(
    "S6",
    ("towns.open_share", "towns.spread_km", "towns.radius_km"),
    "positions show the tile grid, or stand too far from or too close to places",
)
EMPTY_LAND = Advice(
    "S2",
    ("tile_density.min_people_per_km2", "S6 towns.open_share"),
    "tiles where nobody lives get sites: raise the least density",
)
STABILITY = Advice(
    "S2, S4",
    (
        "country_mass.concentration_penalty_strength",
        "S4 country_share_soft_guard",
        "S4 residual_redistribution",
    ),
    "seeds disagree while their mean holds: soften the most sensitive knobs",
)


def advise(family: str, failing: Collection[str]) -> Advice:
    """Advice for a failing gate of ``family``, given every family that fails with it."""
    if family == "structural":
        return STRUCTURAL
    if family == "concentration":
        return UPSTREAM if "coverage" in failing else CONCENTRATION
    if family == "region":
        return REGION_WITH_CONCENTRATION if "concentration" in failing else REGION_ALONE
    if family == "nn_tail":
        return NN_TAIL_WITH_CONCENTRATION if "concentration" in failing else NN_TAIL
    return {
        "coverage": COVERAGE,
        "hemisphere": HEMISPHERE,
        "collapse": COLLAPSE,
        "stability": STABILITY,
        "validation": VALIDATION,
        "truth_spacing": SPACING,
        "truth_variance": VARIANCE,
        "truth_networks": NETWORKS,
        "truth_entry": ENTRY,
        "truth_positions": POSITIONS,
        "truth_empty_land": EMPTY_LAND,
    }[family]


def number(value: float | None) -> str:
    """A measure as it is printed."""
    return "undefined" if value is None else f"{value:.6g}"
