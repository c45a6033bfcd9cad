"""Sites of pairs in the order of their draws: a compiled loop of S5."""

from typing import Any

import numpy as np

from scripts.compiled import compiled


@compiled("void(i8[::1], f8[::1], i8[::1])")
def order_by_draw(starts: Any, u: Any, row: Any) -> None:
    """Put into ``row`` the numbers of rows, sorted within pairs by draw, then by row.

    The rows of pair p are ``starts[p]`` to ``starts[p + 1]``.
    """
    for p in range(len(starts) - 1):
        begin, end = starts[p], starts[p + 1]
        order = np.argsort(u[begin:end], kind="mergesort")
        for i in range(end - begin):
            row[begin + i] = begin + order[i]
