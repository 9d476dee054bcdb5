"""What an op is: a rule that says what the layer means, how it is computed, and what can go wrong on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import GraphError
from boundnet.machines.base import Machine
from boundnet.maps import LinearMap, Zero
from boundnet.numerics.outward import Array, Mask, up
from boundnet.roundoff.grids import Exponents
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """What is known of one tensor for every execution: |x^ - centre| <= radius.

    Attributes:
        centre: float64 evaluation, (N, *shape).
        radius: (N, *shape), nonnegative, inf where nothing is known.
        zero: True where the exact value and every computed one are exactly 0.
        spread_of: the domain's own bound of |L D| for a linear map L, where it knows correlations.
        grid: exponents of powers of two that divide every stored value, None where that is not known.
        ends: numbers that enclose every value, where the domain knows more than |x^ - centre| <= radius; None elsewhere.
    """

    centre: Array
    radius: Array
    zero: Mask
    spread_of: Callable[[LinearMap], Array] | None = None
    grid: Exponents | None = None
    ends: tuple[Array, Array] | None = None

    def range(self) -> tuple[Array, Array]:
        """Enclosure of every value: exactly the centre where the radius is 0."""
        if self.ends is not None:
            return self.ends
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = np.nextafter(self.centre - self.radius, -np.inf), np.nextafter(self.centre + self.radius, np.inf)
        still = self.radius == 0.0
        return np.where(still, self.centre, low), np.where(still, self.centre, high)

    def spread(self, linear: LinearMap) -> Array:
        """Bound of |L D| for this tensor's deviation D: |L| E, or less where the domain keeps correlations."""
        plain = linear.absolute(self.radius)
        return plain if self.spread_of is None else np.minimum(plain, self.spread_of(linear))

    @property
    def nonzero(self) -> Mask:
        """Complement of ``zero``."""
        return ~self.zero


@dataclass(frozen=True)
class Local:
    """One op about its centre: D_y = sum of maps(D_x) + shift + noise, |noise| <= strip + rounding.

    Attributes:
        maps: one linear map for each input.
        rounding: bound of the op's own rounding in the Arithmetic and in the centre's float64, (N, *shape).
        zero: outputs that are exactly 0 in every execution.
        overflow: outputs whose computation may pass the largest finite value.
        shift: known offset of a nonlinearity, or None.
        strip: bound of what the linear part misses, or None.
        cap: bound of |y - centre| before rounding that holds whatever the maps say, or None.
        deviation: 2-norm of the half-ranges of the op's mean-independent roundings, which ``rounding`` then leaves out
            (:class:`boundnet.roundoff.mean_independent.split.Split`); None where ``rounding`` is all there is.
        excess: how much more than ``rounding`` the worst case is where there is a deviation.
        shared: pairs (L, radius) of errors that reach several elements through L, which ``rounding`` leaves out as well.
        grid: of the result, as in :class:`Tensor`; None where nothing is known.
        ends: enclosure of the result in every run that holds whatever the maps say, or None.
        stores: the op only rounds: ``shift`` is part of that, and ``cap`` bounds |y^ - centre| with it.
    """

    maps: tuple[LinearMap, ...]
    rounding: Array
    zero: Mask
    overflow: Mask
    shift: Array | None = None
    strip: Array | None = None
    cap: Array | None = None
    deviation: Array | None = None
    excess: Array | None = None
    shared: tuple[tuple[LinearMap, Array], ...] = ()
    grid: Exponents | None = None
    ends: tuple[Array, Array] | None = None
    stores: bool = False


@dataclass(frozen=True)
class Secant:
    """One op between any two points of its inputs' ranges: F(a) - F(b) = sum of maps(a_i - b_i) + noise.

    Attributes:
        maps: one linear map for each input.
        noise: bound of what they miss, (N, *shape).
        cap: bound of |F(a) - F(b)| that holds whatever the maps say, or None.
    """

    maps: tuple[LinearMap, ...]
    noise: Array
    cap: Array | None = None


