"""The boxes that a subdivision consists of, with what is known of each; grows in place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from boundnet.analysis.boxes.bounder import Bounds, Index
from boundnet.numerics.outward import Array


@dataclass
class _Store:
    low: Array
    high: Array
    depth: Index
    bounds: Bounds


class Leaves:
    """Boxes that cover one box, and bounds that hold for each.

    At any moment, between any two statements of :meth:`replace`, every point lies in a box whose bounds hold for it: an
    interrupted subdivision is as valid as a finished one.
    """

    def __init__(self, low: Array, high: Array, bounds: Bounds) -> None:
        self._store = _Store(low.copy(), high.copy(), np.zeros(len(low), np.int64), bounds)
        self.count = len(low)

    @property
    def low(self) -> Array:
        """Lower ends, (M, n)."""
        return self._store.low[: self.count]

    @property
    def high(self) -> Array:
        """Upper ends, (M, n)."""
        return self._store.high[: self.count]

    @property
    def depth(self) -> Index:
        """How often a box was halved to get each, (M,)."""
        return self._store.depth[: self.count]

    @property
    def bounds(self) -> Bounds:
        """Bounds, one row a box."""
        return self._store.bounds.take(slice(0, self.count))

    @property
    def values(self) -> int:
        """Numbers held for all boxes together."""
        one = self._store.low.shape[1] * 2 + sum(getattr(self._store.bounds, f.name)[0].size for f in fields(Bounds))
        return int(self.count * one)

    def replace(self, rows: Index, low: Array, high: Array, bounds: Bounds) -> None:
        """Put two halves in the place of each box ``rows``: all first halves, then all second ones."""
        half, start = len(rows), self.count
        self._reserve(start + half)
        store = self._store
        new = slice(start, start + half)
        depth = store.depth[rows] + 1
        first, second = (bounds.take(slice(i * half, (i + 1) * half)) for i in (0, 1))
        store.low[new], store.high[new], store.depth[new] = low[half:], high[half:], depth
        _put(store.bounds, new, second)
        self.count = start + half
        # The parent's bounds hold for its halves, so ends go first.
        store.low[rows], store.high[rows], store.depth[rows] = low[:half], high[:half], depth
        _put(store.bounds, rows, first)

    def _reserve(self, count: int) -> None:
        capacity = len(self._store.low)
        if count <= capacity:
            return
        extra = max(count, 2 * capacity) - capacity

        def longer(array: Any) -> Any:
            return np.concatenate([array, np.zeros((extra, *array.shape[1:]), array.dtype)])

        s = self._store
        grown = Bounds(*(longer(getattr(s.bounds, f.name)) for f in fields(Bounds)))
        self._store = _Store(longer(s.low), longer(s.high), longer(s.depth), grown)


def _put(target: Bounds, rows: Index | slice, source: Bounds) -> None:
    for field in fields(Bounds):
        getattr(target, field.name)[rows] = getattr(source, field.name)
