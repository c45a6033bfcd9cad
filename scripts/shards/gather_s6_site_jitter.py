"""Rule ``s6_site_jitter`` over shards: offsets, log and report from the parts."""

from typing import Any

import numpy as np

from scripts.contracts import arrow_schema, dataset_stream, read_object, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.shards.streams import LEGAL, as_table, batch_rows, merged_blocks
from scripts.states.s6_site_jitter import FAMILY, JitterTally
from scripts.states.sites import rng_metadata


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Merge the sites, then the log, and count on the way."""
    policy = load_policy(inputs.policy)
    metadata = rng_metadata(int(wildcards.seed), policy["namespace"], FAMILY)
    sites_id, log_id = "s6_site_jitter", "rng_event_in_cell_jitter"
    held = batch_rows(len(inputs.sites))
    tally = JitterTally()
    for path in inputs.cells:
        cells = read_object("s6_cell_part", path)
        tally.cells += cells["tiles_in_use"]
        tally.border_cells += cells["border_tiles_in_use"]
    with dataset_stream(sites_id, outputs.jitter) as sites:
        for block in merged_blocks("s6_site_part", inputs.sites, held):
            sites.write(as_table(block, arrow_schema(sites_id).names))
            tally.add_components(block["component"], block["placed_by"])
    with dataset_stream(log_id, outputs.rng_log, metadata) as log:
        for block in merged_blocks("s6_event_part", inputs.events, held):
            log.write(as_table(block, arrow_schema(log_id).names))
            last = block["accepted"]
            tally.add_attempts(block[LEGAL][last], block["attempt"][last].astype(np.int64) + 1)
    write_object("s6_run_report", outputs.report, tally.report(wildcards, policy))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
