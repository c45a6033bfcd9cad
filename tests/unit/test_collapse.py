"""The collapse sentinel: lines, lattices and piles against a country's own people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scripts import countries
from scripts.geo.collapse import (
    CollapseLimits,
    collapse_sentinel,
    local_metres,
    lowest_by_country,
    sites_judged,
)
from scripts.geo.distance import great_circle_m
from scripts.geo.metrics import Sites, country_counts
from scripts.geo.people import Points
from scripts.geo.thinning import thinning_rank

LIMITS = CollapseLimits()


def sites(lon, lat, country="AA") -> Sites:
    n = len(lon)
    codes = np.full(n, countries.encode_one(country), dtype=np.int16)
    ids, order = np.arange(1, n + 1).astype(np.uint64), np.ones(n, dtype=np.int32)
    return Sites(ids, codes, order, np.asarray(lon), np.asarray(lat))


def join(*parts: Sites) -> Sites:
    return Sites(
        *(
            np.concatenate(columns)
            for columns in zip(*(vars(p).values() for p in parts), strict=True)
        )
    )


def people_at(lon, lat, country="AA") -> Points:
    codes = np.full(len(lon), countries.encode_one(country), dtype=np.int16)
    rank = np.arange(len(lon), dtype=np.int32)
    return Points(codes, rank, np.asarray(lon), np.asarray(lat))


def round_people(lon=0.0, lat=0.0, sd=2.0, size=2048) -> Points:
    """People in a round cloud."""
    rng = np.random.default_rng(99)
    narrow = sd / math.cos(math.radians(lat))
    return people_at(
        (lon + narrow * rng.standard_normal(size) + 180) % 360 - 180,
        lat + sd * rng.standard_normal(size),
    )


def land(km2: float, *names: str) -> np.ndarray:
    area = np.zeros(countries.CODES)
    area[[countries.encode_one(name) for name in names]] = km2 * 1e6
    return area


def sentinel(world: Sites, people: Points, land_m2: np.ndarray) -> list[dict]:
    counts = country_counts(world.country)
    return collapse_sentinel(world, thinning_rank(world, 42), counts, people, land_m2, LIMITS)


def judged(world: Sites, km2: float = 1e6, people: Points | None = None) -> dict:
    people = round_people() if people is None else people
    (row,) = sentinel(world, people, land(km2, "AA"))
    return row


def cloud(n: int, lon: float, lat: float, east: float, north: float, seed: int = 0) -> Sites:
    rng = np.random.default_rng(seed)
    lons = lon + east * rng.standard_normal(n)
    return sites((lons + 180) % 360 - 180, lat + north * rng.standard_normal(n))


def test_sentinel_passes_an_honest_country():
    row = judged(cloud(200, 10.0, 50.0, 3.0, 2.0))
    assert not row["flagged"]
    assert row["reasons"] == []


@pytest.mark.parametrize("lon", [0.0, 180.0])
@pytest.mark.parametrize(("east", "north"), [(5.0, 0.05), (0.05, 5.0)])
def test_sentinel_flags_a_stripe_anywhere(lon, east, north):
    assert judged(cloud(200, lon, 0.0, east, north))["reasons"] == ["line"]


def test_a_long_country_is_no_line():
    row = judged(cloud(400, 0.0, 0.0, 0.5, 4.75))
    assert 8.0 < row["anisotropy"] < 12.0
    assert row["linearity"] > LIMITS.linearity_max
    assert not row["flagged"]


def test_sentinel_flags_a_diagonal_corridor():
    t = np.linspace(-4, 4, 200)
    rng = np.random.default_rng(0)
    row = judged(sites(20 + t + 0.01 * rng.standard_normal(200), 10 + t))
    assert row["reasons"] == ["line"]


def test_sentinel_flags_a_line_without_width_wherever_people_live():
    for people in (round_people(), people_at(*islands_in_a_row(2048, 2))):
        row = judged(sites(np.zeros(60), np.linspace(-5, 5, 60)), people=people)
        assert math.isnan(row["anisotropy"])
        assert "line" in row["reasons"]


def test_a_country_across_the_antimeridian_is_no_stripe():
    row = judged(cloud(200, 180.0, -17.0, 1.0, 1.0))
    assert not row["flagged"]
    assert row["anisotropy"] < 1.5


def test_degrees_are_not_metres_in_the_north():
    narrow = math.cos(math.radians(80.0))
    row = judged(cloud(400, 0.0, 80.0, 1.0, narrow / 4.0))
    assert row["anisotropy"] == pytest.approx(4.0, rel=0.15)
    assert not row["flagged"]


def test_sentinel_flags_a_pile_but_not_a_crowded_microstate():
    rng = np.random.default_rng(0)
    spots = rng.uniform(0, 5, (20, 2))
    pile = spots[rng.integers(0, 20, 200)]
    assert "distinct_ratio" in judged(sites(pile[:, 0], pile[:, 1]))["reasons"]
    lon, lat = 7.42 + rng.uniform(0, 0.018, 10_000), 43.73 + rng.uniform(0, 0.018, 10_000)
    assert not judged(sites(lon, lat), km2=2.0)["flagged"]


def test_sentinel_flags_a_lattice_of_tile_centres():
    lon, lat = np.meshgrid(np.arange(25) / 12.0, np.arange(25) / 12.0)
    row = judged(sites(lon.ravel(), lat.ravel()))
    assert row["reasons"] == ["distinct_lat_ratio", "distinct_lon_ratio"]


def test_sentinel_judges_every_country_of_fifty_sites():
    world = join(cloud(50, 0.0, 0.0, 2.0, 2.0), sites(np.arange(49.0), np.zeros(49), country="AB"))
    rows = sentinel(world, round_people(), land(1e6, "AA", "AB"))
    assert [row["country_iso"] for row in rows] == ["AA"]
    assert sentinel(sites([0.0], [0.0]), round_people(), land(1e6)) == []


def test_local_metres_keep_distance_and_direction_from_the_centre():
    lon, lat = np.array([29.0, 31.0, 30.0, 30.0]), np.array([60.0, 60.0, 59.0, 61.0])
    x, y, lat0 = local_metres(np.zeros(4, dtype=np.int64), lon, lat)
    centre = float(lat0[0])
    np.testing.assert_allclose(np.hypot(x, y), great_circle_m(30.0, centre, lon, lat), rtol=1e-9)
    assert x[0] < 0 < x[1]
    assert y[2] < 0 < y[3]


def islands_in_a_row(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on two small islands, 15 degrees apart."""
    rng = np.random.default_rng(seed)
    return 15.0 * rng.integers(0, 2, n) + rng.uniform(0, 0.2, n), rng.uniform(0, 0.2, n)


