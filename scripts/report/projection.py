"""Equal Earth, an equal-area world projection.

Savric, Patterson and Jenny, "The Equal Earth map projection", Int. J. Geogr. Inf. Sci. 33 (2019).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796


def equal_earth(lon_deg: npt.ArrayLike, lat_deg: npt.ArrayLike) -> tuple[F64, F64]:
    """Plane coordinates on the unit sphere of points in degrees; shapes follow the input."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    theta = np.arcsin(np.sqrt(3.0) / 2.0 * np.sin(lat))
    t2 = theta * theta
    t6 = t2**3
    slope = _A1 + 3.0 * _A2 * t2 + t6 * (7.0 * _A3 + 9.0 * _A4 * t2)
    x = 2.0 * np.sqrt(3.0) * lon * np.cos(theta) / (3.0 * slope)
    y = theta * (_A1 + _A2 * t2 + t6 * (_A3 + _A4 * t2))
    return x, y
