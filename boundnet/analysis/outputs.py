"""From both runs of a chunk to results: what the outputs of each sample are bounded by, and what they decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.analysis.decisions import decide
from boundnet.analysis.heads import Head, Rows, bound_rows, softmax_bound
from boundnet.analysis.layer_table import LayerTable
from boundnet.analysis.runs import Runner, Runs
from boundnet.domains.adjoint import curvature_share
from boundnet.numerics.outward import Array, up
from boundnet.results import LogitBound, OutputBound, Sample


def results_of(
    runs: Runs, heads: list[Head], runner: Runner, indices: npt.NDArray[np.int64], table: LayerTable
) -> tuple[list[Sample], Array]:
    """Results of one chunk, and the largest share of any sample's bounds that nonlinearity causes: (N,)."""
    rules = runner.arithmetic
    table.add(runs)
    count = runs.machine.samples
    curved = np.zeros(count)
    outputs: list[list[OutputBound]] = [[] for _ in range(count)]
    logits: list[LogitBound | None] = [None] * count
    decisions: list[Any] = [None] * count
    for index, head in enumerate(heads):
        label = runs.exact.graph.output_labels[index]
        centre, cast = runs.exact.tensors[head.output].centre, runs.machine.tensors[head.output].centre
        node = head.logits or head.output
        need_pairs = head.softmax or head.rule == "argmax"
        flat = runs.exact.tensors[node].centre.reshape(count, -1)
        best = np.argmax(flat, axis=1)
        rows = ours, theirs = _both(runs, node, need_pairs, best)
        if head.softmax:
            bound = softmax_bound(runs.machine, runs.exact, head, (ours, theirs), rules)
            radii = [t.tensors[head.output].radius.reshape(count, -1) for t in (runs.machine, runs.exact)]
            bound = np.minimum(bound, _together(centre, cast, radii[0], radii[1]))
            # |computed - cast| <= |computed - exact| + |exact - centre| + |centre - cast|.
            moved = up(bound + _together(centre, cast, np.zeros(radii[1].shape), radii[1]), 1)
            rounding = np.minimum(radii[0], np.where(np.isnan(moved), np.inf, moved))
        else:
            final = rows if node == head.output else _both(runs, head.output, False, None)
            rounding = final[0].each
            bound = _together(centre, cast, final[0].each, final[1].each)
        if ours.source is not None and ours.typical is not None and index == 0:
            table.attribute(ours.source, ours.typical)
        if ours.source is not None:
            curved = np.maximum(curved, curvature_share(ours.source))
        finite = np.isfinite(centre.reshape(count, -1)) & np.isfinite(cast.reshape(count, -1))
        bound = np.where(finite & ~np.isnan(bound), bound, np.inf)
        table.override(head.output, float(bound.max(initial=0.0)))
        for n in range(count):
            outputs[n].append(_output(label, centre[n], cast[n], bound[n], rounding[n]))
        if head.logits is not None and head.rule != "none":
            machine_flat = runs.machine.tensors[node].centre.reshape(count, -1)
            total = _together(flat, machine_flat, ours.each, theirs.each)
            returned = (centre.reshape(count, -1), bound) if node != head.output else None
            decisions = decide(head, flat, machine_flat, (ours, theirs), returned, rules)
            shape = runs.exact.graph.shape(node)
            for n in range(count):
                logits[n] = LogitBound(flat[n].reshape(shape), total[n].reshape(shape)) if node != head.output else None
    samples = [Sample(int(i), tuple(outputs[n]), logits[n], decisions[n]) for n, i in enumerate(indices)]
    return samples, curved


def _both(runs: Runs, node: str, pairs: bool, best: Array | None) -> tuple[Rows, Rows]:
    """Rows of the machine's run and of the exact network's, which need not be sharp where the machine's say nothing."""
    ours = bound_rows(runs.machine, node, pairs, best)
    return ours, bound_rows(runs.exact, node, pairs, best, sharpen=False, vague=ours.vague)


def _together(centre: Array, cast: Array, ours: Array, theirs: Array) -> Array:
    """|computed - exact| from both radii and the distance of the two centres."""
    n = len(centre)
    with np.errstate(invalid="ignore"):
        total = up(np.abs(cast - centre).reshape(n, -1) + ours + theirs, 3)
    return np.where(np.isnan(total), np.inf, total)


def _output(label: str, value: Array, cast: Array, bound: Array, rounding: Array) -> OutputBound:
    bound = bound.reshape(value.shape)
    with np.errstate(all="ignore"):
        least = (np.abs(value) - bound) * (1.0 - 2.0**-50)
        relative = np.where(bound == 0.0, 0.0, np.where(least > 0.0, bound / least * (1.0 + 2.0**-50), np.inf))
        moved = cast - value
    return OutputBound(label, value, bound, relative, moved, rounding.reshape(value.shape))
