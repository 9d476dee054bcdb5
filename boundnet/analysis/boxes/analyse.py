"""Boxes of inputs from end to end: one sample of the result for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boundnet.analysis.boxes.bounder import Bounder, Bounds
from boundnet.analysis.boxes.sides import flatten, unflatten, whole_numbers
from boundnet.analysis.boxes.subdivide import WHOLE, Effort, Subdivided, subdivide
from boundnet.analysis.boxes.workers import evaluator
from boundnet.analysis.execution.executor import Submits
from boundnet.analysis.heads import Head
from boundnet.analysis.layer_table import LayerTable
from boundnet.analysis.runs import Runs
from boundnet.arithmetic import Arithmetic
from boundnet.domains.adjoint import adjoint
from boundnet.graph import LayerGraph
from boundnet.kernels.threads import single_blas
from boundnet.numerics.outward import Array
from boundnet.results import Decision, DomainInfo, InputBox, LogitBound, OutputBound, Sample
from boundnet.results.text import bound_text, count_text

Progress = Callable[[str, int, int], None]
MOST_ENDS = 1 << 12
"""Input elements up to which results hold the ends of boxes."""


@dataclass(frozen=True)
class BoxRun:
    """What came of all boxes."""

    samples: list[Sample]
    table: LayerTable
    domain: DomainInfo
    casts: bool


def analyse_boxes(
    graph: LayerGraph, rules: Arithmetic, low: Sequence[Array], high: Sequence[Array], heads: list[Head], *,
    stored: bool = False, domain: str = "auto", effort: Effort = WHOLE, executor: Submits | None = None,
    progress: Progress | None = None,
) -> BoxRun:  # fmt: skip
    """Bounds that hold for every input in each box; ``low``, ``high``: (N, *shape), one for each input.

    Args:
        stored: whether inputs are numbers of the storage format already, so that storing them rounds nothing.
        domain: ``auto`` and ``affine`` keep correlations, ``interval`` does not.
        effort: splits for each box, seconds for all boxes together.
    """
    bounder = Bounder(graph, rules, heads, stored, domain != "interval")
    evaluate = evaluator(bounder, executor)
    fixed, lows, highs = whole_numbers(graph), flatten(low), flatten(high)
    table = LayerTable(graph, rules.storage)
    samples: list[Sample] = []
    count, ends = len(lows), None if effort.seconds is None else time.perf_counter() + effort.seconds
    interrupted = False
    with single_blas():
        for n in range(count):
            share = None if ends is None else max(0.0, (ends - time.perf_counter()) / (count - n))
            note = None if progress is None else _note(progress, n, count, share)
            mine = Effort(0, None) if interrupted else Effort(effort.splits, share)
            done = subdivide(bounder, evaluate, lows[n], highs[n], fixed, mine, note)
            if interrupted:
                done = replace(done, stopped="interrupted")
            interrupted = done.stopped == "interrupted"
            samples.append(_sample(n, bounder, graph, done, stored))
            part = LayerTable(graph, rules.storage)
            _layers(part, bounder, graph, done)
            table.tallies.merge(part.tallies)
    return BoxRun(samples, table, _explain(domain, bounder, samples), bounder.casts)


def _note(progress: Progress, n: int, count: int, share: float | None) -> Callable[[int, int | None, float], None]:
    started = time.perf_counter()
    which = f"box {n + 1} of {count}: " if count > 1 else ""

    def note(splits: int, allowed: int | None, bound: float) -> None:
        text = f"{which}{splits + 1} pieces, outputs within {bound_text(bound)}"
        if allowed is None and share is not None:
            progress(f"{text}; seconds", int(time.perf_counter() - started), int(share))
        else:
            progress(f"{text}; splits", splits, splits if allowed is None else allowed)

    return note


def _sample(n: int, bounder: Bounder, graph: LayerGraph, done: Subdivided, stored: bool) -> Sample:
    bounds, whole = done.leaves.bounds, done.whole
    shapes = [graph.shape(head.output) for head in bounder.heads]
    ends = np.cumsum([int(np.prod(shape, dtype=np.int64)) for shape in shapes])[:-1]

    def parts(flat: Array) -> list[Array]:
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]

    columns = (whole.centre[0], done.error, _relative(bounds), bounds.low.min(axis=0), bounds.high.max(axis=0))
    outputs = tuple(
        OutputBound(label, value, bound, relative, np.zeros(bound.shape), bound, low, high)
        for label, value, bound, relative, low, high in zip(graph.output_labels, *map(parts, columns), strict=True)
    )
    logits = None
    if bounder.head is not None and bounder.head.logits != bounder.head.output:
        logits = LogitBound(whole.logit[0], bounds.logit_error.max(axis=0))
    return Sample(n, outputs, logits, _decision(bounder, done), box=_box(done, stored))


def _relative(bounds: Bounds) -> Array:
    """Largest over the pieces of the bound divided by the smallest |exact value| it allows."""
    least = np.where((bounds.low <= 0) & (bounds.high >= 0), 0.0, np.minimum(np.abs(bounds.low), np.abs(bounds.high)))
    with np.errstate(all="ignore"):
        relative = np.where(least > 0, bounds.error / least * (1 + 2.0**-50), np.inf)
    worst: Array = np.where(bounds.error == 0, 0.0, relative).max(axis=0)
    return worst


def _decision(bounder: Bounder, done: Subdivided) -> Decision | None:
    """Proved where every piece leaves the same winner strictly ahead, in exact and in computed values."""
    if bounder.head is None:
        return None
    whole, leaves = done.whole, done.leaves.bounds
    value, best = whole.logit[0], int(whole.best[0])
    apart = float(leaves.apart.max())
    proved = bool(np.all(leaves.slack > 0.0) & np.all(leaves.best == best))
    if bounder.head.rule == "sign":
        return Decision(best, None, abs(float(value[0])), apart, proved)
    others = np.where(np.arange(len(value)) == best, -np.inf, value)
    rival = int(np.argmax(others))
    return Decision(best, rival, float(value[best] - value[rival]), apart, proved)


def _box(done: Subdivided, stored: bool) -> InputBox:
    leaves = done.leaves
    bounds = leaves.bounds
    worst = int(np.argmax(bounds.error.max(axis=1)))
    few = leaves.low.shape[1] <= MOST_ENDS
    share = None
    if whole_decides(done.whole):
        share = float(np.sum(np.where(bounds.slack > 0.0, np.ldexp(1.0, -leaves.depth), 0.0)))
    return InputBox(
        leaves.low.min(axis=0) if few else None, leaves.high.max(axis=0) if few else None, stored, leaves.count,
        done.stopped, done.seconds, float(done.whole.error.max()), done.reach,
        leaves.low[worst].copy() if few else None, leaves.high[worst].copy() if few else None, share,
    )  # fmt: skip


def whole_decides(whole: Bounds) -> bool:
    """Whether there is a class to be decided."""
    return bool(whole.best[0] >= 0)


def _layers(table: LayerTable, bounder: Bounder, graph: LayerGraph, done: Subdivided) -> None:
    """Layers' figures over all pieces, and shares of the bound in the worst one."""
    bounds, leaves = done.leaves.bounds, done.leaves
    worst = slice(int(np.argmax(bounds.error.max(axis=1))), None)
    low, high = leaves.low[worst][:1], leaves.high[worst][:1]
    whole = bounder.best_forms(leaves.low.min(axis=0)[None], leaves.high.max(axis=0)[None])
    table.add(Runs(whole.ranges, whole.ranges))
    for at, name in enumerate(graph.topological()):
        table.override(name, float(bounds.node_error[:, at].max()))
        table.narrow(name, float(bounds.node_low[:, at].min()), float(bounds.node_high[:, at].max()))
    if bounder.stored:
        ends = (unflatten(side[None], graph) for side in (leaves.low.min(axis=0), leaves.high.max(axis=0)))
        for name, low_, high_ in zip(graph.inputs, *ends, strict=True):
            table.narrow(name, float(low_.min()), float(high_.max()))
    element = int(np.argmax(bounds.error[worst][0]))
    forms = bounder.best_forms(low, high)
    for head in bounder.heads:
        shape = graph.shape(head.output)
        size = int(np.prod(shape, dtype=np.int64))
        if element < size:
            row = np.zeros((1, 1, size))
            row[0, 0, element] = 1.0
            table.attribute(adjoint(forms.differences, head.output, row.reshape(1, 1, *shape)), np.zeros(1, np.int64))
            return
        element -= size


def _explain(requested: str, bounder: Bounder, samples: Sequence[Sample]) -> DomainInfo:
    used = "affine" if bounder.affine and bounder.fits else "interval"
    how = {
        "affine": "affine forms over the symbols of inputs and roundings, intervals where these are smaller",
        "interval": "intervals" + (": affine forms do not fit the memory budget" if bounder.affine else ", as asked for"),
    }[used]
    boxes = [sample.box for sample in samples if sample.box is not None]
    pieces = sum(box.pieces for box in boxes)
    reason = f"{how}; a range form and a difference form"
    if pieces > len(boxes):
        reason += f"; {count_text(len(boxes), 'box').replace('boxs', 'boxes')} in {pieces} pieces"
    return DomainInfo(requested, used, reason)


def box_warning(sample: Sample) -> str | None:
    """What to say of a box whose subdivision did not end by itself."""
    if sample.box is None or sample.box.stopped != "interrupted":
        return None
    pieces = count_text(sample.box.pieces, "piece")
    return f"box {sample.index}: interrupted at {pieces}; the bounds hold, more pieces may give smaller ones"
