"""Normalisation by statistics of the input itself: layers that centre and scale every group of numbers.

y = gamma z + beta with z = d r, d = x - mean x, r = 1 / sqrt(share * sum d**2 + epsilon).  To first order in D
z moves by r (D - mean D - share z sum z D): one Jacobian, in which mean and variance keep their correlation with x.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from boundnet.arithmetic import OWN
from boundnet.errors import GraphError
from boundnet.machines.floats import FloatMachine
from boundnet.maps import LowRank, SumMap
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local, Op, Shape, Tensor, with_arrays
from boundnet.roundoff.moments import Moments, Reach, moments, reach, widened
from boundnet.roundoff.normalisation import RESULTS, Normal, rounding
from boundnet.roundoff.rounder import Rounder

FLOATS = FloatMachine()


@dataclass(frozen=True, eq=False)
class _Normalisation(Op):
    """Base: normalises over the last ``axes`` axes; gamma and beta broadcast against x, None for 1 and 0."""

    normalises = True

    gamma: Array | None = None
    beta: Array | None = None
    epsilon: float = 1e-3
    axes: int = 1

    @property
    @abstractmethod
    def normal(self) -> Normal:
        """What is subtracted and what is divided by."""

    def parameters(self) -> tuple[Array, ...]:
        return tuple(p for p in (self.gamma, self.beta) if p is not None)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "gamma", "beta")  # type: ignore[no-any-return]

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not 1 <= self.axes <= len(shape):
            raise GraphError(f"{self.describe()}: an input of shape {shape} does not have {self.axes} axes")
        for weight in self.parameters():
            if np.broadcast_shapes(weight.shape, shape) != shape:
                raise GraphError(f"{self.describe()}: weights of shape {weight.shape} do not fit an input of {shape}")
        return shape

    # Groups: the last ``axes`` axes flattened into one.

    def _grouped(self, x: Any) -> Any:
        return x.reshape(*x.shape[: x.ndim - self.axes], -1)

    def _weights(self, shape: Shape) -> tuple[Array | None, Array | None]:
        """gamma and beta of the input's ``shape``, or as they are where groups have one axis."""
        if self.axes == 1:
            return self.gamma, self.beta
        gamma, beta = (None if w is None else self._grouped(np.broadcast_to(w, shape)) for w in (self.gamma, self.beta))
        return gamma, beta

    # Values.

    def centre(self, *xs: Array) -> Array:
        form = next(self._forms_on(FLOATS, _mean_of_floats))
        y: Array = form(xs[0])
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.forms()[0](machine, *xs)

    def forms(self) -> tuple[Callable[..., Any], ...]:
        def numbered(i: int) -> Callable[..., Any]:
            def run(machine: Any, x: Any) -> Any:
                return list(self._forms_on(machine, partial(_mean_on, machine)))[i](x)

            return (lambda machine, x: machine.normalised(run, x)) if self.normalises else run

        count = sum(1 for _ in self._forms_on(FLOATS, _mean_of_floats))
        return tuple(numbered(i) for i in range(count))

    def _forms_on(self, m: Any, mean: Callable[[Any, bool], Any]) -> Iterator[Callable[[Any], Any]]:
        """Every evaluation form as a function of x.  ``mean(values, averaged)``: mean or sum over the last axis."""
        normal = self.normal

        def run(x: Any, result: Callable[..., Any], one_pass: bool, divided: bool) -> Any:
            shape = x.shape
            gamma, beta = (None if w is None else m.parameter(w) for w in self._weights(shape[1:]))
            x = self._grouped(x)
            centre = mean(x, True) if normal.centred else None
            offset = x if centre is None or one_pass else m.sub(x, centre)
            power = mean(m.mul(offset, offset), normal.averaged)
            if one_pass:
                power = m.sub(power, m.mul(centre, centre))
            return result(m, x, centre, self._scale(m, power, divided), gamma, beta).reshape(shape)

        for one_pass in (False, True) if normal.one_pass and normal.centred else (False,):
            for divided in (False, True):
                for result in RESULTS:
                    yield partial(run, result=result, one_pass=one_pass, divided=divided)

    def _scale(self, m: Any, power: Any, divided: bool) -> Any:
        shifted = m.add(power, m.constant(self.epsilon))
        return m.div(m.constant(1.0), m.function("sqrt", shifted)) if divided else m.function("rsqrt", shifted)

    # Bounds.

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape, normal = x.centre.shape, self.normal
        gamma, beta = self._weights(shape[1:])
        centre, radius, nonzero = (self._grouped(v) for v in (x.centre, x.radius, x.nonzero))
        at = moments(centre, normal.centred, normal.averaged)
        kept = self.normalises
        error, overflow = rounding(OWN, normal, Box.exactly(centre), nonzero, at, gamma, beta, kept)
        overflow = np.zeros(overflow.shape, dtype=np.bool_)
        moved = reach(at, radius, normal.centred, normal.averaged)
        if rounder.arithmetic is not None:
            near = widened(at, moved, radius, normal.centred)
            box = Box.around(centre, radius)
            machine, overflow = rounding(rounder.arithmetic, normal, box, nonzero, near, gamma, beta, kept)
            error = up(error + machine, 1)
        linear, strip, cap = self._linear(at, moved, radius, gamma, shape[1:])
        zero = np.zeros(shape, dtype=np.bool_)
        if not normal.centred and beta is None:
            zero = x.zero & (np.isfinite(error) & ~overflow).reshape(shape)
        return Local((linear,), np.where(zero, 0.0, error.reshape(shape)), zero, overflow.reshape(shape),
                     strip=np.where(zero, 0.0, strip.reshape(shape)), cap=cap.reshape(shape))  # fmt: skip

    def _linear(
        self, at: Moments, moved: Reach, radius: Array, gamma: Array | None, shape: Shape
    ) -> tuple[LowRank, Array, Array]:
        """The Jacobian at the centre, what it misses, and a bound of the whole deviation.

        With t = (tilt + power) / s the scale becomes r (1 + t)**-1/2, so that what is missed is
        (D - mean D)(r' - r) + d (r' - r + r tilt / 2s); for |t| < 1 the brackets are at most r ((1 - t)**-1/2 - 1) and
        r max(3/8 t**2 (1 - t)**-5/2, power / 2s).  And |d| r <= sqrt(n - 1), or sqrt(1 / share) uncentred, everywhere.
        """
        normal, n = self.normal, radius.shape[-1]
        size: Array = np.ones(()) if gamma is None else np.abs(gamma)
        scale, base = self.scale_at(at)
        share = 1.0 / n if normal.averaged else 1.0
        z = at.offset * scale
        middle, width = _middle(z)
        factor, relative = _middle(scale)
        relative = up(relative / np.where(factor > 0.0, factor, np.nan), 2) + (n + 8) * 2.0**-51
        with np.errstate(all="ignore"):
            t = up((moved.tilt + moved.power) / base, 3)
            log = np.log1p(-np.minimum(t, 0.99)) * (1.0 + 2.0**-50)
            bent = up(np.expm1(-0.5 * log), 12)
            second = np.maximum(up(0.375 * t * t * np.exp(-2.5 * log), 14), up(moved.power / (2.0 * base), 3))
            strip = scale.hi * (moved.offset * bent) + z.magnitude * second
            strip = np.where((t < 0.99) & ~np.isnan(strip), up(strip, 4), np.inf)
            # The float64 Jacobian is not the exact one.
            e_sum = radius.sum(axis=-1, keepdims=True)
            tilt = (np.abs(middle) * radius).sum(axis=-1, keepdims=True)
            off = relative * (radius + (e_sum * share if normal.centred else 0.0) + share * np.abs(middle) * tilt)
            off = off + share * width * (np.abs(middle) * e_sum) + share * (width.max(axis=-1, keepdims=True) * e_sum) * (
                np.abs(middle) + width) + share * width * tilt  # fmt: skip
            strip = up(strip + up(off * scale.hi, n + 12), 1)
        most = np.sqrt(float(n - 1) if normal.centred else 1.0 / share) * (1.0 + 2.0**-50)
        cap = up(most + z.magnitude, 2)
        if np.isfinite(radius).all():
            lost = ~(strip.sum(axis=-1, keepdims=True) < cap.sum(axis=-1, keepdims=True))
        else:
            lost = ~np.isfinite(radius).all(axis=-1, keepdims=True)
            lost = lost | ~(strip.sum(axis=-1, keepdims=True) < cap.sum(axis=-1, keepdims=True))
            cap = np.where(np.isfinite(radius).all(axis=-1, keepdims=True), cap, np.inf)
        still = ~radius.any(axis=-1, keepdims=True)
        strip = np.where(still, 0.0, np.where(lost, cap, strip))
        strip, cap = up(strip * size, 1), up(cap * size, 1)
        weight = np.ones(()) if gamma is None else gamma
        kept = np.where(lost & ~still, 0.0, factor)
        diagonal = weight * kept * (1.0 - (1.0 / n if normal.centred else 0.0) - share * middle * middle)
        pairs = [(weight * kept * share * middle, np.broadcast_to(middle, diagonal.shape))]
        if normal.centred:
            pairs.append((np.broadcast_to(weight * kept * (1.0 / n), diagonal.shape), np.ones(diagonal.shape)))
        return LowRank(diagonal, pairs, shape, self.axes), strip, cap

    def scale_at(self, at: Moments) -> tuple[Box, Array]:
        """r and a lower bound of what is under its root."""
        base = at.power + Box.exactly(self.epsilon)
        return base.function("rsqrt"), base.lo

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        (x,), normal = xs, self.normal
        gamma, _ = self._weights(x.centre.shape[1:])
        centre, radius, e = self._grouped(x.centre), self._grouped(x.radius), self._grouped(radii[0])
        n = centre.shape[-1]
        share = 1.0 / n if normal.averaged else 1.0
        at = moments(centre, normal.centred, normal.averaged)
        near = widened(at, reach(at, radius, normal.centred, normal.averaged), radius, normal.centred)
        scale, _ = self.scale_at(near)
        with np.errstate(invalid="ignore"):
            z = np.minimum(up(near.offset.magnitude * scale.hi, 1), up(np.sqrt(np.asarray(1.0 / share)), 1))
            total = e + share * z * (z * e).sum(axis=-1, keepdims=True)
            if normal.centred:
                total = total + e.sum(axis=-1, keepdims=True) / n
            total = up(total * scale.hi, n + 10)
        total = total if gamma is None else up(total * np.abs(gamma), 1)
        total = np.where(np.isnan(total), np.inf, total)
        shaped: Array = total.reshape(x.centre.shape)
        return shaped


