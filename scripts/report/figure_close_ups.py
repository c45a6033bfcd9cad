"""Small maps of single countries: the sites of every seed over the real outline.

Each map is Lambert's equal-area plane about the middle of the country, with a scale bar of its
own. Outlines are drawn as the snapshot has them, without simplification.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

from scripts import countries
from scripts.geo.metrics import Sites
from scripts.geo.snapshot import Countries
from scripts.report.projection import lambert_azimuthal
from scripts.report.style import INK, LAND, SITE, TONES, figure, save_png

F64 = npt.NDArray[np.float64]
LARGEST, SMALLEST, COLUMNS = 10, 5, 5
MIN_SITES_SMALL = 3
# The frame holds the middle 98 % of sites each way, so that one islet does not shrink a country.
_FRAME_PERCENTILES = (1.0, 99.0)
_MARGIN = 0.08
_LEAST_HALF_M = 100.0


def chosen(country: npt.NDArray[np.int16], area_km2: F64) -> tuple[list[int], list[int]]:
    """Codes of the countries with most sites, and of the smallest countries that hold sites.

    Parameters
    ----------
    country
        Code of each site, shape (n,).
    area_km2
        Land area by country code, shape (676,).
    """
    counts = np.bincount(country, minlength=countries.CODES)
    codes = np.flatnonzero(counts)
    largest = codes[np.lexsort((codes, -counts[codes]))][:LARGEST]
    held = np.setdiff1d(codes[counts[codes] >= MIN_SITES_SMALL], largest)
    small = held[np.lexsort((held, area_km2[held]))][:SMALLEST]
    return [int(code) for code in largest], [int(code) for code in small]


def scale_bar_m(width_m: float) -> float:
    """Longest length of 1, 2 or 5 times a power of ten that fills at most a third of a width."""
    third = width_m / 3.0
    decade = 10.0 ** np.floor(np.log10(third))
    return float(max(step * decade for step in (1.0, 2.0, 5.0) if step * decade <= third))


def frame(x: F64, y: F64, rings: list[F64]) -> tuple[float, float, float]:
    """Centre and half width, metres, of the square that shows the sites and their land.

    The land is the ring in whose box most sites fall, as far as it is no wider than three times
    the spread of the sites.
    """
    sites = np.column_stack([x, y])
    low, high = np.percentile(sites, _FRAME_PERCENTILES, axis=0)
    inside = [
        ((sites >= r.min(axis=0)) & (sites <= r.max(axis=0))).all(axis=1).sum() for r in rings
    ]
    main = rings[int(np.argmax(inside))]
    wide_low, wide_high = main.min(axis=0), main.max(axis=0)
    spread = max(float((high - low).max()), _LEAST_HALF_M)
    if float((wide_high - wide_low).max()) <= 3.0 * spread:
        low, high = np.minimum(low, wide_low), np.maximum(high, wide_high)
    half = max(float((high - low).max()) * (0.5 + _MARGIN), _LEAST_HALF_M)
    middle = (low + high) / 2.0
    return float(middle[0]), float(middle[1]), half


def middle(lon_deg: F64, lat_deg: F64, exterior: npt.NDArray[np.object_]) -> tuple[float, float]:
    """Longitude and latitude amid the largest ring, or amid the sites where it holds none."""
    ring = exterior[int(np.argmax(shapely.area(shapely.polygons(exterior))))]
    if not shapely.intersects_xy(shapely.polygons(ring), lon_deg, lat_deg).any():
        return float(np.median(lon_deg)), float(np.median(lat_deg))
    west, south, east, north = shapely.bounds(ring)
    return float(west + east) / 2.0, float(south + north) / 2.0


def draw_country(
    axes: Any,
    lon_deg: F64,
    lat_deg: F64,
    geometry: Any,
    name: str,
    colours: str | Sequence[str] = SITE,
    framed_by: tuple[F64, F64] | None = None,
) -> None:
    """Outline and sites of one country; the title counts the sites, and those outside the frame.

    ``framed_by`` has longitudes and latitudes of the sites that the frame is laid about, where
    these are other ones than those drawn.
    """
    exterior = shapely.get_exterior_ring(shapely.get_parts(geometry))
    framing = framed_by or (lon_deg, lat_deg)
    centre = middle(*framing, exterior)
    x, y = lambert_azimuthal(lon_deg, lat_deg, *centre)
    rings = rings_about(exterior, centre)
    east, north, half = frame(*lambert_azimuthal(*framing, *centre), rings)
    draw_sites(axes, x, y, rings, (east, north, half), colours)
    outside = int(((np.abs(x - east) > half) | (np.abs(y - north) > half)).sum())
    beyond = f", {outside} beyond" if outside else ""
    axes.set_title(f"{name}\n{len(x)} sites{beyond}", fontsize=9, loc="center")


def draw_window(
    axes: Any,
    lon_deg: F64,
    lat_deg: F64,
    geometry: Any,
    centre: tuple[float, float],
    half_m: float,
    colours: str | Sequence[str] = SITE,
) -> None:
    """Outline and sites of a square of a country about a point."""
    exterior = shapely.get_exterior_ring(shapely.get_parts(geometry))
    x, y = lambert_azimuthal(lon_deg, lat_deg, *centre)
    draw_sites(axes, x, y, rings_about(exterior, centre), (0.0, 0.0, half_m), colours)


def rings_about(
    exterior: npt.NDArray[np.object_], centre: tuple[float, float]
) -> list[npt.NDArray[np.float64]]:
    """Rings on Lambert's plane about a point, each of shape (n, 2), metres."""
    vertices, owner = shapely.get_coordinates(exterior, return_index=True)
    plane = np.column_stack(lambert_azimuthal(vertices[:, 0], vertices[:, 1], *centre))
    return np.split(plane, np.flatnonzero(np.diff(owner)) + 1)


