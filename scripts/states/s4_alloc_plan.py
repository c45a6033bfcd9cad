"""S4: sites of every (merchant, country) on tiles.

The laws stand in :mod:`scripts.states.allocation_law`.

Before them, on the country counts, stands the anti-reconcentration guard: a country above
``country_share_soft_guard`` times its target gives up marginal sites, and regions below their floor
are refilled (:func:`guard`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import read_dataset, write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.ordering import distinct
from scripts.policies import load_policy
from scripts.states.allocation_law import (
    Ground,
    group_by_country,
    joint_allocation,
    largest_remainder_allocation,
)
from scripts.states.s3_requirements import (
    distance_to_mass,
    mass_targets,
    moves_table,
    read_candidates,
)
from scripts.states.steering import Candidates, Moves, Pairs, steer
from scripts.states.time_zone_floor import read_zone_floor

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def guard(
    pairs: Pairs,
    candidates: Candidates,
    homes: I64,
    targets: F64,
    region: npt.NDArray[np.int64],
    floors: F64,
    policy: Mapping[str, Any],
    max_mismatch: float,
) -> tuple[Pairs, list[Moves]]:
    """Anti-reconcentration guard, then refill of regions below their floor.

    The refill takes from countries above their target and lifts none above its soft guard: a floor
    is no reason to reconcentrate.

    Parameters
    ----------
    targets, region
        Per country code: target sites, and index into ``floors`` (-1 without tiles).
    floors
        Least share of all sites per region.
    policy
        The S4 policy.
    max_mismatch
        Bound on the share of sites outside their merchant's home country.
    """
    total = int(pairs.n_sites.sum())
    budget = int(policy["max_moved_share"] * total)
    abroad = int(max_mismatch * total)
    known = np.nan_to_num(targets)
    soft = known * policy["country_share_soft_guard"]
    largest_first = policy["reroute"]["order"] == "largest_pair_first"
    moves: list[Moves] = []
    if policy["reroute"]["enabled"]:
        pairs, made = steer(pairs, candidates, homes, soft, known, budget, abroad, largest_first)
        moves.append(made)
        budget -= made.total
    if policy["residual_redistribution"]["enabled"]:
        for r, floor in enumerate(floors):
            held = np.bincount(pairs.country, weights=pairs.n_sites, minlength=countries.CODES)
            missing = int(np.ceil(floor * total - held[region == r].sum() - 1e-9))
            if missing <= 0:
                continue
            pairs, made = steer(
                pairs,
                candidates,
                homes,
                np.where(region == r, np.inf, known),
                np.where(region == r, soft, 0.0),
                min(budget, missing),
                abroad,
                largest_first,
            )
            moves.append(made)
            budget -= made.total
    return pairs, moves


def merge_moves(moves: list[Moves]) -> Moves:
    """One ledger out of several, summed by (merchant, from, to)."""
    if not moves:
        empty = np.empty(0, dtype=np.int64)
        return Moves(empty, empty, empty, empty)
    stacked = [
        np.concatenate([getattr(m, name) for m in moves])
        for name in ("merchant", "source", "target", "n_sites")
    ]
    key = (stacked[0] * countries.CODES + stacked[1]) * countries.CODES + stacked[2]
    distinct, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    n_sites = np.bincount(inverse, weights=stacked[3], minlength=len(distinct)).astype(np.int64)
    return Moves(stacked[0][first], stacked[1][first], stacked[2][first], n_sites)


def plan_rows(
    pair: I64, tile_id: npt.NDArray[np.uint64]
) -> tuple[I64, npt.NDArray[np.uint64], I64]:
    """Count sites per (pair row, tile), sorted by both.

    Pair rows are below 2**31 and tile ids below 2**32, so that both share one sortable word.
    """
    key = np.sort((pair.astype(np.uint64) << np.uint64(32)) | tile_id)
    starts = np.flatnonzero(np.diff(key, prepend=~key[:1]))
    count = np.diff(np.append(starts, len(key)))
    distinct = key[starts]
    return (
        (distinct >> np.uint64(32)).astype(np.int64),
        distinct & np.uint64(0xFFFFFFFF),
        count,
    )


@dataclass(frozen=True)
class PairSpread:
    """How each pair's sites lie on its country's tiles; int64, shape (pairs,).

    ``top`` is the largest number of sites on one tile, ``squares`` the sum of squared numbers,
    ``active`` the tiles in use and ``capacity`` the tiles of the country.
    """

    n_sites: I64
    top: I64
    squares: I64
    active: I64
    capacity: I64


def pair_spread(n_sites: I64, pair: I64, count: I64, capacity: I64) -> PairSpread:
    """Spread of every pair from the plan's rows (``pair`` row, ``count`` of sites)."""
    top = np.zeros(len(n_sites), dtype=np.int64)
    np.maximum.at(top, pair, count)
    squares = np.bincount(pair, weights=count.astype(np.float64) ** 2, minlength=len(n_sites))
    active = np.bincount(pair, minlength=len(n_sites))
    return PairSpread(n_sites, top, squares.astype(np.int64), active, capacity)


