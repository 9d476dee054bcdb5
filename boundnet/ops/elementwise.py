"""Ops that act element by element on one tensor: batch normalisation, rescaling, activations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.box import Box
from boundnet.errors import GraphError
from boundnet.functions import Function
from boundnet.machines.base import Machine
from boundnet.machines.floats import FloatMachine
from boundnet.maps import Diagonal
from boundnet.ops.base import Local, Op, Program, Secant, Shape, Tensor, with_arrays
from boundnet.rounder import Rounder
from boundnet.rounding import Array, Mask, up
from boundnet.strips import centre_of, piecewise, slopes, smooth, value_range

FLOATS = FloatMachine()


class _Parametric(Op):
    """y = f(x, weights) element by element, with weights that broadcast against x."""

    @abstractmethod
    def programs(self) -> tuple[Program, ...]:
        """Evaluation forms: program(machine, x, *weights)."""

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        for weight in self.parameters():
            if np.broadcast_shapes(weight.shape, shape) != shape:
                raise GraphError(f"{self.describe()}: weights of shape {weight.shape} do not fit an input of {shape}")
        return shape

    def centre(self, *xs: Array) -> Array:
        y: Array = self.programs()[0](FLOATS, xs[0], *self.parameters())
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.forms()[0](machine, *xs)

    def forms(self) -> tuple[Callable[..., Any], ...]:
        def form(program: Program) -> Callable[..., Any]:
            return lambda machine, x: program(machine, x, *map(machine.parameter, self.parameters()))

        return tuple(map(form, self.programs()))


class _Affine(_Parametric):
    """y = slope * x + offset."""

    @abstractmethod
    def slope(self) -> Array:
        """dy/dx in float64, broadcasting against x."""

    def slack(self) -> Array:
        """Bound of |slope - dy/dx|: a few roundings, more where the slope may have underflowed."""
        size = np.abs(self.slope())
        return size * 2.0**-49 + np.where(size < 2.0**-1000, 2.0**-1060, 0.0)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape = x.centre.shape[1:]
        error, overflow = rounder.program(self.programs(), xs, self.parameters())
        slope = np.broadcast_to(self.slope(), shape)
        strip = up(self.slack() * x.radius, 2)
        strip = np.where(np.isnan(strip), np.inf, strip)
        zero = np.zeros(x.centre.shape, dtype=np.bool_)
        return Local((Diagonal(slope, shape, shape),), error, zero, overflow, strip=strip)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        return Secant(local.maps, _off_by(local.maps[0].absolute(radii[0]), 2.0**-48))


@dataclass(frozen=True, eq=False)
class BatchNorm(_Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta over the last axis; all (c,), gamma and beta may be None."""

    mean: Array
    variance: Array
    gamma: Array | None = None
    beta: Array | None = None
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        if np.any(self.variance + self.epsilon <= 0):
            raise GraphError("BatchNorm: variance + epsilon must be positive")

    def parameters(self) -> tuple[Array, ...]:
        return tuple(p for p in (self.mean, self.variance, self.gamma, self.beta) if p is not None)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "mean", "variance", "gamma", "beta")  # type: ignore[no-any-return]

    def slope(self) -> Array:
        root = np.sqrt(self.variance + self.epsilon)
        return 1.0 / root if self.gamma is None else self.gamma / root

    def _unpack(self, rest: Sequence[Any]) -> tuple[Any, Any]:
        """(gamma, beta) among the weights after mean and variance, None where absent."""
        values = list(rest)
        gamma = values.pop(0) if self.gamma is not None else None
        return gamma, values.pop(0) if self.beta is not None else None

    def programs(self) -> tuple[Program, ...]:
        def scale(m: Machine, variance: Any, gamma: Any) -> Any:
            inverse = m.function("rsqrt", m.add(variance, m.constant(self.epsilon)))
            return inverse if gamma is None else m.mul(inverse, gamma)

        def centred(m: Machine, x: Any, mean: Any, variance: Any, *rest: Any) -> Any:
            gamma, beta = self._unpack(rest)
            y = m.mul(m.sub(x, mean), scale(m, variance, gamma))
            return y if beta is None else m.add(y, beta)

        def folded(m: Machine, x: Any, mean: Any, variance: Any, *rest: Any) -> Any:
            gamma, beta = self._unpack(rest)
            s = scale(m, variance, gamma)
            shift = m.mul(mean, s)
            offset = m.negative(shift) if beta is None else m.sub(beta, shift)
            return m.add(m.mul(x, s), offset)

        def scaled_last(m: Machine, x: Any, mean: Any, variance: Any, *rest: Any) -> Any:
            gamma, beta = self._unpack(rest)
            y = m.mul(m.sub(x, mean), scale(m, variance, None))
            y = y if gamma is None else m.mul(y, gamma)
            return y if beta is None else m.add(y, beta)

        def divided(m: Machine, x: Any, mean: Any, variance: Any, *rest: Any) -> Any:
            gamma, beta = self._unpack(rest)
            y = m.div(m.sub(x, mean), m.function("sqrt", m.add(variance, m.constant(self.epsilon))))
            y = y if gamma is None else m.mul(y, gamma)
            return y if beta is None else m.add(y, beta)

        return centred, folded, scaled_last, divided


