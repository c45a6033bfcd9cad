"""The published tables of a builtin world against the chain run again, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.tables import read_parquet, readable, row_blocks
from scripts.upstream.egress import Summary, merchant_rows
from scripts.upstream.generator import Blueprint

MERCHANTS_EACH = 1 << 14
_ROWS = 1 << 16


class StoredTables(Mapping[str, pa.Table]):
    """Tables on the disk by dataset id; each look-up reads one, and nothing is kept."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)

    def __getitem__(self, name: str) -> pa.Table:
        return read_parquet(self._files[name])

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _Rows:
    """Rows of a file, taken in order."""

    def __init__(self, path: str) -> None:
        self._path = path
        with readable(path):
            file = pq.ParquetFile(path)
        self._blocks = row_blocks(file, _ROWS)
        self._held = file.schema_arrow.empty_table()

    def take(self, rows: int) -> pa.Table:
        """The next rows; fewer at the end."""
        while self._held.num_rows < rows:
            with readable(self._path):
                block = next(self._blocks, None)
            if block is None:
                break
            self._held = pa.concat_tables([self._held, block])
        taken, self._held = self._held.slice(0, rows), self._held.slice(rows)
        return taken


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
    stored: dict[str, _Rows] = {}
    different: set[str] = set()
    summary = Summary(blueprint.facts)
    for world in blueprint.worlds(merchants_each):
        rows = merchant_rows(world)
        for name, table in rows.items():
            part = stored.setdefault(name, _Rows(files[name])).take(table.num_rows)
            if not part.equals(table):
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
