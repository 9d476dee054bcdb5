"""Rounding of exact rationals into a format: an oracle that shares nothing with the engine."""

from __future__ import annotations

import math
from fractions import Fraction

from boundnet.arithmetic.formats import Format


def grid(value: Fraction, fmt: Format) -> Fraction:
    """Spacing of the format's numbers at ``value`` != 0."""
    if fmt.is_fixed:
        return Fraction(fmt.quantum)
    exponent = 0
    size = abs(value)
    while size >= 2 ** (exponent + 1):
        exponent += 1
    while size < Fraction(2) ** exponent:
        exponent -= 1
    return Fraction(2) ** (max(exponent, fmt.emin) - fmt.precision + 1)


def rounded(value: Fraction, fmt: Format, toward_zero: bool = False) -> float:
    """``value`` in ``fmt``: to nearest, ties to even, or toward zero; overflow as the format has it."""
    if value == 0:
        return 0.0
    step = grid(value, fmt)
    steps = math.trunc(value / step) if toward_zero else round(value / step)  # Python rounds ties to even
    result = step * steps
    if abs(result) > Fraction(fmt.largest):
        sign = 1.0 if value > 0 else -1.0
        if fmt.overflow == "saturate" or (toward_zero and fmt.overflow == "inf"):
            return sign * fmt.largest
        return math.nan if fmt.overflow == "nan" else sign * math.inf
    return float(result)
