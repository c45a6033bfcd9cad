"""Sites and land as short text that a page can carry and a browser can draw.

Angles are quantised and written in base64. Sites: 24 bits a coordinate (2.4 m at the equator),
grouped by country. Land: thousandths of a degree as zigzag base-128 differences, ring after ring.
"""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from scripts import countries
from scripts.geo.metrics import Sites

F64 = npt.NDArray[np.float64]
STEPS = 1 << 24
LAND_STEPS_A_DEGREE = 1000
_TOLERANCE_DEG, _FINE_DEG = 0.02, 0.002
# Countries below this extent are drawn finely: they are looked at closely.
_SMALL_EXTENT_DEG = 2.0


def _base64(data: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(data.tobytes()).decode("ascii")


def quantise(values_deg: F64) -> npt.NDArray[np.uint8]:
    """Degrees in [-180, 180] as three bytes each, least first; shape (n, 3)."""
    steps = np.clip(np.floor((values_deg + 180.0) / 360.0 * STEPS), 0, STEPS - 1).astype(np.uint32)
    return steps.view(np.uint8).reshape(-1, 4)[:, :3]


def embed_sites(sites: Sites) -> dict[str, Any]:
    """Sites by country: ``n``, the ``countries`` with their counts, and ``points`` in base64."""
    order = np.lexsort((sites.order, sites.merchant, sites.country))
    codes, counts = np.unique(sites.country, return_counts=True)
    pairs = np.stack([quantise(sites.lon[order]), quantise(sites.lat[order])], axis=1)
    return {
        "n": len(sites),
        "countries": [
            [countries.decode_one(int(code)), int(count)]
            for code, count in zip(codes, counts, strict=True)
        ],
        "points": _base64(np.ascontiguousarray(pairs)),
    }


def zigzag(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Signed integers as base-128 bytes, least first, high bit on all but the last."""
    rest = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    width = np.maximum(1, -(-np.ceil(np.log2(rest.astype(np.float64) + 1.0)).astype(int) // 7))
    start = np.concatenate(([0], np.cumsum(width)))
    out = np.zeros(start[-1], dtype=np.uint8)
    for digit in range(int(width.max(initial=0))):
        held = width > digit
        last = width[held] == digit + 1
        low = (rest[held] >> np.uint64(7 * digit)) & np.uint64(0x7F)
        out[start[:-1][held] + digit] = low.astype(np.uint8) | np.where(last, 0, 0x80).astype(
            np.uint8
        )
    return out


def embed_land(geometry: npt.NDArray[np.object_]) -> str:
    """Exterior rings of all countries: for each its number of vertices, then their differences."""
    bounds = shapely.bounds(geometry)
    extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    tolerance = np.where(extent < _SMALL_EXTENT_DEG, _FINE_DEG, _TOLERANCE_DEG)
    parts = shapely.get_parts(shapely.simplify(geometry, tolerance))
    pieces = []
    for ring in shapely.get_exterior_ring(parts):
        steps = np.round(shapely.get_coordinates(ring) * LAND_STEPS_A_DEGREE).astype(np.int64)
        keep = np.concatenate(([True], (np.diff(steps, axis=0) != 0).any(axis=1)))
        steps = steps[keep]
        if len(steps) < 4:
            continue
        moves = np.diff(steps, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
        pieces.append(np.concatenate(([len(steps)], moves.ravel())))
    return _base64(zigzag(np.concatenate(pieces)))
