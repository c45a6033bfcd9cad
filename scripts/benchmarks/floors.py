"""What the machine and a plain method need for the same rows.

* The *copy floor* of a state is the time to move the bytes of its site tables once, in and out, at
  the measured bandwidth of this machine's memory.
* The *sort floor* is the time of one sort of as many 64-bit keys.
* The *pair by pair* law is largest remainder (Hamilton) over all tiles of the country for every
  (merchant, country) on its own: what S4 would be without joint allocation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from scripts import countries
from scripts.contracts import read_dataset

_BYTES = 1 << 29
_REPEATS = 3
# Two letters and an offset, as Arrow holds them.
_COUNTRY_BYTES = 6
SITE_TABLES: Mapping[str, Sequence[str]] = {
    "s3_requirements": ("outlet_catalogue", "s3_requirements"),
    "s4_guard": ("s3_requirements", "s4_guarded_pairs"),
    "s4_alloc_plan": ("s4_guarded_pairs", "s4_alloc_plan"),
    "s5_site_tile_assignment": (
        "s4_alloc_plan",
        "s5_site_tile_assignment",
        "rng_event_site_tile_assign",
    ),
    "s6_site_jitter": ("s5_site_tile_assignment", "s6_site_jitter", "rng_event_in_cell_jitter"),
    "s7_site_synthesis": (
        "outlet_catalogue",
        "s5_site_tile_assignment",
        "s6_site_jitter",
        "s7_site_synthesis",
    ),
    "s8_site_locations": ("s7_site_synthesis", "site_locations"),
    "s9_validation": (
        "outlet_catalogue",
        "s3_requirements",
        "s4_alloc_plan",
        "s5_site_tile_assignment",
        "rng_event_site_tile_assign",
        "s6_site_jitter",
        "rng_event_in_cell_jitter",
        "s7_site_synthesis",
        "site_locations",
    ),
}


def copy_bandwidth() -> float:
    """Bytes a second that a copy in memory reads and writes, the best of a few."""
    source = np.ones(_BYTES // 8)
    target = np.empty_like(source)
    best = np.inf
    for _ in range(_REPEATS):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return 2 * _BYTES / best


def sort_seconds(rows: int) -> float:
    """Seconds of one sort of ``rows`` random 64-bit keys, the best of a few."""
    keys = np.random.default_rng(0).integers(0, 1 << 63, rows)
    best = np.inf
    for _ in range(_REPEATS):
        mine = keys.copy()
        start = time.perf_counter()
        mine.sort()
        best = min(best, time.perf_counter() - start)
    return best


def table_bytes(path: str | Path) -> int:
    """Bytes of a Parquet table's columns in memory."""
    file = pq.ParquetFile(path)
    widths: list[int] = []
    for field in file.schema_arrow:
        try:
            widths.append(max(1, int(field.type.bit_width) // 8))
        except ValueError:
            # WKB of a point takes 21 bytes and an offset; all other text is a country or short.
            widths.append(25 if field.name == "geometry" else _COUNTRY_BYTES)
    return int(file.metadata.num_rows) * sum(widths)


def pair_by_pair(
    requirements: str | Path, tile_weights: str | Path, seconds: float
) -> dict[str, Any]:
    """Time the pair-by-pair law on pairs in a random order until all are done or time is up.

    Returns
    -------
    ``pairs``, ``pairs_done``, ``sites_done`` and ``seconds``.
    """
    pairs = read_dataset("s3_requirements", requirements, ["legal_country_iso", "n_sites"])
    weights = read_dataset("tile_weights", tile_weights, ["country_iso", "weight_fp"])
    code = countries.encode(weights["country_iso"])
    weight = weights["weight_fp"].to_numpy()
    edges = np.searchsorted(code, np.arange(countries.CODES + 1))
    country, n_sites = countries.encode(pairs["legal_country_iso"]), pairs["n_sites"].to_numpy()
    order = np.random.default_rng(0).permutation(len(country))
    done = sites = 0
    start = time.perf_counter()
    for row in order:
        here = weight[edges[country[row]] : edges[country[row] + 1]].astype(np.float64)
        quota = here * (n_sites[row] / here.sum())
        count = np.floor(quota)
        left = int(n_sites[row] - count.sum())
        count[np.argsort(-(quota - count), kind="stable")[:left]] += 1
        done += 1
        sites += int(count.sum())
        if time.perf_counter() - start > seconds:
            break
    return {
        "pairs": len(order),
        "pairs_done": done,
        "sites_done": sites,
        "seconds": time.perf_counter() - start,
    }
