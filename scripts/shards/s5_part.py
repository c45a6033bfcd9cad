"""Rule ``s5_part``: site to tile in one shard's countries."""

from typing import Any

import pyarrow as pa

from scripts.contracts import arrow_schema
from scripts.entry import run
from scripts.policies import load_policy
from scripts.shards.plan import members
from scripts.shards.streams import read_members, sites_by_country, write_part
from scripts.states.s5_site_tile_assignment import assign, plan_columns, require_plan


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Assign the shard's sites by the law of S5."""
    policy = load_policy(inputs.policy)
    held = sites_by_country("s4_alloc_plan", inputs.plan, "n_sites_tile")
    mine = members(held, wildcards.shard)
    plan = read_members("s4_alloc_plan", inputs.plan, mine, arrow_schema("s4_alloc_plan").names)
    if not plan.num_rows:
        write_part("s5_site_part", outputs.sites, arrow_schema("s5_site_part").empty_table())
        return
    columns = plan_columns(plan, inputs.plan)
    require_plan(*columns, inputs.plan)
    made = assign(*columns, int(wildcards.seed), policy["namespace"])
    table = pa.table({**made.sites.columns(), "tile_id": made.tile_id, "u": made.u})
    write_part("s5_site_part", outputs.sites, table)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
