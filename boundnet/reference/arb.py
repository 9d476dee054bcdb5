"""Certified evaluation with Arb's midpoint-radius balls (python-flint), at any precision."""

from __future__ import annotations

import math
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat

from boundnet.maps import LinearMap
from boundnet.reference.objects import ObjectMachine, Objects


def _sigmoid(x: arb) -> arb:
    small = (-abs(x)).exp()
    if x >= 0:
        return 1 / (1 + small)
    return small / (1 + small) if x < 0 else 1 / (1 + (-x).exp())


def _softplus(x: arb) -> arb:
    size = abs(x)
    return x.max(arb(0)) + (-size).exp().log1p()


class ArbMachine(ObjectMachine):
    """Balls of ``bits`` bits.  Values are object arrays of ``flint.arb``; precision is global to the process' flint
    context.
    """

    def __init__(self, bits: int = 128) -> None:
        self.bits = bits
        flint.ctx.prec = bits

    def number(self, value: float) -> arb:
        return arb(value)

    def larger(self, a: arb, b: arb) -> arb:
        return a.max(b)

    def pick(self, x: arb, threshold: arb, above: arb, below: arb) -> arb:
        if x >= threshold:
            return above
        if x < threshold:
            return below
        return above.union(below)

    def call(self, name: str, x: arb) -> arb:
        result: arb = _CALLS[name](x)
        return result

    def matrix_product(self, linear: LinearMap, x: Objects) -> Objects | None:
        """Through ``arb_mat`` where all outputs of a position share their inputs (dense layers, ungrouped convolutions)."""
        leaves = list(linear.leaves(x))
        front = {np.shape(a) for a, _ in leaves}
        if len(front) != 1 or any(np.shape(a)[-1:] != (1,) or np.ndim(w) != 1 for a, w in leaves):
            return None
        (shape,) = front
        inputs = arb_mat([list(row) for row in np.stack([a.reshape(-1) for a, _ in leaves], axis=1)])
        weights = arb_mat([[arb(float(v)) for v in w] for _, w in leaves])
        product = inputs * weights
        result = np.empty((product.nrows(), product.ncols()), dtype=object)
        result[...] = np.array(product.entries(), dtype=object).reshape(result.shape)
        return result.reshape(*shape[:-1], product.ncols())

    @staticmethod
    def enclosure(x: arb) -> tuple[float, float]:
        """Float64 bounds of a ball, rounded outwards."""
        if not x.is_finite():
            return -math.inf, math.inf
        return _down(x.lower()), -_down((-x).lower())

    @staticmethod
    def certified(x: arb, scale: float, digits: int) -> bool:
        """Whether the ball is narrower than 10**-digits times |x| or ``scale``."""
        if not x.is_finite():
            return False
        return bool(x.rad() <= arb(10) ** -digits * abs(x.mid()).max(arb(scale) * arb(10) ** -6))


def _down(x: Any) -> float:
    """Largest float64 that is surely not above the exact number ``x``."""
    value = float(x)
    if math.isnan(value):
        return -math.inf
    while math.isinf(value) or not (arb(value) <= x):
        if value == -math.inf:
            return value
        value = math.nextafter(value, -math.inf)
    return value


_CALLS = {
    "exp": arb.exp,
    "expm1": arb.expm1,
    "log": arb.log,
    "log1p": arb.log1p,
    "tanh": arb.tanh,
    "erf": arb.erf,
    "sqrt": arb.sqrt,
    "rsqrt": arb.rsqrt,
    "reciprocal": lambda x: 1 / x,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}
