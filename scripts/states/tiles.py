"""The tiles of S1 as arrays: their grid, their keys, and how much of each a country covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import dataset_blocks
from scripts.geo.grid import Grid
from scripts.policies import load_policy
from scripts.states.sites import country_codes

Codes = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_TILE_BITS = 40


def read_grid(path: str | Path) -> Grid:
    """Grid of the policy of S1."""
    return Grid(load_policy(path)["resolution_arcmin"])


def cell_keys(country: Codes, tile_id: npt.NDArray[np.uint64]) -> I64:
    """One integer per (country, tile) that sorts like both."""
    return (country.astype(np.int64) << _TILE_BITS) | tile_id.astype(np.int64)


def split_cell_keys(key: I64) -> tuple[Codes, I64]:
    """Country code and tile of cell keys."""
    return (key >> _TILE_BITS).astype(np.int16), key & ((1 << _TILE_BITS) - 1)


def used_cells(
    country: Codes, tile_id: npt.NDArray[np.uint64]
) -> tuple[I64, npt.NDArray[np.int32]]:
    """Distinct cell keys, ascending, and the cell of each row."""
    # Six times faster than np.unique with its inverse: only the distinct keys are sorted.
    found = pa.array(cell_keys(country, tile_id)).dictionary_encode()
    key = found.dictionary.to_numpy()
    order = np.argsort(key)
    rank = np.empty(len(key), dtype=np.int32)
    rank[order] = np.arange(len(key), dtype=np.int32)
    return key[order], rank[found.indices.to_numpy()]


def coverage_of(path: str | Path, key: I64) -> F64:
    """Covered fraction of cells, read from ``tile_index`` in blocks; NaN if it is not there.

    Parameters
    ----------
    path
        A ``tile_index`` file, sorted by country and tile.
    key
        Ascending cell keys, shape (c,).
    """
    found = np.full(len(key), np.nan)
    columns = ["country_iso", "tile_id", "coverage_fraction"]
    for table in dataset_blocks("tile_index", path, columns):
        country = country_codes(table.column("country_iso"), path)
        there = cell_keys(country, table.column("tile_id").to_numpy())
        if not len(there):
            continue
        start, stop = np.searchsorted(key, there[0]), np.searchsorted(key, there[-1], "right")
        at = np.searchsorted(there, key[start:stop])
        hit = there[at] == key[start:stop]
        fraction = table.column("coverage_fraction").to_numpy()
        found[start:stop][hit] = fraction[at[hit]]
    return found
