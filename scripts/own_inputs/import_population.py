"""A user's population raster, summed to the cells of S1's grid."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.geo.grid import Grid
from scripts.own_inputs.raster import sum_to_cells
from scripts.policies import load_policy


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind a raster and the grid's policy to the people of its cells."""
    policy = load_policy(inputs.tile_policy)
    cells = sum_to_cells(inputs.raster, Grid(policy["resolution_arcmin"]))
    write_dataset(
        "raster_population",
        outputs.cells,
        pa.table({"tile_id": cells.tile_id, "population": cells.population}),
    )
    write_object(
        "raster_population_report",
        outputs.report,
        {
            "state": "S1",
            "identity": {
                "tiles_id": wildcards.tiles_id,
                "file": Path(inputs.raster).name,
                "crs": cells.crs,
                "resolution_arcmin": policy["resolution_arcmin"],
                "totals": params.totals,
                "uncovered": params.uncovered,
            },
            "counts": {"rows_emitted": len(cells.tile_id), "pixels_with_people": cells.pixels},
            "population_total": round(cells.total, 3),
            "population_on_grid": round(float(cells.population.sum()), 3),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
