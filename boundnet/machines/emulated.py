"""The machine that really rounds: one conforming execution of an op under an Arithmetic.

Values are float64 arrays that hold values of the formats.  Whatever the Arithmetic leaves open (order, fused
multiply-add, flushing,
place of the bias, rounding direction, library errors, roundings that a wider intermediate skips) is drawn at random, or
chosen by an adversary.  It exists to refute bounds, and shares no code with them beyond formats and maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Literal

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.machines import errorfree
from boundnet.machines.additions import Addend, add_up
from boundnet.machines.stepwise import stores_steps, threshold
from boundnet.maps import LinearMap
from boundnet.numerics.elementary import VECTOR
from boundnet.numerics.outward import Array, Mask

Adversary = Literal["up", "down", "away", "inward", "random"]
ADVERSARIES: tuple[Adversary | None, ...] = (None, "up", "down", "away", "inward", "random")


class EmulatedMachine:
    """Executes op programs with real roundings.

    Args:
        arithmetic: the execution model.
        rng: source of every free choice.
        adversary: which way roundings, ties and library errors go where there is a choice; None for the
            usual ones (ties to even, unbiased stochastic rounding, random library errors).
        skip: share of roundings left out, as wider intermediates would.
        functions: exact elementary functions for wide formats; binary64 otherwise.
    """

    def __init__(
        self, arithmetic: Arithmetic, rng: np.random.Generator, adversary: Adversary | None = None, skip: float = 0.0,
        functions: Callable[[str, Array], tuple[Array, Array]] | None = None,
    ) -> None:  # fmt: skip
        self.arithmetic, self.rng, self.adversary, self.skip = arithmetic, rng, adversary, skip
        self._weights = arithmetic.storage
        self._functions = functions or (lambda name, x: (VECTOR[name](x), np.zeros(np.shape(x))))
        flush = {"gradual": (0.0, 0.0), "ftz": (1.0, 0.0), "ftz+daz": (1.0, 1.0)}.get(arithmetic.subnormals)
        mixed = tuple(rng.choice([0.0, 0.5, 1.0], size=2))
        self._flush_results, self._flush_operands = mixed if flush is None else flush

    # --- scalar protocol ------------------------------------------------------------------------------------------------

    def normalised(self, form: Callable[..., Array], x: Array) -> Array:
        """form(machine, x): intermediate results in the accumulator where the Arithmetic keeps them, the result stored."""
        inside = self.arithmetic.inside
        if inside is self.arithmetic:
            return form(self, x)
        machine = copy(self)
        machine.arithmetic, machine._weights = inside, self.arithmetic.weights(normalises=True)
        return self.store(form(machine, x))

    def constant(self, value: float) -> Array:
        return self._held(np.float64(value), self.arithmetic.storage)  # type: ignore[arg-type]

    def parameter(self, value: Array) -> Array:
        """A weight as it is stored, or as it is where code keeps more digits."""
        return self._held(value, self._weights)

    def _held(self, value: Array, storage: Format) -> Array:
        value = np.asarray(value, dtype=np.float64)
        return self._cast(value, storage) if self.rng.random() >= self.skip else value

    def cast(self, value: Array) -> Array:
        """``value`` stored: kept where it is representable, rounded once and perhaps flushed elsewhere."""
        return self._cast(value, self.arithmetic.storage)

    def _cast(self, value: Array, storage: Format) -> Array:
        rounded = self._round(value, storage)
        tiny = self._chance(self._flush_results, value) & (np.abs(value) < self.arithmetic.accumulate.smallest_normal)
        kept = storage.round(value) == value
        return np.where(kept, value, np.where(tiny, 0.0, rounded))

    def add(self, a: Array, b: Array) -> Array:
        return self.store(self.accumulate_sum(self._load(a), self._load(b)))

    def sub(self, a: Array, b: Array) -> Array:
        return self.add(a, -np.asarray(b))

    def mul(self, a: Array, b: Array) -> Array:
        return self.store(self._finish(*errorfree.two_product(self._load(a), self._load(b))))

    def div(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return self.store(self._finish(*errorfree.quotient(self._load(a), self._load(b))))

    def maximum(self, a: Array, b: Array) -> Array:
        return np.maximum(self._load(a), self._load(b))

    def minimum(self, a: Array, b: Array) -> Array:
        return np.minimum(self._load(a), self._load(b))

    def absolute(self, a: Array) -> Array:
        return np.abs(a)

    def negative(self, a: Array) -> Array:
        return -np.asarray(a)

    def where(self, x: Array, threshold: float, above: Array, below: Array, apart: Any = None) -> Array:
        return np.where(self._load(x) >= self._load(self.constant(threshold)), above, below)

    def function(self, name: str, a: Array) -> Array:
        """An elementary function off by at most its ulps; sqrt is an IEEE operation where it is listed as one."""
        a = self._load(a)
        if name == "sigmoid" and stores_steps(self.arithmetic) and self.rng.random() < 0.5:
            return self._sigmoid_in_steps(a)
        k = self.arithmetic.functions.of(name)
        with np.errstate(all="ignore"):
            if name == "sqrt" and k == 0.5:
                return self.store(self._finish(*errorfree.root(a)))
            high, low = self._functions(name, a)
            t = threshold(self.arithmetic) if name == "softplus" else None
            if t is not None and self.rng.random() < 0.5:
                high = np.where(a > t, a, np.where(a < -t, np.exp(a), high))
                low = np.where(np.abs(a) > t, 0.0, low)
        value = self._off_by_ulps(k, high, low)
        return np.where(a == 0.0, 1.0, value) if name == "exp" else value

    def _sigmoid_in_steps(self, a: Array) -> Array:
        """1 / (1 + exp(-x)), or exp(x) / (1 + exp(x)) where x < 0, every step stored."""
        one = np.ones(())
        with np.errstate(all="ignore"):
            if self.rng.random() < 0.5:
                return self.div(one, self.add(one, self.function("exp", -a)))
            small = self.function("exp", -np.abs(a))
            return self.div(np.where(a < 0.0, small, one), self.add(one, small))

    def power(self, a: Array, n: int) -> Array:
        """a**n, n = 2 or 3, by a library's pow."""
        a = self._load(a)
        with np.errstate(all="ignore"):
            high, low = errorfree.two_product(a, a)
            if n == 3:
                cube, slip = errorfree.two_product(high, a)
                high, low = cube, slip + low * a
        return self._off_by_ulps(self.arithmetic.functions.of("pow"), high, low)

    def either(self, choices: Sequence[Callable[[], Array]]) -> Array:
        """One of several ways to compute the same number."""
        return choices[int(self.rng.integers(len(choices)))]()

    def _off_by_ulps(self, k: float, high: Array, low: Array) -> Array:
        """The exact high + low off by at most ``k`` ulp, stored."""
        fmt = self.arithmetic.accumulate
        if k <= 0.5:
            return self.store(self._finish(high, low))
        # As far as the allowed error reaches (shrunk by what binary64 itself may be off), then inwards to the next value.
        reach = np.maximum(2.0 * k * fmt.unit_roundoff * np.abs(high), k * fmt.smallest_subnormal) * (1.0 - 2.0**-40)
        target = high + reach * self._leaning(high)
        if fmt.precision > 40 and not fmt.is_fixed:
            target = np.nextafter(np.nextafter(target, high), high)
        value = np.where(target > high, fmt.round(target, "down"), fmt.round(target, "up"))
        value = np.where(np.isfinite(high), value, high)
        return self.store(self._flush(np.where(self._chance(self.skip, high), high, value)))

    # --- sums -----------------------------------------------------------------------------------------------------------

    def inner_product(self, linear: LinearMap, x: Array, bias: Array | None) -> Array:
        """L x + bias in some conforming order, stored."""
        rng, rules = self.rng, self.arithmetic
        stored = linear.with_kernel(self.parameter)
        addends = self._addends([(a, w) for a, w in stored.leaves(x)], (len(x), *linear.output_shape))
        if bias is None:
            return self.store(add_up(self, addends, None, "none"))
        place = rules.bias if rules.bias != "any" else str(rng.choice(["first", "last", "separate", "leaf"]))
        value = np.broadcast_to(self.parameter(bias), (len(x), *linear.output_shape))
        if place == "separate":
            return self.add(self.store(add_up(self, addends, None, "none")), value)
        return self.store(add_up(self, addends, Addend(value, None), place))

    def sum_of_products(self, pairs: Sequence[tuple[Array, Array | None]]) -> Array:
        """Sum of a * b over ``pairs`` (of a alone where b is None) in some conforming order, stored once."""
        shape = np.broadcast_shapes(*(np.shape(v) for pair in pairs for v in pair if v is not None))
        return self.store(add_up(self, self._addends(pairs, shape), None, "none"))

    def mean(self, linear: LinearMap, x: Array, cells: Array) -> Array:
        """The sum over windows divided by ``cells``, or multiplied by the rounded reciprocal."""
        shape = (len(x), *linear.output_shape)
        total = add_up(self, self._addends([(a, None) for a, _ in linear.leaves(x)], shape), None, "none")
        count = self._held(cells, self.arithmetic.storage)
        if self.rng.random() < 0.5:
            return np.where(cells == 1.0, self.store(total), self.div(total, count))
        reciprocal = self._finish(*errorfree.quotient(np.ones(cells.shape), self._load(count)))
        if self.rng.random() < 0.5:
            reciprocal = self.store(reciprocal)
        return np.where(cells == 1.0, self.store(total), self.mul(total, reciprocal))

    @staticmethod
    def _addends(pairs: Sequence[tuple[Array, Array | None]], shape: tuple[int, ...]) -> list[Addend]:
        return [Addend(np.broadcast_to(a, shape), None if w is None else np.broadcast_to(w, shape)) for a, w in pairs]

    def accumulate_sum(self, a: Array, b: Array) -> Array:
        """a + b in the accumulator."""
        return self._finish(*errorfree.two_sum(self._load(a), self._load(b)))

    def accumulate_product(self, a: Array, b: Array) -> Array:
        """a * b in the accumulator."""
        return self._finish(*errorfree.two_product(self._load(a), self._load(b)))

    def accumulate_fused(self, a: Array, b: Array, c: Array) -> Array:
        """a * b + c in the accumulator, rounded once."""
        return self._finish(*errorfree.fused(self._load(a), self._load(b), self._load(c)))

    # --- rounding -------------------------------------------------------------------------------------------------------

    def store(self, value: Array) -> Array:
        """An accumulator's value written to memory."""
        if not self.arithmetic.widens:
            return value
        rounded = self._round(value, self.arithmetic.storage)
        return np.where(self._chance(self.skip, value), value, rounded)

    def _finish(self, high: Array, low: Array) -> Array:
        """Round the exact result high + low into the accumulator, flush it, or keep it as it is."""
        fmt = self.arithmetic.accumulate
        if fmt.precision > 51 and not fmt.is_fixed:
            return np.asarray(high) if self.arithmetic.nearest else self._directed(high, low)
        exact = errorfree.to_odd(high, low)
        result = self._flush(self._round(exact, fmt))
        return np.where(self._chance(self.skip, exact), high, result)

    def _directed(self, high: Array, low: Array) -> Array:
        """Directed rounding into binary64 itself: one of the two neighbours."""
        other = np.nextafter(high, np.where(low > 0, np.inf, -np.inf))
        down, up = np.where(low < 0, other, high), np.where(low > 0, other, high)
        if self.arithmetic.rounding == "toward_zero":
            return np.where(high > 0, down, up)
        return np.where(self._leaning(high) > 0, up, down)

    def _flush(self, value: Array) -> Array:
        tiny = np.abs(value) < self.arithmetic.accumulate.smallest_normal
        return np.where(tiny & self._chance(self._flush_results, value), 0.0, value)

    def _load(self, value: Array) -> Array:
        value = np.asarray(value, dtype=np.float64)
        if self._flush_operands == 0.0:
            return value
        tiny = np.abs(value) < self.arithmetic.accumulate.smallest_normal
        return np.where(tiny & self._chance(self._flush_operands, value), 0.0, value)

    def _round(self, value: Array, fmt: Format) -> Array:
        """``value`` in ``fmt``, by the Arithmetic's rounding."""
        value = np.asarray(value, dtype=np.float64)
        mode = self.arithmetic.rounding
        if mode == "toward_zero":
            return fmt.round(value, "toward_zero")
        if mode == "nearest" and self.adversary is None:
            return fmt.round(value)
        down, up = fmt.round(value, "down"), fmt.round(value, "up")
        with np.errstate(invalid="ignore"):
            below, above = value - down, up - value
            if mode == "nearest":
                picked = np.where(below == above, np.where(self._leaning(value) > 0, up, down), fmt.round(value))
                return np.where(np.isfinite(down) & np.isfinite(up), picked, fmt.round(value))
            if mode == "stochastic" and self.adversary is None:
                return np.where(self.rng.random(value.shape) * (up - down) < below, up, down)
        return np.where(self._leaning(value) > 0, up, down)

    def _leaning(self, value: Array) -> Array:
        """+1 or -1: the way the adversary leans."""
        if self.adversary in ("up", "down"):
            return np.full(np.shape(value), 1.0 if self.adversary == "up" else -1.0)
        if self.adversary in ("away", "inward"):
            sign = np.where(np.asarray(value) >= 0, 1.0, -1.0)
            return sign if self.adversary == "away" else -sign
        return self.rng.choice([-1.0, 1.0], size=np.shape(value))

    def _chance(self, share: float, like: Array) -> Mask:
        """A mask that is True with probability ``share`` at every element."""
        if share in (0.0, 1.0):
            return np.full(np.shape(like), share == 1.0)
        return np.asarray(self.rng.random(np.shape(like)) < share)
