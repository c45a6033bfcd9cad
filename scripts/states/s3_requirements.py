"""S3: how many sites each merchant needs in each country.

Counts come from the upstream outlet catalogue. When the S2 policy enables steering they are then
moved towards the governed country mass: a country above ``mass_share * N`` gives marginal sites of
its merchants to each one's best-ranked candidate country below its own target
(:func:`scripts.states.steering.steer`), bounded by ``max_moved_share`` of all sites and by
``max_home_legal_mismatch``, the share of sites outside their merchant's home country. Every move is
a row of the ledger, so that counts minus moves are the upstream counts exactly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import dataset_blocks, read_dataset, write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.ordering import run_starts
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
)
from scripts.states.steering import steer
from scripts.tables import whole_merchants

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
OUTLETS = ("merchant_id", "home_country_iso", "legal_country_iso", "site_order")


def count_sites(
    catalogue: Iterable[pa.Table], where: str
) -> tuple[npt.NDArray[np.uint64], I64, Pairs]:
    """Merchant ids, home country codes and sites per (merchant, country) of a catalogue.

    Parameters
    ----------
    catalogue
        Columns merchant_id, home_country_iso, legal_country_iso, site_order, in blocks; sorted by
        merchant, country and site_order.

    Raises
    ------
    StateError
        ``E310`` out of order; ``E314`` site_order not 1..n within a pair; ``E305`` two homes.
    """
    parts: list[tuple[npt.NDArray[np.uint64], I64, Pairs]] = []
    rows = merchants = 0
    for block in whole_merchants(catalogue):
        ids, homes, pairs = _count_block(block, where, rows)
        if parts and ids[0] <= parts[-1][0][-1]:
            raise StateError("E310", f"{where} row {rows}", "is out of order", "sort by its key")
        parts.append((ids, homes, replace(pairs, merchant=pairs.merchant + merchants)))
        rows, merchants = rows + block.num_rows, merchants + len(ids)
    none = np.empty(0, np.int64)
    every_id = np.concatenate([none.astype(np.uint64), *(ids for ids, _, _ in parts)])
    every_home = np.concatenate([none, *(homes for _, homes, _ in parts)])
    columns = zip(*(vars(pairs).values() for _, _, pairs in parts), strict=True)
    joined = (
        Pairs(*(np.concatenate(column) for column in columns)) if parts else Pairs(none, none, none)
    )
    return every_id, every_home, joined


def _count_block(
    catalogue: pa.Table, where: str, first_row: int
) -> tuple[npt.NDArray[np.uint64], I64, Pairs]:
    """:func:`count_sites` of the rows of whole merchants, from a row on."""
    ids = catalogue["merchant_id"].to_numpy()
    country = countries.encode(catalogue["legal_country_iso"]).astype(np.int64)
    home = countries.encode(catalogue["home_country_iso"]).astype(np.int64)
    order = catalogue["site_order"].to_numpy()
    back = (ids[1:] < ids[:-1]) | ((ids[1:] == ids[:-1]) & (country[1:] < country[:-1]))
    if back.any():
        row = first_row + int(np.argmax(back)) + 1
        raise StateError("E310", f"{where} row {row}", "is out of order", "sort by its key")
    of_merchant, starts = run_starts(ids), run_starts(ids, country)
    n_sites = np.diff(starts)
    expected = np.arange(len(ids)) - np.repeat(starts[:-1], n_sites) + 1
    if (order != expected).any():
        row = int(np.argmax(order != expected))
        raise StateError(
            "E314",
            f"{where} row {first_row + row}",
            f"merchant {ids[row]} in {countries.decode_one(int(country[row]))} has site_order "
            f"{order[row]}",
            f"{expected[row]}: contiguous from 1, without duplicates",
        )
    first, outlets = of_merchant[:-1], np.diff(of_merchant)
    other = home != np.repeat(home[first], outlets)
    if other.any():
        row = first_row + int(np.argmax(other))
        raise StateError("E305", f"{where} row {row}", "second home country", "one home a merchant")
    merchant = np.searchsorted(of_merchant, starts[:-1], side="right") - 1
    return ids[first], home[first], Pairs(merchant, country[starts[:-1]], n_sites)


def require_tiles(pairs: Pairs, targets: F64, where: str) -> None:
    """Refuse a country that has no tiles (``E303``)."""
    lost = np.isnan(targets[pairs.country])
    if lost.any():
        iso = countries.decode_one(int(pairs.country[int(np.argmax(lost))]))
        raise StateError(
            "E303", where, f"country {iso} holds sites but has no tiles", "a country of tile_index"
        )


def requirements(
    pairs: Pairs,
    candidates: Candidates,
    homes: I64,
    targets: F64,
    steering: Mapping[str, Any],
) -> tuple[Pairs, Moves]:
    """Upstream counts steered towards ``targets`` under the policy's bounds."""
    total = pairs.total
    share = steering["max_moved_share"] if steering["enabled"] else 0.0
    known = np.nan_to_num(targets, nan=0.0)
    return steer(
        pairs,
        candidates,
        homes,
        donor_level=known,
        receiver_level=known,
        max_moved=int(share * total),
        max_abroad=int(steering["max_home_legal_mismatch"] * total),
    )


def abroad_share(pairs: Pairs, homes: I64) -> float:
    """Share of sites outside their merchant's home country."""
    abroad = pairs.country != homes[pairs.merchant]
    return float(pairs.n_sites[abroad].sum() / max(pairs.total, 1))


def report_of(
    before: Pairs, after: Pairs, moves: Moves, homes: I64, targets: F64
) -> dict[str, Any]:
    """Counts and distances to the governed mass, before and after steering."""
    return {
        "counts": {
            "source_rows_total": before.total,
            "rows_emitted": len(after.n_sites),
            "merchants_total": len(homes),
            "countries_total_before": len(np.unique(before.country)),
            "countries_total": len(np.unique(after.country)),
            "sites_moved": moves.total,
        },
        "steering": {
            "moved_share": moves.total / max(before.total, 1),
            "home_legal_mismatch_before": abroad_share(before, homes),
            "home_legal_mismatch": abroad_share(after, homes),
            "distance_to_mass_before": distance_to_mass(before, targets),
            "distance_to_mass": distance_to_mass(after, targets),
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s3_requirements``."""
    policy = load_policy(inputs.policy)
    ids, homes, before = count_sites(
        dataset_blocks("outlet_catalogue", inputs.outlet_catalogue, OUTLETS),
        str(inputs.outlet_catalogue),
    )
    read = dataset_blocks("s3_candidate_set", inputs.candidate_set, CANDIDATES)
    candidates = read_candidates(read, ids)
    mass = read_dataset("country_mass", inputs.country_mass, ["country_iso", "mass_share"])
    targets = mass_targets(mass, before.total)
    require_tiles(before, targets, str(inputs.outlet_catalogue))
    after, moves = requirements(before, candidates, homes, targets, policy["steering"])
    require_tiles(after, targets, str(inputs.candidate_set))

    write_dataset("s3_requirements", outputs.requirements, pairs_table(ids, after))
    write_dataset("s3_steering_ledger", outputs.ledger, moves_table(ids, moves))
    report = {
        "state": "S3",
        "identity": {
            "run_id": wildcards.run_id,
            "seed": int(wildcards.seed),
            "policy_version": policy["policy_version"],
        },
        **report_of(before, after, moves, homes, targets),
    }
    report["steering"] |= policy["steering"]
    write_object("s3_run_report", outputs.report, report)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
