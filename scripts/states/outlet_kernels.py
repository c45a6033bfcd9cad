"""The law of outlets site by site: compiled loops that :mod:`scripts.states.outlet_law` calls.

Arrays are those of :class:`scripts.states.outlet_law.Boxes`, its ``layout`` first, and of networks;
a cell is an index into arrays laid out like the summed-area tables.
"""

from typing import Any

import numpy as np

from scripts.compiled import compiled
from scripts.random_kernels import philox, unit


@compiled("void(i8[::1], i8[::1], i8[::1], i8[::1], b1[:, ::1])")
def mark(row: Any, col: Any, row_at: Any, col_at: Any, used: Any) -> None:
    """Mark the squares of a lattice that hold tiles; ``row_at`` and ``col_at`` say which does."""
    for i in range(len(row)):
        used[row_at[row[i]], col_at[col[i]]] = True


@compiled("void(i8[::1], i8[::1], f8[::1], i8, i8[::1], i8[::1], f8[:, ::1], f8[:, ::1], f8[::1])")
def fill_field(
    row: Any,
    col: Any,
    z: Any,
    width: Any,
    row_at: Any,
    col_at: Any,
    near_row: Any,
    near_col: Any,
    out: Any,
) -> None:
    """Values of a field at tiles, from the ``width`` nodes a row of its lattice, into ``out``."""
    for i in range(len(row)):
        at = row_at[row[i]] + col_at[col[i]]
        west, east = near_col[0, col[i]], near_col[1, col[i]]
        north = west * z[at] + east * z[at + 1]
        south = west * z[at + width] + east * z[at + width + 1]
        out[i] = near_row[0, row[i]] * north + near_row[1, row[i]] * south


@compiled("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])")
def span_columns(first: Any, end: Any, col: Any, used: Any, west: Any, columns: Any) -> None:
    """Column east of the widest gap between the columns of every box, and columns to the other end.

    ``first`` and ``end`` are rows of ``col``; ``used``, zero at first, has an entry for every
    column around the Earth.
    """
    for b in range(len(first)):
        for i in range(first[b], end[b]):
            used[col[i]] = b + 1
        begin, before, east, widest = -1, -1, -1, 0
        for column in range(len(used)):
            if used[column] != b + 1:
                continue
            if before < 0:
                begin = column
            elif column - before > widest:
                widest, east, west[b] = column - before, before, column
            before = column
        if begin + len(used) - before > widest:
            east, west[b] = before, begin
        columns[b] = east - west[b] + 1
        if columns[b] <= 0:
            columns[b] += len(used)


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1])"
)
def fill_boxes(
    first: Any,
    end: Any,
    row: Any,
    col: Any,
    weight: Any,
    ncols: Any,
    west: Any,
    start: Any,
    width: Any,
    row_area: Any,
    sums: Any,
    area: Any,
) -> None:
    """Put weights of tiles into their boxes and add up their areas; both zero at first."""
    for b in range(len(first)):
        top = row[first[b]]
        for i in range(first[b], end[b]):
            x = col[i] - west[b]
            if x < 0:
                x += ncols
            sums[start[b] + (row[i] - top + 1) * width[b] + x + 1] = weight[i]
            area[b] += row_area[row[i]]


@compiled("void(i8[::1], i8[::1], i8[::1], i8[::1])")
def sum_areas(start: Any, height: Any, width: Any, sums: Any) -> None:
    """Turn tables of weights, whose first row and column are zero, into summed-area tables."""
    for b in range(len(start)):
        for row in range(1, height[b] + 1):
            at = start[b] + row * width[b]
            west = np.int64(0)
            for cell in range(at + 1, at + width[b]):
                west += sums[cell]
                sums[cell] = west + sums[cell - width[b]]


@compiled("void(i8[::1], i8[::1], i8[::1])")
def number_outlets(n_sites: Any, network: Any, outlet: Any) -> None:
    """Network of every outlet, and its number from 1 within that, into the last two."""
    i = 0
    for n in range(len(n_sites)):
        for number in range(1, n_sites[n] + 1):
            network[i], outlet[i] = n, number
            i += 1


