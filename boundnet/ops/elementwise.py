"""Ops that act element by element on one tensor: the common base, and activations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.errors import GraphError
from boundnet.forms import with_rewritten
from boundnet.functions import Function
from boundnet.machines.floats import FloatMachine
from boundnet.maps import Diagonal
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, up
from boundnet.ops.base import Local, Op, Program, Secant, Shape, Tensor, with_arrays
from boundnet.ops.maxima import read_within
from boundnet.roundoff.grids import trailing
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.strips import centre_of, piecewise, slopes, smooth, value_range

FLOATS = FloatMachine()


class Parametric(Op):
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

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        return errors.program(self.programs(), xs, self.parameters(), self.normalises)

    def forms(self) -> tuple[Callable[..., Any], ...]:
        def form(program: Program) -> Callable[..., Any]:
            def run(machine: Any, x: Any) -> Any:
                return program(machine, x, *map(machine.parameter, self.parameters()))

            return (lambda machine, x: machine.normalised(run, x)) if self.normalises else run

        return tuple(map(form, with_rewritten(self.programs(), 1, len(self.parameters()))))


@dataclass(frozen=True, eq=False)
class Activation(Parametric):
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
        grid, ends = None, None
        if f.selects is not None and x.grid is not None:
            # Where no argument is subnormal nothing is read as 0, and what is selected is rounded no more.
            plain, _ = rounder.gradual.program(f.programs, xs)
            normal = rounder.never_subnormal(x)
            error = error if normal is None else np.where(normal, plain, error)
            grid = np.minimum(x.grid, trailing(np.array(f.selects)).min()) if not plain.any() else None
            ends = None if x.ends is None else read_within(self.centre(x.ends[0]), self.centre(x.ends[1]), error)
        # A piece that is 0 is 0 in every execution only where no rounded literal can lead a run off it.
        zero = (strip.zero & (error == 0.0)) | (x.zero if f.zero_at_zero else False)
        shape = x.centre.shape[1:]
        return Local((Diagonal(strip.slope, shape, shape),), np.where(zero, 0.0, error), zero, overflow & ~zero,
                     strip.shift, strip.strip, strip.cap, grid=grid, ends=ends)  # fmt: skip

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
class PReLU(Parametric):
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


def off_by(value: Array, relative: float) -> Array:
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
