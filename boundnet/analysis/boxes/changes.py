"""What casting stored weights changes, kept with its sign.

computed - exact = [cast op (computed input) - cast op (exact input)] + [cast op - op] (exact input); the second bracket is
known at the centre of a box, and what it varies by over the box is noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.analysis.runs import cast_to
from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.maps import LinearMap
from boundnet.numerics.outward import Array, gamma, up
from boundnet.ops.base import Op, Tensor
from boundnet.ops.linear import BatchMatMul, Conv, ConvTranspose, Dense


@dataclass(frozen=True)
class Change:
    """``op``: with its weights cast; ``kernel``: the map of the kernel's changes; ``bias``: the bias' changes or None."""

    op: Op
    kernel: LinearMap
    bias: Array | None

    def on(self, x: Tensor) -> tuple[Array, Array]:
        """The change at the centre of ``x``, and a bound of how far it is from that anywhere in its range."""
        shift = self.kernel.apply(x.centre)
        off = up(self.kernel.absolute(x.radius) + gamma(self.kernel.fan_in + 2) * self.kernel.absolute(np.abs(x.centre)), 3)
        if self.bias is not None:
            shift = shift + self.bias
            off = up(off + gamma(2) * (np.abs(shift) + np.abs(self.bias)), 2)
        return shift, np.where(np.isnan(off), np.inf, off)


def changes(graph: LayerGraph, rules: Arithmetic) -> dict[str, Change]:
    """Changes of all sums of products with stored weights that a cast changes; none where a cast may go either way."""
    found: dict[str, Change] = {}
    if not rules.nearest:
        return found
    for name in graph.topological():
        op = graph.op(name)
        if not isinstance(op, Dense | Conv | ConvTranspose | BatchMatMul):
            continue
        cast = op.cast(lambda weight: cast_to(rules, weight))
        kernel = _less(cast.kernel, op.kernel)
        bias = None if op.bias is None or cast.bias is None else _less(cast.bias, op.bias)
        if kernel is None or (op.bias is not None and bias is None):
            continue
        if not np.any(kernel) and (bias is None or not np.any(bias)):
            continue
        found[name] = Change(cast, _with(op.linear(graph.shape(graph.inputs_of(name)[0])), kernel), bias)
    return found


def _with(linear: LinearMap, kernel: Array) -> LinearMap:
    return linear.with_kernel(lambda _: kernel)


def _less(a: Array, b: Array) -> Array | None:
    """a - b where float64 holds it exactly everywhere (Knuth's error-free subtraction), else None."""
    with np.errstate(all="ignore"):
        difference = a - b
        back = difference - a
        error = (a - (difference - back)) - (b + back)
    return difference if bool(np.all(error == 0.0)) else None
