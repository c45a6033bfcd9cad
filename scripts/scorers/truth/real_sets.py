"""Measures public sets of real outlets, for the reference snapshot.

``python -m scripts.scorers.truth.real_sets FOLDER --snapshot SNAPSHOT --output FOLDER`` reads
``FOLDER/INDEX.csv`` (columns ``name`` and ``source``, others are ignored) and for every name
``FOLDER/{name}.csv`` (``chain``, ``country``, ``lon``, ``lat``), and writes

``outlet_statistics.csv``
    every test of every set, whole and by country, with source and licence;
``outlet_samples.csv``
    outlets of three networks at the reference density, where their licence lets them be passed on;
``outlet_density.csv``
    with ``--density-of``, the sites that each country has at the reference density.

Population, places and the reference density are those of the snapshot, so a snapshot with another
population has to be measured again.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scripts import countries
from scripts.errors import ScoreError, SegmentError
from scripts.geo.metrics import Sites, country_counts
from scripts.geo.snapshot import OUTLET_DENSITY, OUTLET_SAMPLES, OUTLET_STATISTICS
from scripts.geo.thinning import disjoint_maps, thinning_rank
from scripts.reference.outlets import OUTLET_SETS, OutletSet
from scripts.scorers.fidelity import Cells, population_agreement
from scripts.scorers.truth.country import ground_of
from scripts.scorers.truth.earth import Earth
from scripts.scorers.truth.measure import (
    GROUPS,
    country_parts,
    grid_table,
    place_table,
    rows_of,
    spacing_table,
    spread_table,
)
from scripts.scorers.truth.merchants import networks_of
from scripts.scorers.truth.own_map import read_map
from scripts.scorers.truth.ranges import STATISTICS_SCHEMA, WHOLE
from scripts.scorers.truth.snapshot_earth import snapshot_earth
from scripts.tables import read_parquet, write_text

INDEX = "INDEX.csv"
OF_MERCHANTS = ("T5a", "T5b", "T6", "T9")
SEED = 0
LEAST_NETWORKS = 5
# As few sites as config/gates.yaml lets a country's agreement be measured with.
AGREEMENT_SITES = 30
SAMPLES_COLUMNS = ("dataset", "merchant", "country_iso", "lon_deg", "lat_deg")
TEXT = pa_csv.ConvertOptions(column_types={"chain": pa.string()}, include_columns=["chain"])


SAMPLED = (("starbucks_world", "US"), ("fr_fuel", "FR"), ("it_fuel_brand", "IT"))


def index_of(folder: Path) -> list[dict[str, str]]:
    """Rows of ``INDEX.csv``.

    Raises
    ------
    ScoreError
        ``ES42`` when it is absent or lacks a column.
    """
    try:
        with (folder / INDEX).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ScoreError("ES42", folder / INDEX, f"cannot be read ({error.strerror})") from None
    for name in ("name", "source"):
        if not rows or name not in rows[0]:
            raise ScoreError("ES42", folder / INDEX, f"has no column {name}", "name, source")
    return rows


def provenance(row: Mapping[str, str]) -> OutletSet:
    """What is known of a set: :data:`OUTLET_SETS`, or the source that the index names."""
    other = OutletSet(row["source"], "see source", row["source"], "")
    return OUTLET_SETS.get(row["name"], other)


@dataclass(frozen=True)
class Statistic:
    """One value of a set: of a country, or of all of it where ``country_iso`` is empty."""

    country_iso: str
    outlets: int
    name: str
    value: float
    count: int


def set_statistics(sites: Sites, earth: Earth, merchants: bool) -> list[Statistic]:
    """All that a set says, whole and by country.

    What it has too little of or leaves undefined is left out, and without ``merchants`` all that is
    about them.
    """
    rank = thinning_rank(sites, SEED)
    parts = country_parts(sites, rank, ground_of(sites, earth), earth)
    networks = networks_of(sites, rank, *earth.cities)
    values = [
        Statistic(WHOLE, len(sites), row.test, row.value, row.count)
        for row in rows_of(parts, networks, earth.width_m)
        if row.value is not None and (merchants or row.test not in OF_MERCHANTS)
    ]
    if merchants:
        values += [
            Statistic(WHOLE, len(sites), f"{name}_{row['outlets']}", row[name], row["networks"])
            for row in spread_table(networks, earth.width_m)
            for name in ("spread", "local", "sibling")
            if row["networks"] >= LEAST_NETWORKS
        ]
    outlets = {part.iso: part.sites for part in parts}
    values += agreement_statistics(sites, earth)
    spacing = ("T1", "T2", "T3", "T4", *GROUPS, "nn_p50_m", "nn_p99_m")
    for table, names, count in (
        (spacing_table(parts), spacing, "sites_a_map"),
        (grid_table(parts), ("T7",), "pairs"),
        (place_table(parts), ("T8",), "sites"),
    ):
        for row in table:
            iso = row["country_iso"]
            values += [Statistic(iso, outlets[iso], name, row[name], row[count]) for name in names]
    return [statistic for statistic in values if math.isfinite(statistic.value)]


def agreement_statistics(sites: Sites, earth: Earth) -> list[Statistic]:
    """How real outlets agree with the people of one-degree cells, by country, mean of its maps.

    Measured as of a map, at the reference density.
    """
    values = []
    for code in np.unique(sites.country).tolist():
        here = sites.take(np.flatnonzero(sites.country == code))
        cell, people = earth.cells(code)
        none = np.zeros(len(cell))
        cells = Cells(np.full(len(cell), code, dtype=np.int16), cell, people, none, none)
        maps = disjoint_maps(thinning_rank(here, SEED), int(earth.reference_sites[code]))
        rows = [
            row
            for of in maps
            for row in population_agreement(here.take(of), cells, SEED, AGREEMENT_SITES)[
                "countries"
            ]
        ]
        for name in ("overlap", "spearman") if rows else ():
            value = float(np.mean([row[name] for row in rows]))
            iso = countries.decode_one(code)
            values.append(Statistic(iso, len(here), name, value, len(maps[0])))
    return values


def statistics_csv(folder: Path, earth: Earth) -> str:
    """``outlet_statistics.csv`` of all sets of a folder."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(STATISTICS_SCHEMA.names)
    for row in index_of(folder):
        of = provenance(row)
        sites = read_map(folder / f"{row['name']}.csv")
        for line in set_statistics(sites, earth, of.chains_are_merchants):
            measured = (line.country_iso, line.outlets, line.name, f"{line.value:.6g}", line.count)
            writer.writerow([row["name"], of.content, of.licence, *measured])
    return text.getvalue()


