"""Distributions by inversion, integer splits, priors and apportionment."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scripts.errors import UpstreamError
from scripts.upstream import laws
from scripts.upstream.prior import apportion, bounded_shares, eligible_facts, member_rows
from tests.upstream_world import facts, facts_table

TIERS = [{"max_outlets": 10, "share": 0.85}, {"share": 0.6}]


@pytest.mark.parametrize(("mu", "phi"), [(0.3, 12.0), (7.5, 12.0), (40.0, 3.0)])
def test_truncated_nb_is_the_conditional_distribution(mu, phi):
    mass = stats.nbinom.pmf(np.arange(3000), phi, phi / (phi + mu))
    mass[:2] = 0.0
    mass /= mass.sum()
    u = np.linspace(0.0005, 0.9995, 1999)
    drawn = laws.truncated_nb_quantile(u, np.full(len(u), mu), np.full(len(u), phi))
    np.testing.assert_array_equal(drawn, np.searchsorted(np.cumsum(mass), u))
    k = np.arange(3000)
    mean = mass @ k
    moments = laws.truncated_nb_moments(np.array([mu]), np.array([phi]))
    expected = (mean, mass @ (k - mean) ** 2, mass @ (k - mean) ** 4)
    np.testing.assert_allclose(np.ravel(moments), expected, rtol=1e-8)
    np.testing.assert_allclose(laws.truncated_nb_mean(np.array([mu]), np.array([phi])), mean)


def test_zero_truncated_poisson_worked_example():
    # P(1 | K >= 1) at rate 1 is exp(-1) / (1 - exp(-1)) = 0.58198.
    u = np.array([0.0001, 0.5819, 0.5821, 0.8729, 0.8731])
    assert laws.zero_truncated_poisson_quantile(u, np.ones(5)).tolist() == [1, 1, 2, 2, 3]


def test_quantiles_are_those_of_scipy_stats():
    rng = np.random.default_rng(3)
    u, mu, phi = (
        rng.uniform(size=20_000),
        rng.gamma(1.0, 60.0, 20_000) + 0.05,
        rng.gamma(2.0, 4.0, 20_000),
    )
    below = stats.nbinom.cdf(1, phi, phi / (phi + mu))
    expected = stats.nbinom.ppf(below + u * (1.0 - below), phi, phi / (phi + mu))
    np.testing.assert_array_equal(laws.truncated_nb_quantile(u, mu, phi), np.maximum(expected, 2))
    none = np.exp(-phi)
    expected = stats.poisson.ppf(none + u * (1.0 - none), phi)
    drawn = laws.zero_truncated_poisson_quantile(u, phi)
    np.testing.assert_array_equal(drawn, np.maximum(expected, 1))


def test_the_largest_uniform_draws_a_number():
    u, many = np.array([np.nextafter(1.0, 0.0)]), np.array([2000.0])
    assert 2000 < laws.truncated_nb_quantile(u, many, np.array([0.5]))[0] < 1e6
    assert 2000 < laws.zero_truncated_poisson_quantile(u, many)[0] < 1e4


def test_size_law_is_continuous_rising_and_capped():
    u = np.linspace(0.001, 0.9999, 5001)
    size = laws.size_ratio(u, 0.3, 0.1, 1.2, 8.0)
    assert (np.diff(size) >= 0).all()
    assert size.max() == 8.0
    assert laws.size_ratio(np.array([0.5]), 0.3, 0.1, 1.2, 8.0)[0] == pytest.approx(1.0)
    join = laws.size_ratio(np.array([0.9 - 1e-9, 0.9 + 1e-9]), 0.3, 0.1, 1.2, 8.0)
    assert join[0] == pytest.approx(join[1])


def test_lattice_points_do_not_move_when_the_stratum_grows():
    rotation = np.array([0.2, 0.4, 0.9])
    few = laws.stratified_points(rotation, np.full(3, 7), np.arange(1, 4))
    many = laws.stratified_points(rotation, np.full(50, 7), np.arange(1, 51))
    np.testing.assert_array_equal(few, many[:3])
    for column in many.T:
        assert np.histogram(column, bins=10, range=(0, 1))[0].min() >= 3


def test_top_k_worked_example_and_ties():
    segment = np.array([0, 0, 0, 1, 1])
    key = np.array([0.5, 2.0, 1.0, 3.0, 3.0])
    tie = np.array([1, 2, 3, 9, 4])
    chosen = laws.top_k(segment, key, tie, np.array([2, 2, 2, 1, 1]))
    assert chosen.tolist() == [False, True, True, False, True]


def test_largest_remainder_worked_example():
    segment = np.array([0, 0, 0, 1, 1])
    counts, rank = laws.split_by_largest_remainder(
        segment, np.array([1.0, 1.0, 2.0, 3.0, 1.0]), np.array([5, 2])
    )
    # Quotas 1.25 1.25 2.5 and 1.5 0.5: one unit is left in each; the tie goes to the first.
    assert counts.tolist() == [1, 1, 3, 2, 0]
    assert rank.tolist() == [2, 3, 1, 1, 2]


def test_home_floor_tiers():
    floor = laws.home_floor(np.array([1, 2, 7, 10, 11, 100]), TIERS)
    assert floor.tolist() == [1, 2, 6, 9, 7, 60]


def test_split_worked_example():
    # 10 outlets, home floor 6, two markets: shares 1 : 0.5 : 0.5 give 5 : 2.5 : 2.5; home is held
    # at 6, markets at 1, and the two outlets left follow the shortfalls 1.5 and 1.5.
    counts, _ = laws.split_home_and_foreign(
        np.zeros(3, int), np.array([False, True, False]), np.array([0.5, 1.0, 0.5]), *_one(10, 6)
    )
    assert counts.tolist() == [2, 6, 2]


def _one(*values):
    return [np.array([value]) for value in values]


@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.integers(0, 8), st.floats(0.01, 3.0)),
        min_size=1,
        max_size=20,
    )
)
def test_split_conserves_and_holds_its_floors(merchants):
    outlets = np.array([m[0] for m in merchants])
    floor = laws.home_floor(outlets, TIERS)
    foreign = np.minimum([m[1] for m in merchants], outlets - floor)
    owner = np.repeat(np.arange(len(outlets)), foreign + 1)
    home = laws.position_in_segment(owner) == 0
    weight = np.where(home, 1.0, np.array([m[2] for m in merchants])[owner])
    counts, rank = laws.split_home_and_foreign(owner, home, weight, outlets, floor)
    np.testing.assert_array_equal(np.bincount(owner, counts), outlets)
    assert (counts[home] >= floor).all()
    assert (counts >= 1).all()
    for merchant in range(len(outlets)):
        assert sorted(rank[owner == merchant]) == list(range(1, foreign[merchant] + 2))


@given(
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=40),
    st.integers(0, 3),
    st.integers(0, 2000),
)
def test_apportionment_meets_total_minimum_and_quota(weights, minimum, extra):
    shares = np.array(weights) / sum(weights)
    total = minimum * len(shares) + extra
    counts = apportion(shares, total, minimum)
    assert counts.sum() == total
    assert (counts >= minimum).all()
    above = counts > minimum
    if minimum == 0:
        assert (np.abs(counts - shares * total) < 1.0).all()
    elif above.any():
        assert (counts[above] <= np.ceil(shares[above] * total)).all()


def test_bounded_shares_hold_cap_and_floor():
    raw = np.array([50.0, 30.0, 10.0, 5.0, 5.0])
    region = ["A", "A", "B", "B", "C"]
    shares = bounded_shares(raw, region, {"C": 0.10}, 0.40, "policy")
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() == pytest.approx(0.40)
    assert shares[4] == pytest.approx(0.10)
    assert shares[1] / shares[2] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("floors", "cap", "rule"),
    [
        ({"B": 0.9}, 0.4, "exceeds its 2 markets"),
        ({"A": 0.7, "B": 0.7}, 0.4, "leave no room"),
        ({"Z": 0.1}, 0.4, "no market lies in"),
        ({}, 0.1, "leave no room"),
    ],
)
def test_impossible_bounds_are_refused(floors, cap, rule):
    raw = np.array([50.0, 30.0, 10.0, 5.0])
    with pytest.raises(UpstreamError, match=rule) as caught:
        bounded_shares(raw, ["A", "A", "B", "B"], floors, cap, "policy.yaml")
    assert caught.value.code == "EU02"


def test_facts_are_eligible_sorted_and_complete():
    kept = facts()
    assert kept.iso == sorted(kept.iso)
    assert (kept.population > 0).all()
    assert (kept.gdp_per_capita_usd > 0).all()
    table = facts_table()
    zeroed = table.column("gdp_per_capita_usd").to_pylist()
    row = table.column("country_iso").to_pylist().index("CH")
    zeroed[row] = 0.0
    number = table.column_names.index("gdp_per_capita_usd")
    filled = eligible_facts(table.set_column(number, "gdp_per_capita_usd", pa.array(zeroed)))
    peers = [
        value
        for iso, value, sub in zip(kept.iso, kept.gdp_per_capita_usd, kept.sub_region, strict=True)
        if sub == "Western Europe" and iso != "CH"
    ]
    assert filled.gdp_per_capita_usd[kept.iso.index("CH")] == np.median(peers)


def test_unknown_market_is_refused():
    with pytest.raises(UpstreamError, match="'XX' is not an eligible country") as caught:
        member_rows(facts(), ["CH", "XX"], "markets", "policy.yaml")
    assert caught.value.code == "EU01"
