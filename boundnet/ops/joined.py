"""Sums of two tensors and a stored bias, whichever two are added first: what gates of recurrent cells are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from boundnet.errors import GraphError
from boundnet.machines.floats import FloatMachine
from boundnet.maps import Diagonal
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Op, Program, Shape, Tensor, with_arrays
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder

FLOATS = FloatMachine()


@dataclass(frozen=True, eq=False)
class AddBiased(Op):
    """y = x + z + bias.  bias: broadcasts against x and z, which have the same shape."""

    bias: Array
    arity: ClassVar[int | None] = 2

    def output_shape(self, *shapes: Shape) -> Shape:
        first, second = shapes
        if first != second or np.broadcast_shapes(self.bias.shape, first) != first:
            raise GraphError(f"AddBiased: shapes {first}, {second} and a bias of {self.bias.shape} do not fit")
        return first

    def programs(self) -> tuple[Program, ...]:
        """All three ways to add."""
        return (
            lambda m, x, z, b: m.add(m.add(x, z), b),
            lambda m, x, z, b: m.add(m.add(x, b), z),
            lambda m, x, z, b: m.add(x, m.add(z, b)),
        )

    def forms(self) -> tuple[Callable[..., Any], ...]:
        def form(program: Program) -> Callable[..., Any]:
            return lambda machine, x, z: program(machine, x, z, machine.parameter(self.bias))

        return tuple(map(form, self.programs()))

    def centre(self, *xs: Array) -> Array:
        y: Array = self.programs()[0](FLOATS, *xs, self.bias)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.forms()[0](machine, *xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        error, overflow = rounder.program(self.programs(), xs, (self.bias,))
        shape = xs[0].centre.shape
        one = Diagonal(np.ones(shape[1:]), shape[1:], shape[1:])
        zero = xs[0].zero & xs[1].zero & (self.bias == 0.0)
        return Local((one, one), np.where(zero, 0.0, error), zero, np.broadcast_to(overflow, shape) & ~zero)

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        return errors.program(self.programs(), xs, (self.bias,))

    def parameters(self) -> tuple[Array, ...]:
        return (self.bias,)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "bias")  # type: ignore[no-any-return]
