"""Which shard each country belongs to.

Pairs, tiles, draws and polygons are the country's own, so a whole country is the unit of work: no
result depends on which countries share a shard.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import read_object

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


def plan_document(sites: I64, shards: int) -> dict[str, Any]:
    """The plan as it is published: sites and countries of every shard."""
    shard = balance(sites, shards)
    entries = {}
    for index, name in enumerate(shard_names(shards)):
        codes = np.flatnonzero((shard == index) & (sites > 0))
        entries[name] = {
            "countries": [countries.decode_one(int(code)) for code in codes],
            "sites": int(sites[codes].sum()),
        }
    return {"shards": shards, "sites_total": int(sites.sum()), "plan": entries}


def members(path: str, name: str) -> npt.NDArray[np.bool_]:
    """Which country codes belong to a shard of a published plan; shape (676,)."""
    mine = np.zeros(countries.CODES, dtype=bool)
    for iso in read_object("s4_shard_plan", path)["plan"][name]["countries"]:
        mine[countries.encode_one(iso)] = True
    return mine
