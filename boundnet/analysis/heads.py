"""Output heads: what the model's outputs are decided on, and bounds that use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic import Arithmetic
from boundnet.domains.adjoint import Adjoint, adjoint
from boundnet.domains.forward import Trace
from boundnet.domains.sketch.settings import cost_of
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up
from boundnet.ops import Activation, Reshape, Softmax
from boundnet.roundoff.softmax import enclose, enclose_box, shares

Rule = Literal["argmax", "sign", "none"]
Below = Callable[[int], tuple[Array, Array]]
"""Bounds of D_best - D_k for every k, as :meth:`boundnet.domains.probe_bounds.Sketched.below` finds them."""
ALL_PAIRS = 32
"""Up to so many classes, every pair gets a row of its own."""
MOST_ROWS = 2048
"""Outputs with more elements are bounded by the forward pass alone."""
ROW_WORK = 1e11
"""Multiply-adds of adjoint rows for a node's elements and pairs from which probes serve instead, where there are any."""
PROBED = 1e9
"""Multiply-adds of all rows from which one row first tells whether the others are worth it."""
RIVALS = 6
"""Rivals of the predicted class that get rows of their own then: those the probes leave closest."""
_ROW_VALUES = 1 << 24


@dataclass(frozen=True)
class Head:
    """One model output.

    Attributes:
        output: its node.
        logits: node whose values decide, or None.
        rule: ``argmax`` over the logits, the ``sign`` of the only logit, or ``none``.
        softmax: whether the output is the softmax of the logits.
    """

    output: str
    logits: str | None
    rule: Rule
    softmax: bool = False


def find_head(graph: LayerGraph, output: str, decision: str = "auto") -> Head:
    """What decides at ``output``: argmax under a softmax, sign under a single sigmoid, nothing otherwise unless asked.

    Args:
        decision: ``auto``, ``argmax``, ``sign`` or ``none``.

    Raises:
        InputError: the decision asked for does not fit the output's shape.
    """
    node = output
    while isinstance(graph.op(node), Reshape) and graph.consumers(graph.inputs_of(node)[0]) == 1:
        node = graph.inputs_of(node)[0]
    op, shape = graph.op(node), graph.shape(node)
    size = int(np.prod(shape))
    softmax = isinstance(op, Softmax) and size == shape[op.axis] and size >= 2
    sigmoid = isinstance(op, Activation) and op.function.name == "sigmoid"
    before = graph.inputs_of(node)[0] if softmax or sigmoid else output
    if decision == "auto":
        rule: Rule = "argmax" if softmax else "sign" if sigmoid and size == 1 else "none"
    elif decision == "argmax" and size >= 2:
        rule = "argmax"
    elif decision == "sign" and size == 1:
        rule = "sign"
    elif decision == "none":
        rule = "none"
    else:
        raise InputError(f"decision {decision!r} does not fit output {output!r} of shape {shape}: use auto, argmax (two or "
                         "more values), sign (one value) or none")  # fmt: skip
    logits = before if softmax or rule != "none" else None
    return Head(output, logits, rule, softmax)


@dataclass(frozen=True)
class Rows:
    """Bounds of a node's elements and of differences with each other, for one trace.

    Attributes:
        each: (N, K) bound of every element.
        pairs: (N, K, K), lower bound of D_j - D_k at [j, k] (so -pairs[k, j] is the upper one), or None where not needed.
        source: adjoint rows for attribution; None where the forward radius served.
        typical: (N,) the row of ``source`` whose parts are shown for each sample.
        vague: nothing can be told from rounding errors: elements are bounded by their radii.
    """

    each: Array
    pairs: Array | None
    source: Adjoint | None
    typical: npt.NDArray[np.int64] | None = None
    vague: bool = False


