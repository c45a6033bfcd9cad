"""S8: the egress ``site_locations``.

Key and coordinates of S7, and a ``geometry`` column that repeats the coordinates as WKB points with
GeoParquet 1.1 metadata (https://geoparquet.org/releases/v1.1.0), so that GIS tools open the file as
it is. Nothing here decides anything.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import dataset_stream, write_object
from scripts.entry import run
from scripts.states.sites import CountryTally, SiteKeys, read_blocks, read_site_blocks

F64 = npt.NDArray[np.float64]
# ISO WKB of a little-endian 2-d point: byte order 1, type 1, x, y.
WKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
CRS84 = "OGC:CRS84"


def wkb_points(lon: F64, lat: F64) -> pa.Array:
    """WKB of points; a binary array of shape (n,)."""
    points = np.empty(len(lon), dtype=WKB_POINT)
    points["order"], points["type"], points["x"], points["y"] = 1, 1, lon, lat
    offsets = np.arange(len(lon) + 1, dtype=np.int64) * WKB_POINT.itemsize
    return pa.Array.from_buffers(
        pa.large_binary(), len(lon), [None, pa.py_buffer(offsets), pa.py_buffer(points)]
    ).cast(pa.binary())


def point_coordinates(geometry: pa.ChunkedArray | pa.Array) -> tuple[F64, F64] | None:
    """Coordinates of little-endian WKB points; None when a value is anything else."""
    if isinstance(geometry, pa.ChunkedArray):
        geometry = geometry.combine_chunks()
    if isinstance(geometry, pa.ChunkedArray):
        geometry = geometry.chunk(0)
    if geometry.null_count:
        return None
    offsets = np.frombuffer(geometry.buffers()[1], dtype=np.int32)[
        geometry.offset : geometry.offset + len(geometry) + 1
    ]
    if (np.diff(offsets) != WKB_POINT.itemsize).any():
        return None
    data = geometry.buffers()[2]
    points = np.frombuffer(data, dtype=WKB_POINT, count=len(geometry), offset=int(offsets[0]))
    if (points["order"] != 1).any() or (points["type"] != 1).any():
        return None
    return points["x"], points["y"]


def geoparquet_metadata(lon: F64, lat: F64) -> dict[str, str]:
    """File metadata that make ``geometry`` the primary geometry column; CRS is OGC:CRS84.

    ``lon`` and ``lat`` hold all coordinates, or any of them that span the same box.
    """
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if len(lon):
        column["bbox"] = [float(v) for v in (lon.min(), lat.min(), lon.max(), lat.max())]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {"geo": json.dumps(geo, sort_keys=True)}


def spanning_points(path: str) -> tuple[F64, F64]:
    """Extreme longitudes and latitudes of every block of S7."""
    extremes = []
    for table in read_blocks("s7_site_synthesis", path, ["lon_deg", "lat_deg"]):
        columns = [table.column(name).to_numpy() for name in ("lon_deg", "lat_deg")]
        if len(columns[0]):
            extremes.append([[values.min(), values.max()] for values in columns])
    lon, lat = np.array(extremes).reshape(-1, 2, 2).swapaxes(0, 1)
    return lon.ravel(), lat.ravel()


def egress_table(sites: SiteKeys, lon: F64, lat: F64) -> pa.Table:
    """Rows of the egress."""
    return pa.table(
        {
            **sites.columns(),
            "lon_deg": lon,
            "lat_deg": lat,
            "geometry": wkb_points(lon, lat),
        }
    )


def run_summary(
    wildcards: Any, rows_s7: int, rows_s8: int, countries_report: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of S8 from rows read and written, and sites by country."""
    return {
        "state": "S8",
        "identity": {"run_id": wildcards.run_id, "seed": int(wildcards.seed)},
        "counts": {"rows_s7": rows_s7, "rows_s8": rows_s8},
        "geometry": {"encoding": "WKB", "crs": CRS84},
        "by_country": countries_report,
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s8_site_locations``: block by block, so that memory does not grow with the sites."""
    tally, rows_s7 = CountryTally(), 0
    metadata = geoparquet_metadata(*spanning_points(inputs.synthesis))
    with dataset_stream("site_locations", outputs.site_locations, metadata) as stream:
        for sites, columns in read_site_blocks(
            "s7_site_synthesis", inputs.synthesis, ("lon_deg", "lat_deg")
        ):
            stream.write(egress_table(sites, columns["lon_deg"], columns["lat_deg"]))
            tally.add(sites.country, sites=None)
            rows_s7 += len(sites)
    summary = run_summary(wildcards, rows_s7, stream.rows, tally.report())
    write_object("s8_run_summary", outputs.summary, summary)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
