"""Land and frame of a world map in the Equal Earth projection."""

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.collections import LineCollection, PolyCollection

from scripts.report.projection import equal_earth
from scripts.report.style import BORDER, LAND, OCEAN

F64 = npt.NDArray[np.float64]
NORTH_DEG, SOUTH_DEG = 84.0, -60.0
_EDGE_DEG = 180.0
_TOLERANCE_DEG = 0.05


def outlines(geometry: npt.NDArray[np.object_]) -> tuple[list[F64], npt.NDArray[np.intp]]:
    """Simplified, projected exterior rings, shape (k, 2) each, and each one's row of the input."""
    parts, owner = shapely.get_parts(geometry, return_index=True)
    rings = shapely.get_exterior_ring(shapely.simplify(parts, _TOLERANCE_DEG))
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = equal_earth(coordinates[:, 0], coordinates[:, 1])
    return np.split(np.column_stack([x, y]), np.flatnonzero(np.diff(ring)) + 1), owner


def _ring_of_the_earth(south_deg: float, north_deg: float) -> F64:
    latitudes = np.linspace(south_deg, north_deg, 90)
    east = np.column_stack(equal_earth(np.full(90, _EDGE_DEG), latitudes))
    west = np.column_stack(equal_earth(np.full(90, -_EDGE_DEG), latitudes[::-1]))
    return np.vstack([east, west])


def _graticule(south_deg: float, north_deg: float) -> list[F64]:
    along = np.linspace(south_deg, north_deg, 60)
    across = np.linspace(-_EDGE_DEG, _EDGE_DEG, 90)
    meridians = [np.full_like(along, lon) for lon in range(-150, 180, 30)]
    lines = [np.column_stack(equal_earth(lon, along)) for lon in meridians]
    for lat in range(-60, 90, 30):
        if south_deg < lat < north_deg:
            lines.append(np.column_stack(equal_earth(across, np.full_like(across, lat))))
    return lines


def draw_world(
    axes: Any,
    geometry: npt.NDArray[np.object_],
    south_deg: float = SOUTH_DEG,
    colours: Any = None,
    border: str = BORDER,
) -> None:
    """Sea, graticule and countries on axes that end at the edge of the Earth.

    Parameters
    ----------
    geometry
        Shape (n,), land of the countries.
    south_deg
        Southern edge of the map; the northern one is :data:`NORTH_DEG`.
    colours
        Fill of each country, shape (n,); one tone for all by default.
    """
    earth = _ring_of_the_earth(south_deg, NORTH_DEG)
    sea = PolyCollection([earth], facecolors=OCEAN, edgecolors="#c3ced8", linewidths=0.6, zorder=0)
    axes.add_collection(sea)
    lines = LineCollection(
        _graticule(south_deg, NORTH_DEG), colors="#dbe4ec", linewidths=0.5, zorder=1
    )
    axes.add_collection(lines)
    rings, owner = outlines(geometry)
    fill = LAND if colours is None else np.asarray(colours, dtype=object)[owner]
    land = PolyCollection(rings, facecolors=fill, edgecolors=border, linewidths=0.35, zorder=2)
    land.set_clip_path(sea.get_paths()[0], axes.transData)
    axes.add_collection(land)
    low, high = earth.min(axis=0), earth.max(axis=0)
    margin = 0.01
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set_axis_off()
