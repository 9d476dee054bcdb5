"""Running error bounds written out in NumPy, leaf by leaf and as a recursion over the tree: the oracle of the compiled ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import Array, W, up
from boundnet.roundoff.sums import Sum


@dataclass
class Accumulator:
    """What an accumulator holds, for every output: (N, *output_shape) each."""

    partial: Array
    spread: Array
    size: Array
    error: Array
    started: Array


class Reference:
    """The recursion of boundnet.roundoff.running_bound for one family of sums."""

    def __init__(self, terms: Sum, rules: Arithmetic) -> None:
        self.terms, self.rules, self.fmt = terms, rules, rules.accumulate
        self.shape = (len(terms.centre), *terms.map.output_shape)
        self.flush = rules.flush()
        self.per_sum = 3.0 * self.flush if rules.flushes_operands else self.flush
        self.fused = rules.fma == "yes" and terms.products
        noises = repeat((0.0, 0.0)) if terms.noise is None else terms.noise.leaves(terms.nonzero)
        streams = (terms.map.leaves(terms.centre), terms.map.leaves(terms.radius), terms.map.leaves(terms.nonzero), noises)
        self.leaves = [(x, e, z, w, dw) for (x, w), (e, _), (z, _), (_, dw) in zip(*streams, strict=False)]
        self.steps = 2 * len(self.leaves) + 4

    def empty(self) -> Accumulator:
        return Accumulator(*(np.zeros(self.shape) for _ in range(4)), np.zeros(self.shape, dtype=bool))

    def bias(self) -> Accumulator:
        value = np.broadcast_to(self.terms.bias, self.shape)
        noise = 0.0 if self.terms.bias_noise is None else self.terms.bias_noise
        present = value != 0.0
        return Accumulator(
            value, np.broadcast_to(noise, self.shape), np.abs(value), np.where(present, self.flush, 0.0), present
        )

    def rounding(self, partial: Array, spread: Array, size: Array, inner: Array) -> Array:
        reached = np.abs(partial) + spread + size * (self.steps * 2 * W) + inner + 2.0**-1040
        reached = reached * (1.0 + (8 * self.steps + 64) * W)
        if self.fmt.is_fixed:
            return np.full(reached.shape, self.per_sum)
        own_values = self.rules.storage.smallest_subnormal >= self.fmt.smallest_subnormal
        exact = (reached < self.fmt.smallest_normal) & (self.fmt.subnormals and own_values)
        return np.where(exact, 0.0, self.rules.one_rounding(reached, self.fmt)) + self.per_sum

    def join(self, a: Accumulator, b: Accumulator) -> Accumulator:
        partial, spread, size, inner = a.partial + b.partial, a.spread + b.spread, a.size + b.size, a.error + b.error
        rounding = np.where(a.started & b.started, self.rounding(partial, spread, size, inner), self.per_sum)
        either = a.started | b.started
        return Accumulator(partial, spread, size, np.where(either, inner + rounding, 0.0), either)

    def take(self, a: Accumulator, leaf: tuple[Array, Array, Array, Array, Array]) -> Accumulator:
        x, e, nonzero, w, dw = leaf
        rules = self.rules
        present = np.broadcast_to(nonzero & ((x != 0) | (e > 0)) & (w != 0.0), self.shape)
        magnitude = np.abs(w) + dw
        value, slack = x * w, e * magnitude + np.abs(x) * dw
        own = np.zeros(self.shape)
        if self.terms.products:
            reached = (np.abs(value) + slack) * (1.0 + 2.0**-48) + 2.0**-1040
            exact = (e == 0.0) & (np.abs(x) >= 1.0) & (np.abs(np.frexp(x)[0]) == 0.5)
            rounding = np.where(exact, 0.0, rules.one_rounding(reached, self.fmt))
            own = self.flush + (rules.absolute(self.fmt) if self.fused else rounding)
            if rules.flushes_operands:
                own = own + self.flush * (magnitude + np.abs(x) + e + 1.0)
        partial, spread, size, inner = a.partial + value, a.spread + slack, a.size + np.abs(value), a.error + own
        rounds = a.started | self.fused
        error = inner + np.where(rounds, self.rounding(partial, spread, size, inner), self.per_sum)
        return Accumulator(partial, spread, size, np.where(present, error, a.error), a.started | present)

    def run(self, start: Accumulator, first: int, last: int) -> Accumulator:
        for leaf in self.leaves[first:last]:
            start = self.take(start, leaf)
        return start

    def tree(self, variant: str) -> Accumulator:
        """The products in the rules' order; ``first`` and ``outer``: the first accumulator, or that of sums, starts with the bias."""
        order, n = self.rules.order, len(self.leaves)
        held = self.empty()
        if variant in ("first", "outer"):
            held = self.bias()
            held.error = np.where(held.started, held.error + self.per_sum, 0.0)
        start = held if variant == "first" else self.empty()
        if order.kind == "sequential":
            return self.run(start, 0, n)
        if order.kind == "blocked":
            size = order.size
            blocks = [self.run(self.empty() if i else start, i, min(i + size, n)) for i in range(0, n, size)]
            total = self.join(held, blocks[0]) if variant == "outer" else blocks[0]
            for block in blocks[1:]:
                total = self.join(total, block)
            return total
        return self._halves(0, n, start)

    def _halves(self, first: int, last: int, start: Accumulator) -> Accumulator:
        size = self.rules.order.size
        if last - first <= size:
            return self.run(start, first, last)
        runs = -(-(last - first) // size)
        middle = first + -(-runs // 2) * size
        return self.join(self._halves(first, middle, start), self._halves(middle, last, self.empty()))

    def bound(self, variant: str) -> Array:
        """``none``, ``last`` (the bias is added to the finished sum), ``first`` or ``outer``."""
        total = self.tree(variant)
        if variant == "last":
            bias, before = self.bias(), total
            total = self.join(total, bias)
            total.error = np.where(bias.started, total.error, before.error)
        return up(total.error, 10 * self.steps + 10)
