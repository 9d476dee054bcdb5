"""Piecewise linear functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.functions.base import Function, Pieces, Program, named
from boundnet.machines.base import Machine


def relu(max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Function:
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
    return named("relu", shown, (program,), pieces=pieces, monotone=monotone, zero_at_zero=slope == 0.0 or t <= 0.0,
                  selects=tuple({0.0, cap or 0.0}) if slope == t == 0.0 else None,
                  slope_range=(min(0.0, slope), max(1.0, slope)))  # fmt: skip


def leaky_relu(negative_slope: float = 0.2) -> Function:
    return relu(negative_slope=negative_slope)


def relu6() -> Function:
    return relu(max_value=6.0)


def _clipped_line(name: str, forms: tuple[Program, ...], slope: tuple[float, float], ends: tuple[float, float],
                  slack: float, zero_low: bool) -> Function:  # fmt: skip
    """clip(line, low, high): three pieces, the middle one with ``slope``, between ``ends``, each known to +- slack."""
    breaks = tuple((end - slack, end + slack) for end in ends)
    pieces = Pieces(breaks, ((0.0, 0.0), slope, (0.0, 0.0)), (zero_low, False, False))
    return named(name, {}, forms, pieces=pieces, monotone=True, slope_range=(0.0, slope[0] + slope[1]))


def _clip(m: Machine, x: Any, low: float, high: float) -> Any:
    return m.minimum(m.maximum(x, m.constant(low)), m.constant(high))


def _third_form(m: Machine, x: Any) -> Any:
    return _clip(m, m.add(m.div(x, m.constant(6.0)), m.constant(0.5)), 0.0, 1.0)


def _sixth_by_product(m: Machine, x: Any) -> Any:
    # x * fl(1/6): the literal's distance from 1/6 is a rounding error of this form, so it is a rounded quotient here.
    return _clip(m, m.add(m.mul(x, m.div(m.constant(1.0), m.constant(6.0))), m.constant(0.5)), 0.0, 1.0)


def _relu6_over_six(m: Machine, x: Any) -> Any:
    return m.div(_clip(m, m.add(x, m.constant(3.0)), 0.0, 6.0), m.constant(6.0))


HARD_SIGMOID_FORMS = (_third_form, _relu6_over_six, _sixth_by_product)


def hard_sigmoid(keras_version: int = 3) -> Function:
    """Keras 3: clip(x/6 + 1/2, 0, 1); Keras 1 and 2: clip(0.2 x + 0.5, 0, 1) with the double 0.2 as exact constant."""
    if keras_version >= 3:
        return _clipped_line("hard_sigmoid", HARD_SIGMOID_FORMS, (1 / 6, 2.0**-54), (-3.0, 3.0), 0.0, True)

    def program(m: Machine, x: Any) -> Any:
        return _clip(m, m.add(m.mul(m.constant(0.2), x), m.constant(0.5)), 0.0, 1.0)

    return _clipped_line("hard_sigmoid_v2", (program,), (0.2, 0.0), (-2.5, 2.5), 2.0**-50, True)


def hard_tanh() -> Function:
    return _clipped_line("hard_tanh", (lambda m, x: _clip(m, x, -1.0, 1.0),), (1.0, 0.0), (-1.0, 1.0), 0.0, False)


def sparse_sigmoid() -> Function:
    def program(m: Machine, x: Any) -> Any:
        return _clip(m, m.mul(m.constant(0.5), m.add(x, m.constant(1.0))), 0.0, 1.0)

    return _clipped_line("sparse_sigmoid", (program,), (0.5, 0.0), (-1.0, 1.0), 0.0, True)


def _above(x: float) -> float:
    return float(np.nextafter(x, np.inf))


def _not_negative(name: str, threshold: float) -> float:
    if not threshold >= 0.0:
        raise GraphError(f"{name}: threshold {threshold} must not be negative")
    return float(threshold)


def hard_shrink(threshold: float = 0.5) -> Function:
    t = _not_negative("hard_shrink", threshold)

    def program(m: Machine, x: Any) -> Any:
        # x if |x| > t else 0; the first float past t stands for the strict comparison.
        zero = m.constant(0.0)
        return m.where(x, _above(t), x, m.where(m.negative(x), _above(t), x, zero))

    pieces = Pieces(((-_above(t), -t), (t, _above(t))), ((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)), (False, True, False), False)
    return named("hard_shrink", {"threshold": t}, (program,), pieces=pieces, monotone=True, zero_at_zero=True)


def soft_shrink(threshold: float = 0.5) -> Function:
    t = _not_negative("soft_shrink", threshold)

    def program(m: Machine, x: Any) -> Any:
        zero = m.constant(0.0)
        up = m.maximum(m.sub(x, m.constant(t)), zero)
        down = m.minimum(m.add(x, m.constant(t)), zero)
        return m.where(x, 0.0, up, down, 1.0)

    pieces = Pieces(((-t, -t), (t, t)), ((1.0, 0.0), (0.0, 0.0), (1.0, 0.0)), (False, False, False))
    return named("soft_shrink", {"threshold": t}, (program,), pieces=pieces, monotone=True, slope_range=(0.0, 1.0))


def threshold(threshold: float = 0.0, default: float = 0.0) -> Function:
    t, d = float(threshold), float(default)

    def program(m: Machine, x: Any) -> Any:
        return m.where(x, _above(t), x, m.constant(d), 1.0 if t == d and t != 0.0 else None)

    pieces = Pieces(((t, _above(t)),), ((0.0, 0.0), (1.0, 0.0)), (d == 0.0, False), continuous=t == d)
    return named("threshold", {"threshold": t, "default": d}, (program,), pieces=pieces, monotone=d <= t,
                  zero_at_zero=d == 0.0 and t >= 0.0)  # fmt: skip
