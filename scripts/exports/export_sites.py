"""The egress in formats that other tools ask for: CSV, GeoJSON (RFC 7946), GeoPackage.

GDAL writes GeoPackage through pyogrio, which is no requirement of the workflow: it comes with
``envs/exports.yaml`` and with the development requirements.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.errors import ContractError
from scripts.tables import publish

COLUMNS = ["merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg"]
LAYER = "site_locations"
# GeoPackage stores the time of the last change; a fixed one keeps the bytes the data's alone.
_LAST_CHANGE = "2000-01-01T00:00:00.000Z"
_LARGEST_ID = np.iinfo(np.int64).max


def write_csv(path: Path, table: pa.Table) -> None:
    """Five columns, every number as it reads back exactly."""
    pa_csv.write_csv(table.select(COLUMNS), path, pa_csv.WriteOptions(quoting_style="needed"))


def write_geojson(path: Path, table: pa.Table) -> None:
    """A collection of points, longitude first, one feature a line; numbers read back exactly."""
    lines = [
        json.dumps(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [lon, lat]},
                "properties": {
                    "merchant_id": merchant,
                    "legal_country_iso": country,
                    "site_order": order,
                },
            },
            separators=(",", ":"),
        )
        for merchant, country, order, lon, lat in zip(
            *(table[name].to_pylist() for name in COLUMNS), strict=True
        )
    ]
    text = '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"
    path.write_text(text, encoding="utf-8")


def signed_ids(merchant: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Merchant ids as the signed 64-bit integers that GeoPackage has.

    Raises
    ------
    ContractError
        ``EX22`` for an id above 2^63 - 1.
    """
    large = np.flatnonzero(merchant > np.uint64(_LARGEST_ID))
    if len(large):
        raise ContractError(
            "EX22",
            "site_locations",
            f"merchant_id row {large[0]} is {merchant[large[0]]}, more than GeoPackage holds",
            "export csv or geojson",
        )
    return merchant.astype(np.int64)


def write_gpkg(path: Path, table: pa.Table) -> None:
    """Sites with their geometry as a layer of EPSG:4326 points.

    Raises
    ------
    ContractError
        ``EX22``, and ``EX21`` when pyogrio is not installed.
    """
    try:
        import pyogrio
        from pyogrio.raw import write
    except ImportError:
        raise ContractError(
            "EX21",
            "format gpkg",
            "needs pyogrio",
            "make export FORMAT=gpkg, or --sdm conda, or pip install pyogrio",
        ) from None
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _LAST_CHANGE})
    # GDAL tells a GeoPackage by its suffix.
    layer = path.with_suffix(".gpkg")
    try:
        write(
            str(layer),
            geometry=np.array(table["geometry"].to_pylist(), dtype=object),
            field_data=[
                signed_ids(table["merchant_id"].to_numpy()),
                np.array(table["legal_country_iso"].to_pylist(), dtype=object),
                table["site_order"].to_numpy(),
            ],
            fields=np.array(COLUMNS[:3], dtype=object),
            layer=LAYER,
            driver="GPKG",
            geometry_type="Point",
            crs="EPSG:4326",
        )
        os.replace(layer, path)
    finally:
        layer.unlink(missing_ok=True)


# What writes a format, and the columns that it takes.
WRITERS: dict[str, tuple[Callable[[Path, pa.Table], None], list[str]]] = {
    "csv": (write_csv, COLUMNS),
    "geojson": (write_geojson, COLUMNS),
    "gpkg": (write_gpkg, [*COLUMNS[:3], "geometry"]),
}


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``export_sites``."""
    write, columns = WRITERS[wildcards.suffix]
    table = read_dataset("site_locations", inputs.site_locations, columns)
    with publish(outputs.sites) as temporary:
        write(temporary, table)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