@compiled("UniTuple(i8, 2)(i8[::1], i8, i8, i8, i8, i8, i8, f8)")
def draw_cell(
    sums: Any, start: Any, width: Any, north: Any, south: Any, west: Any, east: Any, u: Any
) -> Any:
    """Row and column of one cell of a window, by weight, from a uniform in (0, 1)."""
    upper, lower = start + north * width, start + south * width
    before = sums[lower + west] - sums[upper + west]
    total = sums[lower + east] - sums[upper + east] - before
    target = before + np.int64(u * total)
    x, beyond = west, east
    while beyond - x > 1:
        middle = (x + beyond) >> 1
        if sums[lower + middle] - sums[upper + middle] <= target:
            x = middle
        else:
            beyond = middle
    target += sums[upper + x + 1] - sums[lower + x]
    y, below = north, south
    while below - y > 1:
        middle = (y + below) >> 1
        at = start + middle * width + x
        if sums[at + 1] - sums[at] <= target:
            y = middle
        else:
            below = middle
    return y, x


@compiled("UniTuple(i8, 4)(i8, i8, f8, f8, f8, f8, f8)")
def disc_window(
    height: Any, columns: Any, km_lat: Any, km_lon: Any, y: Any, x: Any, radius_km: Any
) -> Any:
    """Rows north and south, columns west and east, of the tiles that meet the square about a disc.

    Cut at a box of ``height`` rows and ``columns`` columns; ``km_lon`` is the width of a tile on
    the centre's row.
    """
    rows, cols = (
        min(radius_km / km_lat, np.float64(height)),
        min(radius_km / km_lon, np.float64(columns)),
    )
    return (
        np.int64(max(y - rows, 0.0)),
        min(np.int64(y + rows) + 1, height),
        np.int64(max(x - cols, 0.0)),
        min(np.int64(x + cols) + 1, columns),
    )


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8, i8[::1],"
    " i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], i8[::1])"
)
def draw_about(
    start: Any,
    top: Any,
    height: Any,
    width: Any,
    km_lon: Any,
    km_lat: Any,
    sums: Any,
    box: Any,
    from_y: Any,
    from_x: Any,
    radius_km: Any,
    u: Any,
    y: Any,
    x: Any,
) -> None:
    """One cell of the square about each disc, by weight, into ``y`` and ``x``."""
    for i in range(len(box)):
        b = box[i]
        north, south, west, east = disc_window(
            height[b],
            width[b] - 1,
            km_lat,
            km_lon[top[b] + np.int64(from_y[i])],
            from_y[i],
            from_x[i],
            radius_km[i],
        )
        y[i], x[i] = draw_cell(sums, start[b], width[b], north, south, west, east, u[i])


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8, i8[::1], i8[::1],"
    " i8[::1], u8[::1], f8[::1], f8[::1], f8[::1], i8[::1], i8[::1], i8[::1],"
    " i8, u8, u8, i8, i8, f8, i8[::1], i8[::1])"
)
def place(
    start: Any,
    top: Any,
    height: Any,
    width: Any,
    km_lon: Any,
    km_lat: Any,
    sums: Any,
    code: Any,
    box_of: Any,
    merchant: Any,
    home_y: Any,
    home_x: Any,
    reach_km: Any,
    network: Any,
    outlet: Any,
    rows: Any,
    attempts: Any,
    k0: Any,
    k1: Any,
    redraw: Any,
    round_: Any,
    everywhere_km: Any,
    y: Any,
    x: Any,
) -> None:
    """Cells of the outlets in ``rows`` into ``y`` and ``x``; who finds none stays at home."""
    for i in rows:
        n = network[i]
        b = box_of[n]
        from_y, from_x = home_y[n], home_x[n]
        at_y, at_x = np.int64(from_y), np.int64(from_x)
        y[i], x[i] = at_y, at_x
        reach = reach_km[n]
        if outlet[i] == 1:
            if round_ == 0:
                continue
            reach = everywhere_km
        km_east = km_lon[top[b] + at_y]
        word_1 = np.uint64(code[b]) << np.uint64(32) | np.uint64(outlet[i])
        for attempt in range(attempts):
            word_2 = np.uint64(redraw << 32 | round_ << 16 | attempt)
            c0, c1, c2, c3 = philox(merchant[n], word_1, word_2, np.uint64(0), k0, k1)
            far = unit(c0)
            radius_km = reach * (far / (1.0 - far))
            north, south, west, east = disc_window(
                height[b], width[b] - 1, km_lat, km_east, from_y, from_x, radius_km
            )
            to_y, to_x = draw_cell(sums, start[b], width[b], north, south, west, east, unit(c1))
            up = (to_y + unit(c2) - from_y) * km_lat
            along = (to_x + unit(c3) - from_x) * km_east
            at_home = to_y == at_y and to_x == at_x
            if at_home or up * up + along * along <= radius_km * radius_km:
                y[i], x[i] = to_y, to_x
                break


