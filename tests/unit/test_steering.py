from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import countries
from scripts.states.pairs import Candidates, Pairs
from scripts.states.steering import steer

FR, DE, KE, BR = (countries.encode_one(c) for c in ("FR", "DE", "KE", "BR"))


def levels(**targets):
    out = np.zeros(countries.CODES)
    for iso, value in targets.items():
        out[countries.encode_one(iso)] = value
    return out


def pairs_of(rows):
    merchant, country, n = (np.array(c, dtype=np.int64) for c in zip(*sorted(rows), strict=True))
    return Pairs(merchant, country, n)


def counts_of(pairs):
    return Counter(
        dict(zip(zip(pairs.merchant, pairs.country, strict=True), pairs.n_sites, strict=True))
    )


def replayed(pairs, moves, sign):
    """Pairs after the moves, or before them."""
    counts = counts_of(pairs)
    for m, a, b, n in zip(moves.merchant, moves.source, moves.target, moves.n_sites, strict=True):
        counts[m, a] -= sign * n
        counts[m, b] += sign * n
    return +counts


def candidates_of(rows):
    merchant, rank, country = (np.array(c, dtype=np.int64) for c in zip(*sorted(rows), strict=True))
    return Candidates(merchant, country, rank)


def test_marginal_sites_go_to_the_best_ranked_country_below_target():
    pairs = pairs_of([(0, FR, 10), (0, DE, 2)])
    candidates = candidates_of([(0, 0, FR), (0, 1, DE), (0, 2, KE), (0, 3, BR)])
    target = levels(FR=6, DE=2, KE=3, BR=9)
    after, moves = steer(pairs, candidates, np.array([FR]), target, target, 100, 100)
    got = dict(zip(after.country.tolist(), after.n_sites.tolist(), strict=True))
    assert got == {FR: 6, DE: 2, KE: 3, BR: 1}
    assert moves.total == 4


def test_a_pair_keeps_its_last_site_and_a_merchant_without_candidates_keeps_all():
    pairs = pairs_of([(0, FR, 3), (1, FR, 5)])
    candidates = candidates_of([(0, 0, FR), (0, 1, KE)])
    after, _ = steer(pairs, candidates, np.array([FR, -1]), levels(), levels(KE=99), 100, 100)
    rows = dict(zip(zip(after.merchant, after.country, strict=True), after.n_sites, strict=True))
    assert rows == {(0, FR): 1, (0, KE): 2, (1, FR): 5}


def test_budget_and_abroad_bound_the_moves():
    pairs = pairs_of([(0, FR, 50)])
    candidates = candidates_of([(0, 0, FR), (0, 1, KE)])
    args = (pairs, candidates, np.array([FR]), levels(), levels(KE=99))
    assert steer(*args, 7, 100)[1].total == 7
    assert steer(*args, 100, 9)[1].total == 9
    assert steer(*args, 0, 100)[1].total == 0


def test_sites_of_a_merchant_without_a_home_are_not_abroad():
    pairs = pairs_of([(0, FR, 50), (1, FR, 50)])
    candidates = candidates_of([(0, 0, FR), (0, 1, KE)])
    _, moves = steer(pairs, candidates, np.array([FR, -1]), levels(), levels(KE=99), 100, 9)
    assert moves.total == 9


def test_order_decides_who_gives_first():
    pairs = pairs_of([(0, FR, 10), (1, FR, 4)])
    candidates = candidates_of([(0, 0, FR), (0, 1, KE), (1, 0, FR), (1, 1, KE)])
    homes = np.array([FR, FR])
    target = levels(FR=13, KE=1)
    large, _ = steer(pairs, candidates, homes, target, target, 9, 9, largest_first=True)
    small, _ = steer(pairs, candidates, homes, target, target, 9, 9, largest_first=False)
    assert large.n_sites.tolist() != small.n_sites.tolist()
    assert large.merchant[large.country == KE].tolist() == [0]
    assert small.merchant[small.country == KE].tolist() == [1]


@st.composite
def worlds(draw):
    merchants = draw(st.integers(1, 12))
    codes = [FR, DE, KE, BR]
    rows, candidates = [], []
    for m in range(merchants):
        order = draw(st.permutations(codes))
        rows.append((m, order[0], draw(st.integers(1, 40))))
        if draw(st.booleans()):
            rows.append((m, order[1], draw(st.integers(1, 10))))
        candidates += [(m, rank, c) for rank, c in enumerate(order)]
    target = {c: draw(st.integers(0, 200)) for c in ("FR", "DE", "KE", "BR")}
    budget, abroad = draw(st.integers(0, 300)), draw(st.integers(0, 300))
    return rows, candidates, levels(**target), budget, abroad


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_steering_conserves_and_stays_in_bounds(world):
    rows, candidate_rows, target, budget, abroad = world
    pairs, candidates = pairs_of(rows), candidates_of(candidate_rows)
    homes = candidates.country[candidates.rank == 0]
    after, moves = steer(pairs, candidates, homes, target, target, budget, abroad)
    merchants = len(homes)
    total = np.bincount(pairs.merchant, weights=pairs.n_sites, minlength=merchants)
    assert (np.bincount(after.merchant, weights=after.n_sites, minlength=merchants) == total).all()
    assert moves.total <= budget
    before_abroad = pairs.n_sites[pairs.country != homes[pairs.merchant]].sum()
    after_abroad = after.n_sites[after.country != homes[after.merchant]].sum()
    assert after_abroad <= max(abroad, before_abroad)
    held = {(m, c) for m, c in zip(after.merchant.tolist(), after.country.tolist(), strict=True)}
    assert {(m, c) for m, c, _ in rows} <= held
    counts = np.bincount(pairs.country, weights=pairs.n_sites, minlength=countries.CODES)
    new = np.bincount(after.country, weights=after.n_sites, minlength=countries.CODES)
    assert (np.abs(new - target) <= np.abs(counts - target)).all()
    assert replayed(pairs, moves, 1) == counts_of(after)
    assert replayed(after, moves, -1) == counts_of(pairs)
