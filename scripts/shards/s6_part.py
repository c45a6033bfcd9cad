"""Rule ``s6_part``: jitter within the tile in one shard's countries."""

from typing import Any

import pyarrow as pa

from scripts.contracts import arrow_schema, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.shards.plan import members
from scripts.shards.streams import read_members, sites_by_country, write_part
from scripts.states.s6_site_jitter import check_weights, place_sites
from scripts.states.sites import site_keys


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Place the shard's sites by the law of S6."""
    policy = load_policy(inputs.policy)
    check_weights(policy, inputs.policy)
    held = sites_by_country("s5_site_tile_assignment", inputs.assignment)
    mine = members(held, wildcards.shard)
    names = arrow_schema("s5_site_tile_assignment").names
    assigned = read_members("s5_site_tile_assignment", inputs.assignment, mine, names)
    cells = {"tiles_in_use": 0, "border_tiles_in_use": 0}
    tables = {name: arrow_schema(name).empty_table() for name in ("s6_site_part", "s6_event_part")}
    if assigned.num_rows:
        sites = site_keys(assigned, inputs.assignment)
        placed, events, tally = place_sites(
            inputs, policy, sites, assigned["tile_id"].to_numpy(), int(wildcards.seed)
        )
        tables = {"s6_site_part": pa.table(placed), "s6_event_part": pa.table(events)}
        cells = {"tiles_in_use": tally.cells, "border_tiles_in_use": tally.border_cells}
    write_part("s6_site_part", outputs.sites, tables["s6_site_part"])
    write_part("s6_event_part", outputs.events, tables["s6_event_part"])
    write_object("s6_cell_part", outputs.cells, cells)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