@compiled("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i4[::1], i8)")
def count(
    start: Any, width: Any, box: Any, y: Any, x: Any, rows: Any, held: Any, sign: Any
) -> None:
    """Add the outlets in ``rows`` to the number that each cell holds, or take them off."""
    for i in rows:
        held[start[box[i]] + y[i] * width[box[i]] + x[i]] += sign


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8, i8[::1], i8[::1], i8[::1], i8[::1],"
    " i4[::1], i1[::1], i8, f8[::1], b1[::1])"
)
def lonely(
    start: Any,
    top: Any,
    height: Any,
    width: Any,
    km_lon: Any,
    km_lat: Any,
    box: Any,
    y: Any,
    x: Any,
    rows: Any,
    held: Any,
    known: Any,
    company: Any,
    half_km: Any,
    out: Any,
) -> None:
    """Which of the outlets in ``rows`` have fewer than ``company`` others near, into ``out``.

    Near is a tile whose centre is, on the plane of the outlet's parallel, within a distance:
    ``half_km`` is half the chord of that disc on the outlet's row, and so many rows off.
    ``known``, zero at first, keeps the answer of a cell.
    """
    for j in range(len(rows)):
        i = rows[j]
        b = box[i]
        at = start[b] + y[i] * width[b] + x[i]
        if known[at] == 0:
            columns = width[b] - 1
            east_km = km_lon[top[b] + y[i]]
            others = np.int64(-1)
            for k in range(2 * len(half_km) - 1):
                # The own row first, then those beside it: most have company close by.
                off = (k + 1) >> 1
                line = y[i] + off if k & 1 else y[i] - off
                if line < 0 or line >= height[b]:
                    continue
                half = np.int64(min(half_km[off] / east_km, np.float64(columns)))
                first = start[b] + line * width[b]
                for cell in range(
                    first + max(x[i] - half, 0), first + min(x[i] + half + 1, columns)
                ):
                    others += held[cell]
                if others >= company:
                    break
            known[at] = 1 if others >= company else 2
        out[j] = known[at] == 2


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8, f8[::1], f8[:, ::1],"
    " f8[:, ::1])"
)
def second_moments(
    box: Any,
    y: Any,
    x: Any,
    top: Any,
    n: Any,
    km_lon: Any,
    km_lat: Any,
    column: Any,
    middle: Any,
    moments: Any,
) -> None:
    """Sums of squares and products of the outlets of every box about their centre, km2.

    On the sinusoidal plane about ``column``, the mean column of a box. ``middle``, zero at first,
    shape (2, boxes), becomes the centre east and north; ``moments``, zero at first, shape
    (3, boxes), the sums of east, north, and east times north.
    """
    for i in range(len(box)):
        b = box[i]
        middle[0, b] += (x[i] - column[b]) * km_lon[top[b] + y[i]]
        middle[1, b] += km_lat * y[i]
    for b in range(len(n)):
        middle[0, b] /= n[b]
        middle[1, b] /= n[b]
    for i in range(len(box)):
        b = box[i]
        east = (x[i] - column[b]) * km_lon[top[b] + y[i]] - middle[0, b]
        north = km_lat * y[i] - middle[1, b]
        moments[0, b] += east * east
        moments[1, b] += north * north
        moments[2, b] += east * north


@compiled("void(i8[::1], i8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], u8[::1])")
def write_tiles(
    top: Any,
    west: Any,
    ncols: Any,
    box: Any,
    network: Any,
    y: Any,
    x: Any,
    first: Any,
    tile_id: Any,
) -> None:
    """Tiles of the outlets of networks, in their order, from entry ``first`` of each network on."""
    at = np.int64(0)
    for i in range(len(network)):
        n = network[i]
        if i == 0 or n != network[i - 1]:
            at = first[n]
        b = box[n]
        col = west[b] + x[i]
        if col >= ncols:
            col -= ncols
        tile_id[at] = np.uint64((top[b] + y[i]) * ncols + col)
        at += 1
