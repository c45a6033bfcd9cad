"""Time zones of countries: which ones a country has, and how far from UTC they are.

Both come from the ``tzdata`` package, never from the machine, so that no result depends on it.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.errors import ReferenceSnapshotError
from scripts.geo.snapshot import Places, load_places

_DATE = datetime(2025, 1, 1)


@dataclass(frozen=True)
class ZonedPlaces(Places):
    """Populated places with ``utc_offset``, minutes east of UTC; shape (p,)."""

    utc_offset: npt.NDArray[np.int64]


def read_zoned_places(path: str | Path) -> ZonedPlaces:
    """Places of the snapshot with the offset of their zone."""
    table = load_places(path, ("country_iso", "lon_deg", "lat_deg", "population", "timezone"))
    return ZonedPlaces(
        countries.encode(table["country_iso"]),
        table["lon_deg"].to_numpy(),
        table["lat_deg"].to_numpy(),
        table["population"].to_numpy().astype(np.float64),
        utc_offsets(table["timezone"], path),
    )


@cache
def zones_by_country() -> frozenset[tuple[str, str]]:
    """(ISO 3166-1 alpha-2 code, zone) pairs of IANA's ``zone.tab``."""
    text = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text()
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return frozenset((row[0], row[2]) for row in rows)


def is_listed(country_iso: pa.ChunkedArray, zone: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Whether IANA lists each row's zone for its country.

    A gazetteer gives some border places the zone of a neighbour; those are not listed.
    """
    country, name = (column.combine_chunks().dictionary_encode() for column in (country_iso, zone))
    codes, names = country.dictionary.to_pylist(), name.dictionary.to_pylist()
    known = np.zeros((len(codes), len(names)), dtype=bool)
    at = {code: row for row, code in enumerate(codes)}
    column_of = {label: column for column, label in enumerate(names)}
    for code, label in zones_by_country():
        if code in at and label in column_of:
            known[at[code], column_of[label]] = True
    rows, columns = (side.indices.to_numpy(zero_copy_only=False) for side in (country, name))
    listed: npt.NDArray[np.bool_] = known[rows, columns]
    return listed


def utc_offsets(zones: pa.ChunkedArray, where: object) -> npt.NDArray[np.int64]:
    """Minutes east of UTC of named time zones on 1 January 2025.

    Raises
    ------
    ReferenceSnapshotError
        ``ER07`` when a zone is not an IANA name.
    """
    encoded = zones.combine_chunks().dictionary_encode()
    minutes, folder = [], resources.files("tzdata").joinpath("zoneinfo")
    for name in encoded.dictionary.to_pylist():
        try:
            with folder.joinpath(*name.split("/")).open("rb") as file:
                zone = zoneinfo.ZoneInfo.from_file(file)
        except (OSError, ValueError):
            raise ReferenceSnapshotError(
                "ER07", where, f"time zone {name!r} is unknown", "an IANA name"
            ) from None
        offset = zone.utcoffset(_DATE)
        minutes.append(round(offset.total_seconds() / 60.0) if offset is not None else 0)
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    offsets: npt.NDArray[np.int64] = np.array(minutes, dtype=np.int64)[indices]
    return offsets
