"""Elementwise ops that are affine in their input: batch normalisation, rescaling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.errors import GraphError
from boundnet.machines.base import Machine
from boundnet.machines.running import RunningMachine, Tracked
from boundnet.maps import Diagonal
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up
from boundnet.ops.affine_constants import Constants, largest, product_error, quotient_error, settled, with_constants
from boundnet.ops.base import Local, Program, Secant, Tensor, with_arrays
from boundnet.ops.elementwise import Parametric, off_by
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder


class ElementwiseAffine(Parametric):
    """y = slope * x + offset."""

    @abstractmethod
    def slope(self) -> Array:
        """dy/dx in float64, broadcasting against x."""

    def slack(self) -> Array:
        """Bound of |slope - dy/dx|: a few roundings, more where the slope may have underflowed."""
        size = np.abs(self.slope())
        return size * 2.0**-49 + np.where(size < 2.0**-1000, 2.0**-1060, 0.0)

    @abstractmethod
    def constants(self, m: RunningMachine) -> Constants:
        """Errors of the two constants, before x comes in."""

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        (x,) = xs
        own = errors.program(self.programs(), xs, self.parameters(), self.normalises, shared_apart=True)
        machine = RunningMachine.inside(errors.arithmetic, self.normalises)
        return with_constants(own, self.constants(machine), x.centre, x.radius)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape = x.centre.shape[1:]
        error, overflow = rounder.program(self.programs(), xs, self.parameters(), self.normalises)
        slope = np.broadcast_to(self.slope(), shape)
        strip = up(self.slack() * x.radius, 2)
        strip = np.where(np.isnan(strip), np.inf, strip)
        zero = np.zeros(x.centre.shape, dtype=np.bool_)
        return Local((Diagonal(slope, shape, shape),), error, zero, overflow, strip=strip)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        return Secant(local.maps, off_by(local.maps[0].absolute(radii[0]), 2.0**-48))


@dataclass(frozen=True, eq=False)
class BatchNorm(ElementwiseAffine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta over the last axis; all (c,), gamma and beta may be None."""

    normalises = True

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

    def constants(self, m: RunningMachine) -> Constants:
        mean, variance = m.parameter(self.mean), m.parameter(self.variance)
        gamma = m.constant(1.0) if self.gamma is None else m.parameter(self.gamma)
        beta = m.constant(0.0) if self.beta is None else m.parameter(self.beta)
        total = m.add(variance, m.constant(self.epsilon))
        inverse, root = m.function("rsqrt", total), m.function("sqrt", total)
        scale = inverse if self.gamma is None else m.mul(inverse, gamma)
        apart = product_error(inverse, gamma)  # inverse and gamma one after the other
        divided = quotient_error(gamma, root)
        # In the folded form the offset beta - mean * scale is made from the rounded scale, so only its own roundings count.
        shift = m.mul(mean, settled(scale))
        offset = m.negative(shift) if self.beta is None else m.sub(beta, shift)
        slope = up(scale.exact.magnitude + np.maximum(np.maximum(scale.error, apart), divided), 2)
        moved = up(product_error(mean, _thick(slope)) + beta.error, 2)
        return largest(
            Constants(scale.error, moved, self.mean),
            Constants(np.maximum(apart, divided), moved, self.mean),
            Constants(scale.error, offset.error, self.mean),
        )

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
class ScaleShift(ElementwiseAffine):
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

    def constants(self, m: RunningMachine) -> Constants:
        offset = np.zeros(()) if self.offset is None else m.parameter(self.offset).error
        return Constants(m.parameter(self.scale).error, offset, np.zeros(()))

    def programs(self) -> tuple[Program, ...]:
        def program(m: Machine, x: Any, scale: Any, offset: Any = None) -> Any:
            y = m.mul(x, scale)
            return y if offset is None else m.add(y, offset)

        return (program,)


@dataclass(frozen=True, eq=False)
class Standardize(ElementwiseAffine):
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

    def constants(self, m: RunningMachine) -> Constants:
        mean, deviation = (
            m.parameter(self.mean),
            m.maximum(m.function("sqrt", m.parameter(self.variance)), m.constant(self.epsilon)),
        )
        if self.invert:
            return Constants(deviation.error, mean.error, np.zeros(()))
        inverse = quotient_error(m.constant(1.0), deviation)
        steepest = up(1.0 / (np.maximum(np.sqrt(self.variance), self.epsilon) * (1.0 - 2.0**-48)) + inverse, 3)
        return Constants(inverse, product_error(mean, _thick(steepest)), self.mean)

    def programs(self) -> tuple[Program, ...]:
        def program(m: Machine, x: Any, mean: Any, variance: Any) -> Any:
            deviation = m.maximum(m.function("sqrt", variance), m.constant(self.epsilon))
            if self.invert:
                return m.add(mean, m.mul(x, deviation))
            return m.div(m.sub(x, mean), deviation)

        return (program,)


def _thick(most: Array) -> Tracked:
    """Any number up to ``most`` in magnitude, held exactly."""
    return Tracked(Box(-most, most), np.zeros(np.shape(most)), np.zeros(np.shape(most), dtype=np.bool_))
