"""One execution against the bounds for its Arithmetic: every node's values, and the outputs by the sharper analysis."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from boundnet.analysis import find_heads
from boundnet.crosscheck.results import Check, Violation
from boundnet.crosscheck.tally import Tally
from boundnet.inputs import take
from boundnet.mca.backend import Execution
from boundnet.mca.engine.run import chunk_of
from boundnet.results import Sample
from boundnet.rounding import Array
from boundnet.runs import Runner, Runs
from boundnet.samples import Progress, bound_samples
from boundnet.units import Job
from boundnet.work.executor import Submits


def compare(
    execution: Execution, values: list[Array], backend: str, *, domain: str = "auto", progress: Progress | None = None,
    executor: Submits | None = None,
) -> Check:  # fmt: skip
    """Run every input and compare.

    A layer's value must lie within the node's radius about the float64 centre of the network with cast weights, an output
    within its bound of the exact value, which lies within the float64 evaluation's own bound of that.

    Args:
        values: (N, *shape) for each Input node.
        domain: of the outputs' bounds; layers are compared with interval radii.
    """
    started = time.perf_counter()
    graph = execution.graph
    runner = Runner(graph, execution.arithmetic, domain, None, len(values[0]))
    job = Job(graph, execution.arithmetic, domain, tuple(find_heads(graph, "none")), None, len(values[0]))
    samples = bound_samples(job, values, progress, executor).samples
    bounded = time.perf_counter()
    order = graph.topological()
    nodes = {name: Tally(graph.layer_of(name), graph.kind_of(name), name) for name in order}
    ends = [Tally(label, "output", name, "output") for name, label in zip(graph.outputs, graph.output_labels, strict=True)]
    count = len(values[0])
    step = min(runner.chunk(), chunk_of(graph, len(execution.rows)))
    shown: set[str] = set()

    def describe(row: int, index: int) -> tuple[str, str]:
        return execution.rows[row], execution.reproduce(row, index)

    for at in range(0, count, step):
        if progress is not None:
            progress(execution.title, at, count)
        chunk = take(values, at, min(at + step, count))
        runs = runner.intervals(chunk)
        for name, computed in execution.run(chunk, at):
            shown.add(name)
            tensor = runs.machine.tensors[name]
            nodes[name].add(computed, tensor.centre, tensor.radius, 0.0, runs.machine.overflow[name], at, describe)
            if name in graph.outputs:
                _outputs(ends, name, computed, samples[at : at + len(chunk[0])], runs, at, describe)
    if progress is not None:
        progress(execution.title, count, count)
    return _check(execution, backend, nodes, ends, shown, {"bound": bounded - started, "run": time.perf_counter() - bounded})


def _outputs(
    ends: Sequence[Tally], name: str, computed: Array, samples: Sequence[Sample], runs: Runs, at: int, describe: object
) -> None:
    exact = runs.exact.tensors[name]
    for k, end in enumerate(ends):
        if end.node == name:
            bound = np.stack([sample.outputs[k].absolute_bound for sample in samples])
            overflow = runs.machine.overflow[name]
            end.add(computed, exact.centre, bound, exact.radius, overflow, at, describe)  # type: ignore[arg-type]


def _check(
    execution: Execution, backend: str, nodes: dict[str, Tally], ends: Sequence[Tally], shown: set[str],
    timings: dict[str, float],
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
        tuple(execution.notes), timings,
    )  # fmt: skip
