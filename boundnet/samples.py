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
from boundnet.rounding import Array, up
from boundnet.runs import Runner, Runs

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

CURVED = 0.01
"""Affine radii only sharpen what strips cost; below this share of the bound intervals are as good."""


def bound_samples(
    runner: Runner, values: list[Array], heads: list[Head], progress: Progress | None = None
) -> tuple[list[Sample], LayerTable, DomainInfo]:
    """Bound every sample of ``values`` in the domain asked for, or in the cheapest one that serves it."""
    return _Work(runner, values, heads, progress).all()


class _Work:
    """Chunks and single samples on their way to results."""

    def __init__(self, runner: Runner, values: list[Array], heads: list[Head], progress: Progress | None) -> None:
        self.runner, self.values, self.heads, self.progress = runner, values, heads, progress
        self.count = len(values[0])
        self.table = LayerTable(runner.graph, runner.arithmetic.storage)
        self.found: list[Sample] = []
        self.used = {"interval": 0, "affine": 0, "sketch": 0}
        self.wanted = {head.output for head in heads} | {head.logits for head in heads if head.logits is not None}

    def all(self) -> tuple[list[Sample], LayerTable, DomainInfo]:
        """Every sample, in order."""
        self._note()
        runner = self.runner
        single = runner.requested in ("affine", "sketch") or (runner.requested == "auto" and runner.deep)
        at = 0
        while at < self.count:
            if single:
                self._refine(at)
                at += 1
                continue
            indices = np.arange(at, min(self.count, at + runner.chunk()))
            hard = self._by_intervals(indices)
            for index in hard:
                self._refine(int(index))
            # Where all samples of a chunk needed more than intervals, the others will, too.
            single = runner.requested == "auto" and len(hard) == len(indices)
            at += len(indices)
        self.found.sort(key=lambda sample: sample.index)
        return self.found, self.table, _explain(runner, self.used, self.count)

    def _note(self) -> None:
        if self.progress is not None:
            self.progress("bounding", len(self.found), self.count)

    def _inputs(self, indices: npt.NDArray[np.int64]) -> list[Array]:
        return [x[indices] for x in self.values]

    def _take(self, runs: Runs, indices: npt.NDArray[np.int64], domain: str) -> None:
        """Results of ``runs``, for good."""
        part = LayerTable(self.runner.graph, self.runner.arithmetic.storage)
        self.found.extend(_samples(runs, self.heads, self.runner, indices, part)[0])
        self.table.merge(part)
        self.used[domain] += len(indices)
        self._note()

    def _by_intervals(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Bound a chunk by intervals; returns the samples for which a sharper domain may do better."""
        part = LayerTable(self.runner.graph, self.runner.arithmetic.storage)
        runs = self.runner.intervals(self._inputs(indices))
        bounded, curved = _samples(runs, self.heads, self.runner, indices, part)
        hard = curved > CURVED if self.runner.requested == "auto" else np.zeros(len(indices), dtype=np.bool_)
        rest = indices[~hard]
        if not hard.any():
            self.table.merge(part)
            self.found.extend(bounded)
            self.used["interval"] += len(indices)
            self._note()
        elif len(rest):
            self._take(self.runner.intervals(self._inputs(rest)), rest, "interval")
        return indices[hard]

    def _refine(self, index: int) -> None:
        """Bound one sample by affine forms, or by a sketch where they do not fit, or by intervals where that fails."""
        indices = np.array([index])
        inputs, runner = self._inputs(indices), self.runner
        runs = runner.affine(inputs) if runner.affine_fits and not (runner.requested == "auto" and runner.deep) else None
        domain = "affine"
        if runs is None and runner.requested != "affine":
            runs, domain = runner.sketch(inputs, self.wanted, self._inner), "sketch"
        self._take(runs or runner.intervals(inputs), indices, domain if runs is not None else "interval")

    def _inner(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(f"bounding {len(self.found) + 1} of {self.count}: {stage}", done, total)


def _explain(runner: Runner, used: dict[str, int], count: int) -> DomainInfo:
    names = [name for name, number in used.items() if number]
    which = names[0] if len(names) == 1 else "mixed"
    if runner.requested == "interval":
        return DomainInfo("interval", which, "asked for; outputs are bounded by adjoint rows over interval radii")
    reasons = []
    if used["interval"]:
        reasons.append(
            f"intervals for {used['interval']} of {count} inputs"
            + ("" if not (runner.claim.failed or runner.requested == "affine") else
               ": nothing sharper fits the memory budget or could be confirmed" if runner.requested == "affine" else
               ": no second run confirmed the radii of the first, as where they grow beyond all values")
            + ("" if runner.claim.failed or runner.requested != "auto" else
               f": nonlinearity costs at most {CURVED:.0%} of the bound, sharper radii could gain no more than that")
        )  # fmt: skip
    if used["affine"]:
        reasons.append(f"affine forms for {used['affine']}: all coefficients fit the memory budget")
    if used["sketch"]:
        claim = runner.claim
        reasons.append(
            f"sketches for {used['sketch']}: too large for affine forms; "
            f"{claim.rows} adjoint rows decided what probes left open"
            + (f", {claim.skipped} decisions stayed open beyond the budget of rows" if claim.skipped else "")
        )
    return DomainInfo(runner.requested, which, "; ".join(reasons))


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
        rows = tuple(
            bound_rows(trace, node, need_pairs, best, sharpen=trace is runs.machine) for trace in (runs.machine, runs.exact)
        )
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
