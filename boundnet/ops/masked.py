"""Softmax over some of the entries: attention with causal, padding and other masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from boundnet.errors import GraphError
from boundnet.maps import Zero
from boundnet.numerics.outward import Array, Mask, up
from boundnet.ops.base import Local, Shape, Tensor
from boundnet.ops.softmax import _Normalized, softmax_rule
from boundnet.roundoff.rounder import Rounder


@dataclass(frozen=True, eq=False)
class MaskedSoftmax(_Normalized):
    """Softmax over ``axis`` of the entries that are kept; the others are exactly 0.

    Frameworks replace masked entries by -1e9 or less: their exponentials are 0 in every format that has no number below
    exp(-1e4), and this op takes them as 0 in the exact network as well.  ``mask``: which entries are kept for every
    sample, or None; further inputs of zeros and ones, which broadcast against x, mask by the data.  ``empty``: what a
    group without a kept entry is, as that of a padded query: "zeros", "uniform" (the replaced scores are all equal) or
    "unknown".  Nothing is known where the data leave the mask open.
    """

    mask: Array | None = None
    empty: Literal["unknown", "zeros", "uniform"] = "unknown"
    arity: ClassVar[int | None] = None

    def output_shape(self, *shapes: Shape) -> Shape:
        masks = [*shapes[1:], *([] if self.mask is None else [self.mask.shape])]
        for shape in masks:
            if len(shape) != len(shapes[0]) or np.broadcast_shapes(shape, shapes[0]) != shapes[0]:
                raise GraphError(f"MaskedSoftmax: a mask of shape {shape} does not fit scores of shape {shapes[0]}")
        return super().output_shape(shapes[0])

    def _present(self, shape: Shape, masks: Sequence[Array]) -> Mask:
        """Which entries are kept, with ``axis`` last: (N, ..., n)."""
        kept = np.ones(shape, dtype=np.bool_) if self.mask is None else np.broadcast_to(self.mask != 0.0, shape)
        for mask in masks:
            kept = kept & (mask != 0.0)
        return np.moveaxis(kept, self.axis + 1, -1)

    def _evened(self, x: Any, present: Mask, nothing: Any) -> tuple[Any, Mask]:
        """Where a group without a kept entry is uniform: all its scores ``nothing``, all kept."""
        if self.empty != "uniform":
            return x, present
        empty: Mask = np.asarray(~present.any(axis=-1, keepdims=True))
        return np.where(np.moveaxis(empty, -1, self.axis + 1), nothing, x), present | empty

    def _filled(self, x: Any, present: Mask) -> Any:
        """x with ``axis`` last and its masked entries replaced by a kept one of their group."""
        last = np.moveaxis(x, self.axis + 1, -1)
        first = np.broadcast_to(present.argmax(axis=-1)[..., None], (*last.shape[:-1], 1))
        return np.where(present, last, np.take_along_axis(last, first, -1))

    def centre(self, *xs: Array) -> Array:
        x, present = self._evened(xs[0], self._present(xs[0].shape, xs[1:]), 0.0)
        x = self._filled(x, present)
        raised = np.where(present, np.exp(x - x.max(axis=-1, keepdims=True)), 0.0)
        total = raised.sum(axis=-1, keepdims=True)
        p = raised / np.where(total == 0.0, 1.0, total)
        return np.moveaxis(p, -1, self.axis + 1)

    def _on(self, machine: Any, reciprocal: bool, *xs: Any) -> Any:
        masks = [np.vectorize(float, otypes=[np.float64])(mask) for mask in xs[1:]]
        x, present = self._evened(xs[0], self._present(xs[0].shape, masks), machine.constant(0.0))
        x = np.moveaxis(self._filled(x, present), -1, self.axis + 1)
        kept = np.moveaxis(present, -1, self.axis + 1)
        _, raised, _ = self._exponentials(machine, x)
        nothing = machine.constant(0.0)
        raised = [np.where(np.take(kept, i, axis=self.axis + 1), part, nothing) for i, part in enumerate(raised)]
        total = machine.sum_of_products([(part, None) for part in raised])
        # A group without a kept entry is 0, or nothing is claimed of it; avoid 0 / 0.
        total = np.where(kept.any(axis=self.axis + 1), total, machine.constant(1.0))
        if reciprocal:
            inverse = machine.div(machine.constant(1.0), total)
            return np.stack([machine.mul(part, inverse) for part in raised], axis=self.axis + 1)
        return np.stack([machine.div(part, total) for part in raised], axis=self.axis + 1)

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self._on(machine, False, *xs)

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return self.evaluate, lambda machine, *xs: self._on(machine, True, *xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        x, *masks = xs
        given = self._present(x.centre.shape, [m.centre for m in masks])
        centre, present = self._evened(x.centre, given, 0.0)
        radius, _ = self._evened(x.radius, given, 0.0)
        even = Tensor(centre, radius, np.zeros(centre.shape, dtype=np.bool_))
        rule = softmax_rule(rounder, self.axis, even, self.centre(*(t.centre for t in xs)), present)
        if self.empty == "zeros":
            rule = self._emptied(rule, present)
        maps = (*rule.maps, *(Zero(m.centre.shape[1:], x.centre.shape[1:]) for m in masks))
        rounding, zero = rule.rounding, rule.zero
        for mask in masks:
            open_ = np.broadcast_to(mask.radius > 0.0, x.centre.shape).any(axis=self.axis + 1, keepdims=True)
            rounding, zero = np.where(open_, np.inf, rounding), zero & ~open_
        return Local(maps, rounding, zero, rule.overflow, rule.shift, rule.strip, rule.cap)

    def _emptied(self, rule: Local, present: Mask) -> Local:
        """The rule with groups without a kept entry exactly 0: whatever was computed there is replaced."""
        empty = ~present.any(axis=-1, keepdims=True)
        empty = np.moveaxis(np.broadcast_to(empty, present.shape), -1, self.axis + 1)
        assert rule.strip is not None
        assert rule.cap is not None
        parts = (np.where(empty, 0.0, part) for part in (rule.rounding, rule.strip, rule.cap))
        rounding, strip, cap = parts
        return replace(
            rule, rounding=rounding, strip=strip, cap=cap, zero=rule.zero | empty, overflow=rule.overflow & ~empty
        )

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        widest = radii[0].max(axis=self.axis + 1, keepdims=True)
        bound = np.broadcast_to(up(0.5 * np.minimum(widest, 2.0), 1), radii[0].shape)
        return np.where(np.isfinite(local.rounding), bound, np.inf)
