"""The real model as an execution: Keras under a dtype policy, eager and compiled, batches of one and of many."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array

Call = Callable[[list[Array]], list[Array]]
"""Runs a batch: inputs (N, *shape) to one array for each node shown."""


@dataclass(frozen=True)
class KerasExecution:
    """Variants of one program that must all lie within the same bounds (:class:`boundnet.mca.backend.Execution`).

    Attributes:
        calls: name of each variant -> (how to run a batch, largest batch or None).
        shown: nodes whose values the calls return, in topological order.
    """

    title: str
    graph: LayerGraph
    arithmetic: Arithmetic
    calls: Mapping[str, tuple[Call, int | None]]
    shown: Sequence[str]
    notes: Sequence[str] = ()
    random: bool = False

    @property
    def rows(self) -> Sequence[str]:
        """Names of the variants."""
        return tuple(self.calls)

    def run(self, inputs: Sequence[Array], first: int) -> Iterator[tuple[str, Array]]:
        count = len(inputs[0])
        names = self.graph.inputs
        round_ = self.arithmetic.storage.round
        stored = [x if self.graph.holds_integers(name) else round_(x) for name, x in zip(names, inputs, strict=True)]
        found: list[list[Array]] = []
        for call, batch in self.calls.values():
            size = batch or count
            parts = [call([x[at : at + size] for x in stored]) for at in range(0, count, size)]
            found.append([np.concatenate([part[k] for part in parts]) for k in range(len(self.shown))])
        for k, node in enumerate(self.shown):
            yield node, np.stack([row[k] for row in found]).reshape(len(found), count, *self.graph.shape(node))

    def reproduce(self, row: int, index: int) -> str:
        return f"{self.title}, {self.rows[row]}, input {index}: --backend keras --format {self.arithmetic.storage.name}"

    def close(self) -> None:
        """Nothing to release."""


def shown_layers(graph: LayerGraph, model: Any) -> dict[str, Any]:
    """Nodes of ``graph`` that are a layer's output, with the tensor of ``model``: layers used once, of the same shape."""
    last = {graph.layer_of(node): node for node in graph.topological()}
    found = {}
    for layer in model.layers:
        node = last.get(layer.name)
        if node is None or len(layer._inbound_nodes) != 1 or layer.name in found or hasattr(layer, "layers"):
            continue
        tensor = layer.output
        if not isinstance(tensor, list | tuple | dict) and tuple(tensor.shape[1:]) == graph.shape(node):
            found[node] = tensor
    return {node: found[node] for node in graph.topological() if node in found}


def caller(function: Callable[..., Any], dtype: str) -> Call:
    """``function`` of tensors as a :data:`Call`."""

    def call(inputs: list[Array]) -> list[Array]:
        with warnings.catch_warnings():
            # Functional models warn about a list where they were built from one tensor; it is taken all the same.
            warnings.filterwarnings("ignore", message="The structure of `inputs`")
            result = function([x.astype(dtype) for x in inputs])
        several = result if isinstance(result, list | tuple) else [result]
        return [_numbers(value) for value in several]

    return call


def _numbers(tensor: Any) -> Array:
    """Any framework's tensor, bfloat16 included, as float64."""
    value = tensor.numpy() if hasattr(tensor, "numpy") else np.asarray(tensor)
    return np.asarray(value).astype(np.float64)
