"""S5: which site of a merchant stands on which of its tiles.

For every (merchant, country) the plan gives a multiset of tiles. Each site draws one uniform u of
family ``site_tile_assign``, keyed by (merchant, country, site_order); the sites in order of
(u, site_order) take the tiles in ascending order. This is a uniform random permutation (sorting by
independent keys) and leaves the quotas untouched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.randomness import keyed_uniforms
from scripts.states.assignment_kernels import order_by_draw
from scripts.states.groups import group_of
from scripts.states.sites import (
    ASSIGN_FAMILY,
    Codes,
    SiteKeys,
    read_columns,
    rng_metadata,
)
from scripts.states.tallies import Tally, by_country

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Plan:
    """Sites of each (merchant, country) on each tile, sorted by the three; shape (p,).

    ``merchant`` ids, ``country`` int16 codes, ``n_sites`` at least 1.
    """

    merchant: npt.NDArray[np.uint64]
    country: Codes
    tile_id: npt.NDArray[np.uint64]
    n_sites: I64


@dataclass(frozen=True)
class Assignment:
    """Sites with their tile (uint64) and draw (float64), sorted by key."""

    sites: SiteKeys
    tile_id: npt.NDArray[np.uint64]
    u: F64


def draws(sites: SiteKeys, seed: int, namespace: str) -> F64:
    """The uniform of every site; shape (n,), inside (0, 1)."""
    u = np.empty(len(sites))
    for start in range(0, len(sites), _CHUNK):
        rows = slice(start, start + _CHUNK)
        u[rows] = keyed_uniforms(
            seed, namespace, sites.merchant[rows], sites.country[rows], sites.order[rows]
        )[:, 0]
    return u


def draw_order(starts: I64, u: F64) -> I64:
    """Rows sorted by (pair, u, row).

    Parameters
    ----------
    starts
        First row of each pair, and the row count at the end.
    u
        Uniforms, shape (n,).
    """
    row = np.empty(len(u), dtype=np.int64)
    order_by_draw(starts, u, row)
    return row


def assign(plan: Plan, seed: int, namespace: str) -> Assignment:
    """Give every site of the plan its tile.

    Parameters
    ----------
    plan
        Sites by tile.
    seed, namespace
        Key of the draws.

    Returns
    -------
    One row per site; ``site_order`` runs from 1 within each (merchant, country).
    """
    starts = run_starts(plan.merchant, plan.country)
    running = np.concatenate(([0], np.cumsum(plan.n_sites)))
    first = running[starts[:-1]]
    size = np.diff(running[starts])
    pair = np.repeat(np.arange(len(size)), size)
    sites = SiteKeys(
        plan.merchant[starts[:-1]][pair],
        plan.country[starts[:-1]][pair],
        (np.arange(len(pair)) - first[pair] + 1).astype(np.int32),
    )
    u = draws(sites, seed, namespace)
    tile = np.empty(len(pair), dtype=np.uint64)
    tile[draw_order(np.append(first, len(pair)), u)] = np.repeat(plan.tile_id, plan.n_sites)
    return Assignment(sites, tile, u)


def require_plan(plan: Plan, where: str | Path, may_be_empty: bool = False) -> None:
    """Refuse an empty (E501), non-positive (E503) or unsorted (E509) plan."""
    if not len(plan.merchant) and not may_be_empty:
        raise StateError("E501", where, "the plan holds no site", "at least one row")
    if (plan.n_sites < 1).any():
        row = int(np.argmax(plan.n_sites < 1))
        raise StateError(
            "E503", where, f"row {row}: n_sites_tile {plan.n_sites[row]}", "at least 1"
        )
    merchant, country, tile_id = plan.merchant, plan.country, plan.tile_id
    same_merchant = merchant[1:] == merchant[:-1]
    same_pair = same_merchant & (country[1:] == country[:-1])
    ascends = (
        (merchant[1:] > merchant[:-1])
        | (same_merchant & (country[1:] > country[:-1]))
        | (same_pair & (tile_id[1:] > tile_id[:-1]))
    )
    if not ascends.all():
        row = int(np.argmin(ascends)) + 1
        raise StateError(
            "E509",
            where,
            f"row {row} repeats a key or is out of order",
            "sort by merchant_id, legal_country_iso, tile_id",
        )


def read_plan(paths: Sequence[str | Path]) -> Plan:
    """Parts of the plan as one."""
    names = ["merchant_id", "legal_country_iso", "tile_id", "n_sites_tile"]
    return Plan(*read_columns("s4_alloc_plan", paths, names).values())


def tally(made: Assignment) -> Tally:
    """Pairs, and sites by country."""
    sites = made.sites
    return {
        "pairs": len(run_starts(sites.merchant, sites.country)) - 1,
        "by_country": by_country(sites.country, sites=None),
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s5_site_tile_assignment``."""
    policy = load_policy(inputs.policy)
    seed, namespace = int(wildcards.seed), policy["namespace"]
    plan = read_plan([inputs.plan])
    require_plan(plan, inputs.plan, may_be_empty=group_of(wildcards.part)[0] > 0)
    made = assign(plan, seed, namespace)
    keys = made.sites.columns()
    metadata = rng_metadata(seed, namespace, ASSIGN_FAMILY)
    write_dataset(
        "s5_site_tile_assignment", outputs.assignment, pa.table({**keys, "tile_id": made.tile_id})
    )
    write_dataset(
        "rng_event_site_tile_assign",
        outputs.draws,
        pa.table({**keys, "u": made.u}).replace_schema_metadata(metadata),
    )
    write_object("s5_tally", outputs.tally, tally(made))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
