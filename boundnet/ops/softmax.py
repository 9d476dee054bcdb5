"""Softmax and log-softmax as ops; their bounds are in :mod:`boundnet.roundoff.softmax`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.errors import GraphError
from boundnet.maps import LinearMap, LowRank, Zero
from boundnet.maps.low_rank import others
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, raise_tiny, up, up_float
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.softmax import curvature, enclose_box, q_bound, shares, shift_operands

T = TypeVar("T", bound=np.generic)


def _last(x: Array, axis: int) -> Array:
    return np.moveaxis(x, axis + 1, -1)


def _back(x: npt.NDArray[T], axis: int) -> npt.NDArray[T]:
    return np.moveaxis(x, -1, axis + 1)


@dataclass(frozen=True, eq=False)
class _Normalized(Op):
    """Base of softmax and log-softmax over ``axis`` (batch excluded)."""

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        if not 0 <= self.axis < len(shapes[0]):
            raise GraphError(f"{type(self).__name__}: there is no axis {self.axis} in shape {shapes[0]}")
        return shapes[0]

    def _exponentials(self, m: Any, x: Any) -> tuple[list[Any], list[Any], Any]:
        parts = [np.take(x, i, axis=self.axis + 1) for i in range(x.shape[self.axis + 1])]
        top = reduce(m.maximum, parts)
        shifted = [m.sub(part, top) for part in parts]
        raised = [m.function("exp", part) for part in shifted]
        return shifted, raised, m.sum_of_products([(part, None) for part in raised])


@dataclass(frozen=True, eq=False)
class Softmax(_Normalized):
    """p = exp(x - max) / sum exp(x - max) over ``axis``."""

    def centre(self, *xs: Array) -> Array:
        axis = self.axis + 1
        raised = np.exp(xs[0] - xs[0].max(axis=axis, keepdims=True))
        y: Array = raised / raised.sum(axis=axis, keepdims=True)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        _, raised, total = self._exponentials(machine, xs[0])
        return np.stack([machine.div(part, total) for part in raised], axis=self.axis + 1)

    def _by_reciprocal(self, machine: Any, *xs: Any) -> Any:
        return self._scaled(machine, xs[0], lambda total: machine.div(machine.constant(1.0), total))

    def _by_fast_reciprocal(self, machine: Any, *xs: Any) -> Any:
        """As Eigen computes it, by an approximation and one step of Newton's method."""
        return self._scaled(machine, xs[0], lambda total: machine.function("reciprocal", total))

    def _scaled(self, machine: Any, x: Any, invert: Callable[[Any], Any]) -> Any:
        _, raised, total = self._exponentials(machine, x)
        inverse = invert(total)
        return np.stack([machine.mul(part, inverse) for part in raised], axis=self.axis + 1)

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return self.evaluate, self._by_reciprocal, self._by_fast_reciprocal

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        return softmax_rule(rounder, self.axis, x, self.centre(x.centre), None)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        """Between two points p_k changes by the mean of p_k (d_k - sum p_j d_j) on the way, |J| having row sums <= 1/2."""
        e = _last(radii[0], self.axis)
        p = enclose_box(_last(xs[0].centre, self.axis), _last(xs[0].radius, self.axis))
        with np.errstate(invalid="ignore"):
            weighed = raise_tiny(p.hi) * raise_tiny(e)
            others = weighed.sum(axis=-1, keepdims=True) - weighed
            # The difference of two sums of n terms is off by a little more than n roundings of the larger one.
            others = others + weighed.sum(axis=-1, keepdims=True) * ((e.shape[-1] + 2) * 2.0**-52)
            own = up(raise_tiny(p.hi) * raise_tiny(up(1.0 - p.lo, 1) * e + others), e.shape[-1] + 6)
        own = np.where(np.isnan(own), np.inf, own)
        widest = up(0.5 * np.minimum(e.max(axis=-1, keepdims=True), 2.0), 1)
        return _back(np.minimum(own, widest), self.axis)


