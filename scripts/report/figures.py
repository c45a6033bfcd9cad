"""Every figure of a run: beside the baseline, the people that it serves, and real outlets."""

from typing import Any

import numpy as np

from scripts import countries
from scripts.contracts import read_dataset, read_object
from scripts.entry import run
from scripts.geo.people import read_points
from scripts.geo.snapshot import load_countries, load_facts
from scripts.report import figure_real_outlets as real_outlets
from scripts.report.figure_close_ups import draw_close_ups
from scripts.report.figure_countries import draw_choropleth, draw_lorenz, draw_top, mean_shares
from scripts.report.figure_distributions import draw_lat_lon, draw_nn
from scripts.report.figure_fidelity import draw_fidelity, draw_time_zones
from scripts.scorers.companions import read_csv
from scripts.scorers.scorecard import read_cells, read_sites
from scripts.scorers.truth.ranges import read_statistics, real_ranges


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``figures``; every list is in ascending order of seed."""
    release, baseline = (
        [read_sites(path) for path in paths] for paths in (inputs.release, inputs.baseline)
    )
    cards, before = (
        [read_object("segment1b_scorecard", path) for path in paths]
        for paths in (inputs.release_cards, inputs.baseline_cards)
    )
    land, facts = load_countries(inputs.countries), load_facts(inputs.facts)
    code = countries.encode(facts["country_iso"])
    names = dict(zip(code.tolist(), facts["name"].to_pylist(), strict=True))
    shares = [
        [read_csv("segment1b_country_share", path) for path in paths]
        for paths in (inputs.release_shares, inputs.baseline_shares)
    ]
    ours, theirs = map(mean_shares, shares)
    governed = read_dataset("country_mass", inputs.mass).select(["country_iso", "mass_share"])
    mass = dict(zip(*(column.to_pylist() for column in governed.columns), strict=True))
    by_iso = {countries.decode_one(one): name for one, name in names.items()}
    draw_choropleth(outputs.choropleth, land.iso, land.geometry, ours, theirs, mass)
    draw_top(outputs.top, ours, theirs, mass, by_iso)
    counts = ([[row["site_count"] for row in rows] for rows in seeds] for seeds in shares)
    draw_lorenz(outputs.lorenz, *counts)
    cells = read_cells(inputs.cells)
    draw_lat_lon(outputs.lat_lon, release, baseline, cells)
    draw_nn(outputs.nn, release, baseline)
    area = np.full(countries.CODES, np.inf)
    area[code] = facts["land_area_km2"].to_numpy()
    by_seed = {card["seed"]: sites for card, sites in zip(cards, release, strict=True)}
    draw_close_ups(outputs.close_ups, by_seed, land, area, names)
    draw_fidelity(outputs.fidelity, release, baseline, cells, cards)
    draw_time_zones(outputs.time_zones, cards, before)
    samples, points = real_outlets.read_samples(inputs.samples), read_points(inputs.points)
    maps, correlations = real_outlets.beside_real(samples, by_seed, baseline[0], points, names)
    cities = real_outlets.largest_cities(inputs.places, list(maps))
    real_outlets.draw_maps(outputs.real_maps, maps, land, names, cities)
    ranges = real_ranges(read_statistics(inputs.statistics))
    real_outlets.draw_statistics(outputs.real_statistics, correlations, cards, ranges)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
