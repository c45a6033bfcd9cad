"""A user's population raster, summed to the cells of the grid.

Pixels hold persons, after the scale and offset that the file states. A geographic raster is split
among cells by the share of each pixel, in degrees, that lies in the cell, which is exact. A pixel
of an equal-area projection is split into ``k * k`` points of equal weight, ``k`` such that a point
stands for at most a sixteenth of a cell's height, and at most 16, as for a pixel as high as a cell.
Windows of whole rows are read one after the other: memory follows the width of the raster,
not its size.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scripts.errors import ReferenceSnapshotError
from scripts.geo.grid import Grid
from scripts.own_inputs.libraries import need

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_PIXELS_AT_ONCE = 1 << 23
_POINTS_PER_CELL = 16
_MOST_POINTS = 16
_POINTS_AT_ONCE = 1 << 21
# What the outermost pixels of a map of the Earth may hang over, and hold.
_EDGE_DEG = 0.1
_EDGE_SHARE = 1e-3
_EQUAL_AREA = (
    *("Equal Area", "Mollweide", "Eckert IV", "Eckert VI", "Sinusoidal", "Equal Earth"),
    *("Goode Homolosine", "Albers"),
)


@dataclass(frozen=True)
class CellSums:
    """Persons of every grid cell that has some.

    Attributes
    ----------
    tile_id
        Shape (n,), uint64, rising.
    population
        Shape (n,), persons, rounded to a millionth.
    total
        Persons in the raster.
    pixels
        Pixels with people.
    crs
        Name of the reference system.
    """

    tile_id: npt.NDArray[np.uint64]
    population: F64
    total: float
    pixels: int
    crs: str


def interval_shares(edges: F64, cells: int, wraps: bool) -> sparse.csr_array:
    """Share of each interval that lies in each of ``cells`` unit intervals, shape (cells, n).

    Parameters
    ----------
    edges
        Shape (n + 1,), rising or falling, in units of cells.
    cells
        Number of unit intervals, from 0.
    wraps
        Whether the axis is a circle; otherwise what lies outside is left out.
    """
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    first = np.floor(low).astype(np.int64)
    width = int((np.ceil(high) - first).max())
    cell = first[:, None] + np.arange(width)
    share = np.minimum(cell + 1, high[:, None]) - np.maximum(cell, low[:, None])
    share = np.maximum(share, 0.0) / (high - low)[:, None]
    if wraps:
        cell %= cells
    # Edges are sums of a step; a sliver of rounding is in no cell.
    keep = (share > 1e-9) & (cell >= 0) & (cell < cells)
    pixel = np.broadcast_to(np.arange(len(low))[:, None], cell.shape)
    return sparse.csr_array((share[keep], (cell[keep], pixel[keep])), shape=(cells, len(low)))


def _is_equal_area(crs: Any) -> bool:
    operation = crs.coordinate_operation
    method = operation.method_name if operation is not None else ""
    return any(name in method for name in _EQUAL_AREA)


def check_raster(raster: Any, where: object) -> tuple[Any, bool]:
    """Reference system of an open raster, and whether it is geographic.

    Raises
    ------
    ReferenceSnapshotError
        ``ER40`` no GeoTIFF, or one of several files; ``ER41`` no reference system; ``ER42`` neither
        geographic nor equal-area, or rotated; ``ER45`` other than one band of numbers; ``ER46`` no
        geotransform.
    """
    pyproj = need("pyproj", where)
    rasterio = need("rasterio", where)
    files = ", ".join(Path(file).name for file in raster.files)
    for holds, code, rule, remedy in (
        (raster.driver == "GTiff", "ER40", f"is read by the driver {raster.driver}", "a GeoTIFF"),
        (len(raster.files) == 1, "ER40", f"is of the files {files}", "one GeoTIFF that holds all"),
        (raster.count == 1, "ER45", f"has {raster.count} bands", "one band of persons"),
        (
            raster.colorinterp[0] != rasterio.enums.ColorInterp.palette,
            "ER45",
            "holds numbers of colours",
            "persons",
        ),
        ("complex" not in raster.dtypes[0], "ER45", "holds complex numbers", "persons"),
        (not raster.transform.is_identity, "ER46", "has no geotransform", "a georeferenced raster"),
        (
            raster.crs is not None,
            "ER41",
            "names no coordinate reference system",
            "gdal_edit.py -a_srs EPSG:4326",
        ),
        (
            not (raster.transform.b or raster.transform.d),
            "ER42",
            "is rotated",
            "a north-up raster",
        ),
    ):
        if not holds:
            raise ReferenceSnapshotError(code, where, rule, remedy)
    crs = pyproj.CRS.from_user_input(raster.crs.to_wkt())
    if not crs.is_geographic and not _is_equal_area(crs):
        raise ReferenceSnapshotError(
            "ER42",
            where,
            f"{crs.name} is neither geographic nor equal-area",
            "EPSG:4326, or an equal-area projection such as ESRI:54009",
        )
    return crs, crs.is_geographic


def _off_earth(where: object, rule: str) -> ReferenceSnapshotError:
    return ReferenceSnapshotError(
        "ER47", where, f"leaves the Earth: {rule}", "the reference system that its numbers are in"
    )


def windows(raster: Any, where: object) -> Iterator[tuple[int, F64]]:
    """First row and persons of every window of whole rows of band 1; nodata counts as nobody.

    Raises
    ------
    ReferenceSnapshotError
        ``ER40`` unreadable, ``ER43`` a pixel below zero.
    """
    rasterio = need("rasterio", where)
    window_of = rasterio.windows.Window
    scale, offset = raster.scales[0], raster.offsets[0]
    rows = max(1, _PIXELS_AT_ONCE // raster.width)
    for top in range(0, raster.height, rows):
        height = min(rows, raster.height - top)
        try:
            read = raster.read(1, window=window_of(0, top, raster.width, height), masked=True)
        except rasterio.errors.RasterioError as error:
            raise ReferenceSnapshotError(
                "ER40",
                where,
                f"is cut or damaged from pixel row {top} on ({error.__cause__ or error})",
                "the whole file",
            ) from None
        people = read.data.astype(np.float64) * scale + offset
        people[np.ma.getmaskarray(read) | np.isnan(people)] = 0.0
        if (people < 0).any() or np.isinf(people).any():
            row, col = np.argwhere((people < 0) | np.isinf(people))[0].tolist()
            raise ReferenceSnapshotError(
                "ER43",
                where,
                f"pixel row {top + row} column {col} is {people[row, col]:g}",
                "persons of zero or more, and a nodata value for the rest",
            )
        yield top, people


def _points(transform: Any, row: I64, col: I64, k: int) -> tuple[F64, F64]:
    """Coordinates of the ``k * k`` points of pixels, shape (pixels, k * k)."""
    step = (np.arange(k) + 0.5) / k
    down, across = (part.ravel() for part in np.meshgrid(step, step, indexing="ij"))
    x = transform.c + transform.a * (col[:, None] + across)
    y = transform.f + transform.e * (row[:, None] + down)
    return x, y


def _sum_projected(raster: Any, crs: Any, grid: Grid, where: object) -> tuple[F64, float, int]:
    pyproj = need("pyproj", where)
    degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    metres = crs.axis_info[0].unit_conversion_factor
    pixel_deg = max(abs(raster.transform.a), abs(raster.transform.e)) * metres / 111_320.0
    k = int(np.clip(np.ceil(_POINTS_PER_CELL * pixel_deg / grid.cell_deg), 1, _MOST_POINTS))
    sums, total, pixels, lost = np.zeros(grid.ntiles), 0.0, 0, 0.0
    for top, people in windows(raster, where):
        row, col = np.nonzero(people)
        total += float(people.sum())
        pixels += len(row)
        for start in range(0, len(row), max(1, _POINTS_AT_ONCE // (k * k))):
            some = slice(start, start + max(1, _POINTS_AT_ONCE // (k * k)))
            x, y = _points(raster.transform, row[some] + top, col[some], k)
            lon, lat = degrees.transform(x, y)
            weight = np.repeat(people[row[some], col[some]] / (k * k), k * k)
            lon, lat = lon.ravel(), lat.ravel()
            known = np.isfinite(lon) & np.isfinite(lat)
            cell = grid.tile_at(lon[known], lat[known]).astype(np.int64)
            np.add.at(sums, cell, weight[known])
            lost += float(weight[~known].sum())
    if lost > _EDGE_SHARE * total:
        raise _off_earth(where, f"{lost:.0f} of {total:.0f} persons")
    return sums, total, pixels


def _sum_geographic(raster: Any, crs: Any, grid: Grid, where: object) -> tuple[F64, float, int]:
    per_deg = grid.nrows / 180.0
    # Degrees to the last bit where the unit is the degree.
    unit_deg = round(crs.axis_info[0].unit_conversion_factor * 180.0 / np.pi, 12)
    place = raster.transform
    meridian = crs.prime_meridian
    greenwich = meridian.longitude * round(meridian.unit_conversion_factor * 180.0 / np.pi, 12)
    across = (place.c + place.a * np.arange(raster.width + 1)) * unit_deg + greenwich
    down = (place.f + place.e * np.arange(raster.height + 1)) * unit_deg
    west, east = across.min(), across.max()
    if west < -180.0 - _EDGE_DEG or east > 360.0 + _EDGE_DEG or east - west > 360.0 + _EDGE_DEG:
        raise _off_earth(where, f"{west:g} to {east:g} degrees east")
    if np.abs(down).max() > 90.0 + _EDGE_DEG:
        raise _off_earth(where, f"{down.min():g} to {down.max():g} degrees north")
    by_col = interval_shares((across + 180.0) * per_deg, grid.ncols, wraps=True).T.tocsr()
    edges = (90.0 - down) * per_deg
    sums, total, pixels = np.zeros((grid.nrows, grid.ncols)), 0.0, 0
    for top, people in windows(raster, where):
        total += float(people.sum())
        pixels += int(np.count_nonzero(people))
        by_row = interval_shares(edges[top : top + len(people) + 1], grid.nrows, wraps=False)
        touched = np.flatnonzero(np.diff(by_row.indptr))
        sums[touched] += (by_row[touched] @ people) @ by_col
    return sums.ravel(), total, pixels


def sum_to_cells(path: str | Path, grid: Grid) -> CellSums:
    """Persons of a raster file by grid cell.

    Parameters
    ----------
    path
        A raster that GDAL reads; band 1 holds persons per pixel.
    grid
        The grid.

    Raises
    ------
    ReferenceSnapshotError
        ``ER40`` to ``ER47``.
    """
    rasterio = need("rasterio", path)
    try:
        # A raster without a geotransform is warned of here and refused below.
        with warnings.catch_warnings(action="ignore"):
            raster = rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise ReferenceSnapshotError(
            "ER40", path, f"is not readable ({error})", "a GeoTIFF"
        ) from None
    with raster:
        crs, geographic = check_raster(raster, path)
        add_up = _sum_geographic if geographic else _sum_projected
        sums, total, pixels = add_up(raster, crs, grid, path)
    sums = np.round(sums, 6)
    tile = np.flatnonzero(sums)
    if not len(tile):
        raise ReferenceSnapshotError("ER44", path, "holds nobody", "pixels above zero")
    return CellSums(tile.astype(np.uint64), sums[tile], total, pixels, crs.name)
