"""The sites of all parts in one order, in bounded memory.

Parts hold disjoint sets of countries and are each sorted by (merchant, country, site). What lies
below the least of the merchants that the parts were read up to is complete: it is put in order and
handed on, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts.states.sites import SiteKeys, read_site_blocks

F64 = npt.NDArray[np.float64]
# Rows of a row group of a part, so small that many parts can be open at once.
PART_ROWS = 1 << 16


@dataclass(frozen=True)
class LocatedSites:
    """Sites and their coordinates, degrees; shape (n,)."""

    sites: SiteKeys
    lon: F64
    lat: F64

    def __len__(self) -> int:
        return len(self.lon)

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> LocatedSites:
        return LocatedSites(self.sites[rows], self.lon[rows], self.lat[rows])


def join(parts: Sequence[LocatedSites]) -> LocatedSites:
    """One after another; at least one."""
    keys = (
        np.concatenate([getattr(part.sites, name) for part in parts])
        for name in ("merchant", "country", "order")
    )
    lon, lat = (np.concatenate([getattr(part, name) for part in parts]) for name in ("lon", "lat"))
    return LocatedSites(SiteKeys(*keys), lon, lat)


class _Part:
    """One part, with the rows that were read and not yet handed on."""

    def __init__(self, path: str, rows: int) -> None:
        self._blocks = read_site_blocks("s7_site_synthesis", path, ("lon_deg", "lat_deg"), rows)
        self.held: LocatedSites | None = None
        self.ended = False

    def fill(self) -> bool:
        """Hold rows of two merchants, or all that are left; False when none are."""
        while not self.ended and (self.held is None or self._first() == self.last()):
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            elif len(block[0]):
                sites, columns = block
                read = LocatedSites(sites, columns["lon_deg"], columns["lat_deg"])
                self.held = read if self.held is None else join([self.held, read])
        return self.held is not None

    def _first(self) -> int:
        assert self.held is not None
        return int(self.held.sites.merchant[0])

    def last(self) -> int:
        """Last merchant held."""
        assert self.held is not None
        return int(self.held.sites.merchant[-1])

    def take(self, bound: int | None) -> LocatedSites:
        """Hand on what lies below a merchant, or everything."""
        assert self.held is not None
        held = self.held
        end = len(held)
        if bound is not None:
            end = int(np.searchsorted(held.sites.merchant, np.uint64(bound)))
        self.held = held[end:] if end < len(held) else None
        return held[:end]


def merged_sites(paths: Sequence[str], rows: int = PART_ROWS) -> Iterator[LocatedSites]:
    """Sites of all parts of S7 in the order of the whole.

    Parameters
    ----------
    paths
        The parts; no country is in two of them.
    rows
        Rows to read of a part at a time.
    """
    parts = [_Part(path, rows) for path in paths]
    while parts := [part for part in parts if part.fill()]:
        bound = min((part.last() for part in parts if not part.ended), default=None)
        taken = [part.take(bound) for part in parts]
        block = join(taken)
        if len(taken) > 1:
            block = block[np.lexsort((block.sites.country, block.sites.merchant))]
        yield block
