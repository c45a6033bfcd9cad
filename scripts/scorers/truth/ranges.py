"""What real outlets measure: the ranges that a map's values are shown beside.

``outlet_statistics.csv`` of the reference snapshot has a row for every data set, country and
statistic (:mod:`scripts.scorers.truth.real_sets` measures it). A range is that of the rows by
country where a statistic has some, and of the rows of whole sets otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from scripts.geo.snapshot import read_csv

WHOLE = ""
STATISTICS_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("country_iso", pa.string()),
        ("outlets", pa.int64()),
        ("statistic", pa.string()),
        ("value", pa.float64()),
        ("count", pa.int64()),
    ]
)


@dataclass(frozen=True)
class RealRange:
    """Values of real outlets: first decile, median, last decile, and how many there are."""

    p10: float
    median: float
    p90: float
    values: int


def read_statistics(path: str | Path) -> pa.Table:
    """``outlet_statistics.csv``; an empty country is the whole set.

    Raises
    ------
    ReferenceSnapshotError
        ``ER01`` unreadable, or a column is missing.
    """
    return read_csv(path, STATISTICS_SCHEMA, with_nulls=True)


def real_ranges(statistics: pa.Table) -> Mapping[str, RealRange]:
    """Range of every statistic; quantiles interpolate linearly."""
    name = np.array(statistics["statistic"].to_pylist(), dtype=str)
    whole = np.array(statistics["country_iso"].to_pylist(), dtype=str) == WHOLE
    value = statistics["value"].to_numpy()
    ranges = {}
    for statistic in dict.fromkeys(name.tolist()):
        rows = name == statistic
        by_country = rows & ~whole
        values = value[by_country if by_country.any() else rows]
        p10, median, p90 = np.quantile(values, (0.1, 0.5, 0.9))
        ranges[statistic] = RealRange(float(p10), float(median), float(p90), len(values))
    return ranges


def sources_of(statistics: pa.Table) -> list[tuple[str, str, str]]:
    """Data set, source and licence of every set, in order."""
    names = ("dataset", "source", "licence")
    rows = zip(*(statistics[name].to_pylist() for name in names), strict=True)
    return list(dict.fromkeys(rows))
