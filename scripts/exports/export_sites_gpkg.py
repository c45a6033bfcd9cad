"""Sites as a GeoPackage layer of points, written by GDAL through pyogrio.

pyogrio is no requirement of the workflow: it comes with ``envs/exports.yaml`` and with the
development requirements.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.errors import ContractError
from scripts.exports.export_sites_csv import COLUMNS
from scripts.tables import publish

LAYER = "site_locations"
# GeoPackage stores the time of the last change; a fixed one keeps the bytes the data's alone.
_LAST_CHANGE = "2000-01-01T00:00:00.000Z"
_LARGEST_ID = np.iinfo(np.int64).max


def signed_ids(merchant: npt.NDArray[np.uint64], where: object) -> npt.NDArray[np.int64]:
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
            where,
            f"merchant_id row {large[0]} is {merchant[large[0]]}, more than GeoPackage holds",
            "export csv or geojson",
        )
    return merchant.astype(np.int64)


def write_layer(path: Path, table: pa.Table, where: object) -> None:
    """Write the sites of a table with its geometry as a layer of EPSG:4326 points.

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
            where,
            "format gpkg needs pyogrio",
            "make export FORMAT=gpkg, or --sdm conda, or pip install pyogrio",
        ) from None
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _LAST_CHANGE})
    names = COLUMNS[:3]
    write(
        str(path),
        geometry=np.array(table["geometry"].to_pylist(), dtype=object),
        field_data=[
            signed_ids(table["merchant_id"].to_numpy(), where),
            np.array(table["legal_country_iso"].to_pylist(), dtype=object),
            table["site_order"].to_numpy(),
        ],
        fields=np.array(names, dtype=object),
        layer=LAYER,
        driver="GPKG",
        geometry_type="Point",
        crs="EPSG:4326",
    )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``export_sites_gpkg``."""
    table = read_dataset("site_locations", inputs.site_locations, [*COLUMNS, "geometry"])
    with publish(outputs.sites) as temporary:
        # GDAL tells a GeoPackage by its suffix.
        layer = temporary.with_suffix(".gpkg")
        try:
            write_layer(layer, table, outputs.sites)
            os.replace(layer, temporary)
        finally:
            layer.unlink(missing_ok=True)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
