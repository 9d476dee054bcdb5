"""Ops that choose by exact data: masks of sequences, selections, tables looked up by whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from boundnet.errors import GraphError, InputError
from boundnet.maps import Diagonal, Zero
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Op, Shape, Tensor, with_arrays
from boundnet.ops.maxima import read_error
from boundnet.ops.structural import no_rounding
from boundnet.roundoff.rounder import Rounder


def floats(x: Any) -> Array:
    """Values of any machine as float64; exact where they are whole numbers, as masks and indices are."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return np.asarray(x, dtype=np.float64)
    result: Array = np.vectorize(_number, otypes=[np.float64])(x)
    return result


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float(value.mid())  # a degenerate interval


@dataclass(frozen=True, eq=False)
class Blank(Op):
    """Exact zeros of ``shape``, whatever the input: initial states, outputs of masked steps."""

    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.shape

    def centre(self, *xs: Array) -> Array:
        return np.zeros((len(xs[0]), *self.shape))

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return machine.parameter(np.zeros((len(xs[0]), *self.shape)))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        zero = np.ones((len(xs[0].centre), *self.shape), dtype=np.bool_)
        return no_rounding((Zero(xs[0].centre.shape[1:], self.shape),), zero)


@dataclass(frozen=True, eq=False)
class Differs(Op):
    """1 where some entry along the last axis differs from ``value``, else 0: which steps a Masking layer keeps."""

    value: float = 0.0

    def output_shape(self, *shapes: Shape) -> Shape:
        if not shapes[0]:
            raise GraphError("Differs: the input has no axis")
        return shapes[0][:-1]

    def centre(self, *xs: Array) -> Array:
        kept: Array = (xs[0] != self.value).any(axis=-1).astype(np.float64)
        return kept

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        flags = np.vectorize(lambda v: bool(v != self.value), otypes=[np.bool_])(xs[0]).any(axis=-1)
        return machine.parameter(flags.astype(np.float64))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        away = np.abs(x.centre - self.value)
        certain = (away > x.radius * (1.0 + 2.0**-50) + 2.0**-1060).any(axis=-1)
        if rounder.arithmetic is not None:
            # Operands may be read as zero, the literal may be cast: then a small difference may vanish.
            slack = rounder.arithmetic.flush() * 2.0 + rounder.stored_error(np.asarray(self.value))
            certain = (away > (x.radius + slack) * (1.0 + 2.0**-50)).any(axis=-1)
        equal = ((away == 0.0) & (x.radius == 0.0)).all(axis=-1)
        if rounder.arithmetic is not None and rounder.stored_error(np.asarray(self.value)) > 0:
            equal = np.zeros_like(equal)
        strip = np.where(certain | equal, 0.0, 1.0)
        maps = (Zero(x.centre.shape[1:], x.centre.shape[1:-1]),)
        return Local(maps, np.zeros(strip.shape), equal, np.zeros(strip.shape, dtype=np.bool_), strip=strip)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        assert local.strip is not None
        return local.strip


@dataclass(frozen=True, eq=False)
class Select(Op):
    """y = one where ``mask`` is 1, other where it is 0; the mask broadcasts.  Inputs: mask, one, other.

    Nothing is known where the data leave the mask open.
    """

    arity: ClassVar[int | None] = 3

    def output_shape(self, *shapes: Shape) -> Shape:
        mask, one, other = shapes
        if one != other or len(mask) != len(one) or np.broadcast_shapes(mask, one) != one:
            raise GraphError(f"Select: shapes {list(shapes)} do not fit")
        return one

    def centre(self, *xs: Array) -> Array:
        return np.where(xs[0] != 0.0, xs[1], xs[2])

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return np.where(floats(xs[0]) != 0.0, xs[1], xs[2])

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        mask, one, other = xs
        shape = one.centre.shape
        first = np.broadcast_to(mask.centre != 0.0, shape)
        open_ = np.broadcast_to(mask.radius > 0.0, shape)
        zero = np.where(first, one.zero, other.zero) & ~open_
        inner = shape[1:]
        maps = (
            Zero(mask.centre.shape[1:], inner),
            Diagonal(first.astype(np.float64), inner, inner),
            Diagonal((~first).astype(np.float64), inner, inner),
        )
        error = np.where(open_, np.inf, read_error(rounder, zero))
        return Local(maps, error, zero, np.zeros(shape, dtype=np.bool_))


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """y = table[x] for whole numbers x: an embedding.  table: (n, *entry); y: (*shape of x, *entry).

    Raises:
        InputError: from :meth:`centre`, for an index that the table doesn't have.
    """

    table: Array

    def output_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0], *self.table.shape[1:])

    def _rows(self, x: Any) -> Any:
        index = np.trunc(floats(x))
        if not np.all((index >= 0) & (index < len(self.table))):
            bad = index[~((index >= 0) & (index < len(self.table)))].ravel()[0]
            raise InputError(
                f"the index {bad:g} is outside of a table of {len(self.table)} entries (an embedding): give whole numbers"
                f" from 0 to {len(self.table) - 1} as inputs"
            )
        return index.astype(np.int64)

    def centre(self, *xs: Array) -> Array:
        y: Array = self.table[self._rows(xs[0])]
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return machine.parameter(self.table)[self._rows(xs[0])]

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        rows, entry = self._rows(x.centre), self.table.shape[1:]
        error, zero = rounder.stored_error(self.table)[rows], (self.table == 0.0)[rows]
        # Frameworks truncate to whole numbers: every execution must get the same one.
        low, high = np.trunc(x.centre - x.radius), np.trunc(x.centre + x.radius)
        sure = (x.radius == 0.0) | ((low == high) & (np.abs(x.centre) + x.radius < 2.0**52))
        lost = np.broadcast_to(~sure.reshape(*sure.shape, *(1,) * len(entry)), error.shape)
        shape = x.centre.shape[1:]
        maps = (Zero(shape, (*shape, *entry)),)
        return Local(maps, np.where(lost, np.inf, error), zero & ~lost, np.zeros(zero.shape, dtype=np.bool_))

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        return np.zeros(local.rounding.shape)

    def parameters(self) -> tuple[Array, ...]:
        return (self.table,)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "table")  # type: ignore[no-any-return]

    def describe(self) -> str:
        return f"Lookup in {self.table.shape}"
