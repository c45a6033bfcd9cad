"""Fidelity and the scorecard: worked examples, and the rule from files to files."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, mannwhitneyu, spearmanr

from scripts import countries
from scripts.contracts import read_object
from scripts.errors import ContractError, ScoreError
from scripts.geo import metrics, urban
from scripts.geo.grid import Grid
from scripts.geo.metrics import Sites
from scripts.geo.snapshot import LAND_COVER_SHAPE, Countries, load_land_cover
from scripts.geo.thinning import thinning_rank
from scripts.geo.time_zones import ZonedPlaces
from scripts.scorers import companions, fidelity, fidelity_reference, outline, scorecard
from scripts.scorers.fidelity import Cells
from scripts.scorers.truth.judgement import TESTS
from scripts.states.pair_counts import Homes
from scripts.tables import read_parquet, write_json, write_parquet

REFERENCE = "resources/reference"
POLICIES = "config/layer1/1B/policy"


def codes(*names: str) -> np.ndarray:
    return np.array([countries.encode_one(name) for name in names], dtype=np.int16)


def sites(points: list[tuple[str, float, float]]) -> Sites:
    n = len(points)
    return Sites(
        np.arange(1, n + 1, dtype=np.uint64),
        codes(*(p[0] for p in points)),
        np.ones(n, dtype=np.int32),
        np.array([p[1] for p in points]),
        np.array([p[2] for p in points]),
    )


def cells(rows: list[tuple[str, float, float, float, float]]) -> Cells:
    """Cells from (country, lon, lat, population, urban population)."""
    ids = fidelity.DEGREE_GRID.tile_at([r[1] for r in rows], [r[2] for r in rows])
    order = np.lexsort((ids, codes(*(r[0] for r in rows))))
    return Cells(
        codes(*(r[0] for r in rows))[order],
        ids.astype(np.int64)[order],
        np.array([r[3] for r in rows])[order],
        np.array([r[4] for r in rows])[order],
        np.full(len(rows), 1e10),
    )


def places(rows: list[tuple[str, float, float, float, int]]) -> ZonedPlaces:
    return ZonedPlaces(
        codes(*(r[0] for r in rows)),
        *(np.array([r[i] for r in rows]) for i in (1, 2, 3)),
        np.array([r[4] for r in rows], dtype=np.int64),
    )


def test_near_urban_takes_the_eight_neighbours_and_wraps():
    cover = np.zeros(LAND_COVER_SHAPE, dtype=np.uint8)
    cover[1800, 0] = 13
    cover[0, 100] = 13
    near = urban.near_urban_mask(cover)
    assert near.sum() == 9 + 6
    assert near[1799:1802, [-1, 0, 1]].all()
    assert near[0:2, 99:102].all()
    assert not near[-1].any()


def test_tiles_are_near_urban_by_the_share_of_their_points():
    near = np.zeros(LAND_COVER_SHAPE, dtype=bool)
    near[:, :3600] = True
    grid = Grid(60.0)
    west, east = grid.tile_at(-0.5, 0.5), grid.tile_at(0.5, 0.5)
    found = urban.near_urban_fraction(near, grid, np.array([west, east], dtype=np.uint64))
    assert found.tolist() == [1.0, 0.0]
    near[:, 3600:3607] = True
    third = urban.near_urban_fraction(near, grid, np.array([east], dtype=np.uint64))
    assert third[0] == pytest.approx(1 / 3)


def test_urban_share_is_held_against_population_of_the_same_mix():
    near = np.zeros(LAND_COVER_SHAPE, dtype=bool)
    near[:, :3600] = True
    world = sites([("AA", -1.5, 0.5), ("AA", 1.5, 0.5), ("AB", 1.5, 10.5), ("AB", 1.5, 10.5)])
    found = fidelity.urban_agreement(
        world,
        near,
        cells(
            [
                ("AA", -1.5, 0.5, 80.0, 80.0),
                ("AA", 1.5, 0.5, 20.0, 0.0),
                ("AB", 1.5, 10.5, 10.0, 4.0),
                ("AC", 1.5, 20.5, 900.0, 900.0),
            ]
        ),
        places([("AA", -1.5, 0.5, 10.0, 0), ("AB", 1.5, 10.5, 5.0, 0)]),
    )
    assert found["site_share"] == 0.25
    assert found["population_share"] == pytest.approx((2 * 0.8 + 2 * 0.4) / 4)
    assert found["place_share"] == 0.5
    assert found["difference_points"] == pytest.approx(-35.0)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=30))
def test_spearman_is_scipys(pairs):
    x, y = np.array(pairs, dtype=np.float64).T
    found = fidelity.spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_overlap_by_hand():
    assert fidelity.overlap(np.array([1.0, 3.0]), np.array([3.0, 1.0])) == 0.5
    assert fidelity.overlap(np.array([2.0, 2.0]), np.array([5.0, 5.0])) == 1.0
    assert math.isnan(fidelity.overlap(np.zeros(2), np.ones(2)))


def test_population_agreement_of_a_faithful_and_of_a_reversed_map():
    reference = cells([("AA", x + 0.5, 0.5, 100.0 * (x + 1), 0.0) for x in range(4)])

    def placed(weights: tuple[int, ...]) -> dict:
        points = [("AA", x + 0.5, 0.5) for x, n in enumerate(weights) for _ in range(n)]
        return fidelity.population_agreement(sites(points), reference, 42, 30)

    faithful = placed((10, 20, 30, 40))
    assert faithful["spearman_median"] == pytest.approx(1.0)
    assert faithful["overlap_median"] == pytest.approx(1.0)
    assert 0.7 < faithful["overlap_random_median"] < 1.0
    assert placed((40, 30, 20, 10))["spearman_median"] == pytest.approx(-1.0)
    few = placed((5, 5, 5, 5))
    assert few["countries"] == []
    assert math.isnan(few["overlap_median"])


def test_sites_where_nobody_lives_lower_the_overlap():
    reference = cells([("AA", 0.5, 0.5, 100.0, 0.0), ("AB", 5.5, 0.5, 100.0, 0.0)])
    points = [("AA", 0.5, 0.5)] * 20 + [("AA", 5.5, 0.5)] * 20
    found = fidelity.population_agreement(sites(points), reference, 42, 30)
    (row,) = found["countries"]
    assert row["cells"] == 2
    assert row["overlap"] == 0.5
    assert row["overlap_random"] == 1.0


ZONES = [
    ("AA", 0.0, 0.0, 50.0, 0),
    ("AA", 10.0, 0.0, 50.0, 60),
    ("AB", 2.0, 0.0, 90.0, 60),
    ("AB", 30.0, 0.0, 90.0, 180),
]


def test_time_zones_are_those_of_the_sites_own_country():
    both_countries = [("AB", 2.0, 0.0)] * 40
    near_foreign_place = [("AA", 2.1, 0.0)] * 40
    one = fidelity.time_zone_reach(sites(near_foreign_place + both_countries), places(ZONES), 40)
    assert (one["multi_zone_countries"], one["multi_zone_reached"]) == (2, 0)
    assert one["multi_zone_reached_share"] == 0.0
    both = fidelity.time_zone_reach(
        sites([*near_foreign_place[:-1], ("AA", 9.0, 0.0), *both_countries]), places(ZONES), 40
    )
    assert both["multi_zone_reached_share"] == 0.5
    assert [row["offsets_reached"] for row in both["countries"]] == [2, 1]


def test_a_country_with_few_sites_is_not_looked_at():
    few = fidelity.time_zone_reach(sites([("AA", 0.1, 0.0)] * 39), places(ZONES), 40)
    assert few["multi_zone_countries"] == 0
    assert math.isnan(few["multi_zone_reached_share"])


Surface = tuple[np.ndarray, np.ndarray, np.ndarray, Grid, Countries]


def surface(n: int = 12, land: shapely.Polygon | None = None) -> Surface:
    grid = Grid(60.0)
    lon, lat = np.meshgrid(np.arange(n) + 0.5, np.arange(n) + 0.5)
    tile = np.sort(grid.tile_at(lon.ravel(), lat.ravel()))
    polygon = shapely.box(0.0, 0.0, n, n) if land is None else land
    country = Countries(np.array([7], dtype=np.int16), np.array([polygon]))
    codes, people = np.full(n * n, 7, dtype=np.int16), np.arange(n * n, dtype=np.float64)
    return codes, tile, people, grid, country


def test_points_fall_in_tiles_in_proportion_to_population():
    country, tile, population, grid, land = surface()
    points = fidelity.population_points(country, tile, population, grid, land, size=20_000)
    drawn = grid.tile_at(points.lon, points.lat)
    counts = np.bincount(np.searchsorted(tile, drawn), minlength=len(tile))
    expected = 20_000 * population / population.sum()
    assert counts[0] == 0
    assert np.abs(counts - expected).max() < 5.0 * np.sqrt(expected.max())
    fewer = fidelity.population_points(country, tile, population, grid, land, size=50)
    assert np.array_equal(fewer.lon, points.lon[:50])


def test_points_stand_on_land_where_their_tile_has_any():
    shore = shapely.Polygon([(0, 0), (12, 0), (12, 12)])
    country, tile, population, grid, land = surface(land=shore)
    points = fidelity.population_points(country, tile, population, grid, land, size=5000)
    at_sea = ~shapely.contains_xy(shore, points.lon, points.lat)
    drawn = grid.tile_at(points.lon, points.lat)
    west, south = grid.centre_deg(drawn)
    assert np.array_equal(at_sea, south > west)
    whole = fidelity.population_points(*surface(), size=5000)
    assert np.array_equal(drawn, grid.tile_at(whole.lon, whole.lat))


def test_auc_is_a_half_for_the_same_law_and_one_for_another_place():
    *world, land = surface()
    points = fidelity.population_points(*world, land, size=2000)
    other = fidelity.population_points(*world, land, size=4000)

    def auc(lon: np.ndarray, lat: np.ndarray) -> float:
        n = len(lon)
        world = Sites(
            np.arange(n, dtype=np.uint64), np.full(n, 7, np.int16), np.ones(n, np.int32), lon, lat
        )
        return float(fidelity.two_sample_auc(world, points, thinning_rank(world, 42), 42)["auc"])

    same = auc(other.lon[2000:], other.lat[2000:])
    assert 0.45 < same < 0.55
    assert auc(other.lon[2000:] + 40.0, other.lat[2000:]) == pytest.approx(1.0)
    corner = other.lat[2000:] * 0.2
    assert auc(other.lon[2000:], corner) > 0.8


def test_rank_auc_by_hand():
    positive = np.array([True, True, False, False])
    assert fidelity.rank_auc(np.array([3.0, 2.0, 1.0, 0.0]), positive) == 1.0
    assert fidelity.rank_auc(np.array([1.0, 1.0, 1.0, 1.0]), positive) == 0.5
    assert math.isnan(fidelity.rank_auc(np.array([1.0]), np.array([True])))


def test_nn_shift_reads_direction_and_size():
    near, far = np.linspace(1, 2, 200), np.linspace(3, 4, 200)
    moved = fidelity.nn_shift(near, far)
    assert moved["ks_distance"] == 1.0
    assert moved["mann_whitney_effect"] == 1.0
    assert moved["ks_p_value"] < 1e-10
    still = fidelity.nn_shift(near, near)
    assert still["ks_distance"] == 0.0
    assert still["mann_whitney_effect"] == 0.5


@pytest.mark.parametrize("digits", [1, 6])
def test_nn_shift_is_scipys(digits):
    rng = np.random.default_rng(digits)
    before, after = (np.round(rng.exponential(m, n), digits) for m, n in ((1.0, 400), (1.2, 300)))
    found = fidelity.nn_shift(before, after)
    ks = ks_2samp(after, before, method="asymp")
    mw = mannwhitneyu(after, before, method="asymptotic")
    assert found["ks_distance"] == pytest.approx(ks.statistic)
    assert found["mann_whitney_effect"] == pytest.approx(mw.statistic / (400 * 300))
    assert found["mann_whitney_p_value"] == pytest.approx(mw.pvalue)
    # scipy takes the law of a finite sample of the rounded size.
    assert found["ks_p_value"] == pytest.approx(ks.pvalue, rel=0.3)


def test_eligible_needs_people_and_tiles():
    found = metrics.eligible_countries(
        codes("AA", "AB", "AC"), np.array([5, 0, 9]), codes("AA", "AB")
    )
    assert [countries.decode_one(int(c)) for c in np.flatnonzero(found)] == ["AA"]


def test_a_merchant_without_a_home_is_named():
    ids = np.array([1, 2], dtype=np.uint64)
    homes = scorecard.home_of(ids, Homes(ids, codes("AB", "AC")), "catalogue")
    assert homes.tolist() == codes("AB", "AC").tolist()
    with pytest.raises(ScoreError, match="ES10 catalogue: merchant 2"):
        scorecard.home_of(ids, Homes(ids[:1], codes("AB")), "catalogue")


def test_published_variants_leave_out_empty_countries():
    world = sites([("AA", 0.0, 0.0), ("AA", 1.0, 0.0), ("AB", 2.0, 0.0)])
    counts = np.bincount(world.country, minlength=countries.CODES)
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[codes("AA", "AB", "AC", "AD")] = True
    earth = scorecard.World(eligible, eligible, np.zeros(countries.CODES), {})
    found = scorecard.published_variants(world, thinning_rank(world, 42), counts, 0.0, 2.0, earth)
    assert found["country_gini"] == pytest.approx(1 / 6)
    assert found["eligible_country_nonzero_share"] == 0.5


def test_companion_tables_add_up_and_round_trip(tmp_path):
    world = sites([("AB", 0.0, 0.0), ("AB", 1.0, 0.0), ("AC", 5.0, 0.0)])
    counts = np.bincount(world.country, minlength=countries.CODES)
    eligible = np.zeros(countries.CODES, dtype=bool)
    eligible[codes("AA", "AB", "AC")] = True
    regions = dict(zip(codes("AA", "AB", "AC").tolist(), ("X", "X", "Y"), strict=True))
    rows = companions.country_rows(counts, eligible, regions)
    assert [(r["rank"], r["country_iso"], r["site_count"]) for r in rows] == [
        (1, "AB", 2),
        (2, "AC", 1),
        (3, "AA", 0),
    ]
    assert rows[-1]["cumulative_share"] == 1.0
    assert [(r["region"], r["active_countries"]) for r in companions.region_rows(rows)] == [
        ("X", 1),
        ("Y", 1),
    ]
    path = tmp_path / "country.csv"
    companions.write_csv("segment1b_country_share", path, rows)
    again = companions.read_csv("segment1b_country_share", path)
    assert again[0]["share"] == pytest.approx(2 / 3, abs=1e-9)
    assert again[2] == {**rows[2], "share": 0.0, "cumulative_share": 1.0}
    assert b"\r" not in path.read_bytes()
    whole = path.read_bytes()
    for broken in (b"", whole[:-1], whole[:-9], whole.replace(b"AB", b"\x80B"), whole[5:]):
        path.write_bytes(broken)
        with pytest.raises(ContractError, match=r"EX05 .*country\.csv"):
            companions.read_csv("segment1b_country_share", path)
    distances = companions.quantile_rows([world], np.array([1.0, 1.0, 4.0]), rows)
    assert {row["scope"] for row in distances} == {"global", "country:AB"}


SUMMARY = {
    "state": "S9",
    "verdict": "FAIL",
    "identity": {},
    "sizes": {},
    "by_country": {},
    "realism": {},
    "checks": [
        {"check": name, "code": "E901", "kind": kind, "status": status}
        | {"observed": 0, "threshold": 0, "reason": ""}
        for name, kind, status in (
            ("parity", "structural", "PASS"),
            ("keys", "structural", "FAIL"),
            ("gini", "realism", "REPORTED"),
        )
    ],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Tiles, population, sites and catalogue of two real countries, and the rule's inputs."""
    folder = tmp_path_factory.mktemp("world")
    grid = Grid(5.0)
    rng = np.random.default_rng(5)
    tiles = {}
    for iso, lon, lat in (("FR", 2.3, 47.0), ("PY", -57.6, -25.3)):
        x, y = np.meshgrid(np.arange(-30, 30) / 12.0, np.arange(-20, 20) / 12.0)
        tiles[iso] = np.unique(grid.tile_at(lon + x.ravel(), lat + y.ravel()))
    iso = np.repeat(list(tiles), [len(t) for t in tiles.values()])
    tile = np.concatenate(list(tiles.values()))
    key = {"country_iso": pa.array(iso), "tile_id": tile}
    area = grid.cell_area_m2(tile)
    write_parquet(
        folder / "tile_index.parquet",
        pa.table({**key, "coverage_fraction": np.ones(len(tile)), "area_m2": area}),
    )
    population = rng.pareto(1.5, len(tile)) * 100.0
    write_parquet(folder / "tile_population.parquet", pa.table({**key, "population": population}))

    def egress(name: str, n: int, cluster: int) -> None:
        row = rng.choice(len(tile), n // cluster, p=population / population.sum())
        row = np.sort(np.repeat(row, cluster))
        lon, lat = grid.centre_deg(tile[row])
        merchant = np.arange(len(row)) // 7 + 1
        order = np.lexsort((iso[row], merchant))
        table = pa.table(
            {
                "merchant_id": merchant[order].astype(np.uint64),
                "legal_country_iso": pa.array(iso[row][order]),
                "site_order": np.arange(1, len(row) + 1, dtype=np.int32),
                "lon_deg": (lon + rng.uniform(-0.04, 0.04, len(row)))[order],
                "lat_deg": (lat + rng.uniform(-0.04, 0.04, len(row)))[order],
            }
        )
        write_parquet(folder / f"{name}.parquet", table)
        home = table.select(["merchant_id"]).append_column(
            "home_country_iso", table.column("legal_country_iso")
        )
        write_parquet(folder / f"{name}_catalogue.parquet", home)

    egress("candidate", 600, 2)
    egress("baseline", 500, 5)
    write_json(folder / "s9.json", SUMMARY)
    fidelity_reference.main(
        SimpleNamespace(
            tile_index=folder / "tile_index.parquet",
            tile_population=folder / "tile_population.parquet",
            countries=f"{REFERENCE}/countries.parquet",
            land_cover=f"{REFERENCE}/land_cover.parquet",
            tile_policy=f"{POLICIES}/policy.s1.tile_index.yaml",
        ),
        SimpleNamespace(
            cells=folder / "cells.parquet",
            points=folder / "points.parquet",
            width=folder / "width.parquet",
            near_urban=folder / "near_urban.parquet",
        ),
        None,
        None,
    )
    tiles = read_parquet(folder / "tile_index.parquet", ["country_iso", "tile_id"])
    people = read_parquet(folder / "tile_population.parquet", ["population"])["population"]
    weight = np.rint(people.to_numpy() * 1e6).astype(np.int64)
    write_parquet(folder / "tile_weights.parquet", tiles.append_column("weight_fp", [weight]))
    return folder


def test_land_beside_cities_is_listed_whole(world):
    stored = urban.read_near_urban(world / "near_urban.parquet")
    cover = load_land_cover(f"{REFERENCE}/land_cover.parquet")
    assert (stored == urban.near_urban_mask(cover)).all()
    assert stored.any()


def score(folder, out, name="candidate", baseline="baseline", **changed):
    inputs = {
        "site_locations": folder / f"{name}.parquet",
        "s9_summary": folder / "s9.json",
        "baseline_sites": folder / f"{baseline}.parquet" if baseline else [],
        "outlet_catalogue": folder / f"{name}_catalogue.parquet",
        "cells": folder / "cells.parquet",
        "points": folder / "points.parquet",
        "width": folder / "width.parquet",
        "tile_index": folder / "tile_index.parquet",
        "tile_population": folder / "tile_population.parquet",
        "tile_weights": folder / "tile_weights.parquet",
        "tile_policy": f"{POLICIES}/policy.s1.tile_index.yaml",
        "density": f"{REFERENCE}/outlet_density.csv",
        "facts": f"{REFERENCE}/country_facts.csv",
        "places": f"{REFERENCE}/places.parquet",
        "near_urban": folder / "near_urban.parquet",
        "s2_policy": f"{POLICIES}/policy.s2.tile_weights.yaml",
        "gates": "config/gates.yaml",
    }
    files = {
        "scorecard": out / "card.json",
        "country_share": out / "country.csv",
        "region_share": out / "region.csv",
        "nn_quantiles": out / "nn.csv",
    }
    scorecard.main(
        SimpleNamespace(**{**inputs, **changed}),
        SimpleNamespace(**files),
        None,
        SimpleNamespace(run_id="a" * 32, seed="42"),
    )
    return {key: path.read_bytes() for key, path in files.items()}


def test_the_rule_scores_files_and_repeats_to_the_byte(world, tmp_path):
    first = score(world, tmp_path / "a")
    assert score(world, tmp_path / "b") == first
    card = read_object("segment1b_scorecard", tmp_path / "a" / "card.json")
    assert card["counts"]["sites"] == 600
    assert card["counts"]["eligible_countries"] == 2
    assert card["eligible_countries"] == ["FR", "PY"]
    assert card["validation"] == {
        "verdict": "FAIL",
        "failing_structural": ["keys"],
        "failing_realism": [],
    }
    against = card["nn"]["against_baseline"]
    assert (against["sites"], against["baseline_sites"]) == (500, 500)
    assert (card["nn"]["maps"], card["nn"]["sites_a_map"]) == (1, 600)
    assert card["metrics"]["nn_contraction"] == pytest.approx(
        1 - against["ratio"] / against["baseline_ratio"], abs=1e-8
    )
    south = card["metrics"]["southern_hemisphere_share"]
    assert card["region_shares"]["South America"] == pytest.approx(south)
    low, high = card["intervals"]["southern_hemisphere_share"]
    assert low < south < high
    assert card["fidelity"]["two_sample"]["auc"] > 0.45
    # Too few sites for a test is no pass: 600 of two countries lack the twelve of T8.
    assert set(card["truth"]) == set(TESTS)
    assert not card["truth"]["T8"]["measured"]
    assert not card["truth"]["T8"]["passed"]
    assert card["truth"]["T1"]["measured"]


def test_every_site_of_a_country_without_tiles_is_counted(world, tmp_path):
    table = read_parquet(world / "candidate.parquet")
    merchant = table["merchant_id"].to_numpy()
    last = merchant == merchant.max()
    iso = np.where(last, "DE", table["legal_country_iso"].to_pylist())
    moved = tmp_path / "moved.parquet"
    write_parquet(moved, table.set_column(1, "legal_country_iso", pa.array(iso)))
    score(world, tmp_path / "out", site_locations=moved)
    card = read_object("segment1b_scorecard", tmp_path / "out/card.json")
    assert card["counts"]["sites_outside_eligible"] == last.sum() > 1


def test_no_byte_depends_on_the_rows_in_memory(world, tmp_path, monkeypatch):
    whole = score(world, tmp_path / "a")
    monkeypatch.setattr(outline, "_ROWS", 37)
    assert score(world, tmp_path / "b") == whole


def test_the_baseline_contracts_by_nothing(world, tmp_path):
    score(world, tmp_path, name="baseline", baseline=None)
    card = read_object("segment1b_scorecard", tmp_path / "card.json")
    assert card["metrics"]["nn_contraction"] == 0.0
    assert card["nn"]["against_baseline"] == {"contraction": 0.0}


def test_a_foreign_catalogue_is_refused_and_nothing_is_written(world, tmp_path):
    foreign = world / "baseline_catalogue.parquet"
    with pytest.raises(ScoreError, match="ES10"):
        score(world, tmp_path, outlet_catalogue=foreign)
    with pytest.raises(ContractError, match="EX01"):
        score(world, tmp_path, site_locations=world / "absent.parquet")
    assert list(tmp_path.iterdir()) == []
