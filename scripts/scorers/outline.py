"""What a scorecard takes from a map of any size in one pass: counts, and the sites of low rank.

Every measure of thinned maps looks at the sites of the lowest keyed ranks alone, so these stand for
the whole map, however large it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import dataset_blocks
from scripts.geo.collapse import sites_judged
from scripts.geo.metrics import IntArray, Map, Sites, country_counts, sites_of
from scripts.geo.people import Points
from scripts.geo.thinning import NEIGHBOUR_MAPS_AT_MOST, Lowest, Rank, thinning_rank
from scripts.scorers.bootstrap import Pairs, pairs_of
from scripts.scorers.fidelity import AUC_SITES_MAX
from scripts.tables import whole_merchants

_COLUMNS = ("merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg")
_ROWS = 1 << 19


@dataclass(frozen=True)
class StoredSites:
    """Sites of an egress file, sorted by merchant, without their geometry."""

    path: str

    def blocks(self) -> Iterator[Sites]:
        """See :class:`Map`."""
        for table in whole_merchants(dataset_blocks("site_locations", self.path, _COLUMNS, _ROWS)):
            yield sites_of(table)


@dataclass(frozen=True)
class Outline:
    """A map as far as it is measured by its counts and its sites of low rank.

    ``counts`` of sites by country code, shape (676,), ``south`` of the equator; ``pairs`` of
    merchant and country; ``merchant`` ids, rising; ``sites`` of the lowest ranks, and their
    ``rank``.
    """

    counts: IntArray
    south: int
    pairs: Pairs
    merchant: npt.NDArray[np.uint64]
    sites: Sites
    rank: Rank


def outline_of(sites: Map, seed: int, points: Points, reference_sites: int) -> Outline:
    """Outline of a map, with what the collapse sentinel, thinned maps and samples are made of."""
    every = np.full(countries.CODES, np.iinfo(np.int64).max)
    lowest = Lowest(most_kept(reference_sites), sites_judged(every, points))
    counts, south, pairs = np.zeros(countries.CODES, dtype=np.int64), 0, []
    for block in sites.blocks():
        counts += country_counts(block.country)
        south += int((block.lat < 0.0).sum())
        pairs.append(pairs_of(block))
        lowest.add(block, thinning_rank(block, seed))
    columns = zip(*(vars(part).values() for part in pairs), strict=True)
    joined = Pairs(*map(np.concatenate, columns))
    return Outline(counts, south, joined, np.unique(joined.merchant), *lowest.result())


def most_kept(reference_sites: int) -> int:
    """Sites that thinned maps and samples are made of."""
    return max(NEIGHBOUR_MAPS_AT_MOST * reference_sites, AUC_SITES_MAX)


def lowest_sites(sites: Map, seed: int, most: int) -> Sites:
    """Sites of the lowest ranks of a map."""
    lowest = Lowest(most)
    for block in sites.blocks():
        lowest.add(block, thinning_rank(block, seed))
    return lowest.result()[0]
