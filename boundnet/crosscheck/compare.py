"""One execution against the bounds for its Arithmetic: every node's values, and the outputs by the sharper analysis."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from boundnet.analysis.analyze import find_heads
from boundnet.analysis.execution.executor import Submits
from boundnet.analysis.execution.schedule import run_all
from boundnet.analysis.samples import Progress
from boundnet.analysis.units import Bounder, Job
from boundnet.crosscheck.gather import Gathered
from boundnet.crosscheck.results import Check, Violation
from boundnet.crosscheck.tally import Tally
from boundnet.inputs.arrays import take
from boundnet.mca.backend import Execution
from boundnet.mca.engine.run import chunk_of
from boundnet.numerics.outward import Array


def compare(
    execution: Execution, values: list[Array], backend: str, *, domain: str = "auto", progress: Progress | None = None,
    executor: Submits | None = None,
) -> Check:  # fmt: skip
    """Run every input and compare.

    A layer's value must lie within the node's radius about the float64 centre of the network with cast weights, an output
    within its bound of the exact value, which lies within the float64 evaluation's own bound of that.

    Args:
        values: (N, *shape) for each Input node.
        domain: of all bounds: radii of nodes are those that the outputs' bounds rest on.
    """
    started = time.perf_counter()
    graph, count = execution.graph, len(values[0])
    heads = tuple(find_heads(graph, "none"))
    bounder = Bounder(Job(graph, execution.arithmetic, domain, heads, None, count, nodes=True))
    nodes = {name: Tally(graph.layer_of(name), graph.kind_of(name), name) for name in graph.topological()}
    ends = [Tally(label, "output", name, "output") for name, label in zip(graph.outputs, graph.output_labels, strict=True)]
    numbered = {name: [(k, end) for k, end in enumerate(ends) if end.node == name] for name in nodes}
    gathered = Gathered(count, min(bounder.runner.chunk(), chunk_of(graph, len(execution.rows))))
    shown: set[str] = set()
    running, done = 0.0, 0

    def describe(row: int, index: int) -> tuple[str, str]:
        return execution.rows[row], execution.reproduce(row, index)

    with closing(run_all(bounder, values, progress, executor)) as parts:
        for chunk in gathered.chunks(parts):
            before = time.perf_counter()
            for name, computed in execution.run(take(values, chunk.start, chunk.stop), chunk.start):
                shown.add(name)
                chunk.compare(name, computed, nodes[name], numbered[name], describe)
            running += time.perf_counter() - before
            done += len(chunk.inputs)
            if progress is not None:
                progress(execution.title, done, count)
    notes = (*execution.notes, *gathered.notes())
    timings = {"bound": time.perf_counter() - started - running, "run": running}
    return _check(execution, backend, nodes, ends, shown, notes, timings)


def _check(
    execution: Execution, backend: str, nodes: dict[str, Tally], ends: Sequence[Tally], shown: set[str],
    notes: tuple[str, ...], timings: dict[str, float],
) -> Check:  # fmt: skip
    """Nodes of one source layer form one row: the last one's figures, and the violations of all."""
    layers: dict[str, Tally] = {}
    found: list[Violation] = []
    total = 0
    for name, tally in nodes.items():
        if name not in shown:
            continue
        total += tally.violations
        found += [tally.first] if tally.first is not None else []
        before = layers.get(tally.name)
        if before is not None:
            tally.violations += before.violations
            tally.non_finite += before.non_finite
            tally.may_overflow |= before.may_overflow
            tally.tightest = min(tally.tightest, before.tightest)
            tally.kind = before.kind
        layers[tally.name] = tally
    for end in ends:
        total += end.violations
        found += [end.first] if end.first is not None else []
    return Check(
        backend, execution.title, execution.arithmetic.describe(), len(execution.rows),
        tuple(tally.result() for tally in layers.values()), tuple(end.result() for end in ends), tuple(found), total,
        notes, timings,
    )  # fmt: skip