class Op(ABC):
    """One operation of the graph.  Shapes exclude the batch axis; arrays have it first."""

    arity: ClassVar[int | None] = 1
    """Number of inputs, None where any number from two on will do."""
    normalises: ClassVar[bool] = False
    """Whether machines may keep its intermediate results (``normalisation`` of :class:`boundnet.arithmetic.Arithmetic`)."""

    def __getstate__(self) -> dict[str, Any]:
        """What goes to other processes: maps made on demand (``_maps``) are made there again."""
        return {key: value for key, value in self.__dict__.items() if key != "_maps"}

    @abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the result.

        Raises:
            GraphError: the inputs' shapes don't fit.
        """

    @abstractmethod
    def centre(self, *xs: Array) -> Array:
        """Float64 evaluation on (N, *shape) arrays, by operations that conform to :data:`boundnet.arithmetic.OWN`."""

    @abstractmethod
    def evaluate(self, machine: Any, *xs: Any) -> Any:
        """The op on ``machine``, in document order: the reference and the emulator run this."""

    def forms(self) -> tuple[Callable[..., Any], ...]:
        """Evaluation forms, form(machine, *xs): all equal in exact arithmetic, all covered by :meth:`local`.

        The first is the document's; what :mod:`boundnet.forms` derives of them runs on an emulator only.
        """
        return (self.evaluate,)

    @abstractmethod
    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        """Linear part, strip and rounding about the centres of ``xs``."""

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        """The op's rounding error, for the probabilistic guarantee; None: nothing is known but the worst case.

        Every output element must be computed by roundings of its own.
        """
        return None

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        """F(a) - F(b) for all a, b in the ranges of ``xs`` with |a_i - b_i| <= radii[i] (boxes of inputs).

        The default serves ops that are exactly linear, and those that have a :meth:`difference` of their own: that is then
        noise without correlations.
        """
        if type(self).difference is not Op.difference:
            maps = tuple(Zero(x.centre.shape[1:], local.rounding.shape[1:]) for x in xs)
            return Secant(maps, np.broadcast_to(self.difference(xs, local, radii), local.rounding.shape))
        noise = np.zeros(local.rounding.shape)
        curved = local.strip is not None or local.shift is not None
        return Secant(local.maps, np.full(noise.shape, np.inf) if curved else noise)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        """Bound of |F(a) - F(b)| for all a, b in the ranges of ``xs`` with |a_i - b_i| <= radii[i]: |L| E + noise.

        An op overrides this or :meth:`secant`, unless it is exactly linear.
        """
        secant = self.secant(xs, local, radii)
        total = secant.noise
        for linear, radius in zip(secant.maps, radii, strict=True):
            total = total + linear.absolute(radius)
        total = up(np.where(np.isnan(total), np.inf, total), len(radii) + 1)
        return total if secant.cap is None else np.minimum(total, secant.cap)

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        """For each input, the elements whose radius leaves a piece or a winner open: smaller ones could decide it.

        None stands for no element.
        """
        return (None,) * len(xs)

    def clearance(self, *xs: Tensor) -> tuple[Array | None, ...]:
        """For each input, radii below which :meth:`undecided` finds nothing open, None where no such bound is known."""
        return (None,) * len(xs)

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        """Whether machines round the result of ``operands`` tensors to storage once, at the end, and nothing before it.

        Then a :class:`boundnet.ops.store.Store` may follow the op in the accumulator.  Ops that round nothing need none.
        """
        return self.normalises and rules.normalisation != "stored"

    def parameters(self) -> tuple[Array, ...]:
        """Stored weights."""
        return ()

    def cast(self, change: Callable[[Array], Array]) -> Self:
        """The op with every stored weight replaced by ``change(weight)``."""
        return self

    def describe(self) -> str:
        """One line for people: the op and what distinguishes it."""
        return type(self).__name__


def require_rank(shape: Shape, rank: int, what: str) -> None:
    """Raise GraphError unless ``shape`` has ``rank`` axes."""
    if len(shape) != rank:
        raise GraphError(f"{what} needs {rank} axes without the batch, got shape {shape}")


def with_arrays(op: Any, change: Callable[[Array], Array], *names: str) -> Any:
    """A copy of the dataclass ``op`` with ``change`` applied to its array fields ``names`` (None stays None)."""
    values = {name: getattr(op, name) for name in names}
    return replace(op, **{name: None if value is None else change(value) for name, value in values.items()})


Program = Callable[..., Any]
__all__ = ["Local", "Machine", "Op", "Program", "Secant", "Shape", "Tensor", "require_rank", "with_arrays"]
