"""Certified evaluations of samples, here or on an executor: how far the float64 centres are from the exact outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import replace

import numpy as np

from boundnet.analysis.execution.executor import Submits, in_order, packed, unpacked
from boundnet.errors import WorkerError
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import take
from boundnet.numerics.outward import Array
from boundnet.reference import reference
from boundnet.results import Sample, SampleReference

DIGITS = 30


def with_reference(
    graph: LayerGraph, values: list[Array], found: Sequence[Sample], engine: str,
    progress: Callable[[str, int, int], None] | None = None, executor: Submits | None = None,
) -> list[Sample]:  # fmt: skip
    """``found`` with the largest distance of each sample's centre from its exact outputs.

    Raises:
        BoundNetError: the engine is missing, or can't certify the digits.
    """
    inputs = (take(values, sample.index, sample.index + 1) for sample in found)
    if executor is None:
        exact: Iterator[list[tuple[Array, Array]]] = (_outputs(graph, engine, x) for x in inputs)
    else:
        payload = packed(graph)
        exact = in_order(executor, ((_remote, payload, engine, x) for x in inputs))
    done: list[Sample] = []
    try:
        for sample, enclosures in zip(found, exact, strict=True):
            worst = 0.0
            for (low, high), output in zip(enclosures, sample.outputs, strict=True):
                apart = np.maximum(np.abs(output.value - low[0]), np.abs(output.value - high[0]))
                worst = max(worst, float(apart.max()))
            done.append(replace(sample, reference=SampleReference(engine, DIGITS, worst)))
            if progress is not None:
                progress("reference", len(done), len(found))
    except (BrokenExecutor, CancelledError) as error:
        raise WorkerError(f"the executor stopped before all exact outputs were known ({error})") from error
    return done


def _outputs(graph: LayerGraph, engine: str, inputs: list[Array]) -> list[tuple[Array, Array]]:
    """Enclosures of the outputs of one sample, in order."""
    exact = reference(graph, inputs, engine=engine, digits=DIGITS)
    return [exact[name] for name in graph.outputs]


@functools.lru_cache(maxsize=2)
def _restored(payload: bytes) -> LayerGraph:
    graph: LayerGraph = unpacked(payload)
    return graph


def _remote(payload: bytes, engine: str, inputs: list[Array]) -> list[tuple[Array, Array]]:
    return _outputs(_restored(payload), engine, inputs)