def _middle(box: Box) -> tuple[Array, Array]:
    """A float64 within the intervals and the largest distance of their points from it."""
    middle = 0.5 * box.lo + 0.5 * box.hi
    middle = np.where(np.isfinite(middle), middle, 0.0)
    return middle, up(np.maximum(box.hi - middle, middle - box.lo), 2)


def _mean_of_floats(values: Array, averaged: bool) -> Array:
    total: Array = values.sum(axis=-1, keepdims=True)
    return total / values.shape[-1] if averaged else total


def _mean_on(machine: Any, values: Any, averaged: bool) -> Any:
    """Mean or sum over the last axis as one op of a machine."""
    n = values.shape[-1]
    summing = SumMap(values.shape[1:], values.ndim - 2)
    if averaged:
        return machine.mean(summing, values, np.full(summing.output_shape, float(n)))
    return machine.sum_of_products([(values[..., i : i + 1], None) for i in range(n)])


@dataclass(frozen=True, eq=False)
class LayerNorm(_Normalisation):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta over the last ``axes`` axes.

    ``one_pass``: implementations may take the variance as mean(x**2) - mean(x)**2.
    """

    one_pass: bool = True

    @property
    def normal(self) -> Normal:
        return Normal(True, True, self.epsilon, self.one_pass)


@dataclass(frozen=True, eq=False)
class RMSNorm(_Normalisation):
    """y = gamma x / sqrt(mean(x**2) + epsilon) + beta over the last ``axes`` axes."""

    epsilon: float = 1e-7

    @property
    def normal(self) -> Normal:
        return Normal(False, True, self.epsilon)


@dataclass(frozen=True, eq=False)
class UnitNorm(_Normalisation):
    """y = gamma x / max(sqrt(sum x**2), floor) + beta over the last ``axes`` axes.

    Keras computes it in the tensors' format.
    """

    normalises = False

    epsilon: float = 0.0
    floor: float = 1e-12

    @property
    def normal(self) -> Normal:
        return Normal(False, False, 0.0, floor=self.floor)

    def _scale(self, m: Any, power: Any, divided: bool) -> Any:
        if divided:
            return m.div(m.constant(1.0), m.maximum(m.function("sqrt", power), m.constant(self.floor)))
        return m.function("rsqrt", m.maximum(power, m.constant(self.floor * self.floor)))

    def scale_at(self, at: Moments) -> tuple[Box, Array]:
        # At the floor the scale is constant; above it the root.  A group that may lie on both sides gets no Jacobian.
        least = Box.exactly(self.floor).square()
        clear = at.power.lo > 4.0 * least.hi
        return at.power.maximum(least).function("rsqrt"), np.where(clear, at.power.lo, 0.0)
