from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import StateError
from scripts.ordering import run_starts
from scripts.randomness import keyed_uniforms
from scripts.states.s5_site_tile_assignment import Plan, assign, draw_order, require_plan

NAMESPACE = "test.s5"


def plan_of(rows):
    merchant, country, tile, n = zip(*sorted(rows), strict=True)
    return Plan(
        np.array(merchant, dtype=np.uint64),
        np.array(country, dtype=np.int16),
        np.array(tile, dtype=np.uint64),
        np.array(n, dtype=np.int64),
    )


def rows_of(plan, rows):
    return Plan(plan.merchant[rows], plan.country[rows], plan.tile_id[rows], plan.n_sites[rows])


plans = st.dictionaries(
    st.tuples(st.integers(1, 2**64 - 1), st.integers(0, 675), st.integers(0, 2**34)),
    st.integers(1, 6),
    min_size=1,
    max_size=40,
).map(lambda d: plan_of([(*key, n) for key, n in d.items()]))


def test_worked_example():
    plan = plan_of([(7, 3, 10, 2), (7, 3, 40, 1)])
    made = assign(plan, seed=1, namespace=NAMESPACE)
    u = keyed_uniforms(1, NAMESPACE, [7, 7, 7], 3, [1, 2, 3])[:, 0]
    assert made.u.tolist() == u.tolist()
    expected = np.empty(3, dtype=np.uint64)
    expected[np.argsort(u)] = [10, 10, 40]
    assert made.tile_id.tolist() == expected.tolist()
    assert made.sites.order.tolist() == [1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(plans, st.integers(0, 2**32))
def test_quotas_are_kept_and_orders_are_contiguous(plan, seed):
    made = assign(plan, seed, NAMESPACE)
    rows = np.rec.fromarrays([made.sites.merchant, made.sites.country, made.tile_id])
    found, n = np.unique(rows, return_counts=True)
    keys = (plan.merchant.tolist(), plan.country.tolist(), plan.tile_id.tolist())
    assert found.tolist() == list(zip(*keys, strict=True))
    assert n.tolist() == plan.n_sites.tolist()
    pair = np.rec.fromarrays([made.sites.merchant, made.sites.country])
    for key in np.unique(pair):
        order = made.sites.order[pair == key]
        assert order.tolist() == list(range(1, len(order) + 1))


def test_another_merchant_moves_nobody():
    few = plan_of([(5, 1, k, 2) for k in range(20)])
    more = plan_of([(5, 1, k, 2) for k in range(20)] + [(2, 1, k, 3) for k in range(9)])
    made, with_more = assign(few, 9, NAMESPACE), assign(more, 9, NAMESPACE)
    mine = with_more.sites.merchant == 5
    assert with_more.tile_id[mine].tolist() == made.tile_id.tolist()
    assert with_more.u[mine].tolist() == made.u.tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=300),
)
def test_draw_order_is_the_full_sort(rows):
    pair = np.sort(np.array([p for p, _ in rows], dtype=np.int64))
    u = (np.array([k for _, k in rows], dtype=np.float64) + 0.5) * 2.0**-53
    assert draw_order(run_starts(pair), u).tolist() == np.lexsort((u, pair)).tolist()


def test_every_arrangement_is_as_likely():
    merchants = np.arange(1, 6001, dtype=np.uint64)
    plan = Plan(
        np.repeat(merchants, 3),
        np.zeros(18000, dtype=np.int16),
        np.tile(np.array([1, 2, 3], dtype=np.uint64), 6000),
        np.ones(18000, dtype=np.int64),
    )
    made = assign(plan, 3, NAMESPACE)
    _, counts = np.unique(made.tile_id.reshape(-1, 3), axis=0, return_counts=True)
    assert len(counts) == 6
    assert ((counts - 1000.0) ** 2 / 1000.0).sum() < 20.5  # chi-square, 5 degrees, p = 0.001


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda p: rows_of(p, slice(0)), "E501"),
        (lambda p: replace(p, n_sites=p.n_sites * 0), "E503"),
        (lambda p: rows_of(p, slice(None, None, -1)), "E509"),
        (lambda p: rows_of(p, [0, 0]), "E509"),
    ],
)
def test_bad_plans_are_refused(change, code):
    plan = change(plan_of([(1, 1, 1, 1), (1, 1, 2, 1), (2, 1, 1, 1)]))
    with pytest.raises(StateError) as caught:
        require_plan(plan, "plan.parquet")
    assert caught.value.code == code


def test_only_the_first_part_must_hold_a_site():
    require_plan(rows_of(plan_of([(1, 1, 1, 1)]), slice(0)), "plan.parquet", may_be_empty=True)
