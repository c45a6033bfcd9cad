"""Sites of pairs counted by tile: compiled loops of S4."""

from typing import Any

from scripts.compiled import compiled


@compiled("void(u8[::1], i8, i8)")
def sort_between(values: Any, begin: Any, end: Any) -> None:
    """Sort some neighbours in place, by Shell's method with Knuth's steps (1973)."""
    step = 1
    while 3 * step + 1 < end - begin:
        step = 3 * step + 1
    while step > 0:
        for i in range(begin + step, end):
            value, at = values[i], i
            while at - step >= begin and values[at - step] > value:
                values[at] = values[at - step]
                at -= step
            values[at] = value
        step //= 3


@compiled("i8(i8[::1], u8[::1], i8[::1], i8[::1])")
def count_tiles(first: Any, tile_id: Any, pair: Any, n_sites: Any) -> Any:
    """Turn the tiles of sites into distinct tiles of pairs, in place; returns how many there are.

    The sites of pair p stand from ``first[p]`` to ``first[p + 1]``; ``pair`` and ``n_sites``, as
    long as ``tile_id``, take the pair of every distinct tile and its sites.
    """
    last = -1
    for p in range(len(first) - 1):
        sort_between(tile_id, first[p], first[p + 1])
        for i in range(first[p], first[p + 1]):
            if i > first[p] and tile_id[i] == tile_id[last]:
                n_sites[last] += 1
            else:
                last += 1
                tile_id[last], pair[last], n_sites[last] = tile_id[i], p, 1
    return last + 1
