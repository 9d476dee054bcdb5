"""Elementwise functions: one program each, from which values, derivatives, enclosures and rounding bounds derive.

``Function.programs`` are the evaluation forms in use (all equal in exact arithmetic); a bound covers every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.machines.base import Machine

Program = Callable[[Machine, Any], Any]


@dataclass(frozen=True)
class Pieces:
    """A piecewise linear function: slope ``slopes[i]`` between ``breaks[i-1]`` and ``breaks[i]``.

    Attributes:
        breaks: enclosures (lo, hi) of the breakpoints, increasing; degenerate where the breakpoint is a float.
        slopes: (value, bound of its distance from the exact slope), one more than breakpoints.
        zero: which pieces are identically zero.
        continuous: False where the function jumps at a breakpoint.
    """

    breaks: tuple[tuple[float, float], ...]
    slopes: tuple[tuple[float, float], ...]
    zero: tuple[bool, ...]
    continuous: bool = True


@dataclass(frozen=True)
class Function:
    """An elementwise function of one variable.

    Attributes:
        name: as in Keras.
        parameters: its constants, in a fixed order.
        programs: evaluation forms; the first is the one a reference or an emulator runs.
        pieces: set for piecewise linear functions.
        slope_range: enclosure of f' over the real line (infinite where unbounded).
        curvature: bound of |f''| wherever it exists.
        monotone: whether f never decreases.
        kinks: points where f is continuous and not differentiable.
        zero_at_zero: whether f(0) = 0 in exact arithmetic and in every execution.
    """

    name: str
    parameters: tuple[tuple[str, float], ...]
    programs: tuple[Program, ...]
    pieces: Pieces | None = None
    slope_range: tuple[float, float] = (-np.inf, np.inf)
    curvature: float = np.inf
    monotone: bool = False
    zero_at_zero: bool = False

    def __str__(self) -> str:
        inner = ", ".join(f"{key}={value:.6g}" for key, value in self.parameters)
        return f"{self.name}({inner})" if inner else self.name


def make(name: str, **parameters: Any) -> Function:
    """The function ``name`` with the given constants.

    Raises:
        GraphError: there is no such function, or a parameter is not one of its own.
    """
    if name not in _TABLE:
        raise GraphError(f"unknown function {name!r}: known are {', '.join(sorted(_TABLE))}")
    try:
        function = _TABLE[name](**parameters)
    except TypeError as error:
        raise GraphError(f"function {name!r}: {error}") from None
    return function


def known() -> tuple[str, ...]:
    """Names that :func:`make` accepts."""
    return tuple(sorted(_TABLE))


def _named(name: str, parameters: Mapping[str, float], programs: tuple[Program, ...], **rest: Any) -> Function:
    return Function(name, tuple((key, float(value)) for key, value in parameters.items()), programs, **rest)


# --- piecewise linear -------------------------------------------------------------------------------------------------


def _relu(max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Function:
    t, slope = float(threshold), float(negative_slope)
    cap = None if max_value is None or np.isinf(max_value) else float(max_value)
    if cap is not None and (cap < max(t, 0.0) or slope < 0.0):
        raise GraphError(f"relu: max_value {cap} needs a negative_slope >= 0 and must not be below 0 or the threshold {t}")

    def program(m: Machine, x: Any) -> Any:
        if slope == 0.0 and t == 0.0:
            y = m.maximum(x, m.constant(0.0))
        elif slope == 0.0:
            y = m.where(x, t, x, m.constant(0.0))
        else:
            shifted = x if t == 0.0 else m.sub(x, m.constant(t))
            y = m.where(x, t, x, m.mul(m.constant(slope), shifted), abs(1.0 - slope) if t == 0.0 else None)
        return y if cap is None else m.minimum(y, m.constant(cap))

    # f(t) belongs to the upper piece: where it jumps, the lower one ends at the float before t.
    start = t if t == 0.0 else float(np.nextafter(t, -np.inf))
    breaks = [(start, t)]
    slopes = [(slope, 0.0), (1.0, 0.0)]
    zero = [slope == 0.0, False]
    if cap is not None:
        breaks.append((cap, cap))
        slopes.append((0.0, 0.0))
        zero.append(cap == 0.0)
        if cap == t:
            breaks, slopes, zero = [(start, t)], [slopes[0], (0.0, 0.0)], [zero[0], cap == 0.0]
    pieces = Pieces(tuple(breaks), tuple(slopes), tuple(zero), continuous=t == 0.0)
    monotone = slope >= 0.0 and t >= 0.0
    values = {"negative_slope": slope, "threshold": t} | ({} if cap is None else {"max_value": cap})
    shown = {key: value for key, value in values.items() if value != 0.0}
    return _named("relu", shown, (program,), pieces=pieces, monotone=monotone, zero_at_zero=slope == 0.0 or t <= 0.0,
                  slope_range=(min(0.0, slope), max(1.0, slope)))  # fmt: skip


def _leaky_relu(negative_slope: float = 0.2) -> Function:
    return _relu(negative_slope=negative_slope)


def _relu6() -> Function:
    return _relu(max_value=6.0)


def _clipped_line(name: str, forms: tuple[Program, ...], slope: tuple[float, float], ends: tuple[float, float],
                  slack: float, zero_low: bool) -> Function:  # fmt: skip
    """clip(line, low, high): three pieces, the middle one with ``slope``, between ``ends``, each known to +- slack."""
    breaks = tuple((end - slack, end + slack) for end in ends)
    pieces = Pieces(breaks, ((0.0, 0.0), slope, (0.0, 0.0)), (zero_low, False, False))
    return _named(name, {}, forms, pieces=pieces, monotone=True, slope_range=(0.0, slope[0] + slope[1]))


def _clip(m: Machine, x: Any, low: float, high: float) -> Any:
    return m.minimum(m.maximum(x, m.constant(low)), m.constant(high))


def _third_form(m: Machine, x: Any) -> Any:
    return _clip(m, m.add(m.div(x, m.constant(6.0)), m.constant(0.5)), 0.0, 1.0)


def _sixth_by_product(m: Machine, x: Any) -> Any:
    # x * fl(1/6): the literal's distance from 1/6 is a rounding error of this form, so it is a rounded quotient here.
    return _clip(m, m.add(m.mul(x, m.div(m.constant(1.0), m.constant(6.0))), m.constant(0.5)), 0.0, 1.0)


def _relu6_over_six(m: Machine, x: Any) -> Any:
    return m.div(_clip(m, m.add(x, m.constant(3.0)), 0.0, 6.0), m.constant(6.0))


_HARD_SIGMOID_3 = (_third_form, _relu6_over_six, _sixth_by_product)


def _hard_sigmoid(keras_version: int = 3) -> Function:
    """Keras 3: clip(x/6 + 1/2, 0, 1); Keras 1 and 2: clip(0.2 x + 0.5, 0, 1) with the double 0.2 as exact constant."""
    if keras_version >= 3:
        return _clipped_line("hard_sigmoid", _HARD_SIGMOID_3, (1 / 6, 2.0**-54), (-3.0, 3.0), 0.0, True)

    def program(m: Machine, x: Any) -> Any:
        return _clip(m, m.add(m.mul(m.constant(0.2), x), m.constant(0.5)), 0.0, 1.0)

    return _clipped_line("hard_sigmoid_v2", (program,), (0.2, 0.0), (-2.5, 2.5), 2.0**-50, True)


def _hard_tanh() -> Function:
    return _clipped_line("hard_tanh", (lambda m, x: _clip(m, x, -1.0, 1.0),), (1.0, 0.0), (-1.0, 1.0), 0.0, False)


def _sparse_sigmoid() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return _clip(m, m.mul(m.constant(0.5), m.add(x, m.constant(1.0))), 0.0, 1.0)

    return _clipped_line("sparse_sigmoid", (program,), (0.5, 0.0), (-1.0, 1.0), 0.0, True)


def _above(x: float) -> float:
    return float(np.nextafter(x, np.inf))


def _not_negative(name: str, threshold: float) -> float:
    if not threshold >= 0.0:
        raise GraphError(f"{name}: threshold {threshold} must not be negative")
    return float(threshold)


def _hard_shrink(threshold: float = 0.5) -> Function:
    t = _not_negative("hard_shrink", threshold)

    def program(m: Machine, x: Any) -> Any:
        # x if |x| > t else 0; the first float past t stands for the strict comparison.
        zero = m.constant(0.0)
        return m.where(x, _above(t), x, m.where(m.negative(x), _above(t), x, zero))

    pieces = Pieces(((-_above(t), -t), (t, _above(t))), ((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)), (False, True, False), False)
    return _named("hard_shrink", {"threshold": t}, (program,), pieces=pieces, monotone=True, zero_at_zero=True)


def _soft_shrink(threshold: float = 0.5) -> Function:
    t = _not_negative("soft_shrink", threshold)

    def program(m: Machine, x: Any) -> Any:
        zero = m.constant(0.0)
        up = m.maximum(m.sub(x, m.constant(t)), zero)
        down = m.minimum(m.add(x, m.constant(t)), zero)
        return m.where(x, 0.0, up, down, 1.0)

    pieces = Pieces(((-t, -t), (t, t)), ((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)), (False, False, False))
    return _named("soft_shrink", {"threshold": t}, (program,), pieces=pieces, monotone=True, slope_range=(0.0, 1.0))


def _threshold(threshold: float = 0.0, default: float = 0.0) -> Function:
    t, d = float(threshold), float(default)

    def program(m: Machine, x: Any) -> Any:
        return m.where(x, _above(t), x, m.constant(d), 1.0 if t == d and t != 0.0 else None)

    pieces = Pieces(((t, _above(t)),), ((0.0, 0.0), (1.0, 0.0)), (d == 0.0, False), continuous=t == d)
    return _named("threshold", {"threshold": t, "default": d}, (program,), pieces=pieces, monotone=d <= t,
                  zero_at_zero=d == 0.0 and t >= 0.0)  # fmt: skip


# --- smooth, and piecewise smooth ---------------------------------------------------------------------------------------


def _plain(name: str, function: str, slopes: tuple[float, float], curvature: float) -> Callable[[], Function]:
    def build() -> Function:
        return _named(name, {}, (lambda m, x: m.function(function, x),), monotone=True, slope_range=slopes,
                      curvature=curvature)  # fmt: skip

    return build


def _sigmoid() -> Function:
    def by_tanh(m: Machine, x: Any) -> Any:
        half = m.constant(0.5)
        return m.add(m.mul(half, m.function("tanh", m.mul(half, x))), half)

    def whole(m: Machine, x: Any) -> Any:
        return m.function("sigmoid", x)

    return _named("sigmoid", {}, (whole, by_tanh), monotone=True, slope_range=(0.0, 0.25), curvature=0.09623)


def _elu(alpha: float = 1.0) -> Function:
    a = float(alpha)

    def program(m: Machine, x: Any) -> Any:
        return m.where(x, 0.0, x, m.mul(m.constant(a), m.function("expm1", m.minimum(x, m.constant(0.0)))), 1.0 + abs(a))

    def by_exp(m: Machine, x: Any) -> Any:
        e = m.function("exp", m.minimum(x, m.constant(0.0)))
        return m.where(x, 0.0, x, m.mul(m.constant(a), m.sub(e, m.constant(1.0))), 1.0 + abs(a))

    return _named("elu", {"alpha": a}, (program, by_exp), monotone=a >= 0, slope_range=(min(0.0, a, 1.0), max(1.0, a)),
                  curvature=abs(a))  # fmt: skip


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _selu() -> Function:
    def program(m: Machine, x: Any) -> Any:
        tail = m.mul(m.constant(SELU_ALPHA), m.function("expm1", m.minimum(x, m.constant(0.0))))
        return m.mul(m.constant(SELU_SCALE), m.where(x, 0.0, x, tail, 3.0))

    def folded(m: Machine, x: Any) -> Any:
        product = m.mul(m.constant(SELU_SCALE), m.constant(SELU_ALPHA))
        tail = m.mul(product, m.function("expm1", m.minimum(x, m.constant(0.0))))
        return m.where(x, 0.0, m.mul(m.constant(SELU_SCALE), x), tail, 3.0)

    return _named("selu", {}, (program, folded), monotone=True, slope_range=(0.0, 1.7581), curvature=1.7581)


def _celu(alpha: float = 1.0) -> Function:
    a = float(alpha)
    if a == 0.0:
        raise GraphError("celu: alpha must not be 0")

    def program(m: Machine, x: Any) -> Any:
        low = m.minimum(x, m.constant(0.0))
        tail = m.mul(m.constant(a), m.function("expm1", m.div(low, m.constant(a))))
        return m.add(m.maximum(x, m.constant(0.0)), tail)

    return _named("celu", {"alpha": a}, (program,), monotone=a > 0, slope_range=(0.0, 1.0) if a > 0 else (-np.inf, np.inf),
                  curvature=1.0 / a * (1 + 2.0**-50) if a > 0 else np.inf)  # fmt: skip


def _times_sigmoid(m: Machine, x: Any) -> Any:
    return m.mul(x, m.function("sigmoid", x))


def _silu() -> Function:
    return _named("silu", {}, (_times_sigmoid,), slope_range=(-0.0999, 1.0999), curvature=0.5)


ROOT_HALF = 0.70710678118654752440
ROOT_TWO_OVER_PI = 0.79788456080286535588


def _gelu(approximate: bool = False) -> Function:
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
        return _named("gelu_tanh", {}, (tanh_form,), slope_range=(-0.131, 1.131), curvature=1.0)
    return _named("gelu", {}, (exact, by_division), slope_range=(-0.12905, 1.12905), curvature=0.79789)


def _softsign() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return m.div(x, m.add(m.constant(1.0), m.absolute(x)))

    return _named("softsign", {}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=2.0)


def _hard_silu() -> Function:
    forms = tuple(_gate(inner) for inner in _HARD_SIGMOID_3)
    return _named("hard_silu", {}, forms, slope_range=(-0.5, 1.5), curvature=0.33334)


def _gate(inner: Program) -> Program:
    return lambda m, x: m.mul(x, inner(m, x))


def _tanh_shrink() -> Function:
    return _named("tanh_shrink", {}, (lambda m, x: m.sub(x, m.function("tanh", x)),), monotone=True,
                  slope_range=(0.0, 1.0), curvature=0.76981)  # fmt: skip


def _log_sigmoid() -> Function:
    def by_exp(m: Machine, x: Any) -> Any:
        tail = m.function("log1p", m.function("exp", m.negative(m.absolute(x))))
        return m.sub(m.minimum(x, m.constant(0.0)), tail)

    def whole(m: Machine, x: Any) -> Any:
        return m.negative(m.function("softplus", m.negative(x)))

    return _named("log_sigmoid", {}, (whole, by_exp), monotone=True, slope_range=(0.0, 1.0), curvature=0.25)


def _softplus() -> Function:
    def by_exp(m: Machine, x: Any) -> Any:
        tail = m.function("log1p", m.function("exp", m.negative(m.absolute(x))))
        return m.add(m.maximum(x, m.constant(0.0)), tail)

    def whole(m: Machine, x: Any) -> Any:
        return m.function("softplus", x)

    return _named("softplus", {}, (whole, by_exp), monotone=True, slope_range=(0.0, 1.0), curvature=0.25)


def _mish() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return m.mul(x, m.function("tanh", m.function("softplus", x)))

    return _named("mish", {}, (program,), slope_range=(-0.1132, 1.0885), curvature=0.65)


def _sparse_plus() -> Function:
    def program(m: Machine, x: Any) -> Any:
        shifted = m.add(x, m.constant(1.0))
        middle = m.mul(m.constant(0.25), m.mul(shifted, shifted))
        return m.where(x, 1.0, x, m.where(x, -1.0, middle, m.constant(0.0), 1.0), 1.0)

    return _named("sparse_plus", {}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=0.5)


def _squareplus(b: float = 4.0) -> Function:
    value = float(b)

    def program(m: Machine, x: Any) -> Any:
        root = m.function("sqrt", m.add(m.mul(x, x), m.constant(value)))
        return m.mul(m.constant(0.5), m.add(x, root))

    bend = 0.5 / np.sqrt(value) * (1 + 2.0**-48) if value > 0 else np.inf
    return _named("squareplus", {"b": value}, (program,), monotone=True, slope_range=(0.0, 1.0), curvature=float(bend))


def _clipped_rsqrt(epsilon: float = 1e-12) -> Function:
    """1 / sqrt(max(x, epsilon)), the scale of a normalisation to unit length."""
    e = float(epsilon)

    def program(m: Machine, x: Any) -> Any:
        return m.function("rsqrt", m.maximum(x, m.constant(e)))

    def divided(m: Machine, x: Any) -> Any:
        return m.div(m.constant(1.0), m.function("sqrt", m.maximum(x, m.constant(e))))

    return _named("clipped_rsqrt", {"epsilon": e}, (program, divided))


_TABLE: dict[str, Callable[..., Function]] = {
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": _hard_tanh,
    "sparse_sigmoid": _sparse_sigmoid,
    "hard_shrink": _hard_shrink,
    "soft_shrink": _soft_shrink,
    "threshold": _threshold,
    "exponential": _plain("exponential", "exp", (0.0, np.inf), np.inf),
    "tanh": _plain("tanh", "tanh", (0.0, 1.0), 0.76981),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "silu": _silu,
    "gelu": _gelu,
    "softsign": _softsign,
    "hard_silu": _hard_silu,
    "tanh_shrink": _tanh_shrink,
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "sparse_plus": _sparse_plus,
    "squareplus": _squareplus,
    "clipped_rsqrt": _clipped_rsqrt,
}
