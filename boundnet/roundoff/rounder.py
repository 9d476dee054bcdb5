"""The rounding error of one op: in the Arithmetic under analysis, and in the float64 evaluation of the centre.

A conforming run deviates from the centre by both; the exact network only by the second (``arithmetic`` None).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.forms import allowed
from boundnet.machines import chains
from boundnet.machines.running import RunningMachine
from boundnet.maps import LinearMap
from boundnet.numerics.blocks import in_blocks
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, up
from boundnet.roundoff.grids import Exponents, exponent_of
from boundnet.roundoff.inner_product import sum_error
from boundnet.roundoff.sums import Sum


class Known(Protocol):
    """What a rounder reads of a tensor (:class:`boundnet.ops.base.Tensor`)."""

    @property
    def centre(self) -> Array: ...
    @property
    def radius(self) -> Array: ...
    @property
    def nonzero(self) -> Mask: ...
    @property
    def grid(self) -> Exponents | None: ...
    def spread(self, linear: LinearMap) -> Array: ...


class Rounder:
    """Bounds for one execution model; ``arithmetic`` None stands for the exact network.

    Args:
        held: the model that weights and literals are stored by, where another one than ``arithmetic`` is.
    """

    def __init__(self, arithmetic: Arithmetic | None, held: Arithmetic | None = None) -> None:
        self.arithmetic = arithmetic
        self.held = arithmetic if held is None else held
        self._cast_noise: dict[int, tuple[object, LinearMap | None]] = {}

    @cached_property
    def unstored(self) -> Rounder:
        """The same for ops whose result stays in the accumulator; what they read was stored."""
        rules = self.arithmetic
        return self if rules is None else Rounder(replace(rules, storage=rules.accumulate), rules)

    @cached_property
    def gradual(self) -> Rounder:
        """The same where nothing is flushed: where nothing can be subnormal."""
        rules = self.arithmetic
        return self if rules is None else Rounder(replace(rules, subnormals="gradual"), self.held)

    def never_subnormal(self, x: Known) -> Mask | None:
        """Elements that are 0 or normal numbers of the accumulator in every run; None where nothing is known of any."""
        if self.arithmetic is None or x.grid is None:
            return None
        lam = self.arithmetic.accumulate.smallest_normal
        return None if lam == 0.0 else x.grid >= exponent_of(lam)

    def program(
        self, programs: Sequence[Callable[..., Any]], xs: Sequence[Known], parameters: Sequence[Array] = (),
        normalises: bool = False, rewrite: bool = True,
    ) -> tuple[Array, Mask]:  # fmt: skip
        """Error of an elementwise op whose evaluation forms are ``programs(machine, *xs, *parameters)``.

        Args:
            normalises: the op may keep intermediate results (:class:`boundnet.arithmetic.Arithmetic`).
            rewrite: whether programs without weights stand for all that :mod:`boundnet.forms` makes of them, too.

        Returns:
            (bound of the rounding error, where it may overflow), the largest over all forms.
        """
        rules = self.arithmetic
        forms = programs[:1] if rules is None else allowed(rules, programs, len(xs), len(parameters), rewrite)
        arrays = [np.asarray(array) for x in xs for array in (x.centre, x.radius)] + [np.asarray(p) for p in parameters]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        if len(xs) == 1 and xs[0].centre.size >= chains.ENOUGH and xs[0].centre.shape == shape:
            found = self._chains(forms, xs[0], parameters, normalises)
            if found is not None:
                return found

        def evaluate(*parts: Array) -> tuple[Array, Mask]:
            known, weights = parts[: 2 * len(xs)], parts[2 * len(xs) :]
            thin = [Box.exactly(centre) for centre in known[::2]]
            error, _ = _run(RunningMachine(OWN), programs[:1], thin, weights)
            if self.arithmetic is None:
                return error, np.zeros(error.shape, dtype=np.bool_)
            wide = [Box.around(*pair) for pair in zip(known[::2], known[1::2], strict=True)]
            own, overflow = _run(RunningMachine.inside(self.arithmetic, normalises), forms, wide, weights)
            return up(error + own, 1), overflow

        error, overflow = in_blocks(evaluate, shape, arrays, (np.float64, np.bool_))
        return error, overflow

    def executed(self, program: Callable[..., Any], x: Known) -> tuple[Array, Mask]:
        """Error of ``program(machine, x)`` in the Arithmetic alone, the centre's float64 error apart."""
        assert self.arithmetic is not None
        rules = self.arithmetic

        def evaluate(*parts: Array) -> tuple[Array, Mask]:
            return _run(RunningMachine(rules), (program,), [Box.around(*parts)], ())

        error, overflow = in_blocks(evaluate, x.centre.shape, [x.centre, x.radius], (np.float64, np.bool_))
        return error, overflow

    def _chains(
        self, programs: Sequence[Callable[..., Any]], x: Known, parameters: Sequence[Array], normalises: bool
    ) -> tuple[Array, Mask] | None:
        """:meth:`program` by the compiled kernel, None where it does not apply."""
        own = chains.chains_of(OWN, programs[:1], x.centre.shape, parameters)
        if own is None:
            return None
        error, _ = chains.chain_bound(OWN, own, x.centre, np.zeros(x.centre.shape))
        if self.arithmetic is None:
            return error, np.zeros(error.shape, dtype=np.bool_)
        theirs = chains.chains_of(self.arithmetic, programs, x.centre.shape, parameters, normalises)
        if theirs is None:
            return None
        most, overflow = chains.chain_bound(self.arithmetic, theirs, x.centre, x.radius, normalises)
        return up(error + most, 1), overflow

    def inner(
        self, linear: LinearMap, x: Known, bias: Array | None, centre: Array, products: bool = True, stored: bool = True
    ) -> tuple[Array, Mask]:
        """Error of y = linear(x) + bias with the float64 result ``centre``; shapes (N, *output_shape)."""
        at_centre = Sum(linear, x.centre, np.zeros(x.centre.shape), x.nonzero, bias, products, grid=x.grid)
        # |exact| exceeds |fl(exact)| by at most a factor of 1 + w.
        own = sum_error(at_centre, OWN, centre, np.abs(centre) * 2.0**-50 + 2.0**-1060).error
        if self.arithmetic is None:
            return own, np.zeros(own.shape, dtype=np.bool_)
        noise = self.kernel_noise(linear) if products else None
        bias_noise = None if bias is None else self.stored_error(bias)
        terms = Sum(linear, x.centre, x.radius, x.nonzero, bias, products, noise, bias_noise, x.grid)
        cast = np.zeros(()) if bias_noise is None else bias_noise
        if noise is not None:
            cast = up(cast + noise.absolute(up(np.abs(x.centre) + x.radius, 1)), 1)
        spread = up(x.spread(linear) + own + cast, 2)
        result = sum_error(terms, self.arithmetic, centre, spread, stored)
        error = up(result.error + own + cast, 2)
        reached = result.stored if stored else np.zeros(())
        return error, self.arithmetic.overflows(result.accumulated, up(reached + error, 1))

    def stored_error(self, value: Array) -> Array:
        """Bound of what storing the exact ``value`` (a weight or an input) changes; exactly 0 where it is representable."""
        if self.held is None:
            return np.zeros(np.shape(value))
        storage = self.held.storage
        kept = storage.round(value) == value
        # A cast that rounds may flush as well.
        error = np.where(kept, 0.0, self.held.one_rounding(np.abs(value), storage) + self.held.flush())
        return np.where(np.abs(value) <= storage.largest, error, np.inf)

    def stored_error_over(self, centre: Array, radius: Array) -> Array:
        """Bound of what storing any value within ``radius`` of ``centre`` changes: (N, *shape)."""
        if self.held is None:
            return np.zeros(centre.shape)
        reached = up(np.abs(centre) + radius, 1)
        error = self.held.one_rounding(reached, self.held.storage) + self.held.flush()
        error = np.where(reached <= self.held.storage.largest, error, np.inf)
        return np.where(radius == 0.0, self.stored_error(centre), error)

    def divided(self, error: Array, centre: Array, count: Array, reached: Array) -> Array:
        """Error of dividing a sum off by ``error`` by ``count`` (a literal that is stored first), or of multiplying it
        by the rounded 1/count.

        Args:
            centre: the float64 quotient, already off by the float64 error of its own sum.
            reached: bound of the exact sum's magnitude.
        """
        own = up(np.abs(centre), 1) * 2.0**-52 + 2.0**-1070
        if self.arithmetic is None:
            return up(error / count + own, 2)
        rules = self.arithmetic
        quotient, slip = self.literal_slip(error, count, reached)
        flush = 3.0 * rules.flush()
        rounded = rules.one_operation(up(quotient + slip, 1))
        total = up(error / count + slip + rounded + own + flush, 6)
        stored = rules.store(quotient, up(error / count + own + rules.flush(), 4))
        return np.where((count == 1.0) & rules.exact_stays, stored, total)

    def literal_slip(self, error: Array, count: Array, reached: Array) -> tuple[Array, Array]:
        """(bound of the quotient, what rounding the literal or its reciprocal moves it by): see :meth:`divided`."""
        rules = self.arithmetic
        assert rules is not None
        quotient = up((reached + error) / count, 2)
        one = up(1.0 / count, 1)
        literal = self.stored_error(count)
        astray = up(literal / np.maximum(count - literal, 0.5), 2)  # relative error of the quotient due to that
        held = self.held if self.held is not None and self.held.widens else None
        formats = (rules.accumulate,) if held is None else (rules.accumulate, held.storage)
        # The reciprocal of a power of two is exact where it can be held.
        inverse = 1.0 / count
        kept = (literal == 0.0) & (np.frexp(count)[0] == 0.5)
        kept &= np.logical_and.reduce([f.round(inverse) == inverse for f in formats])
        kept &= (one >= 2.0 * rules.accumulate.smallest_normal) | (rules.flush() == 0.0)
        kept &= rules.exact_stays
        near = up(one * (1.0 + astray), 1)
        rounding = rules.operation(near) + sum(rules.one_rounding(near, f) for f in formats[1:])
        reciprocal = np.where(kept, 0.0, up(one * astray + rounding + 2.0 * rules.flush(), 5))
        return quotient, up(np.maximum(quotient * astray, (reached + error) * reciprocal), 2)

    def kernel_noise(self, linear: LinearMap) -> LinearMap | None:
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
    machine: RunningMachine, programs: Sequence[Callable[..., Any]], boxes: Sequence[Box], parameters: Sequence[Array]
) -> tuple[Array, Mask]:
    errors, overflows = [], []
    for program in programs:
        found = program(machine, *(machine.variable(box) for box in boxes), *(machine.parameter(p) for p in parameters))
        result = machine.result(found)
        shape = np.broadcast_shapes(*(np.shape(box.lo) for box in boxes), *(np.shape(p) for p in parameters))
        errors.append(np.broadcast_to(result.error, shape))
        overflows.append(np.broadcast_to(result.overflow, shape))
    return np.maximum.reduce(errors), np.logical_or.reduce(overflows)
