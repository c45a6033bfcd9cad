"""Functions of a draw by table, so that a draw is the same to the bit on every machine.

Beside them only the four basic operations and the square root touch a draw: the last bit of a
library's exponential or error function differs between machines, that of a table does not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
_STEPS = 64
_Z_MAX = 8
_EXP_MAX = 16


def _normal_table() -> F64:
    """Normal distribution function at steps of 1/64 from -8 to 8, in multiples of 2**-32."""
    z = [k / _STEPS for k in range(-_Z_MAX * _STEPS, _Z_MAX * _STEPS + 1)]
    exact = [0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z]
    return np.array([round(p * 2.0**32) for p in exact]) / 2.0**32


def _exp_table() -> F64:
    """``exp`` at steps of 1/64 from -16 to 16, to 32 significant bits."""
    table = []
    for k in range(-_EXP_MAX * _STEPS, _EXP_MAX * _STEPS + 1):
        mantissa, exponent = math.frexp(math.exp(k / _STEPS))
        table.append(math.ldexp(round(mantissa * 2.0**32), exponent - 32))
    return np.array(table)


_CDF = _normal_table()
_LAST_RISE = int(np.flatnonzero(_CDF < 1.0)[-1])
_EXP = _exp_table()


def normal_cdf(z: F64) -> F64:
    """Normal distribution function, linear between steps of 1/64."""
    x = np.clip((z + _Z_MAX) * _STEPS, 0.0, float(len(_CDF) - 1))
    i = np.minimum(x.astype(np.int64), len(_CDF) - 2)
    p: F64 = _CDF[i] + (x - i) * (_CDF[i + 1] - _CDF[i])
    return p


def normal_quantile(p: F64) -> F64:
    """Inverse of :func:`normal_cdf` for p in [0, 1]."""
    i = np.clip(np.searchsorted(_CDF, p, side="right") - 1, 0, _LAST_RISE)
    rise = _CDF[i + 1] - _CDF[i]
    return (i + (p - _CDF[i]) / np.where(rise > 0.0, rise, 1.0)) / _STEPS - _Z_MAX


def truncated_normal(u: F64, mean: F64, sd: F64, half_width: F64 | float) -> F64:
    """Normal values about ``mean`` truncated to ``[-half_width, half_width]``, by inversion of u.

    ``mean`` must lie within one ``sd`` of the interval.
    """
    low = normal_cdf((-half_width - mean) / sd)
    high = normal_cdf((half_width - mean) / sd)
    return mean + sd * normal_quantile(low + u * (high - low))


def triangular(u: F64) -> F64:
    """Values in (-1, 1) with density ``1 - |x|``, by inversion of u: the sum of two uniforms."""
    rising = u < 0.5
    root = np.sqrt(2.0 * np.where(rising, u, 1.0 - u))
    return np.where(rising, root - 1.0, 1.0 - root)


def exp(x: F64) -> F64:
    """``exp(x)``, linear between steps of 1/64; x is clipped to [-16, 16]."""
    at = np.clip((x + _EXP_MAX) * _STEPS, 0.0, float(len(_EXP) - 1))
    i = np.minimum(at.astype(np.int64), len(_EXP) - 2)
    value: F64 = _EXP[i] + (at - i) * (_EXP[i + 1] - _EXP[i])
    return value


def power(x: F64, exponent: float) -> F64:
    """``x ** exponent`` for x >= 0 and an exponent >= 0, to the nearest multiple of 1/1024.

    By square roots and products alone; exactly x where the exponent is 1.
    """
    steps = round(exponent * 1024)
    value = np.ones_like(x)
    for _ in range(steps >> 10):
        value = value * x
    root = x
    for bit in range(9, -1, -1):
        root = np.sqrt(root)
        if steps >> bit & 1:
            value = value * root
    return value
