"""One density for every map, so that a verdict does not depend on how many sites a map has.

A denser map has fewer lone sites and nearer neighbours whatever its law. T1 to T4 and T7 are
therefore measured at the reference density: the mean number of sites that the published release of
35 thousand has in each country. A country with more is thinned to it at random, which keeps a
map's law (an independent thinning of a Cox process is the same process at a lower intensity:
Cressie 1993, section 8.5.5); with enough sites it is thinned several times into maps that share no
site, and their mean is taken. A country with fewer is measured as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scripts.geo.metrics import THINNING_NAMESPACE, Sites
from scripts.randomness import counters, family_key, philox4x64

MAPS_AT_MOST = 32


def thinning_rank(sites: Sites, seed: int) -> npt.NDArray[np.uint64]:
    """Keyed rank of every site, shape (n,), of (seed, merchant, country, order) alone."""
    words = counters(sites.merchant, sites.country, sites.order)
    return philox4x64(words, family_key(seed, THINNING_NAMESPACE))[:, 0]


def disjoint_maps(rank: npt.NDArray[np.uint64], size: int) -> list[npt.NDArray[np.int64]]:
    """Rows of up to 32 thinned maps of ``size`` sites that share none, by rising rank.

    Parameters
    ----------
    rank
        Keyed ranks of the sites of one country, shape (n,).
    size
        Sites of each map; none for zero. Fewer sites than that are one map.
    """
    if size <= 0:
        return []
    if len(rank) <= size:
        return [np.arange(len(rank))]
    maps = min(len(rank) // size, MAPS_AT_MOST)
    order = np.argsort(rank, kind="stable")
    return [order[i * size : (i + 1) * size] for i in range(maps)]