def test_islands_in_a_row_are_no_fault_where_people_live_on_them():
    world = sites(*islands_in_a_row(200, 1))
    assert judged(world)["reasons"] == ["line"]
    row = judged(world, people=people_at(*islands_in_a_row(2048, 2)))
    assert row["anisotropy"] > 100.0
    assert row["people_anisotropy"] > 100.0
    assert not row["flagged"]


def test_a_stripe_is_a_fault_also_where_people_live_in_a_long_country():
    long_country = people_at(
        *(np.random.default_rng(3).standard_normal((2, 2048)) * [[0.6], [3.0]])
    )
    world = cloud(200, 0.0, 0.0, 0.02, 3.0)
    assert judged(world, people=long_country)["reasons"] == ["line"]


def test_a_stripe_is_no_fault_where_people_are_a_stripe_themselves():
    stripe = people_at(*(np.random.default_rng(3).standard_normal((2, 2048)) * [[0.3], [5.0]]))
    row = judged(cloud(200, 0.0, 0.0, 0.03, 5.0), people=stripe)
    assert row["anisotropy"] > 5 * row["people_anisotropy"]
    assert "line" not in row["reasons"]


def test_where_nobody_lives_the_limits_stand_alone():
    nobody = people_at(np.empty(0), np.empty(0))
    assert judged(cloud(200, 0.0, 0.0, 5.0, 0.05), people=nobody)["reasons"] == ["line"]
    assert not judged(cloud(200, 0.0, 0.0, 2.0, 2.0), people=nobody)["flagged"]
    pile = sites(np.full(200, 1.0), np.full(200, 2.0))
    assert "distinct_ratio" in judged(pile, people=nobody)["reasons"]


def test_distinct_coordinates_are_those_of_as_many_people():
    few = people_at(*np.random.default_rng(4).uniform(0, 0.001, (2, 2048)))
    rng = np.random.default_rng(5)
    world = sites(*rng.uniform(0, 0.001, (2, 400)))
    assert judged(world)["reasons"] != []
    assert not judged(world, people=few)["flagged"]


@pytest.mark.parametrize("size", [2_000, 200_000])
def test_a_country_is_judged_alike_at_any_size(size):
    assert not judged(cloud(size, 0.0, 0.0, 2.0, 2.0))["flagged"]
    assert judged(cloud(size, 0.0, 0.0, 5.0, 0.05))["reasons"] == ["line"]
    spots = np.random.default_rng(6).uniform(0, 5, (20, 2))
    pile = spots[np.arange(size) % 20]
    assert "distinct_ratio" in judged(sites(pile[:, 0], pile[:, 1]))["reasons"]


def thinned(world: Sites, most: np.ndarray) -> Sites:
    return world.take(lowest_by_country(world.country, thinning_rank(world, 42), most))


def test_a_country_is_thinned_to_its_lowest_ranks_whatever_the_row_order():
    world = join(
        cloud(9000, 0.0, 0.0, 2.0, 2.0), sites(np.arange(30.0), np.zeros(30), country="AB")
    )
    most = np.full(countries.CODES, 2048)
    kept = thinned(world, most)
    assert np.bincount(kept.country)[:2].tolist() == [2048, 30]
    shuffled = np.random.default_rng(1).permutation(len(world))
    again = thinned(world.take(shuffled), most)
    assert set(again.merchant.tolist()) == set(kept.merchant.tolist())
    fewer = thinned(world, np.full(countries.CODES, 500))
    of_first = kept.merchant[kept.country == 0]
    assert set(fewer.merchant[fewer.country == 0].tolist()) < set(of_first.tolist())
    assert len(thinned(world, np.full(countries.CODES, 9000))) == len(world)


def test_the_lowest_ranks_of_a_country_are_enough_to_judge_it():
    world = join(cloud(30_000, 0.0, 0.0, 2.0, 2.0), cloud(60, 3.0, 0.0, 1.0, 2.0))
    counts, rank, people = country_counts(world.country), thinning_rank(world, 42), round_people()
    rows = lowest_by_country(world.country, rank, sites_judged(counts, people))
    some = world.take(rows)
    assert len(some) == 2048
    earth = land(1e6, "AA")
    whole = collapse_sentinel(world, rank, counts, people, earth, LIMITS)
    assert collapse_sentinel(some, rank[rows], counts, people, earth, LIMITS) == whole
    assert whole[0]["sites"] == 30_060
