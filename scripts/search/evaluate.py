"""What policies are worth: their sites on every seed, and the scorecards of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.geo.metrics import Sites
from scripts.geo.people import Points, read_points
from scripts.geo.time_zones import ZonedPlaces, read_zoned_places
from scripts.geo.urban import read_near_urban
from scripts.policies import check_policy
from scripts.scorers import fidelity, scorecard
from scripts.scorers.outline import outline_of
from scripts.scorers.truth.earth import Earth, earth_on_tiles
from scripts.search.chain import Density, Files, Fixed, Merchants, densities, sites_of
from scripts.search.policy import Policies
from scripts.states.sites import Homes
from scripts.tables import published

Json = Mapping[str, Any]
SCHEMAS = {
    "s2": "policy.s2.tile_weights",
    "s4": "policy.s4.alloc_plan",
    "s6": "policy.s6.jitter",
}
# S9 needs a published run.
NOT_VALIDATED = {"verdict": "NOT_RUN", "failing_structural": [], "failing_realism": []}


@dataclass(frozen=True)
class Yardstick:
    """What sites are measured against; ``baseline`` by seed, without the baseline's own seeds."""

    world: scorecard.World
    cells: fidelity.Cells
    places: ZonedPlaces
    points: Points
    near_urban: npt.NDArray[np.bool_]
    earth: Earth
    baseline: Mapping[int, Sites]


def read_yardstick(fixed: Fixed, files: Files, baseline: Mapping[int, str]) -> Yardstick:
    """The reference of fidelity and truth of a run, and the sites of the baseline by seed.

    The Earth has the weights of people; :func:`scorecards` gives it those of a policy.
    """
    cells = scorecard.read_cells(files.cells)
    earth = earth_on_tiles(
        fixed.earth.grid,
        fixed.code,
        fixed.tile_id,
        fixed.area_m2,
        fixed.people,
        fixed.people,
        files.places,
        files.density,
        files.width,
    )
    return Yardstick(
        scorecard.world_of(fixed.facts, cells),
        cells,
        read_zoned_places(files.places),
        read_points(files.points),
        read_near_urban(files.near_urban),
        earth,
        {seed: scorecard.read_sites(path) for seed, path in baseline.items()},
    )


def check_policies(policies: Policies) -> None:
    """Refuse policies that break their schemas (``EC10``, ``EC11``)."""
    for state, policy in policies.items():
        check_policy(policy, SCHEMAS[state], f"policy {state}")


def scorecards(
    fixed: Fixed,
    upstream: Sequence[Merchants],
    yardstick: Yardstick,
    policies: Policies,
    settings: Json,
) -> Iterator[dict[str, Any]]:
    """Scorecard of every seed under some policies, S9 apart.

    Parameters
    ----------
    fixed, upstream, yardstick
        What the policies act on, and what the sites are measured against.
    policies
        Policies of S2, S4 and S6.
    settings
        ``config/gates.yaml``.

    Raises
    ------
    SegmentError
        Whatever a policy's schema or a state refuses.
    """
    check_policies(policies)
    density = densities(fixed, policies["s2"])
    for merchants in upstream:
        sites = sites_of(fixed, merchants, density, policies)
        yield card_of(sites, merchants, yardstick, density, policies, settings)


def card_of(
    sites: Sites,
    merchants: Merchants,
    yardstick: Yardstick,
    density: Density,
    policies: Policies,
    settings: Json,
) -> dict[str, Any]:
    """Scorecard of the sites of one seed, S9 apart."""
    earth = replace(yardstick.earth, weight=density.weights.value.astype(np.float64))
    outline = outline_of(sites, merchants.seed, yardstick.points, settings["reference_sites"])
    homes = Homes(merchants.ids, merchants.homes.astype(np.int16))
    score, _, _ = scorecard.measure(
        sites,
        outline,
        scorecard.home_of(outline.merchant, homes, "1A"),
        yardstick.world,
        yardstick.cells,
        yardstick.places,
        yardstick.points,
        yardstick.near_urban,
        settings,
        merchants.seed,
        yardstick.baseline.get(merchants.seed),
    )
    card: dict[str, Any] = published(
        {
            "seed": merchants.seed,
            "region_floors": policies["s2"]["country_mass"]["region_floor_share"],
            "validation": NOT_VALIDATED,
            **score,
            "truth": scorecard.truth_of(sites, earth, merchants.seed),
        }
    )
    return card
