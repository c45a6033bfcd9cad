"""Hilbert index: a position along a curve that keeps neighbours on a grid close to each other.

Skilling, "Programming the Hilbert curve", AIP Conf. Proc. 707 (2004), in two dimensions and for
arrays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def hilbert_index(x: npt.ArrayLike, y: npt.ArrayLike, order: int) -> npt.NDArray[np.int64]:
    """Index along the Hilbert curve of ``2**order`` x ``2**order`` cells.

    Parameters
    ----------
    x, y
        Cell coordinates in ``[0, 2**order)``, shape (n,).
    order
        Bits per axis, at most 31.

    Returns
    -------
    int64, shape (n,), a bijection of the cells onto ``[0, 4**order)``.
    """
    x, y = (np.array(axis, dtype=np.int64) for axis in (x, y))
    index = np.zeros_like(x)
    side = np.int64(1) << (order - 1)
    while side > 0:
        right = (x & side) > 0
        upper = (y & side) > 0
        index += side * side * ((3 * right) ^ upper)
        flip = right & ~upper
        x[flip], y[flip] = (
            2 * side - 1 - (x[flip] & (2 * side - 1)),
            2 * side - 1 - (y[flip] & (2 * side - 1)),
        )
        swap = ~upper
        x[swap], y[swap] = y[swap], x[swap]
        side >>= 1
    return index
