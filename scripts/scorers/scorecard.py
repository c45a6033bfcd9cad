"""The scorecard of one run and seed: every metric of ``docs/metrics.md``, measured, not judged.

Measures the egress itself; nothing is taken from what a state reports about itself but the verdict
of S9. Judging is left to :mod:`scripts.scorers.gates`.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import read_dataset, read_object, write_object
from scripts.entry import run
from scripts.errors import ScoreError
from scripts.geo import metrics
from scripts.geo.collapse import CollapseLimits, collapse_sentinel
from scripts.geo.metrics import FloatArray, Map, Sites
from scripts.geo.people import Points, read_points
from scripts.geo.snapshot import load_facts
from scripts.geo.thinning import (
    Rank,
    comparable_maps,
    lowest,
    maps_at,
    nearest_in_maps_m,
    thinning_rank,
)
from scripts.geo.time_zones import ZonedPlaces, read_zoned_places
from scripts.geo.urban import read_near_urban
from scripts.ordering import is_among
from scripts.policies import load_policy
from scripts.scorers import bootstrap, companions, fidelity
from scripts.scorers.fidelity import Cells
from scripts.scorers.gates import load_gates
from scripts.scorers.outline import Outline, StoredSites, lowest_sites, most_kept, outline_of
from scripts.scorers.truth.earth import Earth, read_earth
from scripts.scorers.truth.measure import measure as truth_tests
from scripts.states.pair_counts import (
    Homes,
    read_homes,
)
from scripts.states.tiles import read_grid
from scripts.tables import published

PUBLISHED_SAMPLE = 2500


@dataclass(frozen=True)
class World:
    """What the snapshot and S1 say of every country, by code; shape (676,) each.

    ``listed`` countries of the snapshot, ``eligible`` the set E, ``land_m2`` square metres;
    ``region_of`` the macro region by code.
    """

    listed: npt.NDArray[np.bool_]
    eligible: npt.NDArray[np.bool_]
    land_m2: FloatArray
    region_of: Mapping[int, str]


def world_of(facts: pa.Table, cells: Cells) -> World:
    """The countries of a run's snapshot."""
    codes = countries.encode(facts.column("country_iso"))
    listed = np.zeros(countries.CODES, dtype=bool)
    listed[codes] = True
    regions = facts.column("macro_region").to_pylist()
    return World(
        listed=listed,
        eligible=metrics.eligible_countries(
            codes, facts.column("population").to_numpy(), cells.country
        ),
        land_m2=fidelity.by_country(cells.country, cells.area_m2),
        region_of=dict(zip(codes.tolist(), regions, strict=True)),
    )


def home_of(present: npt.NDArray[np.uint64], homes: Homes, where: object) -> npt.NDArray[np.int64]:
    """Home country code of each merchant with sites, which are given by rising id.

    Raises
    ------
    ScoreError
        ``ES10`` when one of them has no home, with the name of the catalogue.
    """
    missing = ~is_among(homes.merchant, present)
    if missing.any():
        name = int(present[np.argmax(missing)])
        raise ScoreError("ES10", where, f"merchant {name} has sites but no row", "the run's own 1A")
    return homes.of(present).astype(np.int64)


def tail_against_baseline(
    sites: Sites, rank: Rank, baseline: Sites, tolerance: float, reference: int, seed: int
) -> dict[str, Any]:
    """Contraction of the tail ratio against the baseline at a comparable site count.

    Both sides are measured by this code, at the count of the smaller or the reference; ``sites``
    and ``baseline_sites`` count those of one map.
    """
    sets = (sites, rank), (baseline, thinning_rank(baseline, seed))
    mine, theirs = comparable_maps(sets, tolerance, reference)
    mine_m, theirs_m = nearest_in_maps_m(mine), nearest_in_maps_m(theirs)
    ratio, baseline_ratio = metrics.tail_ratio(mine_m), metrics.tail_ratio(theirs_m)
    return {
        "sites": len(mine[0]),
        "baseline_sites": len(theirs[0]),
        "ratio": ratio,
        "baseline_ratio": baseline_ratio,
        "contraction": metrics.contraction(ratio, baseline_ratio),
        **fidelity.nn_shift(theirs_m, mine_m),
    }


