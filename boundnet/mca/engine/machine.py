"""The machine that executes op programs in the engine's arithmetic: every operation rounded, all runs at once.

Values are float64 arrays (lanes, *shape) of numbers of the formats; literals are scalars.  What the Arithmetic leaves open
is settled: document order, no fused operations unless asked for, bias last, gradual underflow.
Elementary functions are the C library's in binary64, rounded once more; no noise touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.machines import errorfree
from boundnet.maps import LinearMap
from boundnet.mca.engine import kernels
from boundnet.mca.engine.arrays import owned, threads
from boundnet.mca.engine.gather import Gather, gather
from boundnet.mca.engine.libm import LIBM
from boundnet.mca.engine.scalars import Spec, spec
from boundnet.mca.engine.settle import NATIVE
from boundnet.mca.engine.weights import Weight, alone
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import key_of


class EngineMachine:
    """Executes programs for the lanes (run, input) it was made for.

    Args:
        arithmetic: as :func:`boundnet.mca.engine.settle.settled` returns it.
        lanes: run + 2**32 * input of every lane, uint64.
        seed: of all noise.
    """

    def __init__(self, arithmetic: Arithmetic, lanes: npt.NDArray[np.uint64], seed: int) -> None:
        self.arithmetic, self.lanes = arithmetic, np.ascontiguousarray(lanes)
        self._key, self._weights = key_of(seed), arithmetic.storage
        flush = arithmetic.subnormals != "gradual"
        self._accumulate, self._storage = spec(arithmetic.accumulate, flush), spec(arithmetic.storage, flush)
        self._daz = arithmetic.accumulate.smallest_normal if arithmetic.subnormals == "ftz+daz" else 0.0
        p = arithmetic.perturbation
        wide = max(arithmetic.accumulate.precision, arithmetic.storage.precision)
        native = arithmetic.accumulate.precision == 53 or wide <= NATIVE
        if p is not None:
            self._mode = {"rr": kernels.RR, "pb": kernels.PB, "mca": kernels.MCA}[p.mode]
        elif arithmetic.rounding == "nearest":
            self._mode = kernels.NEAREST if native else kernels.ODD
        else:
            self._mode = kernels.ZERO if arithmetic.rounding == "toward_zero" else kernels.STOCHASTIC
        self._scale = 2.0 ** (1 - p.precision - 32) if p else 0.0
        self._keep = np.uint64((1 << (53 - p.precision)) - 1 if p else 0)
        self._gathers: dict[int, tuple[LinearMap, Gather | None]] = {}
        self._first, self._step = 0, 0

    def enter(self, first: int) -> None:
        """Begin an op whose elements are numbered from ``first``."""
        self._first, self._step = first, 0

    # --- scalar protocol ------------------------------------------------------------------------------------------------

    def normalised(self, form: Callable[..., Array], x: Array) -> Array:
        """form(machine, x): intermediate results in the accumulator where the Arithmetic keeps them, the result stored."""
        inside = self.arithmetic.inside
        if inside is self.arithmetic:
            return form(self, x)
        machine = copy(self)
        machine.arithmetic, machine._weights = inside, self.arithmetic.weights(normalises=True)
        y = form(machine, x)
        self._step = machine._step
        return self.store(y)

    def constant(self, value: float) -> Array:
        return self.cast(np.asarray(value, dtype=np.float64))[()]

    def parameter(self, value: Array) -> Array:
        """A stored weight, without lanes; operations on it are done anew in every lane."""
        return alone(self._cast(value, self._weights))

    def cast(self, value: Array) -> Array:
        """An exact number stored: rounded once to nearest (toward zero where the machine does), perhaps flushed."""
        return self._cast(value, self.arithmetic.storage)

    def _cast(self, value: Array, storage: Format) -> Array:
        rules = self.arithmetic
        rounded = storage.round(value, "toward_zero" if rules.rounding == "toward_zero" else "nearest")
        kept = rounded == value
        tiny = (np.abs(value) < rules.accumulate.smallest_normal) & (rules.subnormals != "gradual") & ~kept
        return self._read(np.where(tiny, 0.0, rounded))

    def add(self, a: Array, b: Array) -> Array:
        return self.store(self._apply(kernels.ADD, a, b))

    def sub(self, a: Array, b: Array) -> Array:
        return self.add(a, self.negative(b))

    def mul(self, a: Array, b: Array) -> Array:
        return self.store(self._apply(kernels.MULTIPLY, a, b))

    def div(self, a: Array, b: Array) -> Array:
        return self.store(self._apply(kernels.DIVIDE, a, b))

    def maximum(self, a: Array, b: Array) -> Array:
        return np.asarray(np.maximum(*self._aligned(a, b)))

    def minimum(self, a: Array, b: Array) -> Array:
        return np.asarray(np.minimum(*self._aligned(a, b)))

    def absolute(self, a: Array) -> Array:
        return np.abs(self._laned(a))

    def negative(self, a: Array) -> Array:
        return np.negative(self._laned(a))

    def where(self, x: Array, threshold: float, above: Array, below: Array, apart: Any = None) -> Array:
        x, above, below = self._aligned(x, above, below)
        return np.where(x >= self.constant(threshold), above, below)

    def function(self, name: str, a: Array) -> Array:
        """Binary64's function rounded to the accumulator; a square root is correctly rounded."""
        a = self._full(a)
        with np.errstate(all="ignore"):
            value = LIBM[name](a)
            if name == "sqrt" and self._mode in (kernels.ODD, kernels.ZERO):
                value = errorfree.to_odd(*errorfree.root(a))
        return self.store(self._rounded(value, self._accumulate))

    # --- sums -----------------------------------------------------------------------------------------------------------

    def inner_product(self, linear: LinearMap, x: Array, bias: Array | None) -> Array:
        """L x + bias, stored: the accumulator starts from 0 (or the bias) and takes its leaves one by one."""
        place = self.arithmetic.bias
        if bias is None:
            return self.store(self._sum(linear, x, None, 0))
        stored = np.broadcast_to(self.cast(bias), linear.output_shape)
        if place == "separate":
            return self.add(self.store(self._sum(linear, x, None, 0)), self.parameter(bias))
        return self.store(self._sum(linear, x, stored, 1 if place == "first" else 2))

    def sum_of_products(self, pairs: Sequence[tuple[Array, Array | None]]) -> Array:
        """Sum of a * b over ``pairs`` (of a alone where b is None), stored once."""
        shape = np.broadcast_shapes(*(np.shape(v) for pair in pairs for v in pair if v is not None))

        def full(value: Array) -> Array:
            return np.broadcast_to(value, shape)

        parts = [full(a) if b is None else (full(a), full(b)) for a, b in pairs]

        def run(start: int, stop: int) -> Array:
            total = np.zeros(shape)
            for part in parts[start:stop]:
                total = self._take(total, part) if isinstance(part, tuple) else self._apply(kernels.ADD, total, part)
            return total

        return self.store(self._ordered(len(parts), run))

    def mean(self, linear: LinearMap, x: Array, cells: Array) -> Array:
        """The sum over windows divided by ``cells``, stored."""
        return self.div(self._sum(linear, x, None, 0, products=False), alone(self.cast(cells)))

    def _take(self, total: Array, part: tuple[Array, Array]) -> Array:
        """total + a * b."""
        if self.arithmetic.fma == "yes":
            a, b = np.broadcast_arrays(*part)
            return self._rounded(errorfree.to_odd(*errorfree.two_sum(a * b, total)), self._accumulate)
        return self._apply(kernels.ADD, total, self._apply(kernels.MULTIPLY, *part))

    def _sum(self, linear: LinearMap, x: Array, bias: Array | None, bias_at: int, products: bool = True) -> Array:
        """L x + bias in the accumulator."""
        table = self._gather(linear)
        shape = (len(self.lanes), *linear.output_shape)
        if table is None:
            return self._generic(linear, x, bias, bias_at)
        if linear.input_shape == linear.output_shape == ():
            x = x.reshape(len(x), 1)
        columns = owned(x.reshape(len(x), -1).T)
        size = int(np.prod(linear.output_shape, dtype=np.int64))
        flat = np.zeros(0) if bias is None else owned(bias).reshape(-1)
        plan = (table.base, table.chosen, table.weights, table.cin, table.per)
        several = self.arithmetic.order.kind != "sequential"

        def run(start: int, stop: int) -> Array:
            out = np.empty((size, len(x)))
            at = 0 if several else bias_at
            add_up: Any = kernels.inner
            draw = self._draw(kernels.steps_of(stop - start))
            with threads(out.size * (stop - start)):
                add_up(self._mode, self.arithmetic.fma == "yes", products, columns, out, plan, (start, stop), flat, at, draw,
                       self._accumulate, self._scale, self._keep)  # fmt: skip
            return np.asarray(out.T).reshape(shape)

        total = self._ordered(table.leaves, run)
        if several and bias is not None:
            full = np.broadcast_to(bias, shape)
            total = self._apply(kernels.ADD, *((full, total) if bias_at == 1 else (total, full)))
        return total

    def _generic(self, linear: LinearMap, x: Array, bias: Array | None, bias_at: int) -> Array:
        """The same for a map that is known only by its leaves."""
        shape = (len(self.lanes), *linear.output_shape)
        parts = [(np.broadcast_to(a, shape), np.broadcast_to(w, shape)) for a, w in linear.with_kernel(self.cast).leaves(x)]
        full = None if bias is None else np.broadcast_to(bias, shape)

        def run(start: int, stop: int) -> Array:
            total = np.zeros(shape) if full is None or bias_at != 1 or start else full
            for part in parts[start:stop]:
                total = self._take(total, part)
            return total

        total = self._ordered(len(parts), run)
        return total if full is None or bias_at != 2 else self._apply(kernels.ADD, total, full)

    def _ordered(self, count: int, run: Any) -> Array:
        """All ``count`` leaves in the Arithmetic's order; ``run(start, stop)`` adds some in sequence."""
        order = self.arithmetic.order
        if order.kind == "blocked":
            total: Array = run(0, min(order.size, count))
            for start in range(order.size, count, order.size):
                total = self._apply(kernels.ADD, total, run(start, min(start + order.size, count)))
            return total

        def halves(start: int, stop: int) -> Array:
            runs = -(-(stop - start) // order.size)
            if order.kind == "sequential" or runs <= 1:
                return np.asarray(run(start, stop))
            middle = start + -(-runs // 2) * order.size
            return self._apply(kernels.ADD, halves(start, middle), halves(middle, stop))

        return halves(0, count)

    def _gather(self, linear: LinearMap) -> Gather | None:
        """The map's table with cast weights, made once."""
        if id(linear) not in self._gathers:
            table = gather(linear)
            if table is not None:
                table = replace(table, weights=owned(self.cast(table.weights)))
            self._gathers[id(linear)] = (linear, table)
        return self._gathers[id(linear)][1]

    # --- rounding -------------------------------------------------------------------------------------------------------

    def store(self, value: Array) -> Array:
        """An accumulator's value written to memory."""
        return self._rounded(value, self._storage) if self.arithmetic.widens else value

    def _rounded(self, value: Array, into: Spec) -> Array:
        """``value`` rounded as the Arithmetic rounds; perturbed modes leave it to nearest."""
        value = self._full(value)
        mode = self._mode if self._mode <= kernels.STOCHASTIC else kernels.NEAREST
        return self._kernel(kernels.STORE, mode, value, value, into)

    def _apply(self, op: int, a: Any, b: Any) -> Array:
        a, b = np.broadcast_arrays(*self._aligned(a, b))
        return self._kernel(op, self._mode, self._full(a), self._full(b), self._accumulate)

    def _kernel(self, op: int, mode: int, a: Array, b: Array, into: Spec) -> Array:
        shape = a.shape
        flat = (owned(v).reshape(len(self.lanes), -1) for v in (a, b))
        out = np.empty((len(self.lanes), a.size // len(self.lanes)))
        operate: Any = kernels.elementwise
        with threads(out.size * 4):
            operate(op, mode, *flat, out, self._draw(1), into, self._scale, self._keep)
        return out.reshape(shape)

    def _laned(self, value: Any) -> Array:
        """A weight gets its lanes; everything else has them, or is a literal."""
        if isinstance(value, Weight) and value.alone:
            return np.broadcast_to(np.asarray(value), (len(self.lanes), *value.shape))
        return np.asarray(value, dtype=np.float64)

    def _aligned(self, *values: Any) -> list[Array]:
        """Lanes stay the first axis where weights have fewer axes than what they meet."""
        arrays = [self._laned(value) for value in values]
        rank = max(a.ndim for a in arrays)
        return [a.reshape(a.shape[:1] + (1,) * (rank - a.ndim) + a.shape[1:]) if a.ndim else a for a in arrays]

    def _full(self, value: Any) -> Array:
        """A literal for every lane; each run computes with it anew."""
        value = self._laned(value)
        return value if value.ndim else np.broadcast_to(value, (len(self.lanes),))

    def _draw(self, steps: int) -> tuple[Any, ...]:
        """What says which numbers an operation of so many steps draws."""
        at = self._step
        self._step += steps
        return self.lanes, self._first, at, self._key

    def _read(self, value: Array) -> Array:
        return np.where(np.abs(value) < self._daz, 0.0, value) if self._daz else value
