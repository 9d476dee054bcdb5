"""Taylor series of op programs over balls: value, slope and curvature, certified by Arb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flint
from flint import arb, arb_series

from boundnet.functions import Function


def _tanh(x: Any) -> Any:
    small = (-2 * _size(x)).exp()
    value = (1 - small) / (1 + small)
    return value if x[0].mid() >= 0 else -value


def _size(x: Any) -> Any:
    return x if x[0].mid() >= 0 else -x


def _sigmoid(x: Any) -> Any:
    small = (-_size(x)).exp()
    return (1 if x[0].mid() >= 0 else small) / (1 + small)


_CALLS: dict[str, Callable[[Any], Any]] = {
    "exp": lambda x: x.exp(),
    "expm1": lambda x: x.exp() - 1,
    "log": lambda x: x.log(),
    "log1p": lambda x: (1 + x).log(),
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "erf": lambda x: x.erf(),
    "softplus": lambda x: (1 + (-_size(x)).exp()).log() + (x if x[0].mid() >= 0 else 0),
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.rsqrt(),
}


class SeriesMachine:
    """Power series; a kink must not lie inside a ball, only at its end: the ball's middle decides."""

    def variable(self, x: arb) -> Any:
        flint.ctx.cap = 4
        return arb_series([x, 1])

    def constant(self, value: float) -> Any:
        return arb_series([arb(float(value))])

    parameter = constant

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        return a - b

    def mul(self, a: Any, b: Any) -> Any:
        return a * b

    def div(self, a: Any, b: Any) -> Any:
        return a / b

    def maximum(self, a: Any, b: Any) -> Any:
        return a if a[0].mid() >= b[0].mid() else b

    def minimum(self, a: Any, b: Any) -> Any:
        return a if a[0].mid() <= b[0].mid() else b

    def absolute(self, a: Any) -> Any:
        return _size(a)

    def negative(self, a: Any) -> Any:
        return -a

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        return above if x[0].mid() >= threshold else below

    def function(self, name: str, a: Any) -> Any:
        return _CALLS[name](a)


def derivatives(function: Function, low: float, high: float) -> tuple[arb, arb, arb]:
    """Enclosures of f, f', f'' over [low, high]: the last two by the mean value theorem about the middle."""
    machine = SeriesMachine()
    middle, radius = 0.5 * (low + high), 0.5 * (high - low)
    point: Any = function.programs[0](machine, machine.variable(arb(middle)))  # type: ignore[arg-type]
    if radius == 0.0:
        return point[0], point[1], 2 * point[2]
    whole: Any = function.programs[0](machine, machine.variable(arb(middle, radius)))  # type: ignore[arg-type]
    away = arb(0, radius)
    return whole[0], point[1] + 2 * whole[2] * away, 2 * point[2] + 6 * whole[3] * away
