"""Build the reference snapshot from the source packages, the same bytes every time.

``python -m scripts.reference.build_reference --output FOLDER --outlets FOLDER --against FOLDER``
fails when a file differs from the manifest of the snapshot that is in force; without one it only
builds. The tables of real outlets are copied from the folder of ``--outlets``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from scripts.errors import ReferenceSnapshotError, SegmentError
from scripts.geo import snapshot
from scripts.geo.grid import polygon_area_m2
from scripts.reference import choices, sources
from scripts.reference.countries import build_countries, iso_of_features, read_shapes
from scripts.reference.facts import build_facts, to_csv, un_population
from scripts.reference.files import write_countries, write_places, write_snapshot_parquet
from scripts.reference.lakes import open_water_polygons
from scripts.reference.outlets import copy_outlets, outlet_entries
from scripts.reference.places import build_places
from scripts.tables import file_digest, read_json, write_json, write_text

ISO_3166_COUNTRIES = 249
ELIGIBLE_AT_LEAST = 240
# Processors differ in the last bit of a sine or logarithm; a country's area sums up to 100,000.
_SAME_AREA = 1e-11

_SOURCES = {
    snapshot.COUNTRIES: (sources.COUNTRIES, sources.LAND_WITHOUT_LAKES, sources.LAND_COVER),
    snapshot.FACTS: (
        sources.POPULATION,
        sources.PLACE_COUNTRIES,
        sources.COUNTRY_ATTRIBUTES,
    ),
    snapshot.PLACES: (sources.PLACES,),
    snapshot.LAND_COVER: (sources.LAND_COVER,),
}
_LICENCES = {
    snapshot.COUNTRIES: "public domain; lakes also from NASA open data",
    snapshot.FACTS: "CC BY 3.0 IGO (population), CC BY 4.0 (codes, names, other totals)",
    snapshot.PLACES: "CC BY 4.0",
    snapshot.LAND_COVER: "NASA open data, no restriction",
}


def read_land_cover(source: Path) -> np.ndarray:
    """IGBP classes of the source's raster.

    Raises
    ------
    ReferenceSnapshotError
        ``ER22`` for another size or type.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(source) as image:
        igbp = np.asarray(image)
    if igbp.shape != snapshot.LAND_COVER_SHAPE or igbp.dtype != np.uint8:
        raise ReferenceSnapshotError(
            "ER22", source, f"{igbp.shape} of {igbp.dtype}", f"{snapshot.LAND_COVER_SHAPE} of uint8"
        )
    return igbp


def manifest_of(folder: Path, counts: Mapping[str, Any]) -> dict[str, Any]:
    """Digests, provenance, choices and facts of the snapshot in a folder."""
    facts = snapshot.load_facts(folder / snapshot.FACTS)
    population = facts.column("population").to_numpy()
    eligible = int((population > 0).sum())
    if facts.num_rows != ISO_3166_COUNTRIES or eligible < ELIGIBLE_AT_LEAST:
        raise ReferenceSnapshotError(
            "ER22",
            folder,
            f"{facts.num_rows} countries, {eligible} with people",
            f"{ISO_3166_COUNTRIES} countries, at least {ELIGIBLE_AT_LEAST} with people",
        )
    iso = facts.column("country_iso").to_pylist()
    return {
        "files": {
            name: {
                "sha256": file_digest(folder / name),
                "bytes": (folder / name).stat().st_size,
                "licence": _LICENCES[name],
                "sources": [source.record() for source in _SOURCES[name]],
            }
            for name in _SOURCES
        }
        | outlet_entries(folder),
        "choices": choices.described(),
        "facts": {
            "countries": facts.num_rows,
            "countries_with_land_and_people": eligible,
            "countries_without_people": [
                code for code, people in zip(iso, population, strict=True) if people == 0
            ],
            "population_total": int(population.sum()),
            **counts,
        },
        "built_with": {
            "geos": shapely.geos_version_string,
            "numpy": np.__version__,
            "pyarrow": pa.__version__,
            "shapely": shapely.__version__,
        },
    }