@dataclass(frozen=True, eq=False)
class ScaleShift(_Affine):
    """y = x * scale + offset; both broadcast against x, offset may be None."""

    scale: Array
    offset: Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", np.asarray(self.scale, dtype=np.float64))
        if self.offset is not None:
            object.__setattr__(self, "offset", np.asarray(self.offset, dtype=np.float64))

    def parameters(self) -> tuple[Array, ...]:
        return (self.scale,) if self.offset is None else (self.scale, self.offset)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "scale", "offset")  # type: ignore[no-any-return]

    def slope(self) -> Array:
        return self.scale

    def slack(self) -> Array:
        return np.zeros(())

    def programs(self) -> tuple[Program, ...]:
        def program(m: Machine, x: Any, scale: Any, offset: Any = None) -> Any:
            y = m.mul(x, scale)
            return y if offset is None else m.add(y, offset)

        return (program,)


@dataclass(frozen=True, eq=False)
class Standardize(_Affine):
    """Keras Normalization: (x - mean) / max(sqrt(variance), epsilon), or its inverse.  mean, variance broadcast."""

    mean: Array
    variance: Array
    epsilon: float = 1e-7
    invert: bool = False

    def parameters(self) -> tuple[Array, ...]:
        return self.mean, self.variance

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "mean", "variance")  # type: ignore[no-any-return]

    def slope(self) -> Array:
        deviation = np.maximum(np.sqrt(self.variance), self.epsilon)
        return deviation if self.invert else 1.0 / deviation

    def programs(self) -> tuple[Program, ...]:
        def program(m: Machine, x: Any, mean: Any, variance: Any) -> Any:
            deviation = m.maximum(m.function("sqrt", variance), m.constant(self.epsilon))
            if self.invert:
                return m.add(mean, m.mul(x, deviation))
            return m.div(m.sub(x, mean), deviation)

        return (program,)


@dataclass(frozen=True, eq=False)
class Activation(_Parametric):
    """y = f(x) for an elementwise function of :mod:`boundnet.functions`."""

    function: Function

    def programs(self) -> tuple[Program, ...]:
        return self.function.programs

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        f = self.function
        value = self.centre(x.centre)
        if f.pieces is not None:
            p = f.pieces
            strip = piecewise(f.programs[0], p.breaks, p.slopes, p.zero, x.centre, x.radius, value)
        else:
            strip = smooth(f, x.centre, x.radius, value)
        error, overflow = rounder.program(f.programs, xs)
        # A piece that is 0 is 0 in every execution only where no rounded literal can lead a run off it.
        zero = (strip.zero & (error == 0.0)) | (x.zero if f.zero_at_zero else False)
        shape = x.centre.shape[1:]
        return Local((Diagonal(strip.slope, shape, shape),), np.where(zero, 0.0, error), zero, overflow & ~zero,
                     strip.shift, strip.strip, strip.cap)  # fmt: skip

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        pieces = self.function.pieces
        return (None if pieces is None else _astride(xs[0], pieces.breaks),)

    def clearance(self, *xs: Tensor) -> tuple[Array | None, ...]:
        pieces = self.function.pieces
        return (None if pieces is None else _distance(xs[0].centre, pieces.breaks),)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        box = Box.around(xs[0].centre, xs[0].radius)
        image = value_range(self.function, box)
        width = up(np.maximum(image.hi - image.lo, 0.0), 1)
        return _between(slopes(self.function, box), radii[0], np.where(np.isnan(width), np.inf, width))

    def describe(self) -> str:
        return str(self.function)


