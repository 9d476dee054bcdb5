"""Everything that a sum may come to: all trees, all ways to round, in exact integers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Accumulator:
    """Integers stand for multiples of some unit: ``precision`` bits, spacing at least ``eta``, normal from ``lam`` on.

    Attributes:
        flush: results below ``lam`` may become 0, and be read as 0.
    """

    precision: int
    eta: int = 1
    lam: int = 0
    flush: bool = False

    def grid(self, value: int) -> int:
        """Spacing at a value of this size, at a power of two that of the numbers above it."""
        return max(self.eta, 1 << max(abs(value).bit_length() - self.precision, 0))

    def roundings(self, value: int) -> frozenset[int]:
        """The value, its neighbours on the accumulator's grid and on every finer one, twice rounded ones, and 0 if flushed."""
        once = self._neighbours(value)
        return frozenset(again for first in once for again in self._neighbours(first))

    def _neighbours(self, value: int) -> set[int]:
        found = {value}
        if self.flush and abs(value) < self.lam:
            found.add(0)
        unit = self.grid(value)
        while unit > 1:
            below = value // unit * unit
            found |= {below, below + unit} if below != value else {value}
            unit //= 2
        return found


def reachable(leaves: Sequence[int], acc: Accumulator, products: bool = True) -> frozenset[int]:
    """All results of adding ``leaves`` in any tree.

    Args:
        products: a leaf may be rounded before it is added, or not (fused).
    """

    @cache
    def over(part: frozenset[int]) -> frozenset[int]:
        if len(part) == 1:
            (i,) = part
            return acc.roundings(leaves[i]) if products else frozenset([leaves[i]])
        first, *rest = sorted(part)
        found: set[int] = set()
        for size in range(len(rest)):
            for others in itertools.combinations(rest, size):
                left = frozenset([first, *others])
                for a, b in itertools.product(over(left), over(part - left)):
                    found |= acc.roundings(a + b)
        return frozenset(found)

    return over(frozenset(range(len(leaves)))) if leaves else frozenset([0])


def greedy(leaves: Sequence[int], acc: Accumulator, order: Sequence[int], up: bool) -> int:
    """One accumulator, leaf after leaf, every sum rounded the same way."""
    total = 0
    for i in order:
        unit = acc.grid(total + leaves[i])
        value = total + leaves[i]
        total = -(-value // unit) * unit if up else value // unit * unit
    return total
