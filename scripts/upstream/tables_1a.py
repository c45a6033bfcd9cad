"""Which tables segment 1A has, which an external producer supplies, what decides a builtin one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from scripts.errors import ContractError, UpstreamError
from scripts.records.ledger import by_name
from scripts.tables import row_count

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


def delivered_files(root: str | Path, seeds: Iterable[int]) -> dict[int, list[str]]:
    """Files of an external world by seed: its tables, and all of its validation bundle.

    Raises
    ------
    UpstreamError
        ``EU19`` naming a table that is not there or no Parquet, or an index or flag that is absent.
    """
    seeds = list(seeds)
    tables = [f"{name}.parquet" for name in supplied_tables(root, seeds)]
    bundle = ("index.json", "egress_checksums.json", "_passed.flag")
    files = {}
    for seed in seeds:
        folder = Path(root) / f"seed={seed}"
        named = [folder / name for name in (*tables, *(f"validation/{name}" for name in bundle))]
        for path in named:
            if not path.is_file():
                raise UpstreamError("EU19", path, "is not there", "the whole delivery of a seed")
            try:
                if path.suffix == ".parquet":
                    row_count(path)
            except ContractError as error:
                raise UpstreamError("EU19", path, error.rule, "a Parquet file") from None
        other = {path for path in (folder / "validation").rglob("*") if path.is_file()}
        files[seed] = sorted(map(str, {*named, *other}))
    return files


def deciding_policies(policy: str, merchants_total: int) -> dict[str, str]:
    """SHA-256, by name, of what decides a builtin world; ``merchants_total`` counts unless zero."""
    policies = by_name([policy])
    if merchants_total:
        override = str(merchants_total).encode("ascii")
        policies["config.upstream.merchants_total"] = hashlib.sha256(override).hexdigest()
    return policies