def draw_sites(
    axes: Any,
    x: F64,
    y: F64,
    rings: Sequence[npt.NDArray[np.float64]],
    square: tuple[float, float, float],
    colours: str | Sequence[str],
) -> None:
    """Land, sites and a scale bar; ``square`` is the middle and half the side of the frame."""
    east, north, half = square
    axes.add_collection(
        PolyCollection(rings, facecolors=LAND, edgecolors="#9a978d", linewidths=0.5)
    )
    size = float(np.clip(3000.0 / max(len(x), 1), 2.5, 7.0))
    axes.scatter(x, y, s=size, c=colours, alpha=0.6, linewidths=0, zorder=3)
    axes.set(xlim=(east - half, east + half), ylim=(north - half, north + half))
    axes.set_aspect("equal")
    axes.set_axis_off()
    bar = scale_bar_m(2.0 * half)
    left, bottom = east - half * 0.96, north - half * 0.98
    axes.plot([left, left + bar], [bottom, bottom], color=INK, linewidth=2, zorder=4)
    label = f"{bar / 1000:g} km" if bar >= 1000 else f"{bar:g} m"
    axes.text(left, bottom + half * 0.04, label, fontsize=7.5, zorder=4)


def seed_tones(seeds: int) -> list[str]:
    """A colour for every seed; they come round again when there are many."""
    return [TONES[number % len(TONES)] for number in range(seeds)]


def draw_close_ups(
    path: str,
    release: Mapping[int, Sites],
    land: Countries,
    area_km2: F64,
    names: Mapping[int, str],
) -> None:
    """Publish the maps: sites by seed, land area and names by country code."""
    seeds = list(release.values())
    country = np.concatenate([sites.country for sites in seeds])
    borders = dict(zip(land.code.tolist(), land.geometry, strict=True))
    panels = [one for group in chosen(country, area_km2) for one in group]
    rows = -(-len(panels) // COLUMNS)
    with figure(rows, COLUMNS, figsize=(12.0, 2.75 * rows), squeeze=False) as (drawn, axes):
        for place, code_here in zip(axes.flat, panels, strict=False):
            here = [sites.country == code_here for sites in seeds]
            lon = np.concatenate([s.lon[mine] for s, mine in zip(seeds, here, strict=True)])
            lat = np.concatenate([s.lat[mine] for s, mine in zip(seeds, here, strict=True)])
            tones = np.repeat(seed_tones(len(seeds)), [int(mine.sum()) for mine in here])
            # In an order that belongs to no seed, so that none lies on top.
            order = np.argsort((lon + lat) % 0.01)
            colours = tones[order].tolist()
            border, name = borders[code_here], names[code_here]
            draw_country(place, lon[order], lat[order], border, name, colours)
        for spare in axes.flat[len(panels) :]:
            spare.set_axis_off()
        dots = [
            Line2D([], [], marker="o", linestyle="", color=tone, label=f"seed {seed}")
            for tone, seed in zip(seed_tones(len(seeds)), release, strict=True)
        ]
        drawn.legend(handles=dots, loc="outside lower center", ncols=len(dots), fontsize=9)
        save_png(drawn, path, dpi=130)
