"""Elementary functions in binary64 for the analyzer's own use, with the error that is assumed of each.

Their accuracy is :data:`boundnet.numerics.accuracy.GLIBC_FLOAT64`; the test suite compares them with Arb.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from boundnet.numerics.outward import Array


def _sigmoid(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, 1.0, t) / (1.0 + t)
    return result


def _softplus(x: Array) -> Array:
    result: Array = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return result


_erf = np.frompyfunc(math.erf, 1, 1)


def _vector_erf(x: Array) -> Array:
    return np.asarray(_erf(x), dtype=np.float64)


def _rsqrt(x: Array) -> Array:
    result: Array = 1.0 / np.sqrt(x)
    return result


def _reciprocal(x: Array) -> Array:
    result: Array = 1.0 / x
    return result


VECTOR: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": _vector_erf,
    "softplus": _softplus,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "reciprocal": _reciprocal,
}
"""Vectorised evaluation, by function name."""
