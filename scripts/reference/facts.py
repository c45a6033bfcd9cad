"""Facts of every country: names, M49 regions, population, GDP per capita, land area."""

from __future__ import annotations

import csv
import gzip
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.reference import choices


def un_population(path: Path, year: int) -> dict[int, int]:
    """Persons by UN location code (the M49 number for countries), both sexes, all ages."""
    totals: dict[int, int] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if row["Year"] == str(year) and row["Sex"] in ("Male", "Female"):
                code = int(row["LocID"])
                code = choices.MERGED_UN_LOCATION.get(code, code)
                totals[code] = totals.get(code, 0) + int(float(row["Value"]))
    return totals


def macro_region(region: str, intermediate: str) -> str:
    """Region of the floors: the Americas in two, Antarctica as Other."""
    if region == "Americas":
        return "South America" if intermediate == "South America" else "North America"
    return region if region in ("Africa", "Asia", "Europe", "Oceania") else "Other"


def m49(iso: str, natural_earth: Mapping[str, tuple[str, str]]) -> tuple[str, str, str]:
    """Region, sub-region and intermediate region (empty where M49 has none)."""
    region, finest = choices.M49_MENDS.get(iso) or natural_earth[iso]
    finest = finest.replace("South-Eastern", "South-eastern")
    parent = choices.M49_PARENTS.get(finest)
    return (region, parent, finest) if parent else (region, finest, "")


def population(
    countries: Mapping[str, Mapping[str, Any]], un: Mapping[int, int]
) -> dict[str, tuple[int, str]]:
    """Persons and source by ISO code.

    Parameters
    ----------
    countries
        GeoNames record (``isonumeric``, ``population``) by ISO code.
    un
        Persons by UN location code.
    """
    totals: dict[str, tuple[int, str]] = {}
    for iso, record in countries.items():
        if iso in choices.UNINHABITED:
            totals[iso] = (0, "uninhabited")
        elif record["isonumeric"] in un:
            totals[iso] = (un[record["isonumeric"]], "UN WPP 2024")
        else:
            totals[iso] = (record["population"], "GeoNames")
    for part, whole in choices.INCLUDED_IN.items():
        if totals[part][1] == "GeoNames":
            totals[whole] = (totals[whole][0] - totals[part][0], totals[whole][1])
    return totals


def gdp_per_capita(
    estimates: Mapping[str, tuple[float, float]], sub_region: Mapping[str, str]
) -> dict[str, float]:
    """US dollars per person by ISO code.

    Parameters
    ----------
    estimates
        GDP in million US dollars and population, by ISO code.
    sub_region
        Finest M49 sub-region by ISO code; its median mends what is absent or not positive.
        Uninhabited countries get zero.
    """
    known = {
        iso: gdp * 1e6 / people for iso, (gdp, people) in estimates.items() if gdp > 0 < people
    }
    medians = {
        name: statistics.median(known[iso] for iso in known if sub_region[iso] == name)
        for name in set(sub_region.values())
        if any(sub_region[iso] == name for iso in known)
    }
    return {
        iso: 0.0 if iso in choices.UNINHABITED else known.get(iso, medians.get(name, 0.0))
        for iso, name in sub_region.items()
    }


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV with a header and plain line ends."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def build_facts(
    geonames: Mapping[str, Mapping[str, Any]],
    un: Mapping[int, int],
    attributes: Mapping[str, Iterable[Any]],
    land_area_km2: Mapping[str, float],
) -> list[dict[str, object]]:
    """One row per ISO code, alphabetically.

    Parameters
    ----------
    geonames
        GeoNames country records by ISO code.
    un
        Persons by UN location code.
    attributes
        Natural Earth columns ISO_A2_EH, REGION_UN, SUBREGION, POP_EST, GDP_MD.
    land_area_km2
        Land by ISO code; its keys are the countries.
    """
    natural_earth: dict[str, tuple[str, str]] = {}
    estimates: dict[str, tuple[float, float]] = {}
    columns = ("ISO_A2_EH", "REGION_UN", "SUBREGION", "POP_EST", "GDP_MD")
    for iso, region, sub, people, gdp in zip(*(attributes[c] for c in columns), strict=True):
        # The country itself comes before its dependencies, which share its code.
        if iso in land_area_km2 and iso not in estimates:
            natural_earth[iso] = (region, sub)
            estimates[iso] = (float(gdp), float(people))
    countries = {iso: geonames[iso] for iso in sorted(land_area_km2)}
    people_of = population(countries, un)
    regions = {iso: m49(iso, natural_earth) for iso in countries}
    gdp_of = gdp_per_capita(estimates, {iso: r[2] or r[1] for iso, r in regions.items()})
    return [
        {
            "country_iso": iso,
            "alpha3": record["iso3"],
            "name": record["name"].strip(),
            "region": regions[iso][0],
            "sub_region": regions[iso][1],
            "intermediate_region": regions[iso][2],
            "macro_region": macro_region(regions[iso][0], regions[iso][2]),
            "population": people_of[iso][0],
            "population_source": people_of[iso][1],
            "gdp_per_capita_usd": f"{gdp_of[iso]:.2f}",
            "land_area_km2": f"{land_area_km2[iso]:.6f}",
        }
        for iso, record in countries.items()
    ]
