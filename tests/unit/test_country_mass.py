import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import StateError
from scripts.inequality import gini, top_share
from scripts.states.country_mass import TOPS, bend, govern

REGIONS = ["Africa", "Asia", "Europe"]


def policy(**changes):
    base = {
        "basis_mix": {"uniform": 0.0, "area_m2": 0.0, "population": 1.0},
        "area_exponent": 1.0,
        "population_exponent": 1.0,
        "region_floor_share": {},
        "country_cap_share_soft": 1.0,
        "country_cap_share_hard": 1.0,
        "topk_cap_targets": {"top1": 1.0, "top5": 1.0, "top10": 1.0},
        "concentration_penalty_strength": 0.0,
    }
    return {**base, **changes}


def world(n=40, seed=0):
    rng = np.random.default_rng(seed)
    population = np.exp(rng.normal(10, 2, n))
    return np.ones(n), population, np.arange(n) % len(REGIONS)


def solve(p, n=40, seed=0):
    area, population, region = world(n, seed)
    return govern(area, population, region, REGIONS, p, "policy.yaml"), population, region


def test_without_constraints_shares_are_the_blend():
    mass, population, _ = solve(policy())
    assert np.allclose(mass.mass_share, population / population.sum(), rtol=1e-9)
    assert set(mass.binding) == {"none"}


def test_blend_worked_example():
    area = np.array([1.0, 3.0])
    people = np.array([9.0, 1.0])
    mix = {"uniform": 0.5, "area_m2": 0.25, "population": 0.25}
    mass = govern(area, people, np.array([0, 1]), REGIONS, policy(basis_mix=mix), "p")
    assert np.allclose(mass.raw_share, [0.25 + 0.0625 + 0.225, 0.25 + 0.1875 + 0.025])


def test_penalty_tempers_every_ratio():
    mass, population, _ = solve(policy(concentration_penalty_strength=1.0))
    tempered = np.sqrt(population)
    assert np.allclose(mass.mass_share, tempered / tempered.sum(), rtol=1e-9)


def test_hard_cap_holds_and_the_rest_keeps_proportion():
    p = policy(country_cap_share_soft=0.05, country_cap_share_hard=0.05)
    mass, population, _ = solve(p)
    free = mass.mass_share < 0.05 * (1 - 1e-9)
    ratio = mass.mass_share[free] / population[free]
    assert mass.mass_share.max() <= 0.05 * (1 + 1e-9)
    assert np.ptp(ratio) / ratio.mean() < 1e-9


def test_soft_cap_bends_smoothly():
    x = np.linspace(0, 0.5, 501)
    y = bend(x, 0.1, 0.2)
    assert (np.diff(y) > 0).all()
    assert np.allclose(y[x <= 0.1], x[x <= 0.1])
    assert y.max() < 0.2
    assert np.isclose(bend(np.array([0.1 + 1e-6]), 0.1, 0.2)[0], 0.1 + 1e-6, atol=1e-10)


def test_region_floor_is_met_exactly_and_inside_the_region_in_proportion():
    share = solve(policy())[0].diagnostics["region_share_vector"]
    poorest = min(share, key=share.get)
    mass, population, region = solve(policy(region_floor_share={poorest: share[poorest] + 0.2}))
    members = region == REGIONS.index(poorest)
    assert np.isclose(mass.mass_share[members].sum(), share[poorest] + 0.2)
    ratio = mass.mass_share[members] / population[members]
    assert np.ptp(ratio) / ratio.mean() < 1e-9
    assert mass.diagnostics["bound_regions"] == [poorest]


def test_floors_that_hold_everything_leave_other_regions_none():
    mass, _, region = solve(policy(region_floor_share={"Africa": 0.4, "Asia": 0.6}))
    held = np.bincount(region, weights=mass.mass_share)
    assert held == pytest.approx([0.4, 0.6, 0.0])
    assert (mass.mass_share[region == REGIONS.index("Europe")] == 0.0).all()


def test_topk_targets_hold_and_are_tight():
    targets = {"top1": 0.05, "top5": 0.09, "top10": 0.15}
    mass, _, _ = solve(policy(topk_cap_targets=targets))
    reached = {k: top_share(mass.mass_share, TOPS[k]) for k in targets}
    assert all(reached[k] <= targets[k] + 1e-9 for k in targets)
    assert min(targets[k] - reached[k] for k in targets) < 1e-6
    assert "topk" in mass.binding


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cap=st.floats(0.04, 0.5),
    softness=st.floats(0.3, 1.0),
    floors=st.tuples(*[st.floats(0.0, 0.3)] * 3),
    penalty=st.floats(0.0, 3.0),
)
def test_solution_obeys_every_constraint_or_is_refused(seed, cap, softness, floors, penalty):
    p = policy(
        country_cap_share_hard=cap,
        country_cap_share_soft=cap * softness,
        region_floor_share=dict(zip(REGIONS, floors, strict=True)),
        concentration_penalty_strength=penalty,
    )
    try:
        mass, _, region = solve(p, seed=seed)
    except StateError as error:
        if error.code not in ("E113", "E117"):
            raise
        return
    share = mass.mass_share
    assert np.isclose(share.sum(), 1.0)
    assert (share > 0).all()
    assert share.max() <= cap + 1e-9
    held = np.bincount(region, weights=share, minlength=3)
    assert (held >= np.array(floors) - 1e-9).all()


def test_stronger_penalty_never_raises_the_gini():
    values = [
        gini(solve(policy(concentration_penalty_strength=x))[0].mass_share)
        for x in (0.0, 0.2, 0.5, 1.0, 2.0)
    ]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"country_cap_share_hard": 0.01, "country_cap_share_soft": 0.01}, "E117"),
        (
            {
                "region_floor_share": {"Asia": 0.9},
                "country_cap_share_hard": 0.05,
                "country_cap_share_soft": 0.05,
            },
            "E113",
        ),
        ({"topk_cap_targets": {"top1": 0.01, "top5": 0.5, "top10": 0.6}}, "E112"),
        ({"topk_cap_targets": {"top1": 0.3, "top5": 0.2, "top10": 0.6}}, "E118"),
        (
            {
                "region_floor_share": {"Africa": 0.9},
                "topk_cap_targets": {"top1": 0.03, "top5": 0.06, "top10": 0.12},
            },
            "E114",
        ),
    ],
)
def test_contradictions_are_refused_by_name(changes, code):
    with pytest.raises(StateError) as caught:
        solve(policy(**changes))
    assert caught.value.code == code
    assert "policy.yaml" in str(caught.value)
