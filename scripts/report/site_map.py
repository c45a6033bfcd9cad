"""World map of all sites of one run, over the land of the reference snapshot.

Every site is one translucent disc of the same size, so the tone of a place is the number of sites
there. Equal Earth keeps areas true: equal tone means equal density wherever it stands.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.geo.snapshot import load_countries
from scripts.report.projection import equal_earth
from scripts.report.style import INK, SITE, figure, save_png
from scripts.report.world import SOUTH_DEG, draw_world

WIDTH_IN, HEIGHT_IN, DPI = 12.0, 5.9, 150
_DISC_POINTS2, _DISC_ALPHA = 2.0, 0.38


def draw(
    path: str,
    lon_deg: npt.NDArray[np.float64],
    lat_deg: npt.NDArray[np.float64],
    geometry: npt.NDArray[np.object_],
    title: str,
) -> None:
    """Publish the map of sites at shape (n,) degrees over countries of shape (m,) as PNG."""
    south = min(SOUTH_DEG, float(np.floor(lat_deg.min())) - 1.0) if len(lat_deg) else SOUTH_DEG
    x, y = equal_earth(lon_deg, lat_deg)
    with figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="none") as (drawn, axes):
        axes.set_position((0.0, 0.035, 1.0, 0.965))
        draw_world(axes, geometry, south)
        axes.scatter(
            x, y, s=_DISC_POINTS2, c=SITE, alpha=_DISC_ALPHA, linewidths=0, marker="o", zorder=3
        )
        drawn.text(0.012, 0.022, title, fontsize=10.5, color=INK, va="center", weight="bold")
        drawn.text(
            0.988,
            0.022,
            "one disc per site · Equal Earth projection · borders: Natural Earth",
            fontsize=8.5,
            color=INK,
            va="center",
            ha="right",
        )
        save_png(drawn, path, DPI)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``site_map``."""
    columns = ["lon_deg", "lat_deg", "legal_country_iso"]
    sites = read_dataset("site_locations", inputs.site_locations, columns)
    countries = len(sites["legal_country_iso"].unique())
    draw(
        outputs.figure,
        sites["lon_deg"].to_numpy(),
        sites["lat_deg"].to_numpy(),
        load_countries(inputs.countries).geometry,
        f"{params.name}, seed {wildcards.seed}: {sites.num_rows:,} sites in {countries} countries",
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