def pair_diagnostics(spread: PairSpread) -> dict[str, Any]:
    """Concentration within pairs: top-1 share, HHI, active tiles, headroom to the floors.

    With n sites over m tiles and ``q, r = divmod(n, m)`` the least top-1 share is
    ``ceil(n / m) / n`` and the least HHI ``(r (q+1)^2 + (m-r) q^2) / n^2``.
    """
    n, active, capacity = spread.n_sites, spread.active, spread.capacity
    top1 = spread.top / n
    hhi = spread.squares / n**2
    q, r = np.divmod(n, capacity)
    top1_floor = -(-n // capacity) / n
    hhi_floor = (r * (q + 1) ** 2 + (capacity - r) * q**2) / n**2
    return {
        "pairs_total": len(n),
        "top1_share": _summary(top1),
        "hhi": _summary(hhi),
        "active_tiles": _summary(active),
        "top1_headroom_mean": float((top1 - top1_floor).mean()),
        "hhi_headroom_mean": float((hhi - hhi_floor).mean()),
        "distinct_tiles_per_site": float(active.sum() / n.sum()),
    }


def _summary(values: npt.NDArray[Any]) -> dict[str, float]:
    q50, q90, q99 = np.quantile(values, [0.5, 0.9, 0.99])
    return {"mean": float(values.mean()), "p50": float(q50), "p90": float(q90), "p99": float(q99)}


def read_pairs(table: pa.Table) -> tuple[npt.NDArray[np.uint64], Pairs]:
    """Merchant ids and pairs of ``s3_requirements``."""
    merchant_id = table["merchant_id"].to_numpy()
    ids, merchant = np.unique(merchant_id, return_inverse=True)
    country = countries.encode(table["legal_country_iso"]).astype(np.int64)
    return ids, Pairs(merchant.astype(np.int64), country, table["n_sites"].to_numpy())


def read_homes(candidates: Candidates, merchants: int) -> I64:
    """Home country of every merchant, from rank 0 of its candidates; -1 where it has none."""
    homes = np.full(merchants, -1, dtype=np.int64)
    at_home = candidates.rank == 0
    homes[candidates.merchant[at_home]] = candidates.country[at_home]
    return homes


def tile_table(policy: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Dataset and columns that a policy's law allocates by."""
    if policy["mode"] == "joint_v2":
        return "tile_curve", ["country_iso", "tile_id", "cumulative_fp"]
    return "tile_weights", ["country_iso", "tile_id", "weight_fp", "dp"]


def ground_of(inputs: Any, policy: Mapping[str, Any]) -> Ground | None:
    """Ground of a job's ``tile_policy`` and ``places``; None under the legacy law."""
    if policy["mode"] != "joint_v2":
        return None
    grid = Grid(load_policy(inputs.tile_policy)["resolution_arcmin"])
    return Ground(grid, read_zone_floor(inputs.places, grid, policy["time_zone_floor"]))


def allocate(
    pairs: Pairs,
    table: pa.Table,
    policy: Mapping[str, Any],
    ground: Ground | None,
    where: str,
) -> tuple[I64, npt.NDArray[np.uint64], I64]:
    """Pair row and tile of every site, and the number of tiles of each pair's country.

    Parameters
    ----------
    pairs
        Sites per (merchant, country).
    table
        Columns of :func:`tile_table` of all countries of ``pairs``, sorted by country.
    policy
        The S4 policy.
    ground
        From :func:`ground_of`.
    where
        File of the table, for messages.
    """
    value = table[table.column_names[2]].to_numpy()
    tiles = group_by_country(
        countries.encode(table["country_iso"]), table["tile_id"].to_numpy(), value
    )
    for code in np.unique(pairs.country):
        if int(code) not in tiles.rows:
            iso = countries.decode_one(int(code))
            raise StateError("E403", where, f"country {iso} has no tiles", "S1")
    if policy["mode"] == "joint_v2":
        pair, tile_id = joint_allocation(pairs, tiles, policy["agglomeration"], ground)
    else:
        unit = 10 ** int(table["dp"][0].as_py())
        pair, tile_id = largest_remainder_allocation(pairs, tiles, unit)
    capacity = np.array([tiles.rows[int(c)].stop - tiles.rows[int(c)].start for c in pairs.country])
    return pair, tile_id, capacity


@dataclass(frozen=True)
class Guarded:
    """Sites per (merchant, country) behind the guard, and what led there.

    ``ids`` are the merchants' ids; ``distance_before`` and ``distance`` total variation distances
    to the governed mass; ``rerouted`` the sites moved.
    """

    ids: npt.NDArray[np.uint64]
    pairs: Pairs
    moves: Moves
    rerouted: int
    distance_before: float
    distance: float


def guarded_pairs(inputs: Any, policy: Mapping[str, Any], s2_policy: Mapping[str, Any]) -> Guarded:
    """Requirements of S3 after the guard, which sees all countries at once."""
    ids, before = read_pairs(read_dataset("s3_requirements", inputs.requirements))
    candidates = read_candidates(
        read_dataset(
            "s3_candidate_set",
            inputs.candidate_set,
            ["merchant_id", "country_iso", "candidate_rank"],
        ),
        ids,
    )
    mass = read_dataset(
        "country_mass", inputs.country_mass, ["country_iso", "region", "mass_share"]
    )
    floor_of = s2_policy["country_mass"]["region_floor_share"]
    names = sorted(set(mass["region"].to_pylist()))
    region = np.full(countries.CODES, -1)
    region[countries.encode(mass["country_iso"])] = [names.index(r.as_py()) for r in mass["region"]]
    targets = mass_targets(mass, int(before.n_sites.sum()))
    pairs, moves = guard(
        before,
        candidates,
        read_homes(candidates, len(ids)),
        targets,
        region,
        np.array([floor_of.get(name, 0.0) for name in names]),
        policy,
        s2_policy["steering"]["max_home_legal_mismatch"],
    )
    return Guarded(
        ids,
        pairs,
        merge_moves(moves),
        sum(m.total for m in moves),
        distance_to_mass(before, targets),
        distance_to_mass(pairs, targets),
    )


def plan_of(
    ids: npt.NDArray[np.uint64],
    pairs: Pairs,
    table: pa.Table,
    policy: Mapping[str, Any],
    ground: Ground | None,
    where: str,
) -> tuple[pa.Table, PairSpread]:
    """The plan of some whole countries, and how their pairs are spread.

    Raises
    ------
    StateError
        ``E403`` a country has no tiles, ``E404`` a pair's sites are not all placed.
    """
    site_pair, site_tile, capacity = allocate(pairs, table, policy, ground, where)
    pair, tile_id, count = plan_rows(site_pair, site_tile)
    placed = np.bincount(pair, weights=count, minlength=len(pairs.n_sites)).astype(np.int64)
    if (placed != pairs.n_sites).any():
        row = int(np.argmax(placed != pairs.n_sites))
        raise StateError(
            "E404",
            f"merchant {ids[pairs.merchant[row]]}",
            f"{placed[row]} sites placed of {pairs.n_sites[row]}",
            "exact row sums",
        )
    plan = pa.table(
        {
            "merchant_id": ids[pairs.merchant[pair]],
            "legal_country_iso": countries.decode(pairs.country[pair]),
            "tile_id": tile_id,
            "n_sites_tile": count,
        }
    )
    return plan, pair_spread(pairs.n_sites, pair, count, capacity)


def run_report(
    wildcards: Any,
    policy: Mapping[str, Any],
    guarded: Mapping[str, Any],
    spread: PairSpread,
    rows: int,
    active_tiles: int,
) -> dict[str, Any]:
    """The report of S4.

    ``guarded`` holds ``merchants_total``, ``sites_rerouted`` and the two distances.
    """
    return {
        "state": "S4",
        "identity": {
            "run_id": wildcards.run_id,
            "seed": int(wildcards.seed),
            "policy_version": policy["policy_version"],
            "mode": policy["mode"],
        },
        "counts": {
            "rows_emitted": rows,
            "merchants_total": guarded["merchants_total"],
            "sites_total": int(spread.n_sites.sum()),
            "sites_rerouted": guarded["sites_rerouted"],
            "active_tiles": active_tiles,
        },
        "pre_integer": {"distance_to_mass": guarded["distance_before"]},
        "post_integer": {
            "distance_to_mass": guarded["distance"],
            "pairs": pair_diagnostics(spread),
        },
    }


def guard_summary(guarded: Guarded) -> dict[str, Any]:
    """What the report says of the guard."""
    return {
        "merchants_total": len(guarded.ids),
        "sites_rerouted": guarded.rerouted,
        "distance_before": guarded.distance_before,
        "distance": guarded.distance,
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s4_alloc_plan``."""
    policy, s2_policy = load_policy(inputs.policy), load_policy(inputs.s2_policy)
    guarded = guarded_pairs(inputs, policy, s2_policy)
    name, columns = tile_table(policy)
    where = getattr(inputs, name)
    table = read_dataset(name, where, columns)
    ground = ground_of(inputs, policy)
    plan, spread = plan_of(guarded.ids, guarded.pairs, table, policy, ground, where)
    write_dataset("s4_alloc_plan", outputs.plan, plan)
    write_dataset("s4_reroute_ledger", outputs.ledger, moves_table(guarded.ids, guarded.moves))
    active_tiles = len(distinct(plan["tile_id"].to_numpy()))
    summary = guard_summary(guarded)
    report = run_report(wildcards, policy, summary, spread, plan.num_rows, active_tiles)
    write_object("s4_run_report", outputs.report, report)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
