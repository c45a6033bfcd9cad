"""Rule ``s8_site_locations`` over shards: the egress and its report from the parts."""

from typing import Any

import numpy as np

from scripts.contracts import arrow_schema, dataset_stream, read_object, write_object
from scripts.entry import run
from scripts.shards.streams import LEGAL, as_table, batch_rows, merged_blocks
from scripts.states.s8_site_locations import geoparquet_metadata, run_summary
from scripts.states.sites import CountryTally


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Merge the sites under the box around all parts."""
    dataset_id = "site_locations"
    extents = [read_object("s8_extent_part", path) for path in inputs.extents]
    corners = np.array([extent["bbox"] for extent in extents if extent["bbox"]]).reshape(-1, 2)
    tally, held = CountryTally(), batch_rows(len(inputs.sites))
    with dataset_stream(
        dataset_id, outputs.site_locations, geoparquet_metadata(*corners.T)
    ) as stream:
        for block in merged_blocks("s8_site_part", inputs.sites, held):
            stream.write(as_table(block, arrow_schema(dataset_id).names))
            tally.add(block[LEGAL], sites=None)
    rows_s7 = sum(extent["rows_s7"] for extent in extents)
    summary = run_summary(wildcards, rows_s7, stream.rows, tally.report())
    write_object("s8_run_summary", outputs.summary, summary)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
