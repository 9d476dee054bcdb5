"""Computed values against bounds, gathered over chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from boundnet.crosscheck.results import Compared, Violation
from boundnet.numerics.outward import Array

Describe = Callable[[int, int], tuple[str, str]]
"""(row, input) -> (name of the run, how to repeat it)."""


@dataclass
class Tally:
    """What is known of one node (or output) so far."""

    name: str
    kind: str
    node: str
    what: str = "layer"
    bound: float = 0.0
    observed: float = 0.0
    tightest: float = np.inf
    compared: int = 0
    unbounded: int = 0
    violations: int = 0
    low: float = np.inf
    high: float = -np.inf
    may_overflow: bool = False
    non_finite: int = 0
    first: Violation | None = None

    def add(
        self, computed: Array, centre: Array, bound: Array, slack: Array | float, overflow: bool, first: int,
        describe: Describe,
    ) -> None:  # fmt: skip
        """Take in a chunk.

        Args:
            computed: (R, N, *shape); centre, bound: (N, *shape): |computed - centre| <= bound + slack must hold.
            slack: how far the centre itself may be from what the bound is about.
            first: number of the chunk's first input.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            finite = np.isfinite(computed)
            distance = np.where(finite, np.abs(computed - centre), np.inf)
            limit = bound + slack
            # The subtraction and the sum are rounded: what passes the limit by more than that lies outside for certain.
            inside = distance * (1.0 - 2.0**-51) <= limit
            bounded = np.broadcast_to(np.isfinite(limit), computed.shape)
            broken = bounded & ~inside
            moved = bounded & (distance > 0.0)
            ratio = np.where(moved & finite, limit / np.where(distance > 0.0, distance, 1.0), np.inf)
        self.bound = max(self.bound, float(np.where(np.isnan(bound), np.inf, bound).max(initial=0.0)))
        self.observed = max(self.observed, float(distance.max(initial=0.0)))
        self.tightest = min(self.tightest, float(ratio.min(initial=np.inf)))
        self.compared += int(bounded.sum())
        self.unbounded += computed.size - int(bounded.sum())
        self.low = min(self.low, float(np.where(finite, computed, np.inf).min(initial=np.inf)))
        self.high = max(self.high, float(np.where(finite, computed, -np.inf).max(initial=-np.inf)))
        self.may_overflow |= overflow
        self.non_finite += computed.size - int(finite.sum())
        count = int(broken.sum())
        self.violations += count
        if count and self.first is None:
            row, index, *at = (int(i) for i in np.argwhere(broken)[0])
            run, again = describe(row, first + index)
            value = float(computed[(row, index, *at)])
            place = (index, *at)
            self.first = Violation(
                self.what if np.isfinite(value) else "overflow", self.node, self.name, first + index, tuple(at), value,
                float(np.broadcast_to(centre, computed.shape[1:])[place]),
                float(np.broadcast_to(limit, computed.shape[1:])[place]), run, again,
            )  # fmt: skip

    def result(self) -> Compared:
        """The figures."""
        differed = self.observed > 0.0
        ratio = self.bound / self.observed if differed and np.isfinite(self.observed) else None
        tightest = self.tightest if np.isfinite(self.tightest) else None
        return Compared(
            self.name, self.kind, self.node, self.bound, self.observed, ratio, tightest, self.compared, self.unbounded,
            self.violations, self.low, self.high, self.may_overflow, self.non_finite,
        )  # fmt: skip
