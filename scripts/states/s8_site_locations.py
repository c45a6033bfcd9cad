"""S8: the egress ``site_locations``.

Key and coordinates of S7, and a ``geometry`` column that repeats the coordinates as WKB points with
GeoParquet 1.1 metadata (https://geoparquet.org/releases/v1.1.0), so that GIS tools open the file as
it is. Nothing here decides anything.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import dataset_stream, measured, read_dataset, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.states.merging import LocatedSites, merged_sites
from scripts.states.reports import report_s4, report_s5, report_s6, summary_s7, summary_s8
from scripts.states.spread import distinct_spreads
from scripts.states.tallies import Tally, add, by_country
from scripts.tables import footer, read_json, row_count

F64 = npt.NDArray[np.float64]
# ISO WKB of a little-endian 2-d point: byte order 1, type 1, x, y.
WKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])


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


def geoparquet_metadata(box: Sequence[float]) -> dict[str, str]:
    """File metadata that make ``geometry`` the primary geometry column; CRS is OGC:CRS84.

    ``box`` is west, south, east, north of the points, empty when there are none.
    """
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if box:
        column["bbox"] = list(box)
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {"geo": json.dumps(geo, sort_keys=True)}


def bounding_box(paths: Sequence[str | Path]) -> list[float]:
    """West, south, east, north of the sites of S7, from the statistics of its row groups."""
    corners = []
    for path in paths:
        file = footer(path)
        names = file.schema.names
        for group in map(file.row_group, range(file.num_row_groups)):
            lon, lat = (group.column(names.index(n)).statistics for n in ("lon_deg", "lat_deg"))
            if group.num_rows:
                corners.append((lon.min, lat.min, lon.max, lat.max))
    if not corners:
        return []
    west, south, east, north = zip(*corners, strict=True)
    return [min(west), min(south), max(east), max(north)]


def egress_table(located: LocatedSites) -> pa.Table:
    """Rows of the egress."""
    return pa.table(
        {
            **located.sites.columns(),
            "lon_deg": located.lon,
            "lat_deg": located.lat,
            "geometry": wkb_points(located.lon, located.lat),
        }
    )


def drop_other_parts(folders: Iterable[Path], parts: Collection[str]) -> None:
    """Delete what an earlier division into groups left in the folders of the states."""
    for folder in folders:
        for path in folder.rglob("*-of-*.*"):
            if path.stem not in parts:
                path.unlink()


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s8_site_locations``: the egress, and the reports of S4 to S8, from all parts."""
    metadata = geoparquet_metadata(bounding_box(inputs.synthesis))
    tally: Tally = {"by_country": {}}
    with dataset_stream("site_locations", outputs.site_locations, metadata) as stream:
        for located in merged_sites(inputs.synthesis):
            stream.write(egress_table(located))
            counted = by_country(located.sites.country, sites=None)
            tally = add([tally, {"by_country": counted}])

    identity = {"run_id": wildcards.run_id, "seed": int(wildcards.seed)}
    rows_s7 = sum(row_count(path) for path in inputs.synthesis)
    counts = (inputs.s4_tallies, inputs.s5_tallies, inputs.s6_tallies, inputs.s7_tallies)
    parts_of = [[read_json(path) for path in paths] for paths in counts]
    on_s4, on_s5, on_s6, on_s7 = map(measured.of_parts, parts_of)
    s4, s5, s6, s7 = map(add, parts_of)
    guard = read_json(inputs.guard)
    spreads = distinct_spreads([read_dataset("s4_spread", path) for path in inputs.spreads])
    s4_law, s5_law, s6_law = map(
        load_policy, (inputs.s4_policy, inputs.s5_policy, inputs.s6_policy)
    )
    for name, value in {
        "s4_run_report": report_s4(identity, s4_law, guard, s4, spreads) | on_s4,
        "s5_run_report": report_s5(identity, s5_law, s5) | on_s5,
        "s6_run_report": report_s6(identity, s6_law, s6) | on_s6,
        "s7_run_summary": summary_s7(identity, s7) | on_s7,
        "s8_run_summary": summary_s8(identity, rows_s7, tally)
        | measured.on(str(outputs.site_locations)),
    }.items():
        write_object(name, getattr(outputs, name), value)
    parts = {Path(path).stem for path in inputs.synthesis}
    drop_other_parts({Path(path).parents[1] for paths in counts for path in paths}, parts)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
