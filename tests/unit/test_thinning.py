"""Thinning to a reference density: keyed, nested, and blind to the order of rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scripts import countries
from scripts.geo.metrics import Sites, nearest_neighbour_m, tail_ratio
from scripts.geo.thinning import (
    Lowest,
    comparable_maps,
    disjoint_maps,
    lowest,
    lowest_by_country,
    maps_at,
    nearest_in_maps_m,
    thinning_rank,
)
from scripts.scorers.scorecard import tail_against_baseline


def scattered(n: int, seed: int = 0) -> Sites:
    rng = np.random.default_rng(seed)
    ids, order = np.arange(1, n + 1).astype(np.uint64), np.ones(n, dtype=np.int32)
    return Sites(
        ids, np.zeros(n, dtype=np.int16), order, rng.uniform(0, 10, n), rng.uniform(0, 10, n)
    )


def thinned(world: Sites, size: int) -> list[Sites]:
    return maps_at(world, thinning_rank(world, 42), size)


def test_thinning_nests_and_ignores_row_order():
    world = scattered(300)
    rank = thinning_rank(world, 42)
    large, small = lowest(rank, 200), lowest(rank, 50)
    assert set(small) < set(large)
    shuffled = np.random.default_rng(1).permutation(300)
    again = lowest(thinning_rank(world.take(shuffled), 42), 50)
    assert set(world.merchant[shuffled][again]) == set(world.merchant[small])
    assert set(lowest(thinning_rank(world, 7), 50)) != set(small)
    assert lowest(rank, 1000).tolist() == list(range(300))


@pytest.mark.parametrize(("most", "of_country"), [(60, 0), (0, 25), (60, 25), (5000, 25), (0, 0)])
def test_the_lowest_of_blocks_are_those_of_the_whole(most, of_country):
    world = scattered(2000)
    country = np.random.default_rng(4).choice(7, 2000, p=[0.6, 0.3, 0.05, 0.02, 0.01, 0.01, 0.01])
    world = dataclasses.replace(world, country=country.astype(np.int16))
    rank = thinning_rank(world, 42)
    wanted = np.full(countries.CODES, of_country)
    kept = Lowest(most, wanted)
    for start in range(0, 2000, 90):
        rows = np.arange(start, min(start + 90, 2000))
        kept.add(world.take(rows), rank[rows])
    sites, ranks = kept.result()
    low = np.union1d(lowest(rank, most), lowest_by_country(world.country, rank, wanted))
    assert sites.merchant.tolist() == world.merchant[low].tolist()
    assert ranks.tolist() == rank[low].tolist()


def test_sizes_are_matched_only_beyond_the_tolerance():
    world = scattered(210)
    near, far = scattered(200, 1), scattered(100, 2)

    def sizes(a: Sites, b: Sites, reference: int = 1000) -> list[list[int]]:
        sets = [(sites, thinning_rank(sites, 42)) for sites in (a, b)]
        return [list(map(len, maps)) for maps in comparable_maps(sets, 0.05, reference)]

    assert sizes(world, near) == [[210], [200]]
    assert sizes(world, far) == [[100, 100], [100]]
    assert sizes(far, world) == [[100], [100, 100]]
    assert sizes(world, near, reference=60) == [[60, 60, 60], [60, 60, 60]]


@pytest.mark.parametrize("seed", [7, 42])
def test_a_larger_baseline_is_thinned_by_the_seed_of_the_run(seed):
    world, baseline = scattered(300), scattered(2000, 1)
    found = tail_against_baseline(world, thinning_rank(world, seed), baseline, 0.02, 10_000, seed)
    maps = maps_at(baseline, thinning_rank(baseline, seed), 300)
    assert found["baseline_ratio"] == tail_ratio(nearest_in_maps_m(maps))


def test_maps_share_no_site_and_are_at_most_eight():
    world = scattered(1000)
    maps = thinned(world, 90)
    ids = np.concatenate([sites.merchant for sites in maps])
    assert [len(sites) for sites in maps] == [90] * 8
    assert len(set(ids.tolist())) == len(ids)
    assert thinned(world, 1000) == [world]
    rank = thinning_rank(world, 42)
    assert disjoint_maps(rank, 90)[0].tolist() == np.argsort(rank, kind="stable")[:90].tolist()


def test_distances_are_those_inside_each_map():
    world = scattered(1000)
    maps = thinned(world, 90)
    found = nearest_in_maps_m(maps)
    assert found[:90].tolist() == nearest_neighbour_m(maps[0].lon, maps[0].lat).tolist()
    assert len(found) == 720


def test_a_thinned_map_measures_like_one_that_was_drawn_so():
    dense, sparse = scattered(80_000, 1), scattered(10_000, 2)
    thin, drawn = (nearest_in_maps_m(thinned(world, 10_000)) for world in (dense, sparse))
    assert tail_ratio(thin) == pytest.approx(tail_ratio(drawn), rel=0.03)
    assert np.median(thin) == pytest.approx(np.median(drawn), rel=0.03)
