"""Files of a snapshot, as they are written: strong compression, GeoParquet, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from scripts.tables import publish, to_json_bytes


def write_snapshot_parquet(path: Path, table: pa.Table, plain: tuple[str, ...] = ()) -> None:
    """Publish a table with strong compression; ``plain`` columns get no dictionary."""
    encoded = [name for name in table.column_names if name not in plain]
    with publish(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=encoded,
            write_statistics=encoded,
            row_group_size=1 << 25,
        )


def write_places(path: Path, places: pa.Table) -> None:
    """Publish ``places.parquet``."""
    write_snapshot_parquet(path, places, plain=("geoname_id", "name", "lon_deg", "lat_deg"))


def geoparquet_metadata(geometry: npt.NDArray[np.object_]) -> bytes:
    """``geo`` metadata of GeoParquet 1.1 for multipolygons in longitude and latitude."""
    from pyproj import CRS

    west, south, east, north = shapely.total_bounds(geometry)
    column = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon"],
        "crs": CRS.from_epsg(4326).to_json_dict(),
        "edges": "planar",
        "bbox": [float(west), float(south), float(east), float(north)],
    }
    return to_json_bytes(
        {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    )


def write_countries(path: Path, countries: Mapping[str, shapely.MultiPolygon]) -> None:
    """Publish ``countries.parquet``."""
    geometry = np.array(list(countries.values()), dtype=object)
    wkb = shapely.to_wkb(geometry, byte_order=1)
    schema = pa.schema(
        [
            pa.field("country_iso", pa.string(), nullable=False),
            pa.field("geometry", pa.binary(), nullable=False),
        ],
        metadata={b"geo": geoparquet_metadata(geometry)},
    )
    table = pa.table([pa.array(list(countries)), pa.array(wkb.tolist(), pa.binary())], schema)
    write_snapshot_parquet(path, table, plain=("geometry",))
