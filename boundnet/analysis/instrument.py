"""Storing made an operation of its own: the graph in which every narrow result is a :class:`boundnet.ops.store.Store`.

Its float64 evaluation is the reference execution: every op reads stored operands, and its value is rounded once.
"""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.ops.base import Op
from boundnet.ops.store import Store, Unstored
from boundnet.roundoff.storing import steps


def instrumented(graph: LayerGraph, arithmetic: Arithmetic) -> LayerGraph | None:
    """``graph`` (with its weights cast) with a Store behind every op that stores once; None where storing is no step.

    The Store takes the op's name, so that whoever asks for the tensor sees what is stored.
    """
    if not steps(arithmetic):
        return None
    result = LayerGraph(graph.name)
    found = False
    for name in graph.digraph:
        op, inputs = graph.op(name), graph.inputs_of(name)
        where = {"layer": graph.layer_of(name), "kind": graph.kind_of(name)}
        if not (op.stores_once(arithmetic, len(inputs)) and _held(op, arithmetic)):
            result.add(name, op, inputs, **where)
            continue
        found = True
        before = unstored_name(name)
        result.add(before, Unstored(op), inputs, **where)
        result.add(name, Store(arithmetic, getattr(op, "bias", None)), [before], **where)
    result.set_outputs(graph.outputs, graph.output_labels)
    result.metadata = dict(graph.metadata)
    return result if found else None


def unstored_name(name: str) -> str:
    """The node that holds what ``name`` stores."""
    return f"{name}/unstored"


def _held(op: Op, arithmetic: Arithmetic) -> bool:
    """Whether every weight is a number of the format that holds it, so that casting it changes nothing."""
    fmt = arithmetic.weights(op.normalises)
    return all(np.array_equal(fmt.round(weight), weight) for weight in op.parameters())


__all__ = ["instrumented", "unstored_name"]
