"""Rule ``s8_part``: the egress rows of one shard's sites."""

from typing import Any

import numpy as np

from scripts.contracts import dataset_stream, write_object
from scripts.entry import run
from scripts.shards.plan import members
from scripts.shards.streams import PART_ROWS, sites_by_country
from scripts.states.s8_site_locations import egress_table
from scripts.states.sites import read_site_blocks


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Copy keys and coordinates, add the geometry, measure the extent."""
    mine = members(sites_by_country("s7_site_synthesis", inputs.synthesis), wildcards.shard)
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    rows_s7 = 0
    with dataset_stream("s8_site_part", outputs.sites, row_group=PART_ROWS) as stream:
        for sites, columns in read_site_blocks(
            "s7_site_synthesis", inputs.synthesis, ("lon_deg", "lat_deg"), PART_ROWS
        ):
            kept = mine[sites.country]
            lon, lat = columns["lon_deg"][kept], columns["lat_deg"][kept]
            stream.write(egress_table(sites[kept], lon, lat))
            rows_s7 += len(lon)
            low = np.minimum(low, [lon.min(initial=np.inf), lat.min(initial=np.inf)])
            high = np.maximum(high, [lon.max(initial=-np.inf), lat.max(initial=-np.inf)])
    bbox = [*low.tolist(), *high.tolist()] if rows_s7 else []
    write_object("s8_extent_part", outputs.extent, {"rows_s7": rows_s7, "bbox": bbox})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