def softmax_rule(rounder: Rounder, axis: int, x: Tensor, value: Array, present: Mask | None) -> Local:
    """The local form of a softmax with the float64 result ``value``; ``present`` (N, ..., n) where entries are masked.

    Its linear part is the Jacobian, or nothing where the enclosure alone says as much (saturation, wide deviations).
    """
    centre, radius, p = _last(x.centre, axis), _last(x.radius, axis), _last(value, axis)
    if present is not None:
        # A masked entry is replaced by one of its row that is not: it changes no maximum, and its weight is 0.
        first = present.argmax(axis=-1)[..., None]
        centre = np.where(present, centre, np.take_along_axis(centre, first, -1))
        radius = np.where(present, radius, 0.0)
    still = np.zeros(centre.shape)
    at_centre, exact = enclose_box(centre, still, present), enclose_box(centre, radius, present)
    own, _, _ = shares(OWN, centre, still, at_centre, present)
    overflow = np.zeros(p.shape, dtype=np.bool_)
    rounding = own
    if rounder.arithmetic is not None:
        error, _, overflow = shares(rounder.arithmetic, centre, radius, exact, present)
        rounding = up(own + error, 1)
    fixed = radius.max(axis=-1, keepdims=True) == 0.0
    deviation = np.where(fixed, own, (exact - Box.exactly(p)).magnitude)
    # Between groups: the Jacobian where its strip, float64 errors of p included, is the thinner one.
    n = p.shape[-1]
    away = up((at_centre - Box.exactly(p)).magnitude, 1)
    weighed = (p * radius).sum(axis=-1, keepdims=True)
    slips = (away * radius).sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        slip = away * (radius + weighed + slips) + p * (radius * away.sum(axis=-1, keepdims=True) + slips)
        slip = slip + p * radius * ((n + 4) * 2.0**-52)
        bent = up(curvature(at_centre, radius) + slip + away, n + 8)
    bent = np.where(np.isnan(bent), np.inf, bent)
    tangent = ~fixed & (bent.sum(axis=-1, keepdims=True) < deviation.sum(axis=-1, keepdims=True))
    strip = np.where(tangent, bent, deviation)
    zero = np.zeros(p.shape, dtype=np.bool_)
    if present is not None:
        zero = ~present & present.any(axis=-1, keepdims=True) & np.isfinite(rounding).all(axis=-1, keepdims=True)
        lost = ~present.any(axis=-1, keepdims=True)
        rounding, strip = np.where(zero, 0.0, np.where(lost, np.inf, rounding)), np.where(zero, 0.0, strip)
        overflow = overflow & ~zero
    shape = x.centre.shape[1:]
    linear: LinearMap = Zero(shape, shape)
    if np.any(tangent):
        kept = np.where(tangent, p, 0.0)
        linear = LowRank(kept * others(p), [(kept, p)], shape, moved=axis)
    return Local((linear,), _back(rounding, axis), _back(zero, axis), _back(overflow, axis), strip=_back(strip, axis),
                 cap=_back(deviation, axis))  # fmt: skip


@dataclass(frozen=True, eq=False)
class LogSoftmax(_Normalized):
    """log p = (x - max) - log(sum exp(x - max)) over ``axis``."""

    def centre(self, *xs: Array) -> Array:
        axis = self.axis + 1
        shifted = xs[0] - xs[0].max(axis=axis, keepdims=True)
        y: Array = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        shifted, _, total = self._exponentials(machine, xs[0])
        log = machine.function("log", total)
        return np.stack([machine.sub(part, log) for part in shifted], axis=self.axis + 1)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        centre, radius = _last(x.centre, self.axis), _last(x.radius, self.axis)
        still = np.zeros(centre.shape)
        rounding, _ = self._rounding(OWN, centre, still)
        overflow = np.zeros(centre.shape, dtype=np.bool_)
        if rounder.arithmetic is not None:
            error, overflow = self._rounding(rounder.arithmetic, centre, radius)
            rounding = up(rounding + error, 1)
        # |d log p_k| <= |d x_k| + max_j |d x_j|: the log-sum-exp is a mean of its arguments.
        flat = up(radius + radius.max(axis=-1, keepdims=True), 1)
        # To first order D_k - sum p_j D_j; log(1 + q) with q as in curvature() is missed.
        p = np.exp(_last(self.centre(x.centre), self.axis))
        at_centre = enclose_box(centre, still)
        away = up((at_centre - Box.exactly(p)).magnitude, 1)
        n = p.shape[-1]
        with np.errstate(invalid="ignore", over="ignore"):
            slip = (away * radius).sum(axis=-1, keepdims=True) + radius * (
                away.sum(axis=-1, keepdims=True) + (n + 4) * 2.0**-52
            )
            bent = up(q_bound(at_centre, radius) + slip, n + 6)
        tangent = np.isfinite(radius).all(axis=-1, keepdims=True) & (
            bent.sum(-1, keepdims=True) < flat.sum(-1, keepdims=True)
        )
        strip = np.where(tangent, bent, flat)
        shape = x.centre.shape[1:]
        zero = np.zeros(x.centre.shape, dtype=np.bool_)
        back = _back(rounding, self.axis)
        kept = np.broadcast_to(np.where(tangent, 1.0, 0.0), p.shape)
        linear = LowRank(kept * others(p), [(kept, p)], shape, moved=self.axis)
        return Local((linear,), back, zero, _back(overflow, self.axis), strip=_back(strip, self.axis),
                     cap=_back(flat, self.axis))  # fmt: skip

    @staticmethod
    def _rounding(rules: Arithmetic, centre: Array, radius: Array) -> tuple[Array, Mask]:
        n = centre.shape[-1]
        exact = enclose_box(centre, radius)
        _, sum_error, overflow = shares(rules, centre, radius, exact)
        distance = up(centre.max(-1, keepdims=True) - centre + radius + radius.max(-1, keepdims=True), 4)
        operands = 2.0 * rules.flush() if rules.flushes_operands else 0.0
        shifted = up(rules.one_operation(distance, shift_operands(centre, radius)) + operands, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            carried = np.where(sum_error < 0.5, up(-np.log1p(-np.minimum(sum_error, 0.5)), 12), np.inf)
        size = np.full(sum_error.shape, up_float(float(np.log(n)) + 1.0, 4))
        ulp = rules.ulp("log")
        log = 2.0 * ulp * rules.accumulate.unit_roundoff * size + max(ulp, 0.5) * rules.accumulate.smallest_subnormal
        log_error = up(carried + rules.store(size, np.asarray(log)) + rules.flush(), 4)[..., None]
        whole = up(distance + size[..., None] + shifted + log_error, 3)
        last = rules.one_operation(whole, whole)
        return up(shifted + log_error + last + operands, 4), overflow

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        return up(radii[0] + radii[0].max(axis=self.axis + 1, keepdims=True), 1)
