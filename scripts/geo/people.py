"""Random points of every country's people: what maps of sites are held against.

They are drawn once for a set of tiles, keyed by country and rank alone, so that every seed and run
on these tiles is held against the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.contracts import read_dataset

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Random points of the population: ``country`` codes, ``rank`` from 0 within the country,
    ``lon`` and ``lat`` degrees; all of shape (n,), sorted by country and rank.
    """

    country: npt.NDArray[np.int16]
    rank: npt.NDArray[np.int32]
    lon: F64
    lat: F64


def read_points(path: str | Path) -> Points:
    """Arrays of ``fidelity_points``."""
    table = read_dataset("fidelity_points", path)
    return Points(
        countries.encode(table.column("country_iso")),
        *(table.column(name).to_numpy() for name in ("rank", "lon_deg", "lat_deg")),
    )
