"""How many decimal digits of a result are certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from boundnet.results.model import Sample


def certain_digits(samples: Sequence[Sample]) -> int | None:
    """Significant decimal digits of each sample's largest output that rounding leaves right; None if all are exact.

    With d digits, |computed - exact| is at most half a unit of the d-th digit of the largest |value| of that output.
    """
    digits: list[int] = []
    for sample in samples:
        for output in sample.outputs:
            largest, bound = (float(np.max(np.abs(part), initial=0.0)) for part in (output.value, output.absolute_bound))
            if not (bound < math.inf and largest < math.inf):
                return 0
            if bound > 0.0:
                digits.append(Decimal(largest).adjusted() + 1 - _ceil_log10(2 * Decimal(bound)) if largest else 0)
    return max(0, min(digits)) if digits else None


def _ceil_log10(number: Decimal) -> int:
    exponent = number.adjusted()
    return exponent if number == Decimal(1).scaleb(exponent) else exponent + 1
