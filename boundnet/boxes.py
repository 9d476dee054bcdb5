"""Boxes of inputs by intervals: two forms, ranges and differences.

The range form bounds every value that the exact network or any conforming execution can take over the box and decides
magnitudes; the
difference form bounds |computed - exact| with slopes that hold between *all pairs* of points in those ranges.
"""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.box import Box
from boundnet.domains import IntervalDomain
from boundnet.errors import InputError
from boundnet.forward import Trace, forward
from boundnet.graph import LayerGraph
from boundnet.heads import Head
from boundnet.layers import LayerTable
from boundnet.results import Decision, OutputBound, Sample
from boundnet.rounder import Rounder
from boundnet.rounding import TINY, Array, up
from boundnet.runs import Runs


def midpoint(low: Array, high: Array) -> tuple[Array, Array]:
    """Centre and radius of [low, high], the radius rounded so that both ends are inside.

    Raises:
        InputError: some lower end is above its upper end.
    """
    if np.any(low > high):
        raise InputError("box: a lower end is above its upper end")
    centre = 0.5 * low + 0.5 * high
    return centre, np.where(low == high, 0.0, up(np.maximum(high - centre, centre - low), 2))


def differences(trace: Trace, rounder: Rounder) -> dict[str, Array]:
    """Bound of |computed - exact| at every node of a range-form trace, for all inputs in its box: name -> (N, *shape)."""
    bounds: dict[str, Array] = {}
    graph = trace.graph
    with np.errstate(all="ignore"):
        for name in graph.topological():
            tensor = trace.tensors[name]
            local = trace.locals.get(name)
            if local is None:
                bounds[name] = rounder.stored_error_over(tensor.centre, tensor.radius)
                continue
            sources = graph.inputs_of(name)
            xs = [trace.tensors[source] for source in sources]
            carried = graph.op(name).difference(xs, local, [bounds[source] for source in sources])
            total = up(carried + np.where(local.overflow, np.inf, local.rounding), 2)
            total = np.where(np.isnan(total) | ~np.isfinite(tensor.radius), np.inf, total)
            bounds[name] = np.where(local.zero, 0.0, np.where(total == 0.0, 0.0, np.maximum(total, TINY)))
    return bounds


def analyse_boxes(
    graph: LayerGraph, rules: Arithmetic, low: list[Array], high: list[Array], heads: list[Head]
) -> tuple[list[Sample], LayerTable]:
    """One sample for each box: bounds that hold for every input in it.

    A decision is proved when the logits' ranges (which include every computed value) leave one winner.
    """
    sides = [midpoint(a, b) for a, b in zip(low, high, strict=True)]
    rounder = Rounder(rules)
    trace = forward(graph, [s[0] for s in sides], rounder, IntervalDomain(), [s[1] for s in sides])
    bounds = differences(trace, rounder)
    table = LayerTable(graph, rules.storage)
    table.add(Runs(trace, trace))
    for name in graph.topological():
        table.override(name, float(bounds[name].max(initial=0.0)))
    samples = []
    for n in range(len(low[0])):
        outputs = []
        for head, label in zip(heads, graph.output_labels, strict=True):
            tensor = trace.tensors[head.output]
            box = Box.around(tensor.centre[n], tensor.radius[n])
            bound = bounds[head.output][n]
            least = np.where((box.lo <= 0) & (box.hi >= 0), 0.0, np.minimum(np.abs(box.lo), np.abs(box.hi)))
            with np.errstate(all="ignore"):
                relative = np.where(bound == 0, 0.0, np.where(least > 0, bound / least * (1 + 2.0**-50), np.inf))
            zero = np.zeros(bound.shape)
            outputs.append(OutputBound(label, tensor.centre[n], bound, relative, zero, bound, box.lo, box.hi))
        samples.append(Sample(n, tuple(outputs), None, _decision(trace, heads, bounds, n)))
    return samples, table


def _decision(trace: Trace, heads: list[Head], bounds: dict[str, Array], n: int) -> Decision | None:
    head = next((h for h in heads if h.rule != "none" and h.logits is not None), None)
    if head is None or head.logits is None:
        return None
    tensor = trace.tensors[head.logits]
    box = Box.around(tensor.centre[n].ravel(), tensor.radius[n].ravel())
    error = bounds[head.logits][n].ravel()
    if head.rule == "sign":
        value = float(tensor.centre[n].ravel()[0])
        proved = bool(box.lo[0] > 0 or box.hi[0] < 0)
        return Decision(int(value > 0), None, abs(value), float(error[0]), proved)
    centre = tensor.centre[n].ravel()
    best = int(np.argmax(centre))
    others = np.flatnonzero(np.arange(len(centre)) != best)
    rival = int(others[np.argmax(box.hi[others])])
    proved = bool(np.all(box.lo[best] > box.hi[others]))
    return Decision(best, rival, float(centre[best] - centre[rival]), float(up(error[best] + error[rival], 1)), proved)
