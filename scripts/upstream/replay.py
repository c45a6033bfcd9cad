"""The published tables of a builtin world against the chain run again, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from scripts.tables import read_parquet
from scripts.upstream.egress import Summary, merchant_rows
from scripts.upstream.generator import Blueprint
from scripts.upstream.stored import Rows, same_values

MERCHANTS_EACH = 1 << 14


def _same(stored: pa.Table, made: pa.Table) -> bool:
    """Whether a stored table holds what was made."""
    return stored.column_names == made.column_names and all(
        map(same_values, stored.columns, made.columns)
    )


def replay(
    files: Mapping[str, str], blueprint: Blueprint, merchants_each: int = MERCHANTS_EACH
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the chain again from its keys.

    Parameters
    ----------
    files
        Published tables by dataset id, all of a builtin world's.
    blueprint
        The world that they should be.
    merchants_each
        Merchants in memory at a time; neither answer depends on it.

    Returns
    -------
    The verdict (``passed``, the tables that are ``different``) and the accounting of the draws.
    """
    stored: dict[str, Rows] = {}
    different: set[str] = set()
    summary = Summary(blueprint.facts)
    for world in blueprint.worlds(merchants_each):
        rows = merchant_rows(world)
        for name, table in rows.items():
            if name not in stored:
                stored[name] = Rows(files[name])
            if not _same(stored[name].take(table.num_rows), table):
                different.add(name)
        summary.add(world, rows["outlet_catalogue"])
    different |= {name for name, left in stored.items() if left.take(1).num_rows}
    for name, table in summary.tables(blueprint.merchants, blueprint.policy).items():
        if not read_parquet(files[name]).equals(table):
            different.add(name)
    verdict = {
        "passed": not different,
        "different": sorted(different),
        "tables": len(files),
    }
    return verdict, summary.accounting(blueprint.policy, blueprint.seed)
