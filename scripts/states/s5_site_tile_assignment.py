"""S5: which site of a merchant stands on which of its tiles.

For every (merchant, country) the plan gives a multiset of tiles. Each site draws one uniform u of
family ``site_tile_assign``, keyed by (merchant, country, site_order); the sites in order of
(u, site_order) take the tiles in ascending order. This is a uniform random permutation (sorting by
independent keys) and leaves the quotas untouched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import arrow_schema, write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.policies import load_policy
from scripts.randomness import keyed_uniforms
from scripts.states.sites import (
    Codes,
    SiteKeys,
    by_country,
    country_codes,
    pair_starts,
    read_columns,
    rng_metadata,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Plan = tuple[npt.NDArray[np.uint64], Codes, npt.NDArray[np.uint64], I64]
FAMILY = "site_tile_assign"
_U_BITS = 53
_CHUNK = 1 << 20


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


def draw_order(pair: I64, u: F64) -> I64:
    """Rows sorted by (pair, u, row).

    One sort of integers that hold the pair and the leading bits of u; when two of them collide the
    full keys decide.

    Parameters
    ----------
    pair
        Ordinal of each row's pair, non-decreasing, shape (n,).
    u
        Uniforms with 53 significant bits, shape (n,).
    """
    if not len(pair):
        return np.empty(0, dtype=np.int64)
    shift = max(63 - int(pair[-1]).bit_length(), 0)
    key = (pair << shift) | (u * 2.0 ** min(shift, _U_BITS)).astype(np.int64)
    order = np.argsort(key)
    ranked = key[order]
    if (ranked[1:] == ranked[:-1]).any():
        return np.lexsort((u, pair))
    return order


def assign(
    merchant: npt.NDArray[np.uint64],
    country: Codes,
    tile_id: npt.NDArray[np.uint64],
    n_sites_tile: I64,
    seed: int,
    namespace: str,
) -> Assignment:
    """Give every site of the plan its tile.

    Parameters
    ----------
    merchant, country, tile_id, n_sites_tile
        The plan, sorted by the first three, shape (p,); counts are at least 1.
    seed, namespace
        Key of the draws.

    Returns
    -------
    One row per site; ``site_order`` runs from 1 within each (merchant, country).
    """
    starts = pair_starts(merchant, country)
    running = np.concatenate(([0], np.cumsum(n_sites_tile)))
    first = running[starts[:-1]]
    size = np.diff(running[starts])
    pair = np.repeat(np.arange(len(size)), size)
    sites = SiteKeys(
        merchant[starts[:-1]][pair],
        country[starts[:-1]][pair],
        (np.arange(len(pair)) - first[pair] + 1).astype(np.int32),
    )
    u = draws(sites, seed, namespace)
    tile = np.empty(len(pair), dtype=np.uint64)
    tile[draw_order(pair, u)] = np.repeat(tile_id, n_sites_tile)
    return Assignment(sites, tile, u)


def require_plan(
    merchant: npt.NDArray[np.uint64],
    country: Codes,
    tile_id: npt.NDArray[np.uint64],
    n_sites_tile: I64,
    where: str | Path,
) -> None:
    """Refuse an empty (E501), non-positive (E503) or unsorted (E509) plan."""
    if not len(merchant):
        raise StateError("E501", where, "the plan holds no site", "at least one row")
    if (n_sites_tile < 1).any():
        row = int(np.argmax(n_sites_tile < 1))
        raise StateError(
            "E503", where, f"row {row}: n_sites_tile {n_sites_tile[row]}", "at least 1"
        )
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


def read_plan(path: str | Path) -> Plan:
    """Merchant, country, tile and number of sites of every row of a plan."""
    plan = read_columns("s4_alloc_plan", path, arrow_schema("s4_alloc_plan").names)
    return plan_columns(plan, path)


def plan_columns(plan: pa.Table, path: str | Path) -> Plan:
    """The same of a table that was read from ``path``."""
    return (
        plan.column("merchant_id").to_numpy(),
        country_codes(plan.column("legal_country_iso"), path),
        plan.column("tile_id").to_numpy(),
        plan.column("n_sites_tile").to_numpy(),
    )


def run_report(
    wildcards: Any,
    policy: Mapping[str, Any],
    rows: int,
    pairs: int,
    countries_report: Mapping[str, Any],
) -> dict[str, Any]:
    """The report of S5 from numbers of sites and pairs, and sites by country."""
    seed = int(wildcards.seed)
    return {
        "state": "S5",
        "identity": {
            "run_id": wildcards.run_id,
            "seed": seed,
            "policy_version": policy["policy_version"],
        },
        "counts": {"rows_emitted": rows, "pairs_total": pairs, "rng_events_emitted": rows},
        "rng": rng_metadata(seed, policy["namespace"], FAMILY),
        "by_country": countries_report,
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s5_site_tile_assignment``."""
    policy = load_policy(inputs.policy)
    seed = int(wildcards.seed)
    columns = read_plan(inputs.plan)
    require_plan(*columns, inputs.plan)
    made = assign(*columns, seed, policy["namespace"])

    keys = made.sites.columns()
    metadata = rng_metadata(seed, policy["namespace"], FAMILY)
    write_dataset(
        "s5_site_tile_assignment", outputs.assignment, pa.table({**keys, "tile_id": made.tile_id})
    )
    write_dataset(
        "rng_event_site_tile_assign",
        outputs.rng_log,
        pa.table({**keys, "u": made.u}).replace_schema_metadata(metadata),
    )
    pairs = len(pair_starts(columns[0], columns[1])) - 1
    counted = by_country(made.sites.country, sites=None)
    write_object(
        "s5_run_report",
        outputs.report,
        run_report(wildcards, policy, len(made.sites), pairs, counted),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
