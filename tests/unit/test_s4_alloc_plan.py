import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.policies import load_policy
from scripts.states import outlet_law, s4_alloc_plan
from scripts.states.allocation_law import (
    Tiles,
    group_by_country,
    hamilton,
    largest_remainder_allocation,
)
from scripts.states.pairs import Candidates, Pairs
from scripts.states.reports import report_s4
from scripts.states.s4_alloc_plan import Ground, Plan, allocate, plan_rows, require_row_sums
from scripts.states.s4_guard import Regions, guard, guard_summary
from scripts.states.spread import diagnostics, spreads_of
from scripts.states.time_zone_floor import ZoneFloor
from tests.unit.s5_s9_world import POLICIES

weights = st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(lambda w: sum(w) > 0)


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
    return group_by_country(codes, np.arange(len(weight), dtype=np.uint64) * np.uint64(7), weight)


def plan_of(pairs, tiles, policy, abroad=None):
    ground = None
    if policy["mode"] == "outlets_v3":
        ground = Ground(Grid(5), ZoneFloor(1, 40, {}), np.full(676, -1))
    abroad = np.zeros(len(pairs.n_sites), dtype=bool) if abroad is None else abroad
    ids = np.arange(1, 10, dtype=np.uint64)
    return allocate(pairs, abroad, ids, tiles, policy, ground, 42, "tiles", pairs.total)


@pytest.mark.parametrize("name", ["policy.s4.alloc_plan", "policy.s4.alloc_plan.legacy"])
def test_row_sums_are_exact_and_sites_stay_in_their_country(name):
    tiles = countries_of({5: [50, 30, 20], 9: [100], 20: [1] * 100})
    pairs = Pairs(
        np.array([0, 0, 1, 2, 2]), np.array([5, 20, 9, 5, 20]), np.array([4, 30, 6, 1, 30])
    )
    plan = plan_of(pairs, tiles, load_policy(POLICIES / f"{name}.yaml"))
    assert np.bincount(plan.pair, weights=plan.n_sites).tolist() == pairs.n_sites.tolist()
    for code in (5, 9, 20):
        allowed = tiles.tile_id[tiles.rows[code]]
        assert np.isin(plan.tile_id[pairs.country[plan.pair] == code], allowed).all()
    assert (np.lexsort((plan.tile_id, plan.pair)) == np.arange(len(plan.pair))).all()
    assert plan.capacity.tolist() == [3, 100, 1, 3, 100]


def test_chunks_and_threads_change_nothing(monkeypatch):
    tiles = countries_of({code: range(1, 40 + code) for code in range(3, 30)})
    merchant, code = np.divmod(np.arange(9 * 27), 27)
    pairs = Pairs(merchant, code + 3, 1 + (merchant * code) % 13)
    policy = load_policy(POLICIES / "policy.s4.alloc_plan.yaml")
    whole = plan_of(pairs, tiles, policy)
    monkeypatch.setattr(outlet_law, "_CHUNK", 37)
    monkeypatch.setattr(s4_alloc_plan, "workers_for", lambda rows: 3)
    for a, b in zip(
        vars(whole).values(), vars(plan_of(pairs, tiles, policy)).values(), strict=True
    ):
        assert np.array_equal(a, b)


def test_tiles_without_weight_hold_no_outlet():
    tiles = countries_of({3: [0, 5, 0, 7, 0]})
    policy = load_policy(POLICIES / "policy.s4.alloc_plan.yaml")
    plan = plan_of(Pairs(np.array([0, 1]), np.array([3, 3]), np.array([40, 1])), tiles, policy)
    assert set(plan.tile_id) <= {7, 21}


def test_a_country_without_tiles_is_refused():
    policy = load_policy(POLICIES / "policy.s4.alloc_plan.yaml")
    with pytest.raises(StateError, match="E403 tiles: country AE"):
        plan_of(Pairs(np.array([0]), np.array([4]), np.array([2])), countries_of({3: [5]}), policy)


def test_legacy_pairs_of_equal_size_share_their_tiles():
    tiles = countries_of({3: [5] * 20})
    pairs = Pairs(np.arange(4), np.full(4, 3), np.full(4, 5))
    legacy = largest_remainder_allocation(pairs, tiles, 100)
    assert len(np.unique(legacy)) == 5


def test_sites_of_pairs_are_counted_by_tile():
    rng = np.random.default_rng(1)
    n_sites = np.concatenate([[1, 1, 3000], rng.integers(1, 60, 200)])
    pairs = Pairs(np.arange(203), np.full(203, 3), n_sites)
    tile = rng.integers(0, 90, pairs.total).astype(np.uint64)
    keys = np.stack([np.repeat(np.arange(203), n_sites), tile.astype(np.int64)])
    (pair, tile_id), count = np.unique(keys, axis=1, return_counts=True)
    for found, wanted in zip(
        plan_rows(pairs.first_site, tile), (pair, tile_id, count), strict=True
    ):
        assert np.array_equal(found, wanted)


def test_a_plan_that_loses_a_site_is_refused():
    pairs = Pairs(np.array([0, 1]), np.array([3, 3]), np.array([4, 2]))
    plan = Plan(np.array([0, 1]), np.array([7, 7], np.uint64), np.array([4, 1]), np.array([9, 9]))
    with pytest.raises(StateError, match="E404 merchant 12: 1 sites placed of 2"):
        require_row_sums(plan, pairs, np.array([11, 12], dtype=np.uint64))


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


def test_guard_and_refill_share_one_budget():
    _, moves = guard(*guard_world(0.0, 0.5), guard_policy(max_moved_share=0.25), 1.0)
    assert moves.total == 25


def test_the_report_parts_what_is_wanted_from_what_whole_sites_hold():
    before, candidates, homes, regions = guard_world(0.0, 0.0, targets=(49.5, 50.5))
    after, moves = guard(before, candidates, homes, regions, guard_policy(), 1.0)
    summary = guard_summary(before, after, moves, regions.targets, 2)
    found = report_s4(
        {"seed": 42},
        {"policy_version": "1.0.0", "mode": "outlets_v3"},
        summary,
        {"rows": 2, "active_tiles": 2},
        spreads_of(np.array([60, 40]), np.array([5, 5]), np.array([0, 1]), np.array([60, 40])),
    )
    wanted, given_, held = (found[part] for part in ("pre_integer", "before_guard", "post_integer"))
    assert wanted["top1_share"] == 0.505
    assert wanted["country_gini"] == pytest.approx(0.005)
    assert (given_["top1_share"], given_["country_gini"]) == (0.8, pytest.approx(0.3))
    assert held["top1_share"] == pytest.approx(share_of(after, 3) / 100)
    assert held["distance_to_mass"] < given_["distance_to_mass"]
    sites = {code: entry["sites"] for code, entry in found["by_country"].items()}
    assert sorted(sites.values(), reverse=True) == [share_of(after, 3), share_of(after, 4)]


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
