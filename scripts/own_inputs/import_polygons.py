"""A snapshot on the user's polygons: their land, and of the shipped snapshot what stands on it.

Facts are those of the countries that the polygons have, with the area of their land; places are
those that stand on the land of their own country; land cover and the tables of real outlets are
the same. The manifest names the user's file and its digest, so the gate seals it with the rest.
"""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.countries import encode_one
from scripts.entry import run
from scripts.errors import ReferenceSnapshotError
from scripts.geo.grid import polygon_area_m2
from scripts.geo.snapshot import (
    COUNTRIES,
    FACTS,
    LAND_COVER,
    OUTLET_FILES,
    PLACES,
    Countries,
    load_countries,
    load_facts,
    load_places,
    verify_snapshot,
)
from scripts.own_inputs.plausible import check_plausible, places_on_land
from scripts.own_inputs.polygons import read_polygons
from scripts.reference.facts import to_csv
from scripts.reference.files import write_countries, write_places
from scripts.tables import file_digest, publish, write_json, write_text


def facts_of(text: str, land_km2: Mapping[str, float]) -> list[dict[str, str]]:
    """Rows of ``country_facts.csv`` of the countries with land, with its area, km2."""
    return [
        {**row, "land_area_km2": f"{land_km2[row['country_iso']]:.6f}"}
        for row in csv.DictReader(io.StringIO(text))
        if row["country_iso"] in land_km2
    ]


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


def make_snapshot(
    polygons: Path, iso_column: str, shipped: Path, files: Mapping[str, Path]
) -> dict[str, Any]:
    """Write the data files of a snapshot on the user's polygons; returns its manifest.

    Parameters
    ----------
    polygons
        The user's file.
    iso_column
        Its column of ISO codes.
    shipped
        Folder of the shipped snapshot.
    files
        Where each of :data:`scripts.geo.snapshot.DATA_FILES` goes.

    Raises
    ------
    ReferenceSnapshotError
        ``ER10`` the shipped snapshot is not as its manifest says; ``ER31`` to ``ER39`` polygons
        that cannot be used.
    """
    manifest = verify_snapshot(shipped)
    known = load_facts(shipped / FACTS)["country_iso"].to_pylist()
    land = read_polygons(polygons, iso_column, known)
    area_m2 = polygon_area_m2(np.array(list(land.values()), dtype=object))
    land_km2 = dict(zip(land, (area_m2 / 1e6).tolist(), strict=True))
    rows = facts_of((shipped / FACTS).read_text(encoding="utf-8-sig"), land_km2)
    require_people(rows, polygons)

    own = Countries(
        np.array([encode_one(code) for code in land], dtype=np.int16),
        np.array(list(land.values()), dtype=object),
    )
    places = load_places(shipped / PLACES)
    check_plausible(own, load_countries(shipped / COUNTRIES), places, polygons)

    write_countries(files[COUNTRIES], land)
    write_text(files[FACTS], to_csv(rows))
    write_places(files[PLACES], places_on_land(places, own))
    for name in (LAND_COVER, *OUTLET_FILES):
        with publish(files[name]) as temporary:
            shutil.copyfile(shipped / name, temporary)
    return manifest_of(manifest, files, polygons, iso_column)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the user's polygons and the shipped snapshot to the files of one on them."""
    files = {Path(path).name: Path(path) for path in outputs.data}
    manifest = make_snapshot(
        Path(inputs.polygons), params.iso_column, Path(inputs.manifest).parent, files
    )
    write_json(outputs.manifest, manifest)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
