import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import countries
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.states.s2_tile_weights import (
    country_table,
    quantise,
    tile_density,
)

POLICY = "config/layer1/1B/policy/policy.s2.tile_weights.yaml"


def density_policy(uniform=0.0, area=0.0, population=1.0, exponent=1.0, mode="blend_v2", least=0.0):
    return {
        "mode": mode,
        "legacy_basis": "area_m2",
        "tile_density": {
            "basis_mix": {"uniform": uniform, "area_m2": area, "population": population},
            "population_exponent": exponent,
            "min_people_per_km2": least,
        },
    }


CODES = np.array([0, 0, 0, 5, 5])
AREA = np.array([1.0, 1.0, 2.0, 3.0, 1.0])
PEOPLE = np.array([9.0, 1.0, 0.0, 0.0, 0.0])


def test_density_worked_example():
    starts = run_starts(CODES)
    density, fallback = tile_density(
        starts, AREA, PEOPLE, density_policy(uniform=0.3, area=0.2, population=0.5)
    )
    expected = [0.1 + 0.05 + 0.45, 0.1 + 0.05 + 0.05, 0.1 + 0.1, 0.15 + 0.7 * 0.75, 0.15 + 0.175]
    assert np.allclose(density, expected)
    assert fallback == [1]


def test_population_exponent_flattens():
    starts = run_starts(CODES)
    steep, _ = tile_density(starts, AREA, PEOPLE, density_policy())
    flat, _ = tile_density(starts, AREA, PEOPLE, density_policy(exponent=0.5))
    assert np.isclose(steep[0], 0.9)
    assert np.isclose(flat[0], 0.75)


def test_legacy_takes_one_basis_alone():
    density, fallback = tile_density(
        run_starts(CODES), AREA, PEOPLE, density_policy(mode="legacy_basis_only")
    )
    assert np.allclose(density, [0.25, 0.25, 0.5, 0.75, 0.25])
    assert fallback == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), min_size=1, max_size=6),
    st.integers(3, 12),
)
def test_integers_sum_exactly_and_stay_within_one(groups, dp):
    groups = [np.array(g) + 1e-3 for g in groups]
    density = np.concatenate([g / g.sum() for g in groups])
    codes = np.repeat(np.arange(len(groups)), [len(g) for g in groups])
    weight = quantise(run_starts(codes), density, dp)
    assert (np.bincount(codes, weights=weight) == 10**dp).all()
    assert (np.abs(weight - density * 10**dp) < 1 + 1e-3).all()


def test_largest_remainders_round_up_and_ties_go_to_the_first():
    density = np.array([1 / 3, 1 / 3, 1 / 3])
    assert quantise(np.array([0, 3]), density, 3).tolist() == [334, 333, 333]
    assert quantise(np.array([0, 3]), np.array([0.4004, 0.3007, 0.2989]), 3).tolist() == [
        400,
        301,
        299,
    ]


def test_unsettled_tiles_have_no_weight_unless_a_country_has_no_other():
    starts = run_starts(CODES)
    people = np.array([9.0, 1.0, 4.0, 0.3, 0.0])
    policy = density_policy(uniform=0.5, population=0.5, least=2e6)
    density, _ = tile_density(starts, AREA, people, policy)
    assert density.tolist() == pytest.approx(
        [0.25 + 0.5 * 9 / 13, 0.0, 0.25 + 0.5 * 4 / 13, 0.75, 0.25]
    )


def test_country_table_covers_every_country_and_sums_to_one():
    code = countries.encode(pa.array(["AQ", "DE", "DE", "FR", "KE"]))
    facts = pa.table(
        {
            "country_iso": ["AQ", "DE", "FR", "KE"],
            "macro_region": ["Other", "Europe", "Europe", "Africa"],
        }
    )
    policy = dict(load_policy(POLICY))
    policy["country_mass"] = {
        **policy["country_mass"],
        "region_floor_share": {"Africa": 0.5},
        "country_cap_share_soft": 0.5,
        "country_cap_share_hard": 0.6,
        "topk_cap_targets": {"top1": 1.0, "top5": 1.0, "top10": 1.0},
    }
    people = np.array([0.0, 5.0, 4.0, 8.0, 1.0])
    table, mass = country_table(
        code, run_starts(code), np.ones(5) * 1e9, people, facts, policy, "p"
    )
    rows = {row["country_iso"]: row for row in table.to_pylist()}
    assert rows["AQ"]["mass_share"] == 0
    assert rows["AQ"]["binding"] == "uninhabited"
    assert np.isclose(rows["KE"]["mass_share"], 0.5, atol=1e-6)
    assert np.isclose(sum(r["mass_share"] for r in rows.values()), 1.0)
    assert mass.diagnostics["countries_total"] == 3
    assert mass.diagnostics["bound_regions"] == ["Africa"]


@pytest.mark.parametrize("dp", [6, 12])
def test_coarse_weights_lose_small_tiles(dp):
    density = np.full(3_000_000, 1 / 3_000_000)
    weight = quantise(np.array([0, len(density)]), density, dp)
    assert ((weight == 0).any()) == (dp == 6)