@dataclass(frozen=True, eq=False)
class PReLU(_Parametric):
    """y = x where x >= 0, alpha * x elsewhere.  alpha broadcasts against x."""

    alpha: Array

    def parameters(self) -> tuple[Array, ...]:
        return (self.alpha,)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "alpha")  # type: ignore[no-any-return]

    def programs(self) -> tuple[Program, ...]:
        # One number: a program may see a part of x and of alpha only.
        apart = 1.0 + float(np.abs(self.alpha).max(initial=0.0))
        return (lambda m, x, alpha: m.where(x, 0.0, x, m.mul(alpha, x), apart),)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape = x.centre.shape[1:]
        alpha = np.broadcast_to(self.alpha, x.centre.shape)
        slopes: tuple[tuple[Array | float, float], ...] = ((alpha, 0.0), (1.0, 0.0))
        strip = piecewise(self.programs()[0], ((0.0, 0.0),), slopes, (False, False), x.centre, x.radius,
                          self.centre(x.centre), (Box.exactly(alpha),))  # fmt: skip
        error, overflow = rounder.program(self.programs(), xs, self.parameters())
        zero = x.zero
        return Local((Diagonal(strip.slope, shape, shape),), np.where(zero, 0.0, error), zero, overflow, strip.shift,
                     strip.strip, strip.cap)  # fmt: skip

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        return (_astride(xs[0], ((0.0, 0.0),)),)

    def clearance(self, *xs: Tensor) -> tuple[Array | None, ...]:
        return (_distance(xs[0].centre, ((0.0, 0.0),)),)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        box = Box.around(xs[0].centre, xs[0].radius)
        above, below = box.lo >= 0.0, box.hi < 0.0
        low, high = np.minimum(1.0, self.alpha), np.maximum(1.0, self.alpha)
        slope = Box(
            np.where(above, 1.0, np.where(below, self.alpha, low)), np.where(above, 1.0, np.where(below, self.alpha, high))
        )
        return _between(slope, radii[0], None)


def _off_by(value: Array, relative: float) -> Array:
    """A slope's own error as noise; an unknown value has unknown noise."""
    return np.where(np.isnan(value), np.inf, up(value * relative, 1))


def _between(slope: Box, radius: Array, cap: Array | None) -> Secant:
    """Slopes anywhere in ``slope``: the middle one, and what the others differ from it as noise."""
    shape = radius.shape[1:]
    middle, spread = centre_of(slope)
    known = np.isfinite(middle) & np.isfinite(spread)
    with np.errstate(invalid="ignore"):
        noise = up(spread * radius, 1)
    noise = np.where(radius == 0.0, 0.0, np.where(known & ~np.isnan(noise), noise, np.inf))
    middle = np.broadcast_to(np.where(known, middle, 0.0), radius.shape)
    cap = None if cap is None else np.where(radius == 0.0, 0.0, cap)
    return Secant((Diagonal(middle, shape, shape),), noise, cap)


def _astride(x: Tensor, breaks: tuple[tuple[float, float], ...]) -> Mask:
    """Elements whose range holds a breakpoint inside."""
    box = Box.around(x.centre, x.radius)
    found = np.zeros(x.centre.shape, dtype=np.bool_)
    for left, right in breaks:
        found |= (box.lo < right) & (box.hi > left)
    return found & (x.radius > 0.0)


def _distance(centre: Array, breaks: tuple[tuple[float, float], ...]) -> Array:
    """Distance to the nearest breakpoint, rounded down."""
    apart = [np.maximum(np.maximum(left - centre, centre - right), 0.0) for left, right in breaks]
    nearest: Array = np.minimum.reduce(apart) if apart else np.full(centre.shape, np.inf)
    return nearest * (1.0 - 2.0**-40)
