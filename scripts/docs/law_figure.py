"""Figure of docs/explanation/outlet-law.md, from a certified tree.

python -m scripts.docs.law_figure
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm

from scripts import countries
from scripts.contracts import dataset_path, read_dataset
from scripts.geo.distance import great_circle_m
from scripts.geo.snapshot import load_countries
from scripts.policies import load_policy
from scripts.report.style import INK, LAND, NEUTRAL, TONES, figure, save_full
from scripts.settings import load_settings, read_configuration
from scripts.states.outlet_law import Key, field_weights
from scripts.states.s4_alloc_plan import read_tiles
from scripts.states.tiles import read_grid

SEED, COUNTRY = 42, "PL"
PICTURE = Path("docs/images/outlet-law.png")
# Least and most outlets of the networks that are shown, of each class the one of median extent.
CLASSES = ((2, 4), (5, 9), (10, 19), (20, 49))
F64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def extent_km(lon: F64, lat: F64) -> float:
    """Largest distance between outlets."""
    return float(great_circle_m(lon[:, None], lat[:, None], lon, lat).max() / 1000.0)


def shown(merchant: npt.NDArray[np.uint64], lon: F64, lat: F64) -> list[tuple[Rows, float]]:
    """Rows of one merchant of each class, and its extent."""
    ids, counts = np.unique(merchant, return_counts=True)
    chosen = []
    for least, most in CLASSES:
        of = [np.flatnonzero(merchant == one) for one in ids[(counts >= least) & (counts <= most)]]
        ranked = sorted(((extent_km(lon[rows], lat[rows]), k) for k, rows in enumerate(of)))
        extent, k = ranked[len(ranked) // 2]
        chosen.append((of[k], extent))
    return chosen


def draw_land(axes: Any, geometry: Any, title: str) -> None:
    """Outline of a country, framed by it, degrees at its own proportions."""
    rings = [
        shapely.get_coordinates(ring)
        for ring in shapely.get_exterior_ring(shapely.get_parts(geometry))
    ]
    axes.add_collection(
        PolyCollection(rings, facecolors=LAND, edgecolors=NEUTRAL, linewidths=0.5, zorder=0)
    )
    west, south, east, north = shapely.bounds(geometry)
    axes.set(xlim=(west, east), ylim=(south, north))
    axes.set_aspect(1.0 / np.cos(np.radians((south + north) / 2.0)))
    axes.set_axis_off()
    axes.set_title(title, fontsize=9, loc="center")


def draw_tiles(
    axes: Any, lon: F64, lat: F64, value: F64, deg: float, ticks: tuple[float, ...], colours: str
) -> None:
    """Tiles by a value on a logarithmic scale from the first tick to the last."""
    corner = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * deg
    squares = np.column_stack([lon, lat])[:, None, :] + corner
    tiles = PolyCollection(
        list(squares),
        array=value,
        cmap=colours,
        norm=LogNorm(ticks[0], ticks[-1]),
        edgecolors="face",
        linewidths=0.2,
    )
    axes.add_collection(tiles)
    scale = axes.figure.colorbar(
        tiles, cax=axes.inset_axes((0.2, -0.06, 0.6, 0.03)), orientation="horizontal", extend="both"
    )
    scale.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks], fontsize=8, minor=False)
    scale.minorticks_off()


def main() -> None:
    """Draw weight, field and networks of one country of the candidate."""
    settings = load_settings(read_configuration([Path("config/config.yaml")], {}))
    run, code = settings.run_named(settings.candidate), int(countries.encode_one(COUNTRY))
    place = {"run_id": run.run_id, "seed": SEED, "tiles_id": run.tiles_id}
    mine = np.arange(countries.CODES) == code
    tiles = read_tiles(str(dataset_path(settings.runs_root, "tile_weights", **place)), mine)
    used = np.flatnonzero(tiles.value > 0)
    grid = read_grid(run.posture.policies["s1_tile_index"])
    policy = load_policy(run.posture.policies["s4"])
    row, col = grid.row_col(tiles.tile_id[used])
    weight = tiles.value[used]
    key = Key(SEED, policy["namespace"])
    bent = field_weights(row, col, weight, grid, policy["outlets"], key)
    lon, lat = grid.centre_deg(tiles.tile_id[used])
    land = load_countries(f"{settings.reference}/countries.parquet")
    geometry = land.geometry[np.flatnonzero(land.code == code)[0]]
    sites = read_dataset(
        "site_locations",
        dataset_path(settings.runs_root, "site_locations", **place),
        ["merchant_id", "legal_country_iso", "lon_deg", "lat_deg"],
    )
    sites = sites.filter(countries.encode(sites.column("legal_country_iso")) == code)
    merchant, x, y = (sites.column(c).to_numpy() for c in ("merchant_id", "lon_deg", "lat_deg"))

    with figure(1, 3, figsize=(11.0, 4.0)) as (drawn, axes):
        draw_land(axes[0], geometry, "weight of S2, times the mean")
        share = weight / weight.mean()
        draw_tiles(axes[0], lon, lat, share, grid.cell_deg, (0.1, 1.0, 10.0, 30.0), "Blues")
        draw_land(axes[1], geometry, "factor of the field")
        factor = bent / weight
        draw_tiles(axes[1], lon, lat, factor, grid.cell_deg, (0.3, 0.5, 1.0, 2.0, 3.3), "RdBu_r")
        draw_land(axes[2], geometry, f"{len(x)} sites, four merchants in colour")
        axes[2].scatter(x, y, s=5, c=NEUTRAL, linewidths=0)
        for (of, extent), tone in zip(shown(merchant, x, y), TONES, strict=False):
            label = f"{len(of)} over {extent:.0f} km"
            axes[2].scatter(x[of], y[of], s=22, c=tone, edgecolors=INK, linewidths=0.4, label=label)
        axes[2].legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=8)
        save_full(drawn, PICTURE, dpi=110)


if __name__ == "__main__":
    main()
