"""From boxes to bounds of the outputs, many boxes at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.analysis.boxes.changes import changes
from boundnet.analysis.boxes.forms import Forms, bound_forms
from boundnet.analysis.boxes.inputs_affine import InputForms
from boundnet.analysis.boxes.sides import midpoint, unflatten
from boundnet.analysis.heads import Head
from boundnet.analysis.ties import ranges_apart, softmax_apart
from boundnet.arithmetic import Arithmetic
from boundnet.domains import AffineDomain, IntervalDomain
from boundnet.domains.affine import TooManySymbols
from boundnet.graph import LayerGraph
from boundnet.maps import DenseMap
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up
from boundnet.roundoff.rounder import Rounder

LIMIT = 1 << 24
"""Largest table of affine coefficients, in float64 values; beyond it boxes are bounded by intervals."""
PIECE = 128
"""Most boxes that are bounded side by side: what a worker gets at a time."""
PAIRS = 32
"""Classes up to which every pair of logits is compared."""

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bounds:
    """Bounds over N boxes; K elements of all outputs side by side, L of the logits, T nodes of the graph.

    Attributes:
        error: |computed - exact|, (N, K).
        low, high: range of the exact and the computed values, (N, K).
        centre: float64 value at the middle of the box, (N, K).
        node_error, node_low, node_high: the same of all elements of each node, (N, T).
        logit, logit_error: float64 value at the middle and |computed - exact|, (N, L); L is 0 where nothing is decided.
        best: the class at the middle, (N,); -1 where nothing is decided.
        slack: least that it is ahead of all others anywhere in the box, in exact and in computed values, (N,).
        apart: |computed - exact| of the difference of any two logits, (N,).
        moved: how far each input element moves the outputs, (N, n); zeros where that is unknown.  No bound: a guide.
    """

    error: Array
    low: Array
    high: Array
    centre: Array
    node_error: Array
    node_low: Array
    node_high: Array
    logit: Array
    logit_error: Array
    best: Index
    slack: Array
    apart: Array
    moved: Array

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Bounds:
        """Some of the boxes."""
        return Bounds(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Bounds]) -> Bounds:
        """All boxes of several."""
        return Bounds(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Bounds)))

    def within(self, parent: Bounds) -> Bounds:
        """Bounds of boxes that lie in those of ``parent``, row by row: what holds there holds here."""
        sharper = {name: np.minimum(getattr(self, name), getattr(parent, name)) for name in _FALLING}
        sharper |= {name: np.maximum(getattr(self, name), getattr(parent, name)) for name in ("low", "node_low")}
        return replace(self, **sharper)


_FALLING = ("error", "high", "node_error", "node_high", "logit_error", "apart")


class Bounder:
    """Bounds boxes of inputs of one graph in one Arithmetic.

    Args:
        heads: one for each output.
        stored: whether inputs are numbers of the storage format already, so that storing them rounds nothing.
        affine: whether to keep correlations where the memory allows.
    """

    def __init__(
        self, graph: LayerGraph, rules: Arithmetic, heads: Sequence[Head], stored: bool = False, affine: bool = True
    ) -> None:
        self.graph, self.rules, self.heads, self.stored, self.affine = graph, rules, tuple(heads), stored, affine
        self.fits = True
        self._rounder = Rounder(rules)
        self._changes = changes(graph, rules)
        self._order = graph.topological()
        self.casts = any(
            bool(np.any(self._rounder.stored_error(w))) for name in self._order for w in graph.op(name).parameters()
        )
        self.head = next((h for h in heads if h.rule != "none" and h.logits is not None), None)
        self._consumers = {name: graph.consumers(name) for name in self._order}
        # Forms that are read once more when everything is done.
        for name in [graph.inputs_of(changed)[0] for changed in self._changes]:
            self._consumers[name] += 1
        if self.head is not None and self.head.logits is not None:
            self._consumers[self.head.logits] += 1
        sizes = [int(np.prod(graph.shape(name), dtype=np.int64)) for name in self._order]
        # Every element may bring a symbol of its own.
        self.batch = int(np.clip(LIMIT // (4 * sum(sizes) * max(sizes)), 1, PIECE))

    def __reduce__(self) -> tuple[Any, ...]:
        # The rounder's memory is keyed by the identity of objects, which no copy keeps.
        return Bounder, (self.graph, self.rules, self.heads, self.stored, self.affine)

    def forms(self, low: Array, high: Array, affine: bool) -> Forms:
        """Both forms over the boxes (N, n) ``low`` to ``high``, with correlations or by intervals."""
        centre, radius = midpoint(low, high)
        centres, radii = unflatten(centre, self.graph), unflatten(radius, self.graph)
        casting = unflatten(self._casting(low, high), self.graph)
        noise = [
            np.zeros(error.shape) if self.stored or self.graph.holds_integers(name) else error
            for name, error in zip(self.graph.inputs, casting, strict=True)
        ]

        def bound(*domains: AffineDomain | IntervalDomain) -> Forms:
            return bound_forms(self.graph, self._rounder, centres, radii, noise, self._changes, (domains[0], domains[1]))

        if not affine:
            return bound(IntervalDomain(), IntervalDomain())
        return bound(InputForms(self._consumers, LIMIT), AffineDomain(self._consumers, LIMIT))

    def _casting(self, low: Array, high: Array) -> Array:
        """What storing any number in [low, high] may change.

        An end that is a number of the format is kept, and numbers below it have the unit in the first place of the float
        below it, which is half as large where the end is a power of two.
        """
        rules, storage = self.rules, self.rules.storage
        largest = np.maximum(np.abs(low), np.abs(high))
        below = np.where(storage.round(largest) == largest, np.nextafter(largest, 0.0), largest)
        error = rules.one_rounding(below, storage) + rules.flush()
        error = np.where(largest <= storage.largest, error, np.inf)
        return np.where(low == high, self._rounder.stored_error(low), error)

    def best_forms(self, low: Array, high: Array) -> Forms:
        """Both forms of one box, with correlations where the memory allows."""
        if self.affine and self.fits:
            try:
                return self.forms(low, high, True)
            except TooManySymbols:
                self.fits = False
        return self.forms(low, high, False)

    def bound(self, low: Array, high: Array) -> Bounds:
        """Bounds of the outputs over the boxes (N, n) ``low`` to ``high``, each row as if it were alone."""
        if len(low) == 1 or not (self.affine and self.fits):
            return self._read(self.best_forms(low, high) if len(low) == 1 else self.forms(low, high, False))
        try:
            return self._read(self.forms(low, high, True))
        except TooManySymbols:
            half = len(low) // 2
            return Bounds.joined([self.bound(low[:half], high[:half]), self.bound(low[half:], high[half:])])

    def _read(self, forms: Forms) -> Bounds:
        count = forms.ranges.samples
        error, low, high, centre = (
            np.concatenate([part(forms, head.output).reshape(count, -1) for head in self.heads], axis=1)
            for part in (Forms.error, _low, _high, _centre)
        )
        nodes = [
            np.stack([pick(part(forms, name).reshape(count, -1), axis=1) for name in self._order], axis=1)
            for part, pick in ((Forms.error, np.max), (_low, np.min), (_high, np.max))
        ]
        moved = np.zeros((count, sum(int(np.prod(self.graph.shape(n), dtype=np.int64)) for n in self.graph.inputs)))
        if isinstance(forms.domains[0], InputForms):
            for head in self.heads:
                moved = moved + forms.domains[0].moved(head.output)
        decided = self._decide(forms, count)
        return Bounds(error, low, high, centre, nodes[0], nodes[1], nodes[2], *decided, moved)

    def _decide(self, forms: Forms, count: int) -> tuple[Array, Array, Index, Array, Array]:
        if self.head is None or self.head.logits is None:
            none = np.zeros((count, 0))
            return none, none, np.full(count, -1, dtype=np.int64), np.full(count, -np.inf), np.full(count, np.inf)
        name = self.head.logits
        value, error = (part(forms, name).reshape(count, -1) for part in (_centre, Forms.error))
        if self.head.rule == "sign":
            low, high = _low(forms, name).reshape(count), _high(forms, name).reshape(count)
            best = (value[:, 0] > 0).astype(np.int64)
            return value, error, best, self._returned(forms, best, np.where(best == 1, low, -high)), error[:, 0]
        best = np.argmax(value, axis=1)
        spread, apart = _pairs(forms, name, value, best)
        rows = np.arange(count)
        with np.errstate(invalid="ignore"):
            slack = np.nextafter(np.nextafter(value[rows, best][:, None] - value, -np.inf) - spread, -np.inf)
        slack = np.where(np.isnan(slack), -np.inf, slack)
        slack[rows, best] = np.inf
        return value, error, best, self._returned(forms, best, slack.min(axis=1)), apart

    def _returned(self, forms: Forms, best: Index, slack: Array) -> Array:
        """By how much class ``best`` leads on the logits, not above 0 where returned values may tie or decide otherwise."""
        assert self.head is not None
        if self.head.logits == self.head.output:
            return slack
        name, count = self.head.output, len(slack)
        low, high, error = (part(forms, name).reshape(count, -1) for part in (_low, _high, Forms.error))
        apart = ranges_apart(low, high, best)
        if self.head.softmax:
            apart |= softmax_apart(self.rules, slack, error[np.arange(count), best], low.shape[1])
        return np.where(apart, slack, np.minimum(slack, 0.0))


def _centre(forms: Forms, name: str) -> Array:
    return forms.ranges.tensors[name].centre


def _low(forms: Forms, name: str) -> Array:
    return Box.around(forms.ranges.tensors[name].centre, forms.ranges.tensors[name].radius).lo


def _high(forms: Forms, name: str) -> Array:
    return Box.around(forms.ranges.tensors[name].centre, forms.ranges.tensors[name].radius).hi


def _pairs(forms: Forms, name: str, value: Array, best: Index) -> tuple[Array, Array]:
    """For every class k the range of logit ``best`` minus logit k, (N, K), and the largest error of any difference, (N,)."""
    count, classes = value.shape
    rows = np.arange(count)
    radius, error = forms.ranges.tensors[name].radius.reshape(count, -1), forms.error(name).reshape(count, -1)
    with np.errstate(all="ignore"):
        spread = up(radius[rows, best][:, None] + radius, 1)
        apart = up(2.0 * error.max(axis=1), 1)
        ranges, domain = forms.domains
        if classes <= PAIRS and isinstance(ranges, AffineDomain) and isinstance(domain, AffineDomain):
            eye = np.eye(classes)
            shape = forms.ranges.graph.shape(name)
            kernel = (eye[:, :, None] - eye[:, None, :]).reshape(classes, classes * classes)
            difference = DenseMap(kernel) if len(shape) == 1 else None
            if difference is not None:
                wide = ranges.spread(name, difference).reshape(count, classes, classes)[rows, best]
                thin = domain.spread(name, difference).max(axis=1)
                spread, apart = np.fmin(spread, wide), np.fmin(apart, thin)
    return spread, np.where(np.isnan(apart), np.inf, apart)


__all__ = ["Bounder", "Bounds", "Index"]