def bound_rows(
    trace: Trace, node: str, pairs: bool, best: Array | None = None, sharpen: bool = True, vague: bool = False
) -> Rows:
    """Bound every element of ``node`` and, if asked, all differences.

    Args:
        best: (N,) class index; with more than ``ALL_PAIRS`` classes only differences with it get rows of their own.
        sharpen: whether rows may be spent where probes or radii do.
        vague: known to say nothing whatever rows there are, as about another run of the same network.
    """
    radius = trace.tensors[node].radius
    n = len(radius)
    shape = radius.shape[1:]
    flat = radius.reshape(n, -1)
    k = flat.shape[1]
    sketch = trace.sketches.get(node)
    each, below = flat, None
    work = k * cost_of(trace.graph)
    plain = sketch is None and n == 1 and k > ALL_PAIRS
    few = plain and work > ROW_WORK
    if sketch is not None and (1.0 + k / 2.0 if k <= ALL_PAIRS else 2.0) * work > ROW_WORK:
        each, below, few = np.minimum(flat, sketch.radii()[None]), sketch.below, True
    if vague or (few and not sharpen):
        return _no_rows(each, below, pairs, best, vague)
    if few or (plain and work > PROBED):
        some = _few_rows(trace, node, each, below, pairs, best)
        if few or some.vague:
            return some
    if k > MOST_ROWS:
        return Rows(flat, _triangle(flat) if pairs else None, None)
    eye = np.broadcast_to(np.eye(k)[:, None, :], (k, n, k))
    source = _in_chunks(trace, node, eye, shape)
    each = np.minimum(flat, source.bound.T)
    typical = np.argmax(each, axis=1)
    if not pairs:
        return Rows(each, None, source, typical)
    table = _triangle(each)
    if k <= ALL_PAIRS:
        first, second = np.triu_indices(k, 1)
        rows = np.zeros((len(first), n, k))
        rows[np.arange(len(first)), :, first] = 1.0
        rows[np.arange(len(first)), :, second] = -1.0
        if len(first):
            found = _in_chunks(trace, node, rows, shape)
            table[:, first, second] = np.maximum(table[:, first, second], found.low.T)
            table[:, second, first] = np.maximum(table[:, second, first], -found.high.T)
    elif best is not None:
        rows = -np.array(eye)
        rows[:, np.arange(n), best] += 1.0
        found = _in_chunks(trace, node, rows, shape)
        at = np.arange(n)
        low, high = found.low.T.copy(), found.high.T.copy()
        low[at, best] = high[at, best] = 0.0
        table = _through(table, low, high, best)
    return Rows(each, table, source, typical)


def _no_rows(each: Array, below: Below | None, pairs: bool, best: Array | None, vague: bool = False) -> Rows:
    """Elements within ``each`` and, if asked, differences with the class from what probes say or from the same."""
    if not pairs:
        return Rows(each, None, None, vague=vague)
    table = _triangle(each)
    if below is None:
        return Rows(each, table, None, vague=vague)
    chosen = _chosen(each, best)
    low, high = below(chosen)
    return Rows(each, _through(table, low[None], high[None], chosen), None, vague=vague)


def _few_rows(
    trace: Trace, node: str, each: Array, below: Below | None, pairs: bool, best: Array | None
) -> Rows:  # fmt: skip
    """Bounds of one sample from probes or radii, with adjoint rows for the class and, if asked, its closest rivals.

    These rows also tell where errors come from, and whether others could say anything.
    """
    shape, k = trace.tensors[node].radius.shape[1:], each.shape[1]
    each, chosen = each.copy(), _chosen(each, best)
    centre = trace.tensors[node].centre.reshape(-1)
    high = up(each[0, chosen] + each[0], 1)
    low, high = below(chosen) if below is not None else (-high, high)
    slack = centre[chosen] - centre + low
    slack[chosen] = np.inf
    rivals = np.argsort(np.where(np.isnan(slack), -np.inf, slack))[: min(RIVALS, k - 1)] if pairs else np.zeros(0, np.int64)
    rows = np.zeros((1 + len(rivals), 1, k))
    rows[:, 0, chosen] = 1.0
    rows[np.arange(1, 1 + len(rivals)), 0, rivals] = -1.0
    source = _in_chunks(trace, node, rows, shape)
    each[0, chosen] = min(each[0, chosen], source.bound[0, 0])
    low[rivals] = np.maximum(low[rivals], source.low[1:, 0])
    high[rivals] = np.minimum(high[rivals], source.high[1:, 0])
    largest = float(np.abs(centre).max())
    vague = largest > 0.0 and not each[0, chosen] <= largest
    table = _through(_triangle(each), low[None], high[None], chosen) if pairs else None
    return Rows(each, table, source, np.zeros(1, np.int64), vague)


