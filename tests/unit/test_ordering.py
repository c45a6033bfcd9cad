import numpy as np
import pytest

from scripts.ordering import distinct, in_order, is_among, rank_right


def test_distinct_is_what_unique_gives():
    values = np.random.default_rng(1).integers(0, 50, 300)
    assert np.array_equal(distinct(values), np.unique(values))
    assert len(distinct(values[:0])) == 0


def test_ranks_are_those_of_searchsorted():
    rng = np.random.default_rng(2)
    table = np.sort(rng.integers(0, 100, 40))
    values = rng.integers(-5, 110, 500)
    assert np.array_equal(rank_right(table, values), np.searchsorted(table, values, side="right"))


@pytest.mark.parametrize("size", [0, 1, 40])
def test_membership_is_that_of_isin(size):
    rng = np.random.default_rng(3)
    table = np.sort(rng.integers(0, 60, size))
    values = rng.integers(-5, 70, 200)
    assert np.array_equal(is_among(table, values), np.isin(values, table))


def test_rows_are_sorted_as_lexsort_does_and_only_when_they_are_not():
    rng = np.random.default_rng(4)
    keys = rng.integers(0, 6, (3, 200))
    order = in_order(*keys)
    assert np.array_equal(order, np.lexsort(keys[::-1]))
    for rows in (keys[:, order], keys[:, :1], keys[:, :0]):
        assert in_order(*rows) == slice(None)
    first_two = keys[:, np.lexsort(keys[1::-1])]
    assert in_order(*first_two[:2]) == slice(None)
    assert np.array_equal(in_order(*first_two), np.lexsort(first_two[::-1]))
