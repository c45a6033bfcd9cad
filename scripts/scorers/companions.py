"""Companion tables of a scorecard, as CSV: shares of countries and regions, distance quantiles."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import dataset
from scripts.errors import ContractError
from scripts.geo.metrics import (
    NN_QUANTILES,
    FloatArray,
    IntArray,
    Sites,
    quantiles,
)
from scripts.geo.thinning import nearest_in_maps_m
from scripts.tables import published, write_text

LARGEST_COUNTRIES = 20
_PYTHON_TYPES = {"int64": int, "float64": float, "string": str}

Row = Mapping[str, Any]


def country_rows(
    counts: IntArray, eligible: npt.NDArray[np.bool_], region_of: Mapping[int, str]
) -> list[Row]:
    """Countries by falling number of sites, then code: E with its zeros, and any other in use."""
    listed = np.flatnonzero(eligible | (counts > 0))
    ranked = listed[np.lexsort((listed, -counts[listed]))]
    total = max(int(counts.sum()), 1)
    running = np.cumsum(counts[ranked])
    return [
        {
            "rank": rank,
            "country_iso": countries.decode_one(int(code)),
            "region": region_of.get(int(code), "unassigned"),
            "site_count": int(counts[code]),
            "share": int(counts[code]) / total,
            "cumulative_share": int(so_far) / total,
        }
        for rank, (code, so_far) in enumerate(zip(ranked, running, strict=True), start=1)
    ]


def region_rows(country: Sequence[Row]) -> list[Row]:
    """Regions by falling number of sites, then name, from the rows of countries."""
    sums: dict[str, list[int]] = {}
    for row in country:
        entry = sums.setdefault(row["region"], [0, 0])
        entry[0] += row["site_count"]
        entry[1] += row["site_count"] > 0
    total = max(sum(count for count, _ in sums.values()), 1)
    return [
        {"region": name, "site_count": count, "active_countries": active, "share": count / total}
        for name, (count, active) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    ]


def quantile_rows(maps: list[Sites], nn_m: FloatArray, country: Sequence[Row]) -> list[Row]:
    """Distance quantiles of all sites, and inside each of the largest countries of two sites.

    ``maps`` are those at the reference density, ``nn_m`` their distances.
    """
    rows: list[Row] = []

    def add(scope: str, distances: FloatArray) -> None:
        values = quantiles(distances, NN_QUANTILES)
        rows.extend(
            {"scope": scope, "quantile": q, "distance_m": float(value)}
            for q, value in zip(NN_QUANTILES, values, strict=True)
        )

    add("global", nn_m)
    for entry in country[:LARGEST_COUNTRIES]:
        if entry["site_count"] >= 2:
            code = countries.encode_one(entry["country_iso"])
            own = [sites.take(np.flatnonzero(sites.country == code)) for sites in maps]
            add(f"country:{entry['country_iso']}", nearest_in_maps_m(own))
    return rows


def write_csv(dataset_id: str, path: str | Path, rows: Iterable[Row]) -> None:
    """Publish rows in the columns of their contract: plain line ends, ten significant digits."""
    fields = dataset(dataset_id).column_names
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    for row in rows:
        values = (published(row[name]) for name in fields)
        writer.writerow("" if value is None else value for value in values)
    write_text(path, text.getvalue())


def read_csv(dataset_id: str, path: str | Path) -> list[dict[str, Any]]:
    """Rows that :func:`write_csv` wrote; an empty number is None.

    Raises
    ------
    ContractError
        ``EX05`` no text, other columns, a row that is cut, or a value of another type.
    """
    kinds = {c["name"]: _PYTHON_TYPES[c["type"]] for c in dataset(dataset_id).columns}
    try:
        text = Path(path).read_text(encoding="utf-8")
        head, *rows = csv.reader(io.StringIO(text), strict=True)
        if head != list(kinds) or not text.endswith("\n"):
            raise ValueError(f"columns are {head}, and it ends in {text[-8:]!r}")
        return [
            {
                name: kind(cell) if cell else None
                for (name, kind), cell in zip(kinds.items(), row, strict=True)
            }
            for row in rows
        ]
    except (ValueError, csv.Error) as error:
        raise ContractError(
            "EX05", path, f"is no table of {', '.join(kinds)} ({error})", "as it was written"
        ) from None
