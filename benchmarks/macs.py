"""Multiply-accumulate operations of a lowered graph."""

from __future__ import annotations

import math

from boundnet import ops
from boundnet.graph import LayerGraph


def macs(graph: LayerGraph) -> int:
    """Products that are summed, in all convolutions and matrix products for one input.

    Padding counts, as is usual.  Elementwise operations, pooling and normalisation don't count.
    """
    return sum(_of(graph, name) for name in graph.topological())


def _of(graph: LayerGraph, name: str) -> int:
    op, shape = graph.op(name), graph.shape(name)
    sources = [graph.shape(source) for source in graph.inputs_of(name)]
    match op:
        case ops.Dense():
            return math.prod(sources[0][:-1]) * op.kernel.size
        case ops.Conv():
            return math.prod(shape[:-1]) * op.kernel.size
        case ops.ConvTranspose():
            return math.prod(sources[0][:-1]) * op.kernel.size
        case ops.BatchMatMul():
            return math.prod(shape) * sources[0][-1]
        case ops.Contract() | ops.Einsum():
            first, second, _ = op.letters(*sources)
            return math.prod(
                {**dict(zip(first, sources[0], strict=True)), **dict(zip(second, sources[1], strict=True))}.values()
            )
    return 0
