"""Rounding of y = gamma (x - m) / sqrt(s + epsilon) + beta, stage by stage.

Each stage takes what the one before computed as exact: the errors of m and of the scale enter the result through the exact
formula, where they meet what they multiply (d, not x), and the variance feels m's error only squared, because
sum (x - m^)**2 = sum d**2 + n (m^ - m)**2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.machines.running import RunningMachine, Tracked
from boundnet.maps import SumMap
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, up
from boundnet.roundoff.inner_product import Sum, sum_error
from boundnet.roundoff.moments import Moments
from boundnet.roundoff.rounder import Rounder


@dataclass(frozen=True)
class Normal:
    """Which normalisation: ``centred`` subtracts the mean, ``averaged`` divides the sum of squares by n, ``one_pass``
    allows mean(x**2) - mean(x)**2; ``floor``: least sqrt(s), instead of an epsilon under the root."""

    centred: bool
    averaged: bool
    epsilon: float
    one_pass: bool = False
    floor: float = 0.0


@dataclass(frozen=True)
class _Known:
    """Numbers of which each execution holds one exactly, (..., n)."""

    box: Box
    nonzero: Mask


def rounding(
    around: Arithmetic, normal: Normal, x: Box, nonzero: Mask, near: Moments, gamma: Array | None, beta: Array | None,
    kept: bool,
) -> tuple[Array, Mask]:  # fmt: skip
    """Bound of |computed - exact| for every x in range, all evaluation forms covered, and where it may overflow.

    Args:
        x: range of the inputs, (N, *groups, n); ``nonzero`` which of them can be anything but 0.
        near: moments over that range.
        gamma, beta: broadcasting against x, or None.
        kept: whether intermediate results may be kept (:class:`boundnet.arithmetic.Arithmetic`).
    """
    rules = around.inside if kept else around
    values = _Known(x, nonzero)
    mean_error: Array = np.zeros(near.mean.lo.shape)
    overflow: Mask = np.zeros(x.lo.shape, dtype=np.bool_)
    if normal.centred:
        mean_error, overflow = _mean(rules, values, np.zeros(()), True)
        overflow = np.broadcast_to(overflow, x.lo.shape)
    worst: Array = np.zeros(())
    mean = near.mean + Box(-mean_error, mean_error)
    for power_error, over, least in _powers(rules, normal, values, near, mean, mean_error):
        scale_error, over2 = _scale(rules, normal, near.power, power_error, least)
        scale = _exact_scale(normal, near.power)
        scale = (scale + Box(-scale_error, scale_error)).clip(0.0, np.inf)
        last = RunningMachine.inside(around, kept)
        stage, over3 = _result(last, x, mean if normal.centred else None, scale, gamma, beta)
        with np.errstate(invalid="ignore", over="ignore"):
            carried = up(scale.hi * mean_error + near.offset.magnitude * scale_error, 3)
            carried = carried if gamma is None else up(carried * np.abs(gamma), 1)
            error = up(stage + carried, 1)
        worst = np.maximum(worst, np.where(np.isnan(error), np.inf, error))
        overflow = overflow | over | over2 | over3
    return np.broadcast_to(worst, x.lo.shape), np.asarray(overflow, dtype=np.bool_)


def _mean(rules: Arithmetic, values: _Known, carried: Array, averaged: bool) -> tuple[Array, Mask]:
    """Error of the mean (or the sum) of numbers that are off by ``carried`` altogether; (..., 1)."""
    lo, hi = values.box.lo, values.box.hi
    with np.errstate(invalid="ignore", over="ignore"):
        middle = 0.5 * lo + 0.5 * hi
        usable = np.isfinite(middle)
        middle = np.where(usable, middle, 0.0)
        radius = np.where(usable, up(np.maximum(hi - middle, middle - lo), 2), np.inf)
    n = lo.shape[-1]
    summing = SumMap(lo.shape[1:], lo.ndim - 2)
    value = summing.apply(middle)
    spread = up(summing.absolute(radius) + summing.absolute(np.abs(middle)) * ((n + 2) * 2.0**-52), 2)
    terms = Sum(summing, middle, radius, values.nonzero, None, products=False)
    found = sum_error(terms, rules, value, spread, stored=not averaged)
    error = up(found.error + carried, 1)
    reached = up(np.abs(value) + spread, 1)
    if averaged:
        count = np.full(value.shape[1:], float(n))
        error = Rounder(rules).divided(error, value / n, count, reached)
        reached = up(reached / n, 1)
    overflow = rules.overflows(up(found.accumulated + carried, 1), up(reached + error, 1))
    return np.where(np.isnan(error), np.inf, error), overflow


def _powers(
    rules: Arithmetic, normal: Normal, values: _Known, near: Moments, mean: Box, mean_error: Array
) -> list[tuple[Array, Mask, float]]:
    """(error of s, overflow, least value that a machine can get) of every form."""
    machine = RunningMachine(rules)
    x = machine.variable(values.box)
    if not normal.centred:
        return [(*_squares(rules, normal, machine.mul(x, x), values.nonzero), 0.0)]
    everywhere = np.ones(values.nonzero.shape, dtype=np.bool_)
    offset = machine.sub(x, machine.variable(mean))
    near_offset = near.offset + Box(-mean_error, mean_error)
    offset = Tracked(near_offset, offset.error, offset.overflow)
    error, overflow = _squares(rules, normal, machine.mul(offset, offset), everywhere)
    forms = [(up(error + up(mean_error * mean_error, 1), 1), overflow, 0.0)]
    if normal.one_pass:
        error, overflow = _squares(rules, normal, machine.mul(x, x), values.nonzero)
        squares = Tracked(near.power + near.mean.square(), error, overflow)
        centre = machine.variable(mean)
        difference = machine.sub(squares, machine.mul(centre, centre))
        moved = up(mean_error * (2.0 * near.mean.magnitude + mean_error), 2)
        forms.append((up(difference.error + moved, 1), np.asarray(difference.overflow), -np.inf))
    return forms


def _squares(rules: Arithmetic, normal: Normal, square: Tracked, nonzero: Mask) -> tuple[Array, Mask]:
    """Error of share * sum of computed squares against that of the exact ones."""
    box = Box(np.maximum(square.exact.lo - square.error, 0.0), up(square.exact.hi + square.error, 1))
    carried = up(square.error.sum(axis=-1, keepdims=True), square.error.shape[-1])
    error, overflow = _mean(rules, _Known(box, nonzero), carried, normal.averaged)
    return error, overflow | np.any(square.overflow, axis=-1, keepdims=True)


def _exact_scale(normal: Normal, power: Box) -> Box:
    if normal.floor:
        least = Box.exactly(normal.floor).square()
        return power.maximum(least).function("rsqrt")
    return (power + Box.exactly(normal.epsilon)).function("rsqrt")


def _scale(rules: Arithmetic, normal: Normal, power: Box, error: Array, least: float) -> tuple[Array, Mask]:
    """Error of the scale against the exact one, given the power's; by rsqrt, or by a root and a division.

    A division by the root itself rounds less than the product with its reciprocal.
    """
    m = RunningMachine(rules)
    base = (power.maximum(Box.exactly(normal.floor).square()) if normal.floor else power + Box.exactly(normal.epsilon)).lo
    given = (power + Box(-error, error)).maximum(Box.exactly(least))
    if normal.floor:
        # Certainly above the floor, in every execution: then the clamp does nothing.
        clear = given.lo > 4.0 * normal.floor * normal.floor
        shifted = m.variable(Box(np.where(clear, given.lo, np.nan), given.hi))
    else:
        shifted = m.add(m.variable(given), m.constant(normal.epsilon))
    forms = (m.function("rsqrt", shifted), m.div(m.constant(1.0), m.function("sqrt", shifted)))
    own = np.maximum.reduce([np.where(np.isnan(form.error), np.inf, form.error) for form in forms])
    overflow = forms[0].overflow | forms[1].overflow
    if normal.floor and rules.accumulate.overflow != "inf":
        # min(rsqrt(s), 1 / floor): a literal that does not fit would saturate and win.
        overflow = overflow | (1.0 / normal.floor >= rules.storage.largest)
    with np.errstate(all="ignore"):
        share = up(error / base, 3)
        # 1 / sqrt(1 - t) - 1
        moved = up(np.expm1(-0.5 * np.log1p(-share) * (1.0 + 2.0**-50)), 12) * _exact_scale(normal, power).hi
        moved = np.where(share < 1.0, up(moved, 1), np.inf)
        if least >= 0.0 and normal.epsilon > 0.0:
            # Both scales lie between 0 and 1 / sqrt(epsilon).
            moved = np.minimum(moved, Box.exactly(normal.epsilon).function("rsqrt").hi)
    return up(own + np.where(np.isnan(moved), np.inf, moved), 1), overflow


def _result(
    m: RunningMachine, x: Box, mean: Box | None, scale: Box, gamma: Array | None, beta: Array | None
) -> tuple[Array, Mask]:
    """Rounding of the last stage for given mean and scale: subtract and scale, or x * t + (beta - m * t)."""
    a, r = m.variable(x), m.variable(scale)
    centre = None if mean is None else m.variable(mean)
    weights = [None if w is None else m.parameter(w) for w in (gamma, beta)]
    results = [m.result(form(m, a, centre, r, *weights)) for form in RESULTS]
    return np.maximum.reduce([f.error for f in results]), np.logical_or.reduce([f.overflow for f in results])


def subtracted(m: Any, x: Any, mean: Any, scale: Any, gamma: Any, beta: Any) -> Any:
    """((x - m) r) gamma + beta."""
    y = m.mul(x if mean is None else m.sub(x, mean), scale)
    y = y if gamma is None else m.mul(y, gamma)
    return y if beta is None else m.add(y, beta)


def scaled_first(m: Any, x: Any, mean: Any, scale: Any, gamma: Any, beta: Any) -> Any:
    """(x - m) (r gamma) + beta."""
    t = scale if gamma is None else m.mul(scale, gamma)
    y = m.mul(x if mean is None else m.sub(x, mean), t)
    return y if beta is None else m.add(y, beta)


def folded(m: Any, x: Any, mean: Any, scale: Any, gamma: Any, beta: Any) -> Any:
    """x t + (beta - m t), t = r gamma."""
    if mean is None:
        return scaled_first(m, x, mean, scale, gamma, beta)
    t = scale if gamma is None else m.mul(scale, gamma)
    shift = m.negative(m.mul(mean, t))
    return m.add(m.mul(x, t), shift if beta is None else m.add(shift, beta))


RESULTS: tuple[Callable[..., Any], ...] = (subtracted, scaled_first, folded)
"""How implementations put the result together: form(machine, x, mean, scale, gamma, beta)."""
