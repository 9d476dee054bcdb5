"""All numbers of a narrow format."""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic.formats import Format
from boundnet.numerics.outward import Array


def every_number(fmt: Format) -> Array:
    """All finite values of ``fmt``, increasing, 0 once."""
    count = 2 ** (fmt.precision - 1)
    normal = ((1.0 + np.arange(count) / count) * 2.0 ** np.arange(fmt.emin, fmt.emax + 1)[:, None]).ravel()
    positive = np.concatenate([np.arange(count) * fmt.smallest_subnormal, normal[normal <= fmt.largest]])
    return np.concatenate([-positive[:0:-1], positive])
