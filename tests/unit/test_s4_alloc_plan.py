import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.states.allocation_law import (
    Tiles,
    group_by_country,
    hamilton,
    imbalance,
    joint_allocation,
    largest_remainder_allocation,
    main_axes,
    match_sites,
    quota_units,
)
from scripts.states.pairs import Candidates, Pairs
from scripts.states.s4_alloc_plan import plan_rows
from scripts.states.s4_guard import Regions, guard
from scripts.states.spread import diagnostics, spreads_of

LONE = {
    "mean_sites_per_tile": 2.0,
    "place_growth": 0.0,
    "max_sites_per_tile": 2,
    "lone_share": 1.0,
}
CLUSTERED = {
    "mean_sites_per_tile": 3.0,
    "place_growth": 0.3,
    "max_sites_per_tile": 40,
    "lone_share": 0.1,
}

weights = st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(lambda w: sum(w) > 0)


@settings(max_examples=100, deadline=None)
@given(weights, st.integers(1, 500))
def test_lone_quotas_are_within_one_of_expectation(weight, n):
    weight = np.array(weight)
    quota = np.bincount(quota_units(np.cumsum(weight), n, LONE), minlength=len(weight))
    assert quota.sum() == n
    assert (np.abs(quota - n * weight / weight.sum()) <= 1 + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(weights, st.integers(1, 500), st.floats(0, 1), st.floats(2, 20), st.floats(0, 1))
def test_clustered_quotas_sum_exactly_and_avoid_empty_tiles(weight, n, lone, mean, growth):
    weight = np.array(weight)
    law = {
        "mean_sites_per_tile": mean,
        "place_growth": growth,
        "max_sites_per_tile": 50,
        "lone_share": lone,
    }
    units = quota_units(np.cumsum(weight), n, law)
    assert len(units) == n
    assert (np.diff(units) >= 0).all()
    assert (weight[units] > 0).all()


def test_clusters_keep_the_density_and_use_fewer_tiles():
    rng = np.random.default_rng(3)
    weight = rng.pareto(1.5, 4000) + 0.01
    cumulative = np.cumsum((weight * 1e6).astype(np.int64))
    blocks = np.arange(4000) // 100
    share = np.bincount(blocks, weights=weight) / weight.sum()
    lone = quota_units(cumulative, 4000, LONE)
    clustered = quota_units(cumulative, 4000, CLUSTERED)
    held = np.bincount(blocks[clustered], minlength=40) / 4000
    assert np.abs(held - share).max() < 0.01
    assert len(np.unique(clustered)) < 0.75 * len(np.unique(lone))


@settings(max_examples=100, deadline=None)
@given(weights, st.integers(2, 500), st.floats(2, 20), st.floats(0, 1))
def test_without_lone_sites_nobody_stands_alone(weight, n, mean, growth):
    law = {
        "mean_sites_per_tile": mean,
        "place_growth": growth,
        "max_sites_per_tile": 50,
        "lone_share": 0.0,
    }
    quota = np.bincount(quota_units(np.cumsum(np.array(weight)), n, law))
    assert quota[quota > 0].min() >= 2


def spread_country(seed, tiles=300):
    """Weights, unit vectors and planar coordinates of a country about as long as it is wide."""
    grid = Grid(60.0)
    rng = np.random.default_rng(seed)
    lon, lat = rng.integers(0, 20, tiles) + 0.5, rng.integers(0, 12, tiles) + 0.5
    return rng.pareto(1.2, tiles) + 0.01, grid.centre_vectors(grid.tile_at(lon, lat))


def off_balance(units, weight, position):
    centre, whitening = main_axes(position, weight / weight.sum())
    tile, sites = np.unique(units, return_counts=True)
    return float(imbalance((position[tile] - centre) @ whitening[None], sites[None])[0])


def test_more_starts_bring_the_shape_of_a_country_nearer():
    found = {}
    for starts in (1, 4, 16):
        law = {**CLUSTERED, "starts": starts}
        found[starts] = []
        for seed in range(12):
            weight, position = spread_country(seed)
            cumulative = np.cumsum((weight * 1e6).astype(np.int64))
            units = quota_units(cumulative, 60, law, position)
            assert len(units) == 60
            found[starts].append(off_balance(units, weight, position))
    middle = np.array(found[1])
    assert np.median(found[16]) < np.median(found[4]) < np.median(middle)
    assert np.median(found[16]) < 0.3 * np.median(middle)


def test_whitened_weights_have_no_mean_and_unit_covariance():
    weight, position = spread_country(0)
    p = weight / weight.sum()
    centre, whitening = main_axes(position, p)
    z = (position - centre) @ whitening
    assert p @ z == pytest.approx([0.0, 0.0], abs=1e-9)
    assert (z * p[:, None]).T @ z == pytest.approx(np.eye(2), abs=1e-9)


@pytest.mark.parametrize("tiles", [1, 2, 3])
def test_a_country_of_few_tiles_is_balanced_on_the_axes_it_has(tiles):
    position = Grid(60.0).centre_vectors(np.arange(tiles) + 360 * 90)
    units = quota_units(np.cumsum(np.ones(tiles, int)), 7, {**CLUSTERED, "starts": 16}, position)
    assert len(units) == 7
    assert np.isfinite(off_balance(units, np.ones(tiles), position))


def test_matching_gives_every_merchant_its_sites_spread_over_the_curve():
    n = np.array([10, 1, 50, 3])
    owner = match_sites(n)
    assert np.bincount(owner).tolist() == n.tolist()
    gaps = np.diff(np.flatnonzero(owner == 2))
    assert gaps.max() <= 4


@settings(max_examples=100, deadline=None)
@given(weights, st.integers(1, 300))
def test_hamilton_is_exact_and_within_one_of_quota(weight, n):
    weight = np.array(weight, dtype=np.int64)
    unit = int(weight.sum())
    rows, count = hamilton(weight, np.argsort(-weight, kind="stable"), unit, n)
    got = np.zeros(len(weight), dtype=np.int64)
    got[rows] = count
    assert got.sum() == n
    assert (np.abs(got - n * weight / unit) < 1).all() or n * weight.max() < unit


def test_hamilton_worked_example_with_ties_to_the_lower_tile():
    weight = np.array([3, 3, 2, 2])
    rows, count = hamilton(weight, np.argsort(-weight, kind="stable"), 10, 5)
    assert dict(zip(rows.tolist(), count.tolist(), strict=True)) == {0: 2, 1: 1, 2: 1, 3: 1}


def test_hamilton_refuses_overflow():
    weight = np.array([2**62], dtype=np.int64)
    with pytest.raises(StateError, match="E416"):
        hamilton(weight, np.array([0]), 2**62, 4)


def countries_of(weights_by_code):
    codes = np.repeat(list(weights_by_code), [len(w) for w in weights_by_code.values()])
    weight = np.concatenate([np.asarray(w) for w in weights_by_code.values()])
    tile = np.arange(len(weight), dtype=np.uint64) * np.uint64(7)
    cumulative = np.concatenate([np.cumsum(w) for w in weights_by_code.values()])
    return group_by_country(codes, tile, weight), group_by_country(codes, tile, cumulative)


@pytest.mark.parametrize("law", ["joint", "legacy"])
def test_row_sums_are_exact_and_sites_stay_in_their_country(law):
    weight, curve = countries_of({5: [50, 30, 20], 9: [100], 20: [1] * 100})
    pairs = Pairs(
        np.array([0, 0, 1, 2, 2]), np.array([5, 20, 9, 5, 20]), np.array([4, 30, 6, 1, 30])
    )
    if law == "joint":
        pair, tile = joint_allocation(pairs, curve, CLUSTERED)
    else:
        pair, tile = largest_remainder_allocation(pairs, weight, 100)
    rows, tiles, count = plan_rows(pair, tile)
    assert np.bincount(rows, weights=count).tolist() == pairs.n_sites.tolist()
    for code in (5, 9, 20):
        allowed = weight.tile_id[weight.rows[code]]
        assert np.isin(tiles[pairs.country[rows] == code], allowed).all()
    assert (np.lexsort((tiles, rows)) == np.arange(len(rows))).all()


def test_legacy_pairs_of_equal_size_share_their_tiles_and_joint_pairs_do_not():
    weight, curve = countries_of({3: [5] * 20})
    pairs = Pairs(np.arange(4), np.full(4, 3), np.full(4, 5))
    _, legacy = largest_remainder_allocation(pairs, weight, 100)
    _, joint = joint_allocation(pairs, curve, LONE)
    assert len(np.unique(legacy)) == 5
    assert len(np.unique(joint)) == 20


def test_allocation_does_not_depend_on_other_countries():
    _, curve = countries_of({3: [5] * 20, 4: [1, 2, 3]})
    alone = joint_allocation(Pairs(np.array([0]), np.array([3]), np.array([9])), curve, CLUSTERED)
    both = joint_allocation(
        Pairs(np.array([0, 0]), np.array([3, 4]), np.array([9, 2])), curve, CLUSTERED
    )
    assert sorted(both[1][both[0] == 0].tolist()) == sorted(alone[1].tolist())


def guard_policy(**changes):
    return {
        "country_share_soft_guard": 1.2,
        "reroute": {"enabled": True, "order": "largest_pair_first"},
        "residual_redistribution": {"enabled": True},
        "max_moved_share": 0.5,
        **changes,
    }


def guard_world(*floors, targets=(50, 50)):
    """A merchant at home in each of two countries of a region each, and the regions."""
    pairs = Pairs(np.array([0, 1]), np.array([3, 4]), np.array([80, 20]))
    candidates = Candidates(np.array([0, 0, 1, 1]), np.array([3, 4, 4, 3]), np.array([0, 1, 0, 1]))
    wanted = np.full(676, np.nan)
    wanted[[3, 4]] = targets
    region = np.full(676, -1)
    region[[3, 4]] = 0, 1
    return pairs, candidates, candidates.homes(2), Regions(wanted, region, np.array(floors))


def share_of(pairs, code):
    return int(pairs.n_sites[pairs.country == code].sum())


def test_guard_cuts_a_country_down_to_its_soft_guard():
    pairs, moves = guard(*guard_world(0.0, 0.0), guard_policy(), 1.0)
    assert share_of(pairs, 3) == 60
    assert moves.total == 20


def test_region_floor_is_refilled_out_of_countries_above_their_target():
    alone = guard_policy(reroute={"enabled": False, "order": "largest_pair_first"})
    pairs, _ = guard(*guard_world(0.0, 0.45), alone, 1.0)
    assert share_of(pairs, 4) == 45
    pairs, _ = guard(*guard_world(0.0, 0.90), alone, 1.0)
    assert share_of(pairs, 3) == 50


def test_refill_lifts_no_country_above_its_soft_guard():
    policy = guard_policy(reroute={"enabled": False, "order": "largest_pair_first"})
    found, _ = guard(*guard_world(0.0, 0.5, targets=(40, 30)), policy, 1.0)
    assert share_of(found, 4) == 36


def test_guard_is_bounded_and_can_be_switched_off():
    pairs, _ = guard(*guard_world(0.0, 0.0), guard_policy(max_moved_share=0.05), 1.0)
    assert share_of(pairs, 3) == 75
    off = guard_policy(
        reroute={"enabled": False, "order": "largest_pair_first"},
        residual_redistribution={"enabled": False},
    )
    pairs, moves = guard(*guard_world(0.0, 0.9), off, 1.0)
    assert (share_of(pairs, 3), moves.total) == (80, 0)


def test_diagnostics_worked_example():
    found = diagnostics(
        spreads_of(np.array([4]), np.array([10]), np.array([0, 0]), np.array([3, 1]))
    )
    assert found["top1_share"]["mean"] == 0.75
    assert found["hhi"]["mean"] == 10 / 16
    assert found["top1_headroom_mean"] == 0.5
    assert found["hhi_headroom_mean"] == 10 / 16 - 4 / 16


def test_tiles_type_slices_by_country():
    tiles = group_by_country(np.array([1, 1, 4]), np.array([7, 8, 9]), np.array([1, 2, 3]))
    assert isinstance(tiles, Tiles)
    assert tiles.rows == {1: slice(0, 2), 4: slice(2, 3)}
