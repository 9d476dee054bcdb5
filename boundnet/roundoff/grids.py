"""Grids: powers of two that divide a number, or every number that a stored element may be.

Kept as exponents g, int16 arrays: the value is a multiple of 2**g.  Zero is a multiple of everything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic.formats import Format
from boundnet.numerics.outward import Array

Exponents = npt.NDArray[np.int16]

ANY_GRID = 1 << 13
"""Exponent of 0, above that of any number; the sum of two of them is still an int16."""


def trailing(value: Array) -> Exponents:
    """Exponent of the largest power of two that divides ``value``; ``ANY_GRID`` for 0, the least one for inf and NaN."""
    mantissa, exponent = np.frexp(np.asarray(value, dtype=np.float64))
    with np.errstate(invalid="ignore"):
        whole = np.abs(np.ldexp(np.where(np.isfinite(mantissa), mantissa, 0.5), 53)).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    found = np.where(whole == 0, ANY_GRID, exponent - 53 + lowest)
    return np.where(np.isfinite(value), found, -1100).astype(np.int16)


def exponent_of(power: float) -> int:
    """log2 of a power of two."""
    return int(np.frexp(power)[1]) - 1


def grid_between(fmt: Format, low: Array, high: Array) -> Exponents:
    """Exponent of a power of two that divides every number of ``fmt`` in [low, high], both of them numbers of ``fmt``.

    Trailing zeros where there is one number or two neighbours; otherwise the spacing at the smallest magnitude, eta where
    the interval meets 0.
    """
    ends = np.minimum(trailing(low), trailing(high))
    if not np.any(low != high):
        return ends
    eta = exponent_of(fmt.smallest_subnormal)
    least = np.where((low <= 0.0) & (high >= 0.0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    with np.errstate(over="ignore", invalid="ignore"):
        spacing = np.full(least.shape, eta) if fmt.is_fixed else np.maximum(np.frexp(least)[1] - fmt.precision, eta)
        spacing = np.where(least == 0.0, eta, spacing)
        # No number of the format lies strictly between two that are one spacing apart.
        apart = np.ldexp(1.0, np.clip(spacing, -1074, 1023))
        neighbours = high - low <= apart
    finite = np.isfinite(low) & np.isfinite(high)
    return np.where(finite & (neighbours | (low == high)), ends, np.where(finite, spacing, -1100)).astype(np.int16)


__all__ = ["ANY_GRID", "Exponents", "exponent_of", "grid_between", "trailing"]
