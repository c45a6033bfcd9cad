"""S4, second part: sites of every (merchant, country) on tiles, in a group of countries.

The laws stand in :mod:`scripts.states.allocation_law`; what the guard decided before them in
:mod:`scripts.states.s4_guard`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.states.allocation_law import (
    Ground,
    Tiles,
    group_by_country,
    joint_allocation,
    largest_remainder_allocation,
)
from scripts.states.groups import Mask, members, read_members
from scripts.states.pairs import Ids, Pairs
from scripts.states.spread import spreads_of
from scripts.states.tiles import cell_keys, read_grid
from scripts.states.time_zone_floor import read_zone_floor
from scripts.tables import read_json

I64 = npt.NDArray[np.int64]


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
    pair: I64, tile_id: npt.NDArray[np.uint64]
) -> tuple[I64, npt.NDArray[np.uint64], I64]:
    """Count sites per (pair row, tile), sorted by both.

    Pair rows are below 2**31 and tile ids below 2**32, so that both share one sortable word.
    """
    key = np.sort((pair.astype(np.uint64) << np.uint64(32)) | tile_id)
    starts = run_starts(key)
    first = key[starts[:-1]]
    pair, tile_id = (first >> np.uint64(32)).astype(np.int64), first & np.uint64(0xFFFFFFFF)
    return pair, tile_id, np.diff(starts)


def allocate(
    pairs: Pairs, tiles: Tiles, policy: Mapping[str, Any], ground: Ground | None, where: str
) -> Plan:
    """The plan of some whole countries under the law of the policy.

    Parameters
    ----------
    pairs
        Sites per (merchant, country).
    tiles
        Tiles of all their countries: for ``joint_v2`` along the curve with cumulative weights, else
        with weights.
    policy
        The S4 policy.
    ground
        Grid and time zones, for ``joint_v2``.
    where
        File of the tiles, for messages.

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
    if policy["mode"] == "joint_v2":
        pair, tile_id = joint_allocation(pairs, tiles, policy["agglomeration"], ground)
    else:
        # The weights of a country sum to one in fixed point.
        unit = int(tiles.value[tiles.rows[present[0]]].sum())
        pair, tile_id = largest_remainder_allocation(pairs, tiles, unit)
    lengths = np.zeros(countries.CODES, dtype=np.int64)
    for code in present:
        lengths[code] = tiles.rows[code].stop - tiles.rows[code].start
    return Plan(*plan_rows(pair, tile_id), lengths[pairs.country])


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
            "exact row sums",
        )


def plan_table(plan: Plan, pairs: Pairs, ids: Ids) -> pa.Table:
    """The plan as the table ``s4_alloc_plan``."""
    return pa.table(
        {
            "merchant_id": ids[pairs.merchant[plan.pair]],
            "legal_country_iso": countries.decode(pairs.country[plan.pair]),
            "tile_id": plan.tile_id,
            "n_sites_tile": plan.n_sites,
        }
    )


def tally(plan: Plan, pairs: Pairs) -> dict[str, int]:
    """Rows of a plan, and tiles that it uses."""
    cells = cell_keys(pairs.country[plan.pair].astype(np.int16), plan.tile_id)
    return {"rows": len(cells), "active_tiles": len(pa.array(cells).unique())}


def read_guarded(path: str, mine: Mask) -> tuple[Ids, Pairs]:
    """Merchant ids and pairs of a part's countries behind the guard."""
    names = ["legal_country_iso", "merchant_id", "n_sites"]
    country, merchant_id, n_sites = read_members("s4_guarded_pairs", path, mine, names).values()
    ids, merchant = np.unique(merchant_id, return_inverse=True)
    return ids, Pairs(merchant.astype(np.int64), country.astype(np.int64), n_sites)


def read_tiles(path: str, mine: Mask, joint: bool) -> Tiles:
    """Tiles of a part's countries with what the law allocates by: the curve, or weights."""
    dataset_id, weight = ("tile_curve", "cumulative_fp") if joint else ("tile_weights", "weight_fp")
    names = ["country_iso", "tile_id", weight]
    return group_by_country(*read_members(dataset_id, path, mine, names).values())


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s4_alloc_plan``."""
    policy = load_policy(inputs.policy)
    mine = members(read_json(inputs.summary)["by_country"], wildcards.part)
    ids, pairs = read_guarded(inputs.pairs, mine)
    joint = policy["mode"] == "joint_v2"
    where = inputs.tile_curve if joint else inputs.tile_weights
    ground = None
    if joint:
        grid = read_grid(inputs.tile_policy)
        ground = Ground(grid, read_zone_floor(inputs.places, grid, policy["time_zone_floor"]))
    plan = allocate(pairs, read_tiles(where, mine, joint), policy, ground, where)
    require_row_sums(plan, pairs, ids)
    write_dataset("s4_alloc_plan", outputs.plan, plan_table(plan, pairs, ids))
    spreads = spreads_of(pairs.n_sites, plan.capacity, plan.pair, plan.n_sites)
    write_dataset("s4_spread", outputs.spread, spreads.table())
    write_object("s4_tally", outputs.tally, tally(plan, pairs))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
