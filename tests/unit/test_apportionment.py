import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.apportionment import largest_remainder


def test_worked_example_of_two_groups():
    quota = np.array([2.6, 1.3, 1.1, 0.5, 0.5])
    counts, rank, left = largest_remainder(quota, np.array([0, 0, 0, 1, 1]), np.array([5, 1]))
    assert counts.tolist() == [3, 1, 1, 1, 0]
    assert rank.tolist() == [0, 1, 2, 0, 1]
    assert left.tolist() == [1, 1]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(0, 100), min_size=1, max_size=20).filter(lambda w: sum(w) > 1e-6),
            st.integers(0, 1000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_sums_are_exact_and_counts_next_to_their_quota(groups):
    weights = [np.array(w) for w, _ in groups]
    totals = np.array([t for _, t in groups])
    quota = np.concatenate([t * w / w.sum() for w, t in zip(weights, totals, strict=True)])
    group = np.repeat(np.arange(len(groups)), [len(w) for w in weights])
    counts, _, _ = largest_remainder(quota, group, totals)
    assert (np.bincount(group, weights=counts, minlength=len(groups)) == totals).all()
    assert (np.abs(counts - quota) <= 1 + 1e-9).all()


def test_noise_does_not_break_ties():
    quota = np.array([0.5 - 1e-13, 0.5])
    counts, _, _ = largest_remainder(quota, np.array([0, 0]), np.array([1]))
    assert counts.tolist() == [1, 0]
