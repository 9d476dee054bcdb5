"""Running a whole network on the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import GraphError
from boundnet.graph import LayerGraph
from boundnet.mca.engine.machine import EngineMachine
from boundnet.numerics.outward import Array
from boundnet.ops.structural import Input

LANE_VALUES = 1 << 22
"""Values of the largest tensor that one pass holds."""


def execute(
    graph: LayerGraph, inputs: Sequence[Array], arithmetic: Arithmetic, runs: int, seed: int, first: int = 0
) -> Iterator[tuple[str, Array]]:
    """Run every input ``runs`` times; input ``i`` of ``inputs`` is number ``first + i``, whatever it is run together with.

    Args:
        inputs: (N, *shape) for each Input node.
        arithmetic: as :func:`boundnet.mca.engine.settle.settled` returns it.

    Yields:
        (node, values (runs, N, *shape)) in topological order.

    Raises:
        GraphError: the network has more elements than the engine can number.
    """
    count = len(inputs[0])
    numbers = np.arange(first, first + count, dtype=np.uint64) << np.uint64(32)
    lanes = (np.arange(runs, dtype=np.uint64)[:, None] + numbers).reshape(-1)
    machine = EngineMachine(arithmetic, lanes, seed)
    given = dict(zip(graph.inputs, inputs, strict=True))
    order = graph.topological()
    left = {name: sum(graph.inputs_of(user).count(name) for user in order) for name in order}
    values: dict[str, Array] = {}
    number = 0
    for name in order:
        size = int(np.prod(graph.shape(name), dtype=np.int64))
        if number + size >= 2**32:
            raise GraphError(f"model {graph.name!r} has more elements than the built-in engine can number (2**32)")
        if isinstance(graph.op(name), Input):
            stored = given[name] if graph.holds_integers(name) else machine.cast(given[name])
            values[name] = np.broadcast_to(stored, (runs, *stored.shape)).reshape(-1, *stored.shape[1:])
        else:
            machine.enter(number)
            with np.errstate(all="ignore"):
                result = graph.op(name).evaluate(machine, *(values[source] for source in graph.inputs_of(name)))
            values[name] = np.asarray(result)
        number += size
        yield name, values[name].reshape(runs, count, *graph.shape(name))
        for source in graph.inputs_of(name):
            left[source] -= 1
            if left[source] == 0:
                del values[source]
        if left[name] == 0:
            values.pop(name, None)


def chunk_of(graph: LayerGraph, runs: int) -> int:
    """How many inputs to run together, ``runs`` times each."""
    largest = max(int(np.prod(graph.shape(name), dtype=np.int64)) for name in graph.topological())
    return max(1, LANE_VALUES // (largest * runs))
