"""The two forms over a batch of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from boundnet.analysis.boxes.changes import Change
from boundnet.domains import AffineDomain, IntervalDomain
from boundnet.domains.forward import Trace, forward
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local, Tensor
from boundnet.roundoff.rounder import Rounder

Forming = AffineDomain | IntervalDomain


@dataclass(frozen=True)
class Forms:
    """What is known over N boxes.

    Attributes:
        ranges: the range form: every exact and computed value lies within the radius of the centre.
        differences: the difference form: centres 0, radii bound |computed - exact|.
        domains: of the two forms, for correlated images.
    """

    ranges: Trace
    differences: Trace
    domains: tuple[Forming, Forming]

    def error(self, name: str) -> Array:
        """Bound of |computed - exact| at node ``name``, (N, *shape)."""
        return self.differences.tensors[name].radius


def bound_forms(
    graph: LayerGraph, rounder: Rounder, centres: Sequence[Array], radii: Sequence[Array], noise: Sequence[Array],
    changes: Mapping[str, Change], domains: tuple[Forming, Forming],
) -> Forms:  # fmt: skip
    """Both forms over the boxes ``centres`` +- ``radii``; arrays (N, *shape), one for each input.

    Args:
        noise: what storing an input may change.
        changes: what storing weights changes, where that is known (:mod:`boundnet.analysis.boxes.changes`).
        domains: of the range form and of the difference form, both fresh.
    """
    ranges = forward(graph, centres, rounder, domains[0], radii, stored=noise)
    entering = dict(zip(graph.inputs, noise, strict=True))
    differences = Trace(graph, {}, {})
    with np.errstate(all="ignore"):
        for name in graph.topological():
            known = ranges.tensors[name]
            nothing = np.zeros(known.centre.shape)
            if name in entering:
                error = domains[1].enter(name, np.broadcast_to(entering[name], nothing.shape))
            else:
                local = _difference(ranges, differences, rounder, name, changes.get(name))
                error = domains[1].push(name, graph.inputs_of(name), local, nothing)
                differences.locals[name] = local
            differences.tensors[name] = Tensor(nothing, error, error == 0.0)
    return Forms(ranges, differences, domains)


def _difference(ranges: Trace, differences: Trace, rounder: Rounder, name: str, change: Change | None) -> Local:
    """computed - exact of one op: linear in its inputs' differences, known changes as shift, the rest as noise.

    An op whose stored weights change is the changed op on the computed input, plus the change on the exact input.
    """
    graph, tensor, local = ranges.graph, ranges.tensors[name], ranges.locals[name]
    sources = graph.inputs_of(name)
    xs = [ranges.tensors[source] for source in sources]
    radii = [differences.tensors[source].radius for source in sources]
    op, shift, extra = graph.op(name), None, np.zeros(())
    if change is not None:
        op = change.op
        local = op.local(rounder, *xs)
        shift, extra = change.on(xs[0])
    secant = op.secant(xs, local, radii)
    lost = local.overflow | ~np.isfinite(tensor.radius)
    noise = up(secant.noise + extra, 1)
    return Local(secant.maps, local.rounding, local.zero & tensor.zero, lost, shift, noise, secant.cap)
