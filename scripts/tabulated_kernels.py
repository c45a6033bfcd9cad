"""Functions of a draw by table, value by value, for compiled loops.

``cdf`` is :data:`scripts.tabulated.NORMAL_CDF`: the normal distribution function at steps of 1/64
from -8 to 8, linear between them. ``guide`` is :data:`scripts.tabulated.NORMAL_GUIDE`: the step at
which to begin for a p (Chen and Asau, "On generating random variates from an empirical
distribution", 1974).
"""

from typing import Any

import numpy as np

from scripts.compiled import compiled

STEPS, Z_MAX = 64, 8


@compiled("f8(f8, f8[::1])")
def normal_cdf(z: Any, cdf: Any) -> Any:
    """Normal distribution function."""
    x = min(max((z + Z_MAX) * STEPS, 0.0), np.float64(len(cdf) - 1))
    i = min(np.int64(x), np.int64(len(cdf) - 2))
    return cdf[i] + (x - i) * (cdf[i + 1] - cdf[i])


@compiled("f8(f8, f8[::1], i2[::1])")
def normal_quantile(p: Any, cdf: Any, guide: Any) -> Any:
    """Inverse of :func:`normal_cdf` for p in [0, 1]."""
    # The last step that rises and is not above p.
    i = guide[np.int64(p * (len(guide) - 1))]
    while cdf[i + 1] <= p and cdf[i + 1] < 1.0:
        i += 1
    rise = cdf[i + 1] - cdf[i]
    return (i + (p - cdf[i]) / (rise if rise > 0.0 else 1.0)) / STEPS - Z_MAX


@compiled("f8(f8, f8, f8, f8, f8[::1], i2[::1])")
def truncated_normal(u: Any, mean: Any, sd: Any, half_width: Any, cdf: Any, guide: Any) -> Any:
    """A normal value about ``mean`` truncated to ``[-half_width, half_width]``, by inversion of u.

    ``mean`` must lie within one ``sd`` of the interval.
    """
    low = normal_cdf((-half_width - mean) / sd, cdf)
    high = normal_cdf((half_width - mean) / sd, cdf)
    return mean + sd * normal_quantile(low + u * (high - low), cdf, guide)


@compiled("f8(f8)")
def triangular(u: Any) -> Any:
    """A value in (-1, 1) with density ``1 - |x|``, by inversion of u: the sum of two uniforms."""
    if u < 0.5:
        return np.sqrt(2.0 * u) - 1.0
    return 1.0 - np.sqrt(2.0 * (1.0 - u))


@compiled("void(f8[::1], f8[::1], i2[::1], f8[::1])")
def fill_normal_quantiles(p: Any, cdf: Any, guide: Any, z: Any) -> None:
    """:func:`normal_quantile` of every p into ``z``."""
    for k in range(len(p)):
        z[k] = normal_quantile(p[k], cdf, guide)
