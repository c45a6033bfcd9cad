"""What policies are worth: their sites on every seed, and the scorecards of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from scripts.search.chain import (
    Density,
    Files,
    Fixed,
    Merchants,
    assigned,
    densities,
    placed,
    read_fixed,
    read_merchants,
)
from scripts.search.policy import SCHEMAS, Policies
from scripts.states.pair_counts import Homes
from scripts.tables import published

Json = Mapping[str, Any]
# S9 needs a published run.
NOT_VALIDATED = {"verdict": "NOT_RUN", "failing_structural": [], "failing_realism": []}


@dataclass(frozen=True)
class World:
    """What policies act on, and what their sites are measured against.

    ``merchants`` has an entry a seed, ``settings`` is ``config/gates.yaml``, ``baseline`` the sites
    of the baseline by seed. ``earth`` has the weights of people; :func:`card_of` gives it those of
    a policy.
    """

    fixed: Fixed
    merchants: tuple[Merchants, ...]
    settings: Json
    baseline: Mapping[int, Sites]
    countries: scorecard.World
    cells: fidelity.Cells
    places: ZonedPlaces
    points: Points
    near_urban: npt.NDArray[np.bool_]
    earth: Earth


def read_world(
    files: Files,
    upstream: Mapping[int, tuple[str, str]],
    baseline: Mapping[int, str],
    settings: Json,
) -> World:
    """The world of a run.

    Parameters
    ----------
    files
        What all seeds share.
    upstream
        Outlet catalogue and candidate set by seed; merchants come in this order.
    baseline
        Egress of the baseline by seed; empty for a run of the baseline itself.
    settings
        ``config/gates.yaml``.
    """
    fixed = read_fixed(files)
    merchants = tuple(read_merchants(*of, seed) for seed, of in upstream.items())
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
    return World(
        fixed=fixed,
        merchants=merchants,
        settings=settings,
        countries=scorecard.world_of(fixed.facts, cells),
        cells=cells,
        places=read_zoned_places(files.places),
        points=read_points(files.points),
        near_urban=read_near_urban(files.near_urban),
        earth=earth,
        baseline={seed: scorecard.read_sites(path) for seed, path in baseline.items()},
    )


def check_policies(policies: Policies) -> None:
    """Refuse policies that break their schemas (``EC10``, ``EC11``)."""
    for state, policy in policies.items():
        check_policy(policy, SCHEMAS[state], f"policy {state}")


def scorecards(world: World, policies: Policies) -> Iterator[dict[str, Any]]:
    """Scorecard of every seed under some policies of S2, S4 and S6, S9 apart.

    Raises
    ------
    SegmentError
        Whatever a policy's schema or a state refuses.
    """
    check_policies(policies)
    density = densities(world.fixed, policies["s2"])
    for merchants in world.merchants:
        assignment = assigned(world.fixed, merchants, density, policies)
        sites = placed(world.fixed, merchants.seed, assignment, policies["s6"])
        yield card_of(world, merchants, sites, density, policies)


def card_of(
    world: World, merchants: Merchants, sites: Sites, density: Density, policies: Policies
) -> dict[str, Any]:
    """Scorecard of the sites of one seed, S9 apart."""
    settings = world.settings
    earth = replace(world.earth, weight=density.weights.value.astype(np.float64))
    outline = outline_of(sites, merchants.seed, world.points, settings["reference_sites"])
    homes = Homes(merchants.ids, merchants.homes.astype(np.int16))
    score, _, _ = scorecard.measure(
        sites,
        outline,
        scorecard.home_of(outline.merchant, homes, "1A"),
        world.countries,
        world.cells,
        world.places,
        world.points,
        world.near_urban,
        settings,
        merchants.seed,
        world.baseline.get(merchants.seed),
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
