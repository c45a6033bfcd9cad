"""What the machine and a plain method need for the same rows.

* The *floor* of a state is the CPU time to read its inputs from Parquet, to sort as many 64-bit
  keys as it puts in order, and to write its outputs.
* The *pair by pair* law is largest remainder (Hamilton) over all tiles of the country for every
  (merchant, country) on its own: what S4 would be without joint allocation.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import countries
from scripts.contracts import dataset, read_dataset
from scripts.tables import read_parquet, row_count, write_parquet


@dataclass(frozen=True)
class Work:
    """What a state cannot do without: the tables of sites or pairs that it reads and writes.

    ``sorts`` are tables with as many rows as it puts in order.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sorts: tuple[str, ...] = ()


WORK: Mapping[str, Work] = {
    "s3_requirements": Work(
        ("outlet_catalogue", "s3_candidate_set"), ("s3_requirements",), ("s3_requirements",)
    ),
    "s4_guard": Work(
        ("s3_requirements", "s3_candidate_set"), ("s4_guarded_pairs",), ("s3_requirements",)
    ),
    "s4_alloc_plan": Work(
        ("s4_guarded_pairs", "tile_weights"), ("s4_alloc_plan",), ("s5_site_tile_assignment",)
    ),
    "s5_site_tile_assignment": Work(
        ("s4_alloc_plan",),
        ("s5_site_tile_assignment", "rng_event_site_tile_assign"),
        ("s5_site_tile_assignment",),
    ),
    "s6_site_jitter": Work(
        ("s5_site_tile_assignment",), ("s6_site_jitter", "rng_event_in_cell_jitter")
    ),
    "s7_site_synthesis": Work(
        ("outlet_catalogue", "s5_site_tile_assignment", "s6_site_jitter"), ("s7_site_synthesis",)
    ),
    "s8_site_locations": Work(("s7_site_synthesis",), ("site_locations",)),
    # S4's plan and S5's draws are made anew.
    "s9_validation": Work(
        (
            "outlet_catalogue",
            "s3_requirements",
            "tile_weights",
            "s4_alloc_plan",
            "s5_site_tile_assignment",
            "rng_event_site_tile_assign",
            "s6_site_jitter",
            "rng_event_in_cell_jitter",
            "s7_site_synthesis",
            "site_locations",
        ),
        (),
        ("s5_site_tile_assignment", "s5_site_tile_assignment"),
    ),
}


def floor(work: Work, files: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds of reading the inputs of a state, sorting as many 64-bit keys, and writing.

    Parameters
    ----------
    files
        Files of a finished run by dataset; what the state wrote is written again elsewhere.
    """
    read_s = sum(_cpu_seconds(functools.partial(read_parquet, files[name])) for name in work.reads)
    rows = [row_count(files[name]) for name in work.sorts]
    return {
        "read_s": read_s,
        "sort_s": sum(_sort_seconds(n) for n in rows),
        "write_s": sum(_write_seconds(name, files[name]) for name in work.writes),
    }


def _cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _sort_seconds(rows: int) -> float:
    keys = np.random.default_rng(0).integers(0, 1 << 63, rows)
    return _cpu_seconds(keys.sort)


def _write_seconds(dataset_id: str, path: str) -> float:
    table, fast = read_parquet(path), dataset(dataset_id).is_passed_on
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        again = Path(folder, "again.parquet")
        return _cpu_seconds(functools.partial(write_parquet, again, table, fast))


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
