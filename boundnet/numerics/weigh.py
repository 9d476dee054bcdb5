"""Weighted sums and 2-norms of the rows of an adjoint pass, rounded up, by a compiled loop."""

from __future__ import annotations

import numba
import numpy as np

from boundnet.kernels.compiled import kernel
from boundnet.numerics.norms import norm2
from boundnet.numerics.outward import TINY, Array, raise_tiny, up


@numba.njit(inline="always")
def _raised(value: float, tiny: float) -> float:
    """|value|, at least ``tiny`` unless it is 0; a NaN stays one."""
    size = abs(value)
    return tiny if 0.0 < size < tiny else size


@kernel
def _weigh(rows: Array, noise: Array, tiny: float) -> Array:
    count, n = rows.shape
    total = np.zeros(count)
    for r in range(count):
        row = rows[r]
        a = b = c = d = 0.0
        last = n - n % 4
        for i in range(0, last, 4):  # four sums: LLVM keeps them in one register
            a += _raised(row[i], tiny) * noise[i]
            b += _raised(row[i + 1], tiny) * noise[i + 1]
            c += _raised(row[i + 2], tiny) * noise[i + 2]
            d += _raised(row[i + 3], tiny) * noise[i + 3]
        for i in range(last, n):
            a += _raised(row[i], tiny) * noise[i]
        total[r] = (a + b) + (c + d)
    return total


def weigh(rows: Array, noise: Array) -> Array:
    """sum |J| noise for rows (R, n) and noise (n,), rounded up; a NaN makes it infinite."""
    total = up(_weigh(np.ascontiguousarray(rows), noise, TINY), rows.shape[1] + 8)
    return np.where(np.isnan(total), np.inf, total)


def weigh2(rows: Array, noise: Array) -> Array:
    """sqrt(sum (J noise)**2) for rows (R, n) and noise (n,), rounded up; a NaN makes it infinite."""
    return norm2(raise_tiny(np.abs(rows)) * noise * (1.0 + 2.0**-50), axis=1)
