"""The rounding error of one op: in the Arithmetic under analysis, and in the float64 evaluation of the centre.

A conforming run deviates from the centre by both; the exact network only by the second (``arithmetic`` None).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.box import Box
from boundnet.inner_product import Sum, sum_error
from boundnet.machines.running import RunningMachine
from boundnet.maps import LinearMap
from boundnet.rounding import Array, Mask, up


class Known(Protocol):
    """What a rounder reads of a tensor (:class:`boundnet.ops.base.Tensor`)."""

    @property
    def centre(self) -> Array: ...
    @property
    def radius(self) -> Array: ...
    @property
    def nonzero(self) -> Mask: ...


class Rounder:
    """Bounds for one execution model; ``arithmetic`` None stands for the exact network."""

    def __init__(self, arithmetic: Arithmetic | None) -> None:
        self.arithmetic = arithmetic
        self._cast_noise: dict[int, tuple[object, LinearMap | None]] = {}

    def program(
        self, programs: Sequence[Callable[..., Any]], xs: Sequence[Known], parameters: Sequence[Array] = ()
    ) -> tuple[Array, Mask]:
        """Error of an elementwise op whose evaluation forms are ``programs(machine, *xs, *parameters)``.

        Returns:
            (bound of the rounding error, where it may overflow), the largest over all forms.
        """
        thin = [Box.exactly(x.centre) for x in xs]
        error, _ = _run(OWN, programs[:1], thin, parameters)
        overflow = np.zeros(error.shape, dtype=np.bool_)
        if self.arithmetic is not None:
            wide = [Box.around(x.centre, x.radius) for x in xs]
            own, overflow = _run(self.arithmetic, programs, wide, parameters)
            error = up(error + own, 1)
        return error, overflow

    def inner(
        self, linear: LinearMap, x: Known, bias: Array | None, centre: Array, products: bool = True, stored: bool = True
    ) -> tuple[Array, Mask]:
        """Error of y = linear(x) + bias with the float64 result ``centre``; shapes (N, *output_shape)."""
        at_centre = Sum(linear, x.centre, np.zeros(x.centre.shape), x.nonzero, bias, products)
        size = np.abs(centre)
        own = sum_error(at_centre, OWN, size).error
        if self.arithmetic is None:
            return own, np.zeros(own.shape, dtype=np.bool_)
        terms = Sum(linear, x.centre, x.radius, x.nonzero, bias, products)
        magnitude = up(size + linear.absolute(x.radius) + own, 2)
        result = sum_error(terms, self.arithmetic, magnitude, stored)
        error = up(result.error + own, 1)
        noise = self._kernel_noise(linear) if products else None
        if noise is not None:
            error = up(error + noise.absolute(up(np.abs(x.centre) + x.radius, 1)), 1)
        if bias is not None:
            error = up(error + self.stored_error(bias), 1)
        reached = result.stored if stored else np.zeros(())
        return error, self.arithmetic.overflows(result.accumulated, up(reached + error, 1))

    def stored_error(self, value: Array) -> Array:
        """Bound of what storing the exact ``value`` (a weight or an input) changes; exactly 0 where it is representable."""
        if self.arithmetic is None:
            return np.zeros(np.shape(value))
        storage = self.arithmetic.storage
        kept = storage.round(value) == value
        error = np.where(kept, 0.0, self.arithmetic.one_rounding(np.abs(value), storage))
        return np.where(np.abs(value) <= storage.largest, error, np.inf)

    def stored_error_over(self, centre: Array, radius: Array) -> Array:
        """Bound of what storing any value within ``radius`` of ``centre`` changes: (N, *shape)."""
        if self.arithmetic is None:
            return np.zeros(centre.shape)
        reached = up(np.abs(centre) + radius, 1)
        error = self.arithmetic.one_rounding(reached, self.arithmetic.storage)
        error = np.where(reached <= self.arithmetic.storage.largest, error, np.inf)
        return np.where(radius == 0.0, self.stored_error(centre), error)

    def divided(self, error: Array, centre: Array, count: Array, reached: Array) -> Array:
        """Error of dividing a sum off by ``error`` by the exact ``count``, or of multiplying it by the rounded 1/count.

        Args:
            centre: the float64 quotient, already off by the float64 error of its own sum.
            reached: bound of the exact sum's magnitude.
        """
        own = up(np.abs(centre), 1) * 2.0**-52 + 2.0**-1070
        if self.arithmetic is None:
            return up(error / count + own, 2)
        rules = self.arithmetic
        exact = count == 1.0
        quotient = up((reached + error) / count, 2)
        # fl(1/n) is off by one rounding of 1/n; where n is a power of two it is exact, which the maximum still covers.
        reciprocal = up(rules.one_rounding(up(1.0 / count, 1), rules.accumulate) + rules.one_rounding(
            up(1.0 / count, 1), rules.storage), 1)  # fmt: skip
        power = np.log2(count) == np.round(np.log2(count))
        slip = np.where(power, 0.0, up((reached + error) * reciprocal, 2))
        flush = 3.0 * rules.flush() if rules.flushes_operands else 0.0
        rounded = rules.one_operation(up(quotient + slip, 1))
        total = up(error / count + slip + rounded + own + flush, 6)
        stored = rules.store(quotient, up(error / count + own, 3))
        return np.where(exact, stored, total)

    def _kernel_noise(self, linear: LinearMap) -> LinearMap | None:
        """|L| of what storing the weights may change, None where every weight is representable."""
        key = id(linear)
        if key not in self._cast_noise:
            changed = False

            def error(kernel: Array) -> Array:
                nonlocal changed
                difference = self.stored_error(kernel)
                changed = bool(np.any(difference))
                return difference

            noisy = linear.with_kernel(error)
            self._cast_noise[key] = (linear, noisy if changed else None)
        return self._cast_noise[key][1]


def _run(
    arithmetic: Arithmetic, programs: Sequence[Callable[..., Any]], boxes: Sequence[Box], parameters: Sequence[Array]
) -> tuple[Array, Mask]:
    machine = RunningMachine(arithmetic)
    errors, overflows = [], []
    for program in programs:
        result = program(machine, *(machine.variable(box) for box in boxes), *(machine.parameter(p) for p in parameters))
        shape = np.broadcast_shapes(*(np.shape(box.lo) for box in boxes), *(np.shape(p) for p in parameters))
        errors.append(np.broadcast_to(result.error, shape))
        overflows.append(np.broadcast_to(result.overflow, shape))
    return np.maximum.reduce(errors), np.logical_or.reduce(overflows)