def settle(land_km2: Mapping[str, float], in_force: Mapping[str, float]) -> dict[str, float]:
    """Areas by ISO code, those of the snapshot in force where no more than the last bits differ."""
    known = {iso: in_force.get(iso, area) for iso, area in land_km2.items()}
    return {
        iso: known[iso] if abs(area - known[iso]) <= _SAME_AREA * area else area
        for iso, area in land_km2.items()
    }


def areas_of(in_force: Path) -> dict[str, float]:
    """Land of every country in a snapshot, km2, by ISO code."""
    facts = snapshot.load_facts(in_force / snapshot.FACTS)
    columns = (facts.column(name).to_pylist() for name in ("country_iso", "land_area_km2"))
    return dict(zip(*columns, strict=True))


def build(folder: Path, outlets: Path, in_force: Path | None) -> dict[str, Any]:
    """Write the snapshot into a folder; returns the manifest.

    Parameters
    ----------
    folder
        Where to write.
    outlets
        Folder of the tables of real outlets, which are copied.
    in_force
        Folder of the snapshot that this one is meant to repeat.
    """
    shapes, fields = read_shapes(sources.COUNTRIES.path(), ("ISO_A2_EH", "ADM0_A3"))
    land, _ = read_shapes(sources.LAND_WITHOUT_LAKES.path(), ())
    iso = iso_of_features(fields["ISO_A2_EH"], fields["ADM0_A3"])
    land_cover = read_land_cover(sources.LAND_COVER.path())
    countries = build_countries(shapes, iso, land, open_water_polygons(land_cover))
    write_countries(folder / snapshot.COUNTRIES, countries)

    area_m2 = polygon_area_m2(np.array(list(countries.values()), dtype=object))
    land_km2 = dict(zip(countries, (area_m2 / 1e6).tolist(), strict=True))
    _, attributes = read_shapes(
        sources.COUNTRY_ATTRIBUTES.path().with_suffix(".shp"),
        ("ISO_A2_EH", "REGION_UN", "SUBREGION", "POP_EST", "GDP_MD"),
    )
    facts = build_facts(
        sources.PLACE_COUNTRIES.json(),
        un_population(sources.POPULATION.path(), choices.POPULATION_YEAR),
        attributes,
        settle(land_km2, areas_of(in_force) if in_force else {}),
    )
    write_text(folder / snapshot.FACTS, to_csv(facts))

    places, counts = build_places(sources.PLACES.json(), countries)
    write_places(folder / snapshot.PLACES, places)
    write_snapshot_parquet(folder / snapshot.LAND_COVER, pa.table({"igbp": land_cover.ravel()}))

    copy_outlets(outlets, folder)
    manifest = manifest_of(folder, counts)
    write_json(folder / snapshot.MANIFEST, manifest)
    return manifest


def require_same(folder: Path, in_force: Path) -> None:
    """Fail with ``ER11``, naming the file, when one differs from the snapshot in force."""
    manifest = in_force / snapshot.MANIFEST
    differing = snapshot.differing_files(folder, read_json(manifest))
    if not differing and (folder / snapshot.MANIFEST).read_bytes() != manifest.read_bytes():
        differing = [snapshot.MANIFEST]
    if differing:
        raise ReferenceSnapshotError(
            "ER11",
            manifest,
            f"the rebuilt {', '.join(differing)} differs",
            "the environment of envs/reference.lock.txt; for a new one reference_build.update",
        )


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit status 1 with one line when a rule is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--outlets", type=Path, required=True, help="folder of outlet tables")
    parser.add_argument(
        "--against", type=Path, help="folder of a snapshot that the files must match"
    )
    options = parser.parse_args(arguments)
    try:
        build(options.output, options.outlets, options.against)
        if options.against:
            require_same(options.output, options.against)
    except SegmentError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
