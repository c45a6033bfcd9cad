"""Groups of countries: the partition that S4 to S9 work by.

Pairs, tiles, draws and polygons are a country's own, so a whole country is the unit of work and no
result depends on which countries share a group. The division follows from the sites by country
behind S4's guard; every part works it out for itself, and no file holds it. A part is named by its
group: ``3-of-7``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import arrow_schema, dataset_blocks
from scripts.states.sites import array_type, country_codes
from scripts.tables import row_count

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def part_names(groups: int) -> list[str]:
    """Names of all parts, counted from 1."""
    return [f"{group}-of-{groups}" for group in range(1, groups + 1)]


def group_of(part: str) -> tuple[int, int]:
    """Group of a part, counted from 0, and the number of groups."""
    group, groups = part.split("-of-")
    return int(group) - 1, int(groups)


def balance(sites: I64, groups: int) -> I64:
    """Group of every country, balanced by sites.

    The largest country first, ties by code, each to the group that holds the fewest sites, ties to
    the first (longest processing time first; Graham, *SIAM J. Appl. Math.* 17, 1969): the fullest
    group holds at most 4/3 of what the best division needs.

    Parameters
    ----------
    sites
        Sites by country code, shape (676,).
    groups
        Number of groups, at least 1.

    Returns
    -------
    Group of every country code, shape (676,); countries without sites belong to the first, which
    is empty only when all are.
    """
    group = np.zeros(len(sites), dtype=np.int64)
    load = np.zeros(groups, dtype=np.int64)
    for code in np.argsort(-sites, kind="stable"):
        if sites[code] <= 0:
            break
        group[code] = np.argmin(load)
        load[group[code]] += sites[code]
    return group


def members(sites: Mapping[str, int], part: str) -> Mask:
    """Which country codes belong to a part, given sites by country; shape (676,)."""
    by_code = np.zeros(countries.CODES, dtype=np.int64)
    for iso, n_sites in sites.items():
        by_code[countries.encode_one(iso)] = n_sites
    group, groups = group_of(part)
    mine: Mask = balance(by_code, groups) == group
    return mine


def read_members(
    dataset_id: str, path: str | Path, mine: Mask, names: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """Columns of a part's rows: countries as codes, other columns as numbers.

    Parameters
    ----------
    dataset_id, path
        A table of all countries.
    mine
        From :func:`members`.
    names
        Columns wanted, the country first.
    """
    schema = arrow_schema(dataset_id)
    columns = [np.empty(row_count(path), array_type(schema.field(name))) for name in names]
    rows = 0
    for table in dataset_blocks(dataset_id, path, names):
        code = country_codes(table.column(names[0]), path)
        kept = mine[code]
        before, rows = rows, rows + int(np.count_nonzero(kept))
        block = [code, *(table.column(name).to_numpy() for name in names[1:])]
        for column, values in zip(columns, block, strict=True):
            column[before:rows] = values if kept.all() else values[kept]
    return {name: column[:rows] for name, column in zip(names, columns, strict=True)}
