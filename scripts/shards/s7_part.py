"""Rule ``s7_part``: the absolute coordinates of one shard's sites."""

from typing import Any

from scripts.contracts import dataset_stream, write_object
from scripts.entry import run
from scripts.shards.plan import members
from scripts.shards.streams import PART_ROWS, sites_by_country
from scripts.states.s7_site_synthesis import read_flows, write_sites


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Compare all of S5 and S6 row by row; place and balance the shard's sites."""
    held = sites_by_country("s5_site_tile_assignment", inputs.assignment)
    mine = members(held, wildcards.shard)
    flows = read_flows(inputs, mine)
    with dataset_stream("s7_site_part", outputs.sites, row_group=PART_ROWS) as stream:
        write_sites(stream, inputs, flows, mine, PART_ROWS)
    write_object("s7_flow_part", outputs.flows, flows.counts())


if "snakemake" in globals():
    run(main, globals()["snakemake"])
