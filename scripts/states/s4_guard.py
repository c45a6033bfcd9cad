"""S4, first part: what is decided over all countries at once.

The anti-reconcentration guard looks at the country counts of S3: a country above
``country_share_soft_guard`` times its target gives up marginal sites, and regions below their floor
are refilled. Behind it every country stands alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import dataset_blocks, read_dataset, write_dataset, write_object
from scripts.entry import run
from scripts.inequality import TOP_FRACTIONS, gini, top_share
from scripts.policies import load_policy
from scripts.states.pairs import (
    CANDIDATES,
    Candidates,
    Moves,
    Pairs,
    distance_to_mass,
    mass_targets,
    moves_table,
    pairs_table,
    read_candidates,
    read_pairs,
    sum_moves,
)
from scripts.states.steering import steer
from scripts.tables import published

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Regions:
    """Targets and region floors.

    ``targets`` sites wanted by country code, NaN without tiles; ``region`` index into ``floors`` by
    country code, -1 without tiles; shape (676,). ``floors`` least share of all sites by region.
    """

    targets: F64
    region: I64
    floors: F64


def regions_of(mass: pa.Table, floor_of: Mapping[str, float], total: int) -> Regions:
    """Targets of ``total`` sites by the governed mass, and the policy's floors."""
    names = sorted(set(mass["region"].to_pylist()))
    region = np.full(countries.CODES, -1)
    region[countries.encode(mass["country_iso"])] = [names.index(r.as_py()) for r in mass["region"]]
    floors = np.array([floor_of.get(name, 0.0) for name in names])
    return Regions(mass_targets(mass, total), region, floors)


def guard(
    pairs: Pairs,
    candidates: Candidates,
    homes: I64,
    regions: Regions,
    policy: Mapping[str, Any],
    max_mismatch: float,
) -> tuple[Pairs, Moves]:
    """Anti-reconcentration guard, then refill of regions below their floor.

    The refill takes from countries above their target and lifts none above its soft guard: a floor
    is no reason to reconcentrate.

    Parameters
    ----------
    pairs, candidates
        Sites of S3, and where each merchant may stand.
    homes
        Home country of every merchant, -1 where it has none.
    regions
        Targets and floors.
    policy
        The S4 policy.
    max_mismatch
        Bound on the share of sites outside their merchant's home country.
    """
    total = pairs.total
    budget = int(policy["max_moved_share"] * total)
    abroad = int(max_mismatch * total)
    known = np.nan_to_num(regions.targets)
    soft = known * policy["country_share_soft_guard"]
    largest_first = policy["reroute"]["order"] == "largest_pair_first"
    moves: list[Moves] = []
    if policy["reroute"]["enabled"]:
        pairs, made = steer(pairs, candidates, homes, soft, known, budget, abroad, largest_first)
        moves.append(made)
        budget -= made.total
    if policy["residual_redistribution"]["enabled"]:
        for r, floor in enumerate(regions.floors):
            here = regions.region == r
            held = int(pairs.by_country()[here].sum())
            missing = int(np.ceil(floor * total - held - 1e-9))
            if missing <= 0:
                continue
            pairs, made = steer(
                pairs,
                candidates,
                homes,
                np.where(here, np.inf, known),
                np.where(here, soft, 0.0),
                min(budget, missing),
                abroad,
                largest_first,
            )
            moves.append(made)
            budget -= made.total
    return pairs, sum_moves(moves)


def concentration(sites: F64 | I64) -> dict[str, Any]:
    """Gini and top shares of sites by country, as they are published."""
    tops = {name: top_share(sites, part) for name, part in TOP_FRACTIONS.items()}
    shares: dict[str, Any] = published({"country_gini": gini(sites), **tops})
    return shares


def guard_summary(
    before: Pairs, after: Pairs, moves: Moves, targets: F64, merchants: int
) -> dict[str, Any]:
    """What the report of S4 says of the guard, and the sites by country that groups follow from.

    ``concentration`` over the countries with tiles: of the sites that S2's mass asks for, which
    are no whole numbers, of those that S3 gave, and of those behind the guard.
    """
    held, here = after.by_country(), ~np.isnan(targets)
    return {
        "merchants_total": merchants,
        "sites_rerouted": moves.total,
        "distance_before": distance_to_mass(before, targets),
        "distance": distance_to_mass(after, targets),
        "concentration": {
            "wanted": concentration(targets[here]),
            "before": concentration(before.by_country()[here]),
            "after": concentration(held[here]),
        },
        "by_country": {
            countries.decode_one(int(code)): int(held[code]) for code in np.flatnonzero(held)
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s4_guard``."""
    policy, s2_policy = load_policy(inputs.policy), load_policy(inputs.s2_policy)
    ids, before = read_pairs(read_dataset("s3_requirements", inputs.requirements))
    read = dataset_blocks("s3_candidate_set", inputs.candidate_set, CANDIDATES)
    candidates = read_candidates(read, ids)
    mass = read_dataset(
        "country_mass", inputs.country_mass, ["country_iso", "region", "mass_share"]
    )
    regions = regions_of(mass, s2_policy["country_mass"]["region_floor_share"], before.total)
    homes = candidates.homes(len(ids))
    after, moves = guard(
        before,
        candidates,
        homes,
        regions,
        policy,
        s2_policy["steering"]["max_home_legal_mismatch"],
    )
    abroad = after.country != homes[after.merchant]
    guarded = pairs_table(ids, after).append_column("abroad", pa.array(abroad))
    write_dataset("s4_guarded_pairs", outputs.pairs, guarded)
    write_dataset("s4_reroute_ledger", outputs.ledger, moves_table(ids, moves))
    write_object(
        "s4_guard_summary",
        outputs.summary,
        guard_summary(before, after, moves, regions.targets, len(ids)),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
