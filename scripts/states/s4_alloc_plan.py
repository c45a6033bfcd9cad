"""S4, second part: sites of every (merchant, country) on tiles, in a group of countries.

The laws stand in :mod:`scripts.states.outlet_law` and, the legacy one,
:mod:`scripts.states.allocation_law`; what the guard decided before them in
:mod:`scripts.states.s4_guard`.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.geo.snapshot import Places
from scripts.geo.time_zones import read_zoned_places
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.states.allocation_law import Tiles, group_by_country, largest_remainder_allocation
from scripts.states.groups import Mask, balance, members, read_members
from scripts.states.outlet_law import (
    Key,
    Networks,
    allocate_outlets,
    field_weights,
    least_company,
    make_boxes,
)
from scripts.states.pairs import Ids, Pairs
from scripts.states.plan_kernels import count_tiles
from scripts.states.sites import workers_for
from scripts.states.spread import spreads_of
from scripts.states.tiles import cell_keys, read_grid
from scripts.states.time_zone_floor import ZoneFloor, zone_floor
from scripts.tables import read_json

I64 = npt.NDArray[np.int64]
# More than one, so that no worker waits long for the largest country.
_PARTS_A_WORKER = 4


@dataclass(frozen=True)
class Plan:
    """Sites of each pair on each tile: ``pair`` row of the pairs, ``n_sites``; sorted, shape (p,).

    ``capacity`` is the number of tiles of each pair's country, shape (pairs,).
    """

    pair: I64
    tile_id: npt.NDArray[np.uint64]
    n_sites: I64
    capacity: I64


def plan_rows(
    first_site: I64, tile_id: npt.NDArray[np.uint64]
) -> tuple[I64, npt.NDArray[np.uint64], I64]:
    """Count sites per (pair row, tile), sorted by both; see :attr:`Pairs.first_site`.

    ``tile_id``, the tiles of all sites pair by pair, is overwritten.
    """
    pair, n_sites = np.empty(len(tile_id), np.int64), np.empty(len(tile_id), np.int64)
    rows = slice(count_tiles(first_site, tile_id, pair, n_sites))
    return pair[rows], tile_id[rows], n_sites[rows]


@dataclass(frozen=True)
class Ground:
    """What the law of outlets knows of the Earth.

    ``largest_city`` is the tile of the most populous place by country code, -1 where there is none.
    """

    grid: Grid
    zone_floor: ZoneFloor
    largest_city: I64


def largest_cities(places: Places, tile: I64) -> I64:
    """Tile of the most populous place by country code, -1 where there is none; shape (676,).

    ``places`` by country and falling population, as the snapshot has them, ``tile`` of each.
    """
    first = run_starts(places.country)[:-1]
    largest = np.full(countries.CODES, -1, dtype=np.int64)
    largest[places.country[first]] = tile[first]
    return largest


def read_ground(path: str | Path, grid: Grid, policy: Mapping[str, Any]) -> Ground:
    """Time zones and largest cities of the places of the snapshot."""
    places = read_zoned_places(path)
    tile = grid.tile_at(places.lon, places.lat)
    floor = zone_floor(places, tile, policy["time_zone_floor"])
    return Ground(grid, floor, largest_cities(places, tile.astype(np.int64)))


def allocate(
    pairs: Pairs,
    abroad: Mask,
    ids: Ids,
    tiles: Tiles,
    policy: Mapping[str, Any],
    ground: Ground | None,
    seed: int,
    where: str,
    world_sites: int,
) -> Plan:
    """The plan of some whole countries under the law of the policy.

    Parameters
    ----------
    pairs, abroad
        Sites per (merchant, country), and whether the country is foreign to the merchant.
    ids
        Ids of the merchants.
    tiles
        Tiles of all their countries with their weights.
    policy
        The S4 policy.
    ground
        For ``outlets_v3``.
    seed
        Of the draws of ``outlets_v3``.
    where
        File of the tiles, for messages.
    world_sites
        Sites of all countries, these or others.

    Raises
    ------
    StateError
        ``E403`` a country has no tiles.
    """
    present = np.unique(pairs.country).tolist()
    for code in present:
        if code not in tiles.rows:
            iso = countries.decode_one(code)
            raise StateError("E403", where, f"country {iso} has no tiles", "tiles of S1 and S2")
    if not present:
        none = np.empty(0, dtype=np.int64)
        return Plan(none, none.astype(np.uint64), none, none)
    if ground is not None:
        tile_id = outlet_allocation(pairs, abroad, ids, tiles, policy, ground, seed, world_sites)
    else:
        # The weights of a country sum to one in fixed point.
        unit = int(tiles.value[tiles.rows[present[0]]].sum())
        tile_id = largest_remainder_allocation(pairs, tiles, unit)
    lengths = np.zeros(countries.CODES, dtype=np.int64)
    for code in present:
        lengths[code] = tiles.rows[code].stop - tiles.rows[code].start
    return Plan(*plan_rows(pairs.first_site, tile_id), lengths[pairs.country])


def outlet_allocation(
    pairs: Pairs,
    abroad: Mask,
    ids: Ids,
    tiles: Tiles,
    policy: Mapping[str, Any],
    ground: Ground,
    seed: int,
    world_sites: int,
) -> npt.NDArray[np.uint64]:
    """Tile of every site under the law of outlets, pair by pair; some countries at a time."""
    law, key = policy["outlets"], Key(seed, policy["namespace"])
    company = least_company(law, world_sites)
    by_country = np.argsort(pairs.country, kind="stable")
    first = pairs.first_site
    tile_id = np.empty(pairs.total, dtype=np.uint64)

    def of_countries(mine: Mask) -> None:
        code, weighted = tiles.weighted(mine)
        row, col = ground.grid.row_col(tiles.tile_id[weighted])
        weight = field_weights(row, col, tiles.value[weighted], ground.grid, law, key)
        boxes = make_boxes(code, row, col, weight, ground.grid)
        order = by_country[mine[pairs.country[by_country]]]
        box = np.searchsorted(boxes.code, pairs.country[order])
        merchant = ids[pairs.merchant[order]]
        networks = Networks(box, merchant, pairs.n_sites[order], abroad[order])
        cities = ground.largest_city[boxes.code]
        floor = ground.zone_floor
        outlets = allocate_outlets(boxes, networks, cities, floor, law, key, company)
        boxes.write_tiles(networks, *outlets, first[order], tile_id)

    workers = workers_for(pairs.total)
    parts = 1 if workers == 1 else _PARTS_A_WORKER * workers
    group = balance(pairs.by_country(), parts)
    present = np.bincount(pairs.country, minlength=countries.CODES) > 0
    some = [present & (group == part) for part in range(parts)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(of_countries, (mine for mine in some if mine.any())))
    return tile_id


def require_row_sums(plan: Plan, pairs: Pairs, ids: Ids) -> None:
    """Refuse a plan that does not place all sites of a pair (``E404``)."""
    placed = np.bincount(plan.pair, weights=plan.n_sites, minlength=len(pairs.n_sites))
    wrong = np.flatnonzero(placed != pairs.n_sites)
    if len(wrong):
        row = wrong[0]
        raise StateError(
            "E404",
            f"merchant {ids[pairs.merchant[row]]}",
            f"{int(placed[row])} sites placed of {pairs.n_sites[row]}",
            "as many sites as the pair has outlets",
        )


def plan_table(plan: Plan, pairs: Pairs, ids: Ids) -> pa.Table:
    """The plan as the table ``s4_alloc_plan``."""
    return pa.table(
        {
            "merchant_id": ids[pairs.merchant[plan.pair]],
            "legal_country_iso": countries.names(pairs.country[plan.pair]),
            "tile_id": plan.tile_id,
            "n_sites_tile": plan.n_sites,
        }
    )


def tally(plan: Plan, pairs: Pairs) -> dict[str, int]:
    """Rows of a plan, and tiles that it uses."""
    cells = cell_keys(pairs.country[plan.pair].astype(np.int16), plan.tile_id)
    return {"rows": len(cells), "active_tiles": len(pa.array(cells).unique())}


def read_guarded(path: str, mine: Mask) -> tuple[Ids, Pairs, Mask]:
    """Merchant ids, pairs of a part's countries behind the guard, and which of them are abroad."""
    names = ["legal_country_iso", "merchant_id", "n_sites", "abroad"]
    country, merchant_id, n_sites, abroad = read_members(
        "s4_guarded_pairs", path, mine, names
    ).values()
    ids, merchant = np.unique(merchant_id, return_inverse=True)
    return ids, Pairs(merchant.astype(np.int64), country.astype(np.int64), n_sites), abroad


def read_tiles(path: str, mine: Mask) -> Tiles:
    """Tiles of a part's countries with their weights."""
    names = ["country_iso", "tile_id", "weight_fp"]
    return group_by_country(*read_members("tile_weights", path, mine, names).values())


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s4_alloc_plan``."""
    policy = load_policy(inputs.policy)
    sites = read_json(inputs.summary)["by_country"]
    mine = members(sites, wildcards.part)
    ids, pairs, abroad = read_guarded(inputs.pairs, mine)
    ground = None
    if policy["mode"] == "outlets_v3":
        ground = read_ground(inputs.places, read_grid(inputs.tile_policy), policy)
    plan = allocate(
        pairs,
        abroad,
        ids,
        read_tiles(inputs.tile_weights, mine),
        policy,
        ground,
        int(wildcards.seed),
        inputs.tile_weights,
        sum(sites.values()),
    )
    require_row_sums(plan, pairs, ids)
    write_dataset("s4_alloc_plan", outputs.plan, plan_table(plan, pairs, ids))
    spreads = spreads_of(pairs.n_sites, plan.capacity, plan.pair, plan.n_sites)
    write_dataset("s4_spread", outputs.spread, spreads.table())
    write_object("s4_tally", outputs.tally, tally(plan, pairs))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
