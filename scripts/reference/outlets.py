"""Tables of real outlets in the snapshot: measured once from public sets, copied by every build.

The sets themselves are not packages, so a build cannot measure them again
(``python -m scripts.scorers.truth.real_sets`` does): it takes the tables from the snapshot in force
and writes their provenance into the manifest.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import ReferenceSnapshotError
from scripts.geo import snapshot
from scripts.tables import file_digest, publish


@dataclass(frozen=True)
class OutletSet:
    """A public set of outlets.

    ``sha256`` is that of the table that was measured (chain, country, lon, lat). Without
    ``chains_are_merchants`` its chains are kinds of outlets.
    """

    content: str
    licence: str
    attribution: str
    sha256: str
    chains_are_merchants: bool = True

    def record(self) -> dict[str, str]:
        """Provenance for the manifest."""
        return {
            "content": self.content,
            "licence": self.licence,
            "attribution": self.attribution,
            "sha256": self.sha256,
        }


OUTLET_SETS: Mapping[str, OutletSet] = {
    "ikea_world": OutletSet(
        "IKEA stores of 17 countries, github.com/MaxHalford/ikea-store-locations",
        "MIT",
        "Max Halford, ikea-store-locations, MIT licence.",
        "0f019a36fce776179f7aaa3e4110bfd3c03b87416793fc5425522a97892595fd",
    ),
    "starbucks_world": OutletSet(
        "Starbucks stores of 73 countries, 2017, Kaggle store-locations, positions to 0.01 degrees",
        "CC0 1.0",
        "Starbucks Store Locations, Kaggle, CC0.",
        "49d2c9d99e74960fd2049850cac03cea8ef1bd81587039ff2ff2cc7e4f234553",
    ),
    "fr_fuel": OutletSet(
        "Fuel stations of France, prix-carburants",
        "Licence Ouverte 2.0",
        "Prix des carburants en France, Ministere de l'Economie, Licence Ouverte 2.0.",
        "bc538d9c03cb3b01df6c45fe3bc1b83a82d34f09e83af9071516a7ddfa0d9e6b",
    ),
    "it_fuel_brand": OutletSet(
        "Fuel stations of Italy by brand, anagrafica impianti, 2022",
        "IODL 2.0",
        "Anagrafica degli impianti attivi, Ministero delle Imprese e del Made in Italy, IODL 2.0.",
        "814e089a2d94cf75ad66fee42c9900d723e58c27f846bbab5b4bbef0ec967747",
    ),
    "it_fuel_operator": OutletSet(
        "Fuel stations of Italy by operator, anagrafica impianti, 2022",
        "IODL 2.0",
        "Anagrafica degli impianti attivi, Ministero delle Imprese e del Made in Italy, IODL 2.0.",
        "98a468cb47385c5c430d848f1ec7000fee6c169b9d7b9f24d65dbe08f8511280",
    ),
    "pt_fuel": OutletSet(
        "Fuel stations of Portugal by brand, precoscombustiveis, 2025",
        "public (no licence named)",
        "Precos dos combustiveis, Direcao-Geral de Energia e Geologia.",
        "3f81accc3f8a2ff7ca696c50528fd8318e47f4b98cfdac5f9bce767d5841df74",
    ),
    "africa_who_health": OutletSet(
        "Public health facilities of 49 countries of Africa by kind, doi:10.1038/s41597-019-0142-2",
        "CC BY 4.0",
        "Maina, J. et al. (2019). A spatial database of health facilities managed by the public "
        "health sector in sub Saharan Africa. Scientific Data 6, 134. CC BY 4.0.",
        "bd48fe6f736d63ff8bbe4908afcff5a6bca6daa886c8819d942ea78bffabaea6",
        chains_are_merchants=False,
    ),
}
_DENSITY = {
    "content": "Mean sites by country of the release, seeds 7, 42, 101 and 202",
    "licence": "MIT",
    "attribution": "Segment 1B, MIT licence.",
}


def copy_outlets(source: Path, target: Path) -> None:
    """Copy the tables of outlets from one snapshot into another folder, unless it is the same."""
    for name in snapshot.OUTLET_FILES:
        if (source / name).resolve() != (target / name).resolve():
            with publish(target / name) as temporary:
                shutil.copyfile(source / name, temporary)


def outlet_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of the manifest for the tables of outlets in a folder.

    Raises
    ------
    ReferenceSnapshotError
        ``ER24`` naming a set without provenance.
    """
    entries = {}
    for name in snapshot.OUTLET_FILES:
        path = folder / name
        digest = file_digest(path)
        if name == snapshot.OUTLET_DENSITY:
            sources = [_DENSITY | {"sha256": digest}]
        else:
            sources = [_provenance(path, dataset).record() for dataset in _datasets(path)]
        entries[name] = {
            "sha256": digest,
            "bytes": path.stat().st_size,
            "licence": "; ".join(dict.fromkeys(source["licence"] for source in sources)),
            "sources": sources,
        }
    return entries


def _datasets(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["dataset"] for row in csv.DictReader(file)))


def _provenance(path: Path, dataset: str) -> OutletSet:
    if dataset not in OUTLET_SETS:
        raise ReferenceSnapshotError(
            "ER24", path, f"set {dataset!r} has no provenance", "an entry of OUTLET_SETS"
        )
    return OUTLET_SETS[dataset]