def published_variants(
    sites: Sites,
    rank: Rank,
    counts: npt.NDArray[np.int64],
    southern_share: float,
    nn_ratio: float,
    world: World,
) -> dict[str, float]:
    """The metrics as the published study defined them, to stand beside its numbers.

    Concentration over active countries only; coverage over every country of the snapshot; the tail
    ratio of the whole map, at the reference density, and of a sample of 2,500.
    """
    active = metrics.concentration(counts, world.eligible)
    sample = sites.take(lowest(rank, PUBLISHED_SAMPLE))
    return {
        **{name: values["active"] for name, values in active.items()},
        "eligible_country_nonzero_share": metrics.eligible_country_nonzero_share(
            counts, world.listed
        ),
        "southern_hemisphere_share": southern_share,
        "nn_p99_p50_ratio": nn_ratio,
        "nn_p99_p50_ratio_sample": metrics.tail_ratio(
            metrics.nearest_neighbour_m(sample.lon, sample.lat)
        ),
    }


def graded(
    outline: Outline,
    home: npt.NDArray[np.int64],
    world: World,
    points: Points,
    settings: Mapping[str, Any],
    seed: int,
    baseline: Map | None,
) -> tuple[dict[str, Any], list[Sites], FloatArray]:
    """What decides a grade below A, the maps at the reference density, and their distances.

    Parameters
    ----------
    outline, home
        Of the sites, and the home code of their merchants.
    world, points
        The reference Earth.
    settings
        ``config/gates.yaml``.
    seed
        Seed of the run.
    baseline
        Sites of the baseline of the same seed; None when this run is the baseline, whose
        contraction is zero by definition.
    """
    sites, rank, counts = outline.sites, outline.rank, outline.counts
    total, reference = int(counts.sum()), settings["reference_sites"]
    variants = metrics.concentration(counts, world.eligible)
    maps = maps_at(sites, rank, reference)
    nn_m = nearest_in_maps_m(maps)
    nn_quantiles = metrics.quantiles(nn_m, metrics.NN_QUANTILES)
    nn_ratio = metrics.tail_ratio(nn_m)
    tolerance = settings["site_count_tolerance"]
    if baseline is None:
        against: dict[str, Any] = {"contraction": metrics.contraction(nn_ratio, nn_ratio)}
    else:
        of_baseline = lowest_sites(baseline, seed, most_kept(reference))
        against = tail_against_baseline(sites, rank, of_baseline, tolerance, reference, seed)
    boot = settings["bootstrap"]
    collapse = collapse_sentinel(
        sites, rank, counts, points, world.land_m2, CollapseLimits(**settings["collapse"])
    )
    score = {
        "counts": {
            "sites": total,
            "merchants": len(home),
            "eligible_countries": int(world.eligible.sum()),
            "active_countries": int((counts > 0).sum()),
            "active_eligible_countries": int((counts[world.eligible] > 0).sum()),
            "sites_outside_eligible": int(counts[~world.eligible].sum()),
        },
        "eligible_countries": [
            countries.decode_one(int(code)) for code in np.flatnonzero(world.eligible)
        ],
        "metrics": {
            **{name: values["gate"] for name, values in variants.items()},
            "eligible_country_nonzero_share": metrics.eligible_country_nonzero_share(
                counts, world.eligible
            ),
            "southern_hemisphere_share": outline.south / total if total else math.nan,
            "nn_p99_p50_ratio": nn_ratio,
            "nn_contraction": against["contraction"],
        },
        "concentration": variants,
        "region_shares": metrics.region_shares(counts, world.region_of),
        "nn": {
            "maps": len(maps),
            "sites_a_map": len(maps[0]),
            "quantiles_m": {
                f"q{round(q * 100)}": value
                for q, value in zip(metrics.NN_QUANTILES, nn_quantiles.tolist(), strict=True)
            },
            "against_baseline": against,
        },
        "intervals": bootstrap.intervals(
            bootstrap.population_of(outline.pairs, home, seed),
            world.eligible,
            seed,
            boot["draws"],
            boot["level"],
        ),
        "collapse": {
            "judged": len(collapse),
            "flagged": [row["country_iso"] for row in collapse if row["flagged"]],
            "countries": collapse,
        },
    }
    return score, maps, nn_m


