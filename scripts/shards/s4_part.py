"""Rule ``s4_part``: the allocation plan of one shard's countries."""

from typing import Any

import pyarrow as pa

from scripts.contracts import arrow_schema
from scripts.entry import run
from scripts.policies import load_policy
from scripts.shards.plan import members
from scripts.shards.streams import read_members, sites_by_country, write_part
from scripts.states.s4_alloc_plan import ground_of, plan_of, read_pairs, tile_table


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Allocate the shard's pairs by the law of S4."""
    policy = load_policy(inputs.policy)
    held = sites_by_country("s4_guarded_pairs", inputs.pairs, "n_sites")
    mine = members(held, wildcards.shard)
    columns = arrow_schema("s4_guarded_pairs").names
    pairs = read_members("s4_guarded_pairs", inputs.pairs, mine, columns)
    if not pairs.num_rows:
        for dataset_id, path in (
            ("s4_plan_part", outputs.plan),
            ("s4_spread_part", outputs.spread),
        ):
            write_part(dataset_id, path, arrow_schema(dataset_id).empty_table())
        return
    name, columns = tile_table(policy)
    where = getattr(inputs, name)
    ids, found = read_pairs(pairs)
    tiles = read_members(name, where, mine, columns)
    plan, spread = plan_of(ids, found, tiles, policy, ground_of(inputs, policy), where)
    write_part("s4_plan_part", outputs.plan, plan)
    write_part(
        "s4_spread_part",
        outputs.spread,
        pa.table(
            {
                "merchant_id": pairs["merchant_id"],
                "legal_country_iso": pairs["legal_country_iso"],
                **spread.__dict__,
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
