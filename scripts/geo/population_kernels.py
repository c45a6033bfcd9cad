"""Land cover over the cells of a grid: a compiled loop that :mod:`scripts.geo.population` calls."""

from typing import Any

import numpy as np

from scripts.compiled import compiled


@compiled(
    "f4[:,:,::1](Array(u1, 2, 'C', readonly=True), f4[:,::1], i8[::1], f4[:,::1], i8[::1], "
    "f4[:,::1])"
)
def mean_over_cells(
    cover: Any, of_class: Any, first_row: Any, row_share: Any, first_col: Any, col_share: Any
) -> Any:
    """Means of k values of the classes over every cell, shape (k, rows, columns).

    A cell meets as many rows of ``cover`` from its first on as it has shares, and columns likewise;
    a share past the last row or column is 0.
    """
    values, columns = len(of_class), cover.shape[1]
    sums = np.zeros((values, len(first_row), len(first_col)), dtype=np.float32)
    line = np.empty(columns, dtype=np.float32)
    for k in range(values):
        for row in range(len(first_row)):
            line[:] = 0.0
            for i in range(row_share.shape[1]):
                share = row_share[row, i]
                if share > 0.0:
                    for column in range(columns):
                        line[column] += share * of_class[k, cover[first_row[row] + i, column]]
            for column in range(len(first_col)):
                total = np.float32(0.0)
                for i in range(col_share.shape[1]):
                    if col_share[column, i] > 0.0:
                        total += col_share[column, i] * line[first_col[column] + i]
                sums[k, row, column] = total
    return sums
