"""Sums over pairs of merchant and country: compiled loops of :mod:`scripts.states.pair_counts`."""

from typing import Any

import numpy as np

from scripts.compiled import compiled

_PAIRS = "u8[::1], i2[::1], i8[::1]"


@compiled(f"i8({_PAIRS}, {_PAIRS}, {_PAIRS})")
def add_pairs(
    merchant_a: Any,
    country_a: Any,
    n_a: Any,
    merchant_b: Any,
    country_b: Any,
    n_b: Any,
    merchant: Any,
    country: Any,
    n_sites: Any,
) -> Any:
    """Merge two lists of pairs, each rising and without repeats, into the last three arrays.

    Sums of zero are left out; returns how many pairs there are.
    """
    a, b, made = 0, 0, 0
    while a < len(n_a) or b < len(n_b):
        first = b == len(n_b)
        second = a == len(n_a)
        if not first and not second:
            rises = merchant_a[a] < merchant_b[b]
            falls = merchant_b[b] < merchant_a[a]
            first = rises or (not falls and country_a[a] <= country_b[b])
            second = falls or (not rises and country_b[b] <= country_a[a])
        total = np.int64(0)
        if first:
            merchant[made], country[made] = merchant_a[a], country_a[a]
            total += n_a[a]
            a += 1
        if second:
            merchant[made], country[made] = merchant_b[b], country_b[b]
            total += n_b[b]
            b += 1
        n_sites[made] = total
        made += total != 0
    return made


@compiled("void(u8[::1], i2[::1], u8[::1], i2[::1], b1[::1])")
def find_pairs(merchant: Any, country: Any, of_merchant: Any, of_country: Any, found: Any) -> None:
    """Which pairs are among others, both by rising merchant, into ``found``."""
    first = 0
    for i in range(len(merchant)):
        while first < len(of_merchant) and of_merchant[first] < merchant[i]:
            first += 1
        at = first
        while (
            at < len(of_merchant)
            and of_merchant[at] == merchant[i]
            and of_country[at] != country[i]
        ):
            at += 1
        found[i] = at < len(of_merchant) and of_merchant[at] == merchant[i]
