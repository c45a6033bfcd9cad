"""What maps are compared with that no seed changes: people on one-degree cells, random points of
them, how far apart two of them live, and land in or beside a city.

Everything here follows from S1 and the land cover, so it is made once for a tile set and read by
the scorecards of all seeds of the runs on it.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from scripts import countries
from scripts.contracts import read_dataset, write_dataset
from scripts.entry import run
from scripts.geo.grid import Grid
from scripts.geo.snapshot import load_countries, load_land_cover
from scripts.geo.urban import near_urban_mask
from scripts.policies import load_policy
from scripts.scorers.fidelity import population_cells, population_points
from scripts.scorers.truth.earth import people_width_m


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``fidelity_reference``."""
    index = read_dataset("tile_index", inputs.tile_index, ["country_iso", "tile_id", "area_m2"])
    people = read_dataset("tile_population", inputs.tile_population, ["population"])
    grid = Grid(load_policy(inputs.tile_policy)["resolution_arcmin"])
    country = countries.encode(index.column("country_iso"))
    tile_id = index.column("tile_id").to_numpy()
    population = people.column("population").to_numpy()

    near_urban = near_urban_mask(load_land_cover(inputs.land_cover))
    area_m2 = index.column("area_m2").to_numpy()
    cells = population_cells(country, tile_id, population, area_m2, grid, near_urban)
    write_dataset(
        "fidelity_cells",
        outputs.cells,
        pa.table(
            {
                "country_iso": countries.decode(cells.country),
                "cell_id": cells.cell.astype("int32"),
                "population": cells.population,
                "urban_population": cells.urban_population,
                "area_m2": cells.area_m2,
            }
        ),
    )
    points = population_points(country, tile_id, population, grid, load_countries(inputs.countries))
    write_dataset(
        "fidelity_points",
        outputs.points,
        pa.table(
            {
                "country_iso": countries.decode(points.country),
                "rank": points.rank,
                "lon_deg": points.lon,
                "lat_deg": points.lat,
            }
        ),
    )
    write_dataset(
        "near_urban_cells",
        outputs.near_urban,
        pa.table({"cell_id": np.flatnonzero(near_urban).astype(np.int32)}),
    )
    width = people_width_m(country, tile_id, population, grid)
    known = np.flatnonzero(~np.isnan(width))
    write_dataset(
        "people_width",
        outputs.width,
        pa.table({"country_iso": countries.decode(known), "width_m": width[known]}),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
