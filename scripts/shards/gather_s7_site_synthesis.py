"""Rule ``s7_site_synthesis`` over shards: coordinates and report from the parts."""

from collections import Counter
from typing import Any

from scripts.contracts import arrow_schema, dataset_stream, read_object, write_object
from scripts.entry import run
from scripts.shards.streams import LEGAL, as_table, batch_rows, merged_blocks
from scripts.states.s7_site_synthesis import run_summary
from scripts.states.sites import CountryTally


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Merge the sites, add up the flows."""
    dataset_id = "s7_site_synthesis"
    tally, flows = CountryTally(), Counter[str]()
    for path in inputs.flows:
        flows.update(read_object("s7_flow_part", path))
    with dataset_stream(dataset_id, outputs.synthesis) as stream:
        for block in merged_blocks("s7_site_part", inputs.sites, batch_rows(len(inputs.sites))):
            stream.write(as_table(block, arrow_schema(dataset_id).names))
            tally.add(block[LEGAL], sites=None)
    summary = run_summary(wildcards, stream.rows, flows, tally.report())
    write_object("s7_run_summary", outputs.summary, summary)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
