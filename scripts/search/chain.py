"""States S2 to S7 of one seed in one process: policies in, sites out, no file between.

The states' own functions, so that the sites are those that a run with the same policies publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import dataset_blocks, read_dataset
from scripts.geo.metrics import Sites
from scripts.geo.snapshot import load_countries, load_facts
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.search.policy import Policies
from scripts.states import s4_alloc_plan, s5_site_tile_assignment, s6_site_jitter
from scripts.states.allocation_law import Tiles, group_by_country
from scripts.states.pairs import CANDIDATES, Candidates, Pairs, mass_targets, read_candidates
from scripts.states.s2_tile_weights import country_table, tile_weights
from scripts.states.s3_requirements import OUTLETS, count_sites, require_tiles, requirements
from scripts.states.s4_guard import guard, regions_of
from scripts.states.s5_site_tile_assignment import Assignment
from scripts.states.s6_site_jitter import Earth
from scripts.states.s7_site_synthesis import Offsets, coordinates
from scripts.states.tiles import coverage_of, read_grid

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Files:
    """Files that maps of any policies are made from and measured against, the same for all seeds:
    tiles, snapshot, the reference of fidelity, and the policies that no search turns.
    """

    tile_index: str
    tile_population: str
    countries: str
    facts: str
    places: str
    near_urban: str
    density: str
    cells: str
    points: str
    width: str
    tile_policy: str
    s5_policy: str


@dataclass(frozen=True)
class Fixed:
    """What no policy of a search touches, the same for every seed.

    ``code`` country, ``tile_id``, ``area_m2`` and ``people`` of every tile, sorted by the first
    two; ``namespace`` is that of S5's draws, ``places`` the file.
    """

    code: npt.NDArray[np.int16]
    tile_id: npt.NDArray[np.uint64]
    area_m2: F64
    people: F64
    facts: pa.Table
    earth: Earth
    places: str
    namespace: str


@dataclass(frozen=True)
class Merchants:
    """What 1A says of one seed: merchants, their homes, outlets and candidate countries."""

    seed: int
    ids: npt.NDArray[np.uint64]
    homes: I64
    outlets: Pairs
    candidates: Candidates


@dataclass(frozen=True)
class Density:
    """What S2 makes of its policy.

    ``weights`` of the tiles by country, ``mass`` the table ``country_mass``.
    """

    weights: Tiles
    mass: pa.Table


def read_fixed(files: Files) -> Fixed:
    """Tiles, people, land and places of a run."""
    index = read_dataset("tile_index", files.tile_index, ["country_iso", "tile_id", "area_m2"])
    population = read_dataset("tile_population", files.tile_population, ["population"])
    earth = Earth(
        read_grid(files.tile_policy),
        load_countries(files.countries),
        s6_site_jitter.read_places(files.places),
        partial(coverage_of, files.tile_index),
    )
    return Fixed(
        countries.encode(index["country_iso"]),
        index["tile_id"].to_numpy(),
        index["area_m2"].to_numpy(),
        population["population"].to_numpy(),
        load_facts(files.facts),
        earth,
        files.places,
        load_policy(files.s5_policy)["namespace"],
    )


def read_merchants(outlet_catalogue: str, candidate_set: str, seed: int) -> Merchants:
    """The merchants of a seed."""
    catalogue = dataset_blocks("outlet_catalogue", outlet_catalogue, OUTLETS)
    ids, homes, outlets = count_sites(catalogue, outlet_catalogue)
    candidates = dataset_blocks("s3_candidate_set", candidate_set, CANDIDATES)
    return Merchants(seed, ids, homes, outlets, read_candidates(candidates, ids))


def densities(fixed: Fixed, s2: Mapping[str, Any], weights: Tiles | None = None) -> Density:
    """S2: weights of tiles, unless they are given, and mass of countries."""
    code = fixed.code
    starts = run_starts(code)
    if weights is None:
        weight, _ = tile_weights(starts, fixed.area_m2, fixed.people, s2)
        weights = group_by_country(code, fixed.tile_id, weight)
    mass, _ = country_table(code, starts, fixed.area_m2, fixed.people, fixed.facts, s2, "policy s2")
    return Density(weights, mass)


def required(merchants: Merchants, density: Density, s2: Mapping[str, Any]) -> Pairs:
    """S3: outlets steered towards the mass."""
    where = f"seed {merchants.seed}"
    targets = mass_targets(density.mass, merchants.outlets.total)
    require_tiles(merchants.outlets, targets, where)
    after, _ = requirements(
        merchants.outlets, merchants.candidates, merchants.homes, targets, s2["steering"]
    )
    require_tiles(after, targets, where)
    return after


def guarded(pairs: Pairs, merchants: Merchants, density: Density, policies: Policies) -> Pairs:
    """S4, first part: sites behind the guard."""
    s2 = policies["s2"]
    floors = s2["country_mass"]["region_floor_share"]
    after, _ = guard(
        pairs,
        merchants.candidates,
        merchants.candidates.homes(len(merchants.ids)),
        regions_of(density.mass, floors, pairs.total),
        policies["s4"],
        s2["steering"]["max_home_legal_mismatch"],
    )
    return after


def assigned(
    fixed: Fixed, merchants: Merchants, density: Density, policies: Policies
) -> Assignment:
    """S3 to S5: the tile of every site."""
    s4, where = policies["s4"], f"seed {merchants.seed}"
    pairs = required(merchants, density, policies["s2"])
    pairs = guarded(pairs, merchants, density, policies)
    ground = None
    if s4["mode"] == "outlets_v3":
        ground = s4_alloc_plan.read_ground(fixed.places, fixed.earth.grid, s4)
    plan = s4_alloc_plan.allocate(
        pairs,
        pairs.country != merchants.homes[pairs.merchant],
        merchants.ids,
        density.weights,
        s4,
        ground,
        merchants.seed,
        where,
        pairs.total,
    )
    s4_alloc_plan.require_row_sums(plan, pairs, merchants.ids)
    sites = s5_site_tile_assignment.Plan(
        merchants.ids[pairs.merchant[plan.pair]],
        pairs.country[plan.pair].astype(np.int16),
        plan.tile_id,
        plan.n_sites,
    )
    return s5_site_tile_assignment.assign(sites, merchants.seed, fixed.namespace)


def placed(fixed: Fixed, seed: int, assignment: Assignment, s6: Mapping[str, Any]) -> Sites:
    """S6 and S7: the position of every site."""
    sites, tile_id = assignment.sites, assignment.tile_id
    _, parts = s6_site_jitter.place(sites, tile_id, fixed.earth, s6, seed, "S5")
    made = [(part.jitter.delta_lon, part.jitter.delta_lat) for part in parts]
    offsets = Offsets(sites, tile_id, *map(np.concatenate, zip(*made, strict=True)))
    lon, lat = coordinates(offsets, fixed.earth.grid, "S6")
    return Sites(sites.merchant, sites.country, sites.order, lon, lat)
