"""Elementary functions of the C library in binary64, spelled as emitted C spells them: the same bits on the same machine."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np

from boundnet.numerics.outward import Array


@numba.njit(error_model="numpy")
def _sigmoid(x: float) -> float:
    t = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else t) / (1.0 + t)


@numba.njit(error_model="numpy")
def _softplus(x: float) -> float:
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit(error_model="numpy")
def _rsqrt(x: float) -> float:
    return 1.0 / math.sqrt(x)


NAMES = ("exp", "expm1", "log", "log1p", "tanh", "erf", "sqrt", "sigmoid", "softplus", "rsqrt")


@numba.njit(cache=True, error_model="numpy")
def _evaluate(which: int, x: Array, out: Array) -> None:
    for i in range(x.size):
        v = x[i]
        if which == 0:
            out[i] = math.exp(v)
        elif which == 1:
            out[i] = math.expm1(v)
        elif which == 2:
            out[i] = math.log(v)
        elif which == 3:
            out[i] = math.log1p(v)
        elif which == 4:
            out[i] = math.tanh(v)
        elif which == 5:
            out[i] = math.erf(v)
        elif which == 6:
            out[i] = math.sqrt(v)
        elif which == 7:
            out[i] = _sigmoid(v)
        elif which == 8:
            out[i] = _softplus(v)
        else:
            out[i] = _rsqrt(v)


def _named(which: int) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        flat = np.require(x, np.float64, ["C", "W"]).reshape(-1)
        out = np.empty(flat.shape)
        _evaluate(which, flat, out)
        return out.reshape(np.shape(x))

    return function


LIBM = {name: _named(i) for i, name in enumerate(NAMES)}
"""Vectorised evaluation, by function name."""
