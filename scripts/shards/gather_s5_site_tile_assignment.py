"""Rule ``s5_site_tile_assignment`` over shards: assignment, log and report from the parts."""

from typing import Any

from scripts.contracts import arrow_schema, dataset_stream, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.shards.streams import LEGAL, MERCHANT, as_table, batch_rows, merged_blocks
from scripts.states.s5_site_tile_assignment import FAMILY, run_report
from scripts.states.sites import CountryTally, pair_starts, rng_metadata


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Merge once, write twice."""
    policy = load_policy(inputs.policy)
    metadata = rng_metadata(int(wildcards.seed), policy["namespace"], FAMILY)
    sites_id, log_id = "s5_site_tile_assignment", "rng_event_site_tile_assign"
    tally, pairs = CountryTally(), 0
    with (
        dataset_stream(sites_id, outputs.assignment) as sites,
        dataset_stream(log_id, outputs.rng_log, metadata) as log,
    ):
        for block in merged_blocks("s5_site_part", inputs.sites, batch_rows(len(inputs.sites))):
            sites.write(as_table(block, arrow_schema(sites_id).names))
            log.write(as_table(block, arrow_schema(log_id).names))
            tally.add(block[LEGAL], sites=None)
            pairs += len(pair_starts(block[MERCHANT], block[LEGAL])) - 1
    report = run_report(wildcards, policy, sites.rows, pairs, tally.report())
    write_object("s5_run_report", outputs.report, report)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
