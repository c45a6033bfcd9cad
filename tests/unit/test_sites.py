"""Sites of pairs added up, and columns put together from blocks."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.states.pair_counts import (
    PairCounts,
    sum_pairs,
)
from scripts.states.pair_kernels import find_pairs
from scripts.states.sites import ColumnFiller

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(-3, 3)), max_size=12)


@given(st.lists(PAIRS, max_size=4))
def test_pairs_add_up_whatever_their_order_and_zero_is_no_pair(parts):
    wanted = Counter()
    for merchant, country, n in (row for part in parts for row in part):
        wanted[merchant << 60, country] += n
    total = sum_pairs(
        [
            PairCounts(
                np.array([m << 60 for m, _, _ in part], dtype=np.uint64),
                np.array([c for _, c, _ in part], dtype=np.int16),
                np.array([n for _, _, n in part], dtype=np.int64),
            )
            for part in parts
        ]
    )
    found = zip(total.merchant.tolist(), total.country.tolist(), strict=True)
    assert list(zip(found, total.n_sites.tolist(), strict=True)) == sorted(
        (pair, n) for pair, n in wanted.items() if n
    )


KEYS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12)


@given(KEYS, KEYS)
def test_pairs_are_found_among_others_of_rising_merchants(pairs, others):
    pairs.sort(key=lambda pair: pair[0])
    others.sort(key=lambda pair: pair[0])
    columns = [
        np.array([pair[i] for pair in side], dtype=kind)
        for side in (pairs, others)
        for i, kind in enumerate((np.uint64, np.int16))
    ]
    found = np.empty(len(pairs), dtype=bool)
    find_pairs(*columns, found)
    assert found.tolist() == [pair in others for pair in pairs]


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.5, 4.0], [1.0, np.nan, 3, 4]]
)
def test_a_column_is_what_its_blocks_held_and_no_copy_of_what_it_repeats(values):
    like = np.array([1.0, 2.0, 3.0, 4.0])
    filler = ColumnFiller(4, np.float64, like)
    for rows in (slice(0, 2), slice(2, 3), slice(3, 4)):
        filler.add(np.array(values[rows]))
    made = filler.result()
    np.testing.assert_array_equal(made, values)
    assert (made is like) == (values == like.tolist())
    assert like.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_column_of_another_length_is_its_own():
    filler = ColumnFiller(2, np.int16, np.array([1, 2, 3], dtype=np.int16))
    filler.add(np.array([1, 2], dtype=np.int16))
    assert filler.result().tolist() == [1, 2]
