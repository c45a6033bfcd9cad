"""Which shard each country belongs to.

Pairs, tiles, draws and polygons are the country's own, so a whole country is the unit of work: no
result depends on which countries share a shard. Every part works the division out from the sites by
country of the table that it reads, so no file says it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def shard_name(shard: int, shards: int) -> str:
    """Name of a shard, counted from 1: ``3-of-7``."""
    return f"{shard + 1}-of-{shards}"


def shard_names(shards: int) -> list[str]:
    """Names of all shards."""
    return [shard_name(shard, shards) for shard in range(shards)]


def balance(sites: I64, shards: int) -> I64:
    """Shard of every country, balanced by sites.

    The largest country first, ties by code, each to the shard that holds the fewest sites, ties to
    the first (longest processing time first; Graham, *SIAM J. Appl. Math.* 17, 1969): the fullest
    shard holds at most 4/3 of what the best division needs.

    Parameters
    ----------
    sites
        Sites by country code, shape (676,).
    shards
        Number of shards, at least 1.

    Returns
    -------
    Shard of every country code, shape (676,); countries without sites belong to the first.
    """
    shard = np.zeros(len(sites), dtype=np.int64)
    load = np.zeros(shards, dtype=np.int64)
    for code in np.argsort(-sites, kind="stable"):
        if sites[code] <= 0:
            break
        shard[code] = np.argmin(load)
        load[shard[code]] += sites[code]
    return shard


def members(sites: I64, name: str) -> npt.NDArray[np.bool_]:
    """Which country codes belong to the shard of a name, given sites by code; shape (676,)."""
    shard, shards = (int(part) for part in name.split("-of-"))
    return balance(sites, shards) == shard - 1
