"""World map of all sites of one run, over the land of the reference snapshot."""

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.geo.snapshot import load_countries
from scripts.report.projection import equal_earth
from scripts.tables import publish

LAND, EDGE, SITE = "#e9e6df", "#ffffff", "#b3123a"
_MIN_PART_DEG2 = 0.05


def outlines(geometry: npt.NDArray[np.object_]) -> list[npt.NDArray[np.float64]]:
    """Projected exterior rings, shape (k, 2) each, of the parts large enough to be seen."""
    parts = shapely.get_parts(geometry)
    parts = parts[shapely.area(parts) > _MIN_PART_DEG2]
    rings = shapely.get_exterior_ring(shapely.simplify(parts, 0.05))
    coordinates, owner = shapely.get_coordinates(rings, return_index=True)
    x, y = equal_earth(coordinates[:, 0], coordinates[:, 1])
    return np.split(np.column_stack([x, y]), np.flatnonzero(np.diff(owner)) + 1)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``site_map``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.collections import PolyCollection

    sites = read_dataset("site_locations", inputs.site_locations, ["lon_deg", "lat_deg"])
    land = load_countries(inputs.countries).geometry
    x, y = equal_earth(sites["lon_deg"].to_numpy(), sites["lat_deg"].to_numpy())
    figure, axes = plt.subplots(figsize=(14, 6.9), dpi=110)
    axes.add_collection(
        PolyCollection(outlines(land), facecolors=LAND, edgecolors=EDGE, linewidths=0.4)
    )
    axes.plot(x, y, ",", color=SITE, alpha=0.9)
    axes.set_xlim(-2.71, 2.71)
    axes.set_ylim(-1.10, 1.32)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(
        f"{params.name}, seed {wildcards.seed}: {len(x):,} sites (Equal Earth projection)",
        fontsize=13,
    )
    figure.tight_layout()
    with publish(outputs.figure) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    plt.close(figure)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
