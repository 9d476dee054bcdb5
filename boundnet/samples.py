"""From inputs to bounds, chunk by chunk: which domain serves each sample, and what its outputs are bounded by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.adjoint import curvature_share
from boundnet.decisions import decide
from boundnet.heads import Head, bound_rows, softmax_bound
from boundnet.layers import LayerTable
from boundnet.results import DomainInfo, LogitBound, OutputBound, Sample
from boundnet.rounding import Array, Mask, up
from boundnet.runs import Runner, Runs

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

CURVED = 0.01
"""Affine radii only sharpen what strips cost; below this share of the bound intervals are as good."""


def bound_samples(
    runner: Runner, values: list[Array], heads: list[Head], progress: Progress | None = None
) -> tuple[list[Sample], LayerTable, DomainInfo]:
    """Bound every sample of ``values``: intervals first, affine forms where ``auto`` finds that they can help."""
    table = LayerTable(runner.graph, runner.arithmetic.storage)
    found: list[Sample] = []
    count = len(values[0])
    refined = 0

    def note() -> None:
        if progress is not None:
            progress("bounding", len(found), count)

    note()

    def keep(runs: Runs, indices: npt.NDArray[np.int64]) -> Mask:
        part = LayerTable(runner.graph, runner.arithmetic.storage)
        bounded, curved = _samples(runs, heads, runner, indices, part)
        worth = runner.requested == "auto" and runner.affine_fits
        wanted = curved > CURVED if worth else np.zeros(len(indices), dtype=np.bool_)
        if not wanted.any():
            table.merge(part)
            found.extend(bounded)
            note()
            return wanted
        rest = indices[~wanted]
        if len(rest):
            again = LayerTable(runner.graph, runner.arithmetic.storage)
            found.extend(_samples(runner.intervals([x[rest] for x in values]), heads, runner, rest, again)[0])
            table.merge(again)
        return wanted

    def refine(index: int) -> bool:
        indices = np.array([index])
        runs = runner.affine([x[indices] for x in values]) if runner.affine_fits else None
        part = LayerTable(runner.graph, runner.arithmetic.storage)
        bounded, _ = _samples(runs or runner.intervals([x[indices] for x in values]), heads, runner, indices, part)
        table.merge(part)
        found.extend(bounded)
        note()
        return runs is not None

    at = 0
    while at < count:
        if runner.requested == "affine" and runner.affine_fits:
            refined += refine(at)
            at += 1
            continue
        indices = np.arange(at, min(count, at + runner.chunk()))
        wanted = keep(runner.intervals([x[indices] for x in values]), indices)
        refined += sum(refine(int(index)) for index in indices[wanted])
        at += len(indices)
    found.sort(key=lambda sample: sample.index)
    return found, table, _explain(runner, refined, count)


def _explain(runner: Runner, refined: int, count: int) -> DomainInfo:
    used = "interval" if refined == 0 else "affine" if refined == count else "mixed"
    if runner.requested == "interval":
        reason = "asked for; outputs are bounded by adjoint rows over interval radii"
    elif not runner.affine_fits:
        reason = "affine forms exceed the memory budget: radii by intervals, outputs by adjoint rows over them"
    elif runner.requested == "affine":
        reason = "asked for"
    elif refined == 0:
        reason = f"nonlinearity costs at most {CURVED:.0%} of the bound: affine forms could sharpen no more than that"
    else:
        reason = (
            f"nonlinearity costs more than {CURVED:.0%} of the interval-based bound for {refined} of {count} inputs: "
            "affine forms there, intervals (as sharp) elsewhere; outputs by adjoint rows in both"
        )
    return DomainInfo(runner.requested, used, reason)


def _samples(
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
        rows = tuple(bound_rows(trace, node, need_pairs, best) for trace in (runs.machine, runs.exact))
        ours, theirs = rows
        if head.softmax:
            bound = softmax_bound(runs.machine, runs.exact, head, (ours, theirs), rules)
            radii = [t.tensors[head.output].radius.reshape(count, -1) for t in (runs.machine, runs.exact)]
            bound = np.minimum(bound, _together(centre, cast, radii[0], radii[1]))
            # |computed - cast| <= |computed - exact| + |exact - centre| + |centre - cast|.
            moved = up(bound + _together(centre, cast, np.zeros(radii[1].shape), radii[1]), 1)
            rounding = np.minimum(radii[0], np.where(np.isnan(moved), np.inf, moved))
        else:
            final = (
                rows if node == head.output else tuple(bound_rows(t, head.output, False) for t in (runs.machine, runs.exact))
            )
            rounding = final[0].each
            bound = _together(centre, cast, final[0].each, final[1].each)
        if ours.source is not None and index == 0:
            table.attribute(ours.source, np.argmax(ours.each, axis=1))
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
            probabilities = (centre.reshape(count, -1), bound) if head.softmax else None
            decisions = decide(head, flat, machine_flat, (ours, theirs), probabilities)
            shape = runs.exact.graph.shape(node)
            for n in range(count):
                logits[n] = LogitBound(flat[n].reshape(shape), total[n].reshape(shape)) if node != head.output else None
    samples = [Sample(int(i), tuple(outputs[n]), logits[n], decisions[n]) for n, i in enumerate(indices)]
    return samples, curved


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
    return OutputBound(label, value, bound, relative, cast - value, rounding.reshape(value.shape))