def _chosen(each: Array, best: Array | None) -> int:
    return int(np.argmax(each[0])) if best is None else int(best[0])


def _through(table: Array, low: Array, high: Array, best: int | Array) -> Array:
    """Sharpen all pairs by low <= D_best - D_k <= high, and by D_j - D_k = (D_best - D_k) - (D_best - D_j)."""
    at = np.arange(len(table))
    table[at, best] = np.maximum(table[at, best], low)
    table[at, :, best] = np.maximum(table[at, :, best], -high)
    through = np.nextafter(low[:, None, :] - high[:, :, None], -np.inf)
    table = np.maximum(table, np.where(np.isnan(through), -np.inf, through))
    diagonal = np.arange(table.shape[1])
    table[:, diagonal, diagonal] = 0.0
    return table


def _in_chunks(trace: Trace, node: str, rows: Array, shape: tuple[int, ...]) -> Adjoint:
    """Adjoint of flat rows (R, N, K), a few at a time to bound memory."""
    count, n, _ = rows.shape
    largest = max(int(np.prod(t.centre.shape[1:])) for t in trace.tensors.values())
    step = max(1, _ROW_VALUES // max(1, largest * n))
    parts = [adjoint(trace, node, rows[i : i + step].reshape(-1, n, *shape)) for i in range(0, count, step)]

    def join(tables: list[dict[str, Array]]) -> dict[str, Array]:
        return {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}

    return Adjoint(
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.bound for part in parts]),
        join([part.rounding for part in parts]),
        join([part.linearisation for part in parts]),
    )


def _triangle(each: Array) -> Array:
    table = -up(each[:, :, None] + each[:, None, :], 1)
    diagonal = np.arange(each.shape[1])
    table[:, diagonal, diagonal] = 0.0
    return table


def softmax_enclosure(trace: Trace, logits: str, rows: Rows) -> Box:
    """Enclosure of the exact softmax of the logits of every execution of ``trace``: (N, K)."""
    tensor = trace.tensors[logits]
    centre = tensor.centre.reshape(len(tensor.centre), -1)
    by_radius = enclose_box(centre, rows.each)
    if rows.pairs is None:
        return by_radius
    with np.errstate(all="ignore"):
        by_pairs = enclose(centre, rows.pairs)
    lo = np.where(np.isnan(by_pairs.lo), 0.0, by_pairs.lo)
    hi = np.where(np.isnan(by_pairs.hi), 1.0, by_pairs.hi)
    return Box(np.maximum(by_radius.lo, lo), np.minimum(by_radius.hi, hi))


def softmax_bound(machine: Trace, exact: Trace, head: Head, rows: tuple[Rows, Rows], arithmetic: Arithmetic) -> Array:
    """|computed - exact| of a softmax output from the logits' differences: (N, K), for (machine, exact) traces and rows."""
    assert head.logits is not None
    ours, theirs = (softmax_enclosure(trace, head.logits, r) for trace, r in zip((machine, exact), rows, strict=True))
    tensor = machine.tensors[head.logits]
    centre = tensor.centre.reshape(len(tensor.centre), -1)
    with np.errstate(all="ignore"):
        rounding, _, overflow = shares(arithmetic, centre, rows[0].each, ours)
    overflow = overflow | ~np.isfinite(rows[0].each).all(axis=1, keepdims=True)
    rounding = np.where(overflow | np.isnan(rounding), np.inf, rounding)
    apart = np.maximum(ours.hi - theirs.lo, theirs.hi - ours.lo)
    return up(np.maximum(apart, 0.0) + rounding, 3) + 2.0**-1060
