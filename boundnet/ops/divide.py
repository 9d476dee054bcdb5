"""Quotients: of two tensors, and by a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from boundnet.errors import GraphError
from boundnet.machines.base import Machine
from boundnet.machines.floats import FloatMachine
from boundnet.machines.running import RunningMachine
from boundnet.maps import Diagonal
from boundnet.numerics.outward import Array, up
from boundnet.ops.affine import ElementwiseAffine
from boundnet.ops.affine_constants import Constants, quotient_error
from boundnet.ops.base import Local, Op, Program, Shape, Tensor
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder

FLOATS = FloatMachine()


@dataclass(frozen=True, eq=False)
class DivideBy(ElementwiseAffine):
    """y = x / divisor, a number of the code that is not 0; by a division or a product with the rounded reciprocal."""

    divisor: float

    def slope(self) -> Array:
        return np.asarray(1.0 / self.divisor)

    def constants(self, m: RunningMachine) -> Constants:
        one, divisor = m.constant(1.0), m.constant(self.divisor)
        gain = np.maximum(quotient_error(one, divisor), m.div(one, divisor).error)
        return Constants(gain, np.zeros(()), np.zeros(()))

    def programs(self) -> tuple[Program, ...]:
        return (
            lambda m, x: m.div(x, m.constant(self.divisor)),
            lambda m, x: m.mul(x, m.div(m.constant(1.0), m.constant(self.divisor))),
        )


@dataclass(frozen=True, eq=False)
class Divide(Op):
    """y = x / z with broadcasting, by a division or a product with the rounded reciprocal.

    With q = x / z at the centre, the deviation is (D_x - q D_z) / (z + D_z): to first order (D_x - q D_z) / z, and what is
    missed is at most (E_x + |q| E_z) E_z / (|z| (|z| - E_z)).
    """

    arity: ClassVar[int | None] = 2

    def output_shape(self, *shapes: Shape) -> Shape:
        first, second = shapes
        try:
            if len(first) == len(second):
                return np.broadcast_shapes(first, second)
        except ValueError:
            pass
        raise GraphError(f"Divide: shapes {first} and {second} do not broadcast")

    def program(self, m: Machine, x: Any, z: Any) -> Any:
        """x / z."""
        return m.div(x, z)

    def _by_reciprocal(self, m: Machine, x: Any, z: Any) -> Any:
        return m.mul(x, m.div(m.constant(1.0), z))

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return self.program, self._by_reciprocal

    def centre(self, *xs: Array) -> Array:
        y: Array = self.program(FLOATS, *xs)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.program(machine, *xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        x, z = xs
        shapes = [t.centre.shape[1:] for t in xs]
        output = self.output_shape(*shapes)
        error, overflow = rounder.program((self.program, self._by_reciprocal), xs, rewrite=False)
        with np.errstate(all="ignore"):
            inverse = np.broadcast_to(1.0 / z.centre, (len(z.centre), *output))
            quotient = np.broadcast_to(x.centre, inverse.shape) * inverse
            least = np.abs(z.centre) * (1.0 - 2.0**-50) - z.radius * (1.0 + 2.0**-50)
            reach = x.radius + np.abs(quotient) * z.radius
            # The slopes are float64 numbers, off by a few roundings, and may underflow.
            strip = up(reach * np.abs(inverse) * (z.radius / least + 2.0**-49), 8) + 2.0**-1000 * (x.radius + z.radius)
            known = (least > 0.0) & np.isfinite(strip) & np.isfinite(quotient) & np.isfinite(inverse)
        still = (x.radius == 0.0) & (z.radius == 0.0)
        strip = np.where(known, strip, np.where(still & (z.centre != 0.0), 0.0, np.inf))
        slopes = [np.where(known, slope, 0.0) for slope in (inverse, -quotient * inverse)]
        maps = tuple(Diagonal(slope, shape, output) for slope, shape in zip(slopes, shapes, strict=True))
        zero = np.zeros(strip.shape, dtype=np.bool_)
        return Local(maps, error, zero, overflow, strip=strip)

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        # A reciprocal that several elements share is rounded once for all of them.
        same = xs[0].centre.shape == xs[1].centre.shape
        return errors.program((self.program, self._by_reciprocal), xs, rewrite=False) if same else None

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        """|a1/b1 - a2/b2| <= (|a1 - a2| + |a2/b2| |b1 - b2|) / |b1|."""
        x, z = xs
        with np.errstate(all="ignore"):
            least = np.abs(z.centre) * (1.0 - 2.0**-50) - z.radius * (1.0 + 2.0**-50)
            most = (np.abs(x.centre) + x.radius) / least
            total = up((radii[0] + most * radii[1]) / least, 6)
        return np.where((least > 0.0) & ~np.isnan(total), total, np.inf)