def measure(
    sites: Map,
    outline: Outline,
    home: npt.NDArray[np.int64],
    world: World,
    cells: Cells,
    places: ZonedPlaces,
    points: Points,
    near_urban: npt.NDArray[np.bool_],
    settings: Mapping[str, Any],
    seed: int,
    baseline: Map | None,
) -> tuple[dict[str, Any], list[Sites], FloatArray]:
    """:func:`graded`, and beside it what decides no grade: fidelity, the metrics as published.

    ``cells``, ``places`` and ``near_urban`` are of the reference Earth too.
    """
    score, maps, nn_m = graded(outline, home, world, points, settings, seed, baseline)
    limits, graded_metrics = settings["fidelity"], score["metrics"]
    beside = {
        "fidelity": {
            "population": fidelity.population_agreement(
                sites, cells, seed, limits["agreement_min_sites"]
            ),
            "urban": fidelity.urban_agreement(sites, near_urban, cells, places),
            "time_zones": fidelity.time_zone_reach(sites, places, limits["time_zone_min_sites"]),
            "two_sample": fidelity.two_sample_auc(outline.sites, points, outline.rank, seed),
        },
        "as_published": published_variants(
            outline.sites,
            outline.rank,
            outline.counts,
            graded_metrics["southern_hemisphere_share"],
            graded_metrics["nn_p99_p50_ratio"],
            world,
        ),
    }
    return score | beside, maps, nn_m


def truth_of(sites: Map, earth: Earth, seed: int) -> dict[str, Any]:
    """The tests of truth by name (:mod:`scripts.scorers.truth`)."""
    rows = (row.record() for row in truth_tests(sites, earth, seed))
    return {record.pop("test"): record for record in rows}


def validation_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Verdict of S9 and the names of its failing checks, structural and of realism."""

    def failing(kind: str) -> list[str]:
        return sorted(
            check["check"]
            for check in summary["checks"]
            if check["kind"] == kind and check["status"] == "FAIL"
        )

    return {
        "verdict": summary["verdict"],
        "failing_structural": failing("structural"),
        "failing_realism": failing("realism"),
    }


def basis(
    settings: Mapping[str, Any], s2_policy: str, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """What a grade takes from elsewhere than the sites: gates, floors of S2, the verdict of S9."""
    return {
        "gates_version": settings["policy_version"],
        "region_floors": load_policy(s2_policy)["country_mass"]["region_floor_share"],
        "validation": validation_of(summary),
    }


def read_sites(path: str) -> Sites:
    """Sites of an egress file, without its geometry."""
    names = ["merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg"]
    return metrics.sites_of(read_dataset("site_locations", path, names))


def read_cells(path: str) -> Cells:
    """Arrays of ``fidelity_cells``."""
    table = read_dataset("fidelity_cells", path)
    return Cells(
        countries.encode(table.column("country_iso")),
        table.column("cell_id").to_numpy().astype(np.int64),
        *(table.column(name).to_numpy() for name in ("population", "urban_population", "area_m2")),
    )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the sites of a seed, and what they are measured against, to a scorecard and tables."""
    seed = int(wildcards.seed)
    settings = load_gates(inputs.gates)
    sites, cells = StoredSites(inputs.site_locations), read_cells(inputs.cells)
    world = world_of(load_facts(inputs.facts), cells)
    points = read_points(inputs.points)
    catalogue = inputs.outlet_catalogue
    earth = read_earth(
        inputs.tile_index,
        inputs.tile_population,
        inputs.tile_weights,
        inputs.places,
        inputs.density,
        inputs.width,
        read_grid(inputs.tile_policy),
    )
    with ThreadPoolExecutor(1) as beside:
        truth = beside.submit(truth_of, sites, earth, seed)
        outline = outline_of(sites, seed, points, settings["reference_sites"])
        score, maps, nn_m = measure(
            sites,
            outline,
            home_of(outline.merchant, read_homes(catalogue), catalogue),
            world,
            cells,
            read_zoned_places(inputs.places),
            points,
            read_near_urban(inputs.near_urban),
            settings,
            seed,
            StoredSites(inputs.baseline_sites) if inputs.baseline_sites else None,
        )
    country = companions.country_rows(outline.counts, world.eligible, world.region_of)
    region = companions.region_rows(country)
    distances = companions.quantile_rows(maps, nn_m, country)
    companions.write_csv("segment1b_country_share", outputs.country_share, country)
    companions.write_csv("segment1b_region_share", outputs.region_share, region)
    companions.write_csv("segment1b_nn_quantiles", outputs.nn_quantiles, distances)
    card = {
        "run_id": wildcards.run_id,
        "seed": seed,
        **basis(
            settings, inputs.s2_policy, read_object("validation_summary_1B", inputs.s9_summary)
        ),
        **score,
        "truth": truth.result(),
    }
    write_object("segment1b_scorecard", outputs.scorecard, published(card))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
