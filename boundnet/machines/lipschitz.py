"""How fast elementary functions change over intervals, and where they begin to be real."""

from __future__ import annotations

import numpy as np

from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up

DEFINED_FROM = {"sqrt": 0.0, "rsqrt": 0.0, "log": 0.0, "log1p": -1.0}
"""Where functions begin to be real: an argument that may lie below may give NaN."""


def lipschitz(name: str, x: Box) -> Array:
    """Upper bound of |f'| over ``x``."""
    with np.errstate(all="ignore"):
        if name in ("exp", "expm1"):
            return x.function("exp").hi
        if name == "log":
            return np.where(x.lo > 0, up(1.0 / x.lo, 1), np.inf)
        if name == "log1p":
            return np.where(x.lo > -1, up(1.0 / np.nextafter(1.0 + x.lo, -np.inf), 1), np.inf)
        if name == "tanh":
            t = x.absolute().function("tanh").lo
            return np.minimum(1.0, np.nextafter(1.0 - np.nextafter(t * t, -np.inf), np.inf))
        if name == "sigmoid":
            return np.full(np.shape(x.lo), 0.25)
        if name == "softplus":
            return x.function("sigmoid").hi
        if name == "erf":
            return np.full(np.shape(x.lo), 1.1283791670955130)
        if name == "reciprocal":
            least = np.where((x.lo <= 0) & (x.hi >= 0), 0.0, np.minimum(np.abs(x.lo), np.abs(x.hi)))
            return np.where(least > 0, up(1.0 / (least * least), 2), np.inf)
        if name == "sqrt":
            return np.where(x.lo > 0, up(0.5 / np.sqrt(x.lo), 3), np.inf)
        if name == "rsqrt":
            return np.where(x.lo > 0, up(0.5 / (x.lo * np.sqrt(x.lo)), 4), np.inf)
    raise KeyError(name)
