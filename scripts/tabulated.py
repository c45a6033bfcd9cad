"""Functions of a draw by table, so that a draw is the same to the bit on every machine.

Beside them only the four basic operations and the square root touch a draw: the last bit of a
library's exponential or error function differs between machines, that of a table does not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scripts import tabulated_kernels as kernels
from scripts.tabulated_kernels import STEPS, Z_MAX

F64 = npt.NDArray[np.float64]
_EXP_MAX = 16


def _normal_table() -> F64:
    """Normal distribution function at steps of 1/64 from -8 to 8, in multiples of 2**-32."""
    z = [k / STEPS for k in range(-Z_MAX * STEPS, Z_MAX * STEPS + 1)]
    exact = [0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z]
    return np.array([round(p * 2.0**32) for p in exact]) / 2.0**32


def _exp_table() -> F64:
    """``exp`` at steps of 1/64 from -16 to 16, to 32 significant bits."""
    table = []
    for k in range(-_EXP_MAX * STEPS, _EXP_MAX * STEPS + 1):
        mantissa, exponent = math.frexp(math.exp(k / STEPS))
        table.append(math.ldexp(round(mantissa * 2.0**32), exponent - 32))
    return np.array(table)


NORMAL_CDF = _normal_table()
# Last step below 1 that is not above p, for p in multiples of 2**-10.
NORMAL_GUIDE = np.minimum(
    np.searchsorted(NORMAL_CDF, np.arange(1025) / 1024, side="right"),
    np.searchsorted(NORMAL_CDF, 1.0),
).astype(np.int16) - np.int16(1)
_EXP = _exp_table()


def normal_quantile(p: F64) -> F64:
    """Inverse of the normal distribution function at p in [0, 1], linear between its steps."""
    z = np.empty(len(p))
    kernels.fill_normal_quantiles(p, NORMAL_CDF, NORMAL_GUIDE, z)
    return z


def exp(x: F64) -> F64:
    """``exp(x)``, linear between steps of 1/64; x is clipped to [-16, 16]."""
    at = np.clip((x + _EXP_MAX) * STEPS, 0.0, float(len(_EXP) - 1))
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
