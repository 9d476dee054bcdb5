"""The next floats outwards, for large arrays of intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel

LEAST = 2.0**-1074


@kernel
def outward(lo: Any, hi: Any, low: Any, high: Any) -> None:
    """low = the next float below each of ``lo``, high = the next above each of ``hi``; NaN becomes infinity outwards.

    All are one-dimensional.  Neighbours of a float are neighbours of its bits read as an integer.
    """
    for i in range(lo.shape[0]):
        x = lo[i]
        bits = np.float64(x).view(np.int64)
        below = np.int64(bits - 1 if x > 0.0 else bits + 1).view(np.float64)
        below = np.float64(-LEAST) if x == 0.0 else below
        low[i] = below if x > -np.inf else np.float64(-np.inf)
    for i in range(hi.shape[0]):
        x = hi[i]
        bits = np.float64(x).view(np.int64)
        above = np.int64(bits + 1 if x > 0.0 else bits - 1).view(np.float64)
        above = np.float64(LEAST) if x == 0.0 else above
        high[i] = above if x < np.inf else np.inf
