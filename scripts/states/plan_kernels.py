"""Sites of pairs counted by tile: a compiled loop of S4."""

from typing import Any

from scripts.compiled import compiled


@compiled("i8(i8[::1], u8[::1], i8[::1], i8[::1])")
def count_tiles(first: Any, tile_id: Any, pair: Any, n_sites: Any) -> Any:
    """Turn the tiles of sites into distinct tiles of pairs, in place; returns how many there are.

    The sites of pair p stand from ``first[p]`` to ``first[p + 1]``; ``pair`` and ``n_sites``, as
    long as ``tile_id``, take the pair of every distinct tile and its sites.
    """
    last = -1
    for p in range(len(first) - 1):
        tile_id[first[p] : first[p + 1]].sort()
        for i in range(first[p], first[p + 1]):
            if i > first[p] and tile_id[i] == tile_id[last]:
                n_sites[last] += 1
            else:
                last += 1
                tile_id[last], pair[last], n_sites[last] = tile_id[i], p, 1
    return last + 1
