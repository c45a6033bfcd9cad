"""Which tables segment 1A has, and which of them an external producer supplies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

REQUIRED_TABLES = ("outlet_catalogue", "s3_candidate_set")
SCORED_TABLES = (
    "s3_integerised_counts",
    "s3_site_sequence",
    "sparse_flag",
    "merchant_abort_log",
    "hurdle_stationarity_tests",
)
ALL_TABLES = (*REQUIRED_TABLES, *SCORED_TABLES, "merchants", "rng_draw_log_1A")


def supplied_tables(root: str | Path, seeds: Iterable[int]) -> tuple[str, ...]:
    """Tables of an external world: the required ones, and others that every seed's folder holds."""
    folders = [Path(root) / f"seed={seed}" for seed in seeds]
    return tuple(
        name
        for name in ALL_TABLES
        if name in REQUIRED_TABLES or all((f / f"{name}.parquet").is_file() for f in folders)
    )
