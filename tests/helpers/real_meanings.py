"""What Keras' documentation says that each function is, written once more in Arb balls: no code of the analyzer is used."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flint import arb, ctx

Meaning = Callable[[Any], Any]
BITS = 640
"""x - tanh(x) at 1e-45 loses 300 bits."""


def relu(x: arb) -> arb:
    return x if x > 0 else arb(0)


def clip(x: arb, low: float, high: float) -> arb:
    return arb(low) if x <= arb(low) else arb(high) if x >= arb(high) else x


def layer_relu(limit: float, slope: float, threshold: float) -> Meaning:
    def f(x: arb) -> arb:
        y = x if x >= arb(threshold) else arb(slope) * (x - arb(threshold))
        return arb(limit) if y > arb(limit) else y

    return f


def leaky(slope: float) -> Meaning:
    return lambda x: x if x >= 0 else arb(slope) * x


def elu(alpha: float) -> Meaning:
    return lambda x: x if x > 0 else arb(alpha) * x.expm1()


def celu(alpha: float) -> Meaning:
    return lambda x: x if x > 0 else arb(alpha) * (x / arb(alpha)).expm1()


def selu(x: arb) -> arb:
    scale, alpha = arb(1.05070098735548049342), arb(1.67326324235437728481)
    return scale * x if x > 0 else scale * alpha * x.expm1()


def sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp()) if x > -200 else x.exp() / (1 + x.exp())


def softplus(x: arb) -> arb:
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def gelu(x: arb) -> arb:
    return x * (-x / arb(2).sqrt()).erfc() / 2


def gelu_tanh(x: arb) -> arb:
    inner = (arb(2) / arb.pi()).sqrt() * (x + arb("0.044715") * x**3)
    # 1 + tanh(z) = 2 sigmoid(2 z), without the cancellation.
    return x * sigmoid(2 * inner)


def hard_sigmoid(x: arb) -> arb:
    return clip(x / 6 + arb(1) / 2, 0.0, 1.0)


def sparse_plus(x: arb) -> arb:
    return arb(0) if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4


def sparse_sigmoid(x: arb) -> arb:
    return clip((x + 1) / 2, 0.0, 1.0)


def squareplus(b: float) -> Meaning:
    def f(x: arb) -> arb:
        root = (x * x + arb(b)).sqrt()
        return (x + root) / 2 if x > 0 else arb(b) / (2 * (root - x))

    return f


def soft_shrink(t: float) -> Meaning:
    return lambda x: x - arb(t) if x > arb(t) else x + arb(t) if x < -arb(t) else arb(0)


def hard_shrink(t: float) -> Meaning:
    return lambda x: x if abs(x) > arb(t) else arb(0)


def tanh_shrink(x: arb) -> arb:
    return x - x.tanh()


def log_sigmoid(x: arb) -> arb:
    return -softplus(-x)


def mish(x: arb) -> arb:
    return x * softplus(x).tanh()


def values(meaning: Meaning, at: list[float]) -> list[tuple[float, float]]:
    """``meaning`` at each number as an unevaluated sum of two float64 numbers, good to 2**-100 of the result."""
    before, ctx.prec = ctx.prec, BITS
    try:
        return [_two(meaning(arb(x))) for x in at]
    finally:
        ctx.prec = before


def _two(ball: Any) -> tuple[float, float]:
    high = float(ball.mid())
    if math.isinf(high):
        return high, 0.0
    rest = ball - arb(high)
    low = float(rest.mid())
    least = 2.0**-1074
    assert ball.rad() <= arb(2) ** -100 * abs(ball.mid()) + arb(least) ** 1 / 4, (
        "the reference itself is not known well enough"
    )
    return high, low
