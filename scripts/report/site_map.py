"""World map of all sites of one run, over the land of the reference snapshot.

Sites are counted in hexagons, and the tone of a hexagon is the logarithm of its count: a lone site
is as visible as a capital, and no place is too dense to be told from a denser one. Equal Earth
keeps areas true: equal tone means equal density wherever it stands.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.geo.snapshot import load_countries
from scripts.report.projection import EARTH_RADIUS_M, equal_earth
from scripts.report.style import DENSITY, INK, figure, save_png
from scripts.report.world import SOUTH_DEG, draw_world

WIDTH_IN, HEIGHT_IN, DPI = 12.0, 5.9, 150
HEXAGON_KM = 50.0


def hexagons(drawn: Any, axes: Any, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> None:
    """Sites by hexagon on the axes of a world map, with the scale of their tones."""
    wide = HEXAGON_KM * 1000.0 / EARTH_RADIUS_M
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    across, along = round((east - west) / wide), round((north - south) / (wide * np.sqrt(3.0)))
    counted = axes.hexbin(
        x,
        y,
        gridsize=(across, along),
        extent=(west, east, south, north),
        mincnt=1,
        bins="log",
        cmap=DENSITY,
        linewidths=0.2,
        zorder=3,
    )
    bar = drawn.colorbar(
        counted, cax=axes.inset_axes((0.03, 0.1, 0.12, 0.016)), orientation="horizontal"
    )
    bar.set_label(f"sites in a hexagon of {HEXAGON_KM:g} km", fontsize=8)
    bar.ax.tick_params(which="both", labelsize=8, length=2)
    bar.ax.xaxis.set_major_formatter("{x:g}")
    bar.outline.set_visible(False)


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
        hexagons(drawn, axes, x, y)
        drawn.text(0.012, 0.022, title, fontsize=10.5, color=INK, va="center", weight="bold")
        drawn.text(
            0.988,
            0.022,
            "Equal Earth projection · borders: Natural Earth",
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
