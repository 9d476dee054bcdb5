"""The machine that encloses ranges: interval arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array


class BoxMachine:
    """Outward-rounded intervals.  Values are :class:`boundnet.numerics.intervals.Box`."""

    def constant(self, value: float) -> Box:
        return Box.exactly(value)

    def parameter(self, value: Array) -> Box:
        return Box.exactly(value)

    def add(self, a: Box, b: Box) -> Box:
        return a + b

    def sub(self, a: Box, b: Box) -> Box:
        return a - b

    def mul(self, a: Box, b: Box) -> Box:
        return a.square() if a is b else a * b

    def div(self, a: Box, b: Box) -> Box:
        return a / b

    def maximum(self, a: Box, b: Box) -> Box:
        return a.maximum(b)

    def minimum(self, a: Box, b: Box) -> Box:
        return a.minimum(b)

    def absolute(self, a: Box) -> Box:
        return a.absolute()

    def negative(self, a: Box) -> Box:
        return -a

    def where(self, x: Box, threshold: float, above: Box, below: Box, apart: Any = None) -> Box:
        return choose(x, threshold, above, below)

    def function(self, name: str, a: Box) -> Box:
        return a.function(name)


def choose(x: Box, threshold: float, above: Box, below: Box) -> Box:
    """``above`` where x is surely >= threshold, ``below`` where surely less, the hull of both elsewhere."""
    both = above.hull(below)
    surely_above, surely_below = x.lo >= threshold, x.hi < threshold
    return Box(
        np.where(surely_above, above.lo, np.where(surely_below, below.lo, both.lo)),
        np.where(surely_above, above.hi, np.where(surely_below, below.hi, both.hi)),
    )
