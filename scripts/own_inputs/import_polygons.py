"""A snapshot on the user's polygons: their land, and of the shipped snapshot what stands on it.

Facts are those of the countries that the polygons have, with the area of their land; places are
those that stand on the land of their own country; land cover is the same. The manifest names the
user's file and its digest, so the gate seals it with the rest.
"""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts import countries
from scripts.entry import run
from scripts.errors import ReferenceSnapshotError
from scripts.geo.grid import polygon_area_m2
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import (
    COUNTRIES,
    DATA_FILES,
    FACTS,
    LAND_COVER,
    PLACES,
    Countries,
    load_countries,
    load_facts,
    load_places,
    verify_snapshot,
)
from scripts.own_inputs.polygons import read_polygons
from scripts.reference.build import write_countries, write_snapshot_parquet
from scripts.reference.facts import to_csv
from scripts.tables import file_digest, publish, write_json, write_text


def facts_of(text: str, land_km2: Mapping[str, float]) -> list[dict[str, str]]:
    """Rows of ``country_facts.csv`` of the countries with land, with its area, km2."""
    return [
        {**row, "land_area_km2": f"{land_km2[row['country_iso']]:.6f}"}
        for row in csv.DictReader(io.StringIO(text))
        if row["country_iso"] in land_km2
    ]


def places_on_land(places: pa.Table, land: Countries) -> pa.Table:
    """Places of the countries that stand on their own country's land."""
    known = pc.is_in(places["country_iso"], pa.array(land.iso))
    places = places.filter(known)
    inside = contains_points(
        land,
        countries.encode(places["country_iso"]),
        places["lon_deg"].to_numpy(),
        places["lat_deg"].to_numpy(),
    )
    return places.filter(pa.array(inside))


def manifest_of(
    shipped: Mapping[str, Any], files: Mapping[str, Path], source: Path, iso_column: str
) -> dict[str, Any]:
    """Manifest of the shipped snapshot with new digests and the user's file as source."""
    manifest = {**shipped, "files": {name: dict(entry) for name, entry in shipped["files"].items()}}
    for name, path in files.items():
        manifest["files"][name] |= {"sha256": file_digest(path), "bytes": path.stat().st_size}
    own = {
        "file": source.name,
        "sha256": file_digest(source),
        "licence": "of the user",
        "attribution": f"Country polygons: {source.name}.",
        "content": f"country polygons by column {iso_column}",
    }
    manifest["files"][COUNTRIES] |= {"licence": "of the user", "sources": [own]}
    return manifest


def require_people(rows: Sequence[Mapping[str, str]], where: object) -> None:
    """Refuse polygons of which no country has people (``ER37``)."""
    if not any(int(row["population"]) > 0 for row in rows):
        raise ReferenceSnapshotError(
            "ER37", where, "has no country with people", "a country of country_facts.csv that has"
        )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``import_polygons``: the five files of a snapshot."""
    source = Path(inputs.polygons)
    shipped = verify_snapshot(Path(inputs.manifest).parent)
    known = load_facts(inputs.facts)["country_iso"].to_pylist()
    polygons = read_polygons(source, params.iso_column, known)
    area_m2 = polygon_area_m2(np.array(list(polygons.values()), dtype=object))
    land_km2 = dict(zip(polygons, (area_m2 / 1e6).tolist(), strict=True))
    rows = facts_of(Path(inputs.facts).read_text(encoding="utf-8"), land_km2)
    require_people(rows, source)

    write_countries(Path(outputs.countries), polygons)
    write_text(outputs.facts, to_csv(rows))
    places = places_on_land(load_places(inputs.places), load_countries(outputs.countries))
    write_snapshot_parquet(
        Path(outputs.places), places, plain=("geoname_id", "name", "lon_deg", "lat_deg")
    )
    with publish(outputs.land_cover) as temporary:
        shutil.copyfile(inputs.land_cover, temporary)
    paths = (outputs.countries, outputs.facts, outputs.places, outputs.land_cover)
    files = dict(zip((COUNTRIES, FACTS, PLACES, LAND_COVER), map(Path, paths), strict=True))
    assert tuple(files) == DATA_FILES
    write_json(outputs.manifest, manifest_of(shipped, files, source, params.iso_column))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
