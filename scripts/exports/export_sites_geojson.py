"""Sites as GeoJSON (RFC 7946): a feature collection of points, longitude before latitude."""

import json
from typing import Any

import pyarrow as pa

from scripts.contracts import read_dataset
from scripts.entry import run
from scripts.exports.export_sites_csv import COLUMNS
from scripts.tables import write_text


def feature_collection(table: pa.Table) -> str:
    """One feature a line, in the order of the table; JSON numbers that read back exactly."""
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
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``export_sites_geojson``."""
    table = read_dataset("site_locations", inputs.site_locations, COLUMNS)
    write_text(outputs.sites, feature_collection(table))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
