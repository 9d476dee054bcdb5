"""Smooth and piecewise smooth functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.functions.base import Function, Program, named
from boundnet.functions.piecewise import HARD_SIGMOID_FORMS
from boundnet.machines.base import Machine


def plain(name: str, function: str, slopes: tuple[float, float], curvature: float) -> Callable[[], Function]:
    def build() -> Function:
        return named(name, {}, (lambda m, x: m.function(function, x),), monotone=True, slope_range=slopes,
                      curvature=curvature)  # fmt: skip

    return build


def sigmoid() -> Function:
    def by_tanh(m: Machine, x: Any) -> Any:
        half = m.constant(0.5)
        return m.add(m.mul(half, m.function("tanh", m.mul(half, x))), half)

    def whole(m: Machine, x: Any) -> Any:
        return m.function("sigmoid", x)

    return named("sigmoid", {}, (whole, by_tanh), monotone=True, slope_range=(0.0, 0.25), curvature=0.09623)


def elu(alpha: float = 1.0) -> Function:
    a = float(alpha)

    def program(m: Machine, x: Any) -> Any:
        return m.where(x, 0.0, x, m.mul(m.constant(a), m.function("expm1", m.minimum(x, m.constant(0.0)))), 1.0 + abs(a))

    def by_exp(m: Machine, x: Any) -> Any:
        e = m.function("exp", m.minimum(x, m.constant(0.0)))
        return m.where(x, 0.0, x, m.mul(m.constant(a), m.sub(e, m.constant(1.0))), 1.0 + abs(a))

    return named("elu", {"alpha": a}, (program, by_exp), monotone=a >= 0, slope_range=(min(0.0, a, 1.0), max(1.0, a)),
                  curvature=abs(a))  # fmt: skip


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu() -> Function:
    def program(m: Machine, x: Any) -> Any:
        tail = m.mul(m.constant(SELU_ALPHA), m.function("expm1", m.minimum(x, m.constant(0.0))))
        return m.mul(m.constant(SELU_SCALE), m.where(x, 0.0, x, tail, 3.0))

    def folded(m: Machine, x: Any) -> Any:
        product = m.mul(m.constant(SELU_SCALE), m.constant(SELU_ALPHA))
        tail = m.mul(product, m.function("expm1", m.minimum(x, m.constant(0.0))))
        return m.where(x, 0.0, m.mul(m.constant(SELU_SCALE), x), tail, 3.0)

    return named("selu", {}, (program, folded), monotone=True, slope_range=(0.0, 1.7581), curvature=1.7581)


def celu(alpha: float = 1.0) -> Function:
    a = float(alpha)
    if a == 0.0:
        raise GraphError("celu: alpha must not be 0")

    def program(m: Machine, x: Any) -> Any:
        low = m.minimum(x, m.constant(0.0))
        tail = m.mul(m.constant(a), m.function("expm1", m.div(low, m.constant(a))))
        return m.add(m.maximum(x, m.constant(0.0)), tail)

    return named("celu", {"alpha": a}, (program,), monotone=a > 0, slope_range=(0.0, 1.0) if a > 0 else (-np.inf, np.inf),
                  curvature=1.0 / a * (1 + 2.0**-50) if a > 0 else np.inf)  # fmt: skip


def _times_sigmoid(m: Machine, x: Any) -> Any:
    return m.mul(x, m.function("sigmoid", x))


def silu() -> Function:
    return named("silu", {}, (_times_sigmoid,), slope_range=(-0.0999, 1.0999), curvature=0.5)


ROOT_HALF = 0.70710678118654752440
ROOT_TWO_OVER_PI = 0.79788456080286535588


def gelu(approximate: bool = False) -> Function:
    def exact(m: Machine, x: Any) -> Any:
        # 1/sqrt(2) as a rounded quotient: literals of real code differ from the irrational constant.
        scaled = m.mul(x, m.function("rsqrt", m.constant(2.0)))
        return m.mul(m.mul(m.constant(0.5), x), m.add(m.constant(1.0), m.function("erf", scaled)))

    def by_division(m: Machine, x: Any) -> Any:
        scaled = m.div(x, m.function("sqrt", m.constant(2.0)))
        return m.mul(x, m.mul(m.constant(0.5), m.add(m.constant(1.0), m.function("erf", scaled))))

    def tanh_form(m: Machine, x: Any) -> Any:
        cube = m.mul(m.mul(x, x), x)
        inner = m.mul(m.constant(ROOT_TWO_OVER_PI), m.add(x, m.mul(m.constant(0.044715), cube)))
        return m.mul(m.mul(m.constant(0.5), x), m.add(m.constant(1.0), m.function("tanh", inner)))

    if approximate:
        return named("gelu_tanh", {}, (tanh_form,), slope_range=(-0.131, 1.131), curvature=1.0)
    return named("gelu", {}, (exact, by_division), slope_range=(-0.12905, 1.12905), curvature=0.79789)


def softsign() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return m.div(x, m.add(m.constant(1.0), m.absolute(x)))

    return named("softsign", {}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=2.0)


def hard_silu() -> Function:
    forms = tuple(_gate(inner) for inner in HARD_SIGMOID_FORMS)
    return named("hard_silu", {}, forms, slope_range=(-0.5, 1.5), curvature=0.33334)


def _gate(inner: Program) -> Program:
    return lambda m, x: m.mul(x, inner(m, x))


def tanh_shrink() -> Function:
    return named("tanh_shrink", {}, (lambda m, x: m.sub(x, m.function("tanh", x)),), monotone=True,
                  slope_range=(0.0, 1.0), curvature=0.76981)  # fmt: skip


def log_sigmoid() -> Function:
    def by_exp(m: Machine, x: Any) -> Any:
        tail = m.function("log1p", m.function("exp", m.negative(m.absolute(x))))
        return m.sub(m.minimum(x, m.constant(0.0)), tail)

    def whole(m: Machine, x: Any) -> Any:
        return m.negative(m.function("softplus", m.negative(x)))

    return named("log_sigmoid", {}, (whole, by_exp), monotone=True, slope_range=(0.0, 1.0), curvature=0.25)


def softplus() -> Function:
    def by_exp(m: Machine, x: Any) -> Any:
        tail = m.function("log1p", m.function("exp", m.negative(m.absolute(x))))
        return m.add(m.maximum(x, m.constant(0.0)), tail)

    def whole(m: Machine, x: Any) -> Any:
        return m.function("softplus", x)

    return named("softplus", {}, (whole, by_exp), monotone=True, slope_range=(0.0, 1.0), curvature=0.25)


def mish() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return m.mul(x, m.function("tanh", m.function("softplus", x)))

    def by_squares(m: Machine, x: Any) -> Any:
        # oneDNN: tanh(log q) = (q**2 - 1) / (q**2 + 1), q = 1 + exp(x).  From x = 4 on the error of q does not
        # matter, and four roundings are left, fewer than in the form above.
        one = m.constant(1.0)
        q = m.add(one, m.function("exp", m.minimum(x, m.constant(4.0))))
        square = m.mul(q, q)
        far = m.mul(x, m.function("tanh", m.function("softplus", m.maximum(x, m.constant(4.0)))))
        return m.where(x, 4.0, far, m.mul(x, m.div(m.sub(square, one), m.add(square, one))), 1.0)

    return named("mish", {}, (program, by_squares), slope_range=(-0.1132, 1.0885), curvature=0.65)


def sparse_plus() -> Function:
    def program(m: Machine, x: Any) -> Any:
        shifted = m.add(x, m.constant(1.0))
        middle = m.mul(m.constant(0.25), m.mul(shifted, shifted))
        return m.where(x, 1.0, x, m.where(x, -1.0, middle, m.constant(0.0), 1.0), 1.0)

    return named("sparse_plus", {}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=0.5)


def squareplus(b: float = 4.0) -> Function:
    value = float(b)

    def program(m: Machine, x: Any) -> Any:
        root = m.function("sqrt", m.add(m.mul(x, x), m.constant(value)))
        return m.mul(m.constant(0.5), m.add(x, root))

    bend = 0.5 / np.sqrt(value) * (1 + 2.0**-48) if value > 0 else np.inf
    return named("squareplus", {"b": value}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=float(bend))


def clipped_rsqrt(epsilon: float = 1e-12) -> Function:
    """1 / sqrt(max(x, epsilon)), the scale of a normalisation to unit length."""
    e = float(epsilon)

    def program(m: Machine, x: Any) -> Any:
        return m.function("rsqrt", m.maximum(x, m.constant(e)))

    def divided(m: Machine, x: Any) -> Any:
        return m.div(m.constant(1.0), m.function("sqrt", m.maximum(x, m.constant(e))))

    return named("clipped_rsqrt", {"epsilon": e}, (program, divided), positive=True)
