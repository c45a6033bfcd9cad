"""Sites of pairs in the order of their draws: a compiled loop of S5."""

from typing import Any

from scripts.compiled import compiled


@compiled("void(i8[::1], f8[::1], i8[::1])")
def order_by_draw(starts: Any, u: Any, row: Any) -> None:
    """Sort the numbers of rows ``row``, from 0, within pairs by draw, then by row, in place.

    The rows of pair p are ``starts[p]`` to ``starts[p + 1]``; Shell's method with Knuth's steps
    (1973), since most pairs have few.
    """
    for p in range(len(starts) - 1):
        begin, end = starts[p], starts[p + 1]
        step = 1
        while 3 * step + 1 < end - begin:
            step = 3 * step + 1
        while step > 0:
            for i in range(begin + step, end):
                moved, at = row[i], i
                draw = u[moved]
                while at - step >= begin:
                    before = row[at - step]
                    if u[before] < draw or (u[before] == draw and before < moved):
                        break
                    row[at] = before
                    at -= step
                row[at] = moved
            step //= 3
