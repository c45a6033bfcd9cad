import numpy as np

from scripts.ordering import distinct, rank_right


def test_distinct_is_what_unique_gives():
    values = np.random.default_rng(1).integers(0, 50, 300)
    assert np.array_equal(distinct(values), np.unique(values))
    assert len(distinct(values[:0])) == 0


def test_ranks_are_those_of_searchsorted():
    rng = np.random.default_rng(2)
    table = np.sort(rng.integers(0, 100, 40))
    values = rng.integers(-5, 110, 500)
    assert np.array_equal(rank_right(table, values), np.searchsorted(table, values, side="right"))
