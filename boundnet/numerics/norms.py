"""2-norms rounded up."""

from __future__ import annotations

import numpy as np

from boundnet.numerics.outward import Array, raise_tiny, up


def norm2(values: Array, axis: int | tuple[int, ...] = 0) -> Array:
    """sqrt(sum of squares) over ``axis``, rounded up; NaN and infinity make it infinite.

    Entries are divided by the largest before they are squared, so that none overflows; what underflows is far below one
    rounding of a sum that is at least 1.
    """
    size = raise_tiny(np.abs(values))
    scale = size.max(axis=axis, initial=0.0, keepdims=True)
    count = size.size // max(1, scale.size)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.square(size / np.where(scale > 0.0, scale, 1.0)).sum(axis=axis)
        found = up(np.sqrt(total) * np.squeeze(scale, axis=axis), count + 6)
    return np.where(np.isnan(found), np.inf, found)


def root_sum(*terms: Array) -> Array:
    """sqrt(a**2 + b**2 + ...) element by element with broadcasting, rounded up."""
    total = raise_tiny(np.abs(terms[0]))
    for term in terms[1:]:
        total = up(np.hypot(total, raise_tiny(np.abs(term))), 2)  # libm's hypot is good to 1 ulp
    return np.where(np.isnan(total), np.inf, total)
