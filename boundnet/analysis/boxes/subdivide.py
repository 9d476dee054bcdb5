"""Adaptive subdivision: halve the boxes that are worst, until nothing is gained or the effort is used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from boundnet.analysis.boxes.bounder import Bounder, Bounds, Index
from boundnet.analysis.boxes.leaves import Leaves
from boundnet.numerics.outward import Array, Mask

GAIN = 0.01
"""Subdivision ends where it can gain no more than this share of the bound."""
ROUND = 512
"""Most boxes that are halved together."""
MOST_VALUES = 1 << 27
"""Numbers that all pieces together may hold (1 GiB)."""
CORNERS = 4
"""Dimensions up to which a box's corners are bounded as points, to learn what subdivision can reach."""

_OFF_MIDDLE, _OFF_CORNER = 0.5012345678912345, 0.00012345678912345

Evaluate = Callable[[Array, Array], Bounds]


@dataclass(frozen=True)
class Effort:
    """How far to go: halvings in all, and seconds; None for no limit, (0, None) for none at all."""

    splits: int | None = 0
    seconds: float | None = None


WHOLE = Effort()


@dataclass(frozen=True)
class Subdivided:
    """A box and the boxes it was cut into.

    Attributes:
        whole: bounds of the box in one piece.
        leaves: boxes that cover it, with their bounds.
        reach: a bound at some single point: no subdivision gets below it.
        stopped: why it ended: "whole" (no halvings asked for), "splits", "time", "memory", "converged", "points" (nothing
            left to halve) or "interrupted".
    """

    whole: Bounds
    leaves: Leaves
    reach: float
    stopped: str
    seconds: float

    @property
    def error(self) -> Array:
        """|computed - exact| of every output element anywhere in the box, (K,)."""
        worst: Array = self.leaves.bounds.error.max(axis=0)
        return worst


def subdivide(
    bounder: Bounder, evaluate: Evaluate, low: Array, high: Array, fixed: Array, effort: Effort,
    progress: Callable[[int, int | None, float], None] | None = None,
) -> Subdivided:  # fmt: skip
    """Bound the box (n,) ``low`` to ``high``, in many pieces as far as ``effort`` goes.

    Best first: the boxes with the largest bound of any output; where a class is to be decided, every second one is the
    largest box in which it is not.  A box is halved along the input that moves the outputs most.

    Args:
        fixed: 1.0 for inputs that are not cut, (n,).
        progress: called with (splits so far, splits allowed, largest bound).
    """
    started = time.perf_counter()
    deadline = np.inf if effort.seconds is None else started + effort.seconds
    whole = evaluate(low[None], high[None])
    leaves = Leaves(low[None], high[None], whole)
    width = np.where((high > low) & (fixed == 0.0), high - low, np.inf)
    search = _Search(evaluate, leaves, width, bounder.head is not None)
    splits, stopped, most = 0, "whole" if effort.splits == 0 else "splits", ROUND
    try:
        while effort.splits is None or splits < effort.splits:
            if time.perf_counter() >= deadline:
                stopped = "time"
                break
            if leaves.values >= MOST_VALUES:
                stopped = "memory"
                break
            before = time.perf_counter()
            allowed = min(most, ROUND if effort.splits is None else effort.splits - splits)
            rows, reason = search.choose(allowed)
            if reason is not None:
                stopped = reason
                break
            search.halve(rows)
            splits += len(rows)
            if effort.seconds is not None:
                # A round takes a small part of the time allowed, so that the limit is kept.
                per_box = (time.perf_counter() - before) / len(rows)
                most = int(np.clip(0.05 * effort.seconds / per_box, 1, ROUND))
            if progress is not None:
                progress(splits, effort.splits, float(leaves.bounds.error.max()))
    except KeyboardInterrupt:
        stopped = "interrupted"
    return Subdivided(whole, leaves, search.reach, stopped, time.perf_counter() - started)


class _Search:
    """Which boxes to halve, and where."""

    def __init__(self, evaluate: Evaluate, leaves: Leaves, width: Array, decides: bool) -> None:
        self.evaluate, self.leaves, self.width, self.decides = evaluate, leaves, width, decides
        self.reach = 0.0

    def choose(self, most: int) -> tuple[Index, str | None]:
        """Rows to halve, at most ``most`` of them, or why there are none."""
        leaves = self.leaves
        error = leaves.bounds.error.max(axis=1)
        can = np.asarray(self._cuttable().any(axis=1))
        open_: Mask = np.asarray((leaves.bounds.slack <= 0.0) & can & self.decides)
        self._learn(int(np.argmax(error)))
        worth = can & ~(error <= self.reach * (1.0 + GAIN))
        if not worth.any() and not open_.any():
            return np.zeros(0, np.int64), "converged" if can.any() else "points"
        share = -(-most // 2) if open_.any() and worth.any() else most
        rows = _largest(np.where(np.isnan(error), np.inf, error), worth, share)
        if open_.any():
            open_[rows] = False
            rows = np.concatenate([rows, _largest(-leaves.depth.astype(np.float64), open_, most - len(rows))])
        return rows, None

    def _learn(self, row: int) -> None:
        """Bounds at single points of the worst box: near its middle and, in few dimensions, near its corners.

        Not at these themselves, which are likely numbers of the storage format that a cast leaves alone.
        """
        low, high = self.leaves.low[row], self.leaves.high[row]
        free = np.flatnonzero(np.isfinite(self.width))
        shares = [np.full(len(low), _OFF_MIDDLE)]
        if len(free) <= CORNERS:
            for corner in np.ndindex(*(2,) * len(free)):
                share = np.zeros(len(low))
                share[free] = np.where(np.array(corner), 1.0 - _OFF_CORNER, _OFF_CORNER)
                shares.append(share)
        points = low + np.array(shares) * (high - low)
        at = np.clip(points, low, high)
        self.reach = max(self.reach, float(self.evaluate(at, at).error.max()))

    def _cuttable(self) -> Mask:
        """Where a float lies strictly between the ends, (M, n)."""
        low, high = self.leaves.low, self.leaves.high
        middle = 0.5 * low + 0.5 * high
        return (low < middle) & (middle < high) & np.isfinite(self.width)

    def halve(self, rows: Index) -> None:
        """Cut the boxes ``rows`` in two and bound both halves."""
        low, high, parent = self.leaves.low[rows], self.leaves.high[rows], self.leaves.bounds.take(rows)
        middle = 0.5 * low + 0.5 * high
        possible = (low < middle) & (middle < high) & np.isfinite(self.width)
        along = np.argmax(np.where(possible, _pull(parent.moved, (high - low) / self.width), -1.0), axis=1)
        at = np.arange(len(rows))
        first, second = high.copy(), low.copy()
        first[at, along] = second[at, along] = middle[at, along]
        lows, highs = np.concatenate([low, second]), np.concatenate([first, high])
        both = Bounds.joined([parent, parent])
        self.leaves.replace(rows, lows, highs, self.evaluate(lows, highs).within(both))


def _pull(moved: Array, width: Array) -> Array:
    """How much each input is worth cutting: its share of what moves the outputs, and some of its width."""
    total = moved.sum(axis=1, keepdims=True)
    known = np.isfinite(total) & (total > 0.0)
    return np.where(known, moved / np.where(known, total, 1.0), 0.0) + 0.1 * width


def _largest(score: Array, among: Mask, count: int) -> Index:
    """Rows of the ``count`` largest scores among some; ties by position, so that repetitions agree."""
    rows = np.flatnonzero(among)
    if len(rows) > count:
        rows = rows[np.argsort(-score[rows], kind="stable")[:count]]
    return rows