def samples_csv(folder: Path, earth: Earth) -> str:
    """``outlet_samples.csv``: one thinned map of each network of :data:`SAMPLED`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SAMPLES_COLUMNS)
    for name, iso in SAMPLED:
        table = pa_csv.read_csv(folder / f"{name}.csv", convert_options=TEXT)
        sites = read_map(folder / f"{name}.csv")
        code = countries.encode_one(iso)
        here = np.flatnonzero(sites.country == code)
        rank = thinning_rank(sites.take(here), SEED)
        rows = here[np.sort(disjoint_maps(rank, int(earth.reference_sites[code]))[0])]
        chain = table["chain"].to_pylist()
        for row in rows:
            position = (f"{sites.lon[row]:.5f}", f"{sites.lat[row]:.5f}")
            writer.writerow([name, chain[row] or "", iso, *position])
    return text.getvalue()


def density_csv(files: Sequence[Path]) -> str:
    """``outlet_density.csv``: mean sites by country over the seeds of a release, rounded."""
    counts = [
        country_counts(
            countries.encode(read_parquet(file, ["legal_country_iso"])["legal_country_iso"])
        )
        for file in files
    ]
    mean = np.rint(np.mean(counts, axis=0)).astype(np.int64)
    lines = [f"{countries.decode_one(int(code))},{mean[code]}" for code in np.flatnonzero(mean)]
    return "\n".join(["country_iso,sites", *lines]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit status 1 with one line when a rule is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of outlet sets with INDEX.csv")
    parser.add_argument("--snapshot", type=Path, required=True, help="reference snapshot")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--density-of",
        type=Path,
        nargs="+",
        default=[],
        help="site_locations of the seeds whose mean becomes the reference density",
    )
    options = parser.parse_args(arguments)
    try:
        earth = snapshot_earth(options.snapshot)
        write_text(options.output / OUTLET_STATISTICS, statistics_csv(options.folder, earth))
        write_text(options.output / OUTLET_SAMPLES, samples_csv(options.folder, earth))
        if options.density_of:
            write_text(options.output / OUTLET_DENSITY, density_csv(options.density_of))
    except SegmentError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
