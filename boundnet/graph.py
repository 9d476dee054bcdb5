"""The network as a graph of ops: what it computes, and nothing about formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np

from boundnet.errors import GraphError
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op, Shape
from boundnet.ops.structural import Input


class LayerGraph:
    """Directed acyclic graph of ops.  Nodes are tensors, named; edges point from an op's inputs to it.

    Node attributes in ``digraph``: ``op``, ``inputs`` (names in order, repeats allowed), ``shape`` (without the batch axis),
    ``layer`` (source layer, nested models with "/"), ``kind`` (its class).

    Attributes:
        name: of the model.
        digraph: the networkx graph.
        outputs: names of the nodes the model returns, with ``output_labels`` as people know them.
        metadata: facts of the source as text (path, sha256, keras_version, format, ...).
        policies: source layer -> the dtype or policy that the source gives it, as the source spells it; layers that are
            not in it compute in what their inputs come in.
    """

    def __init__(self, name: str = "model") -> None:
        self.name = name
        self.digraph: nx.DiGraph[str] = nx.DiGraph()
        self.outputs: list[str] = []
        self.output_labels: list[str] = []
        self.metadata: dict[str, str] = {}
        self.policies: dict[str, str] = {}
        self._order: list[str] = []

    def add(self, name: str, op: Op, inputs: Sequence[str] = (), layer: str | None = None, kind: str | None = None) -> str:
        """Add the result of ``op`` on ``inputs`` as node ``name`` and infer its shape.

        Raises:
            GraphError: the name is taken, an input is unknown, or shapes do not fit; the message names the node.
        """
        if name in self.digraph:
            raise GraphError(f"node {name!r}: the name is already taken")
        unknown = [source for source in inputs if source not in self.digraph]
        if unknown:
            raise GraphError(f"node {name!r}: unknown input {unknown[0]!r}")
        wanted = op.arity
        if (wanted is None and len(inputs) < 1) or (wanted is not None and len(inputs) != wanted):
            raise GraphError(f"node {name!r}: {type(op).__name__} takes {wanted or 'one or more'} inputs, not {len(inputs)}")
        try:
            shape = op.output_shape(*(self.shape(source) for source in inputs))
        except GraphError as error:
            raise GraphError(f"node {name!r} of layer {layer or name!r}: {error}") from None
        if any(n <= 0 for n in shape):
            raise GraphError(f"node {name!r} of layer {layer or name!r}: shape {shape} has an empty axis")
        self.digraph.add_node(
            name, op=op, inputs=tuple(inputs), shape=shape, layer=layer or name, kind=kind or type(op).__name__
        )
        self.digraph.add_edges_from((source, name) for source in inputs)
        self._order.append(name)
        return name

    def unique(self, name: str) -> str:
        """``name`` or, if it is taken, ``name`` with the first free number behind it."""
        candidate, number = name, 1
        while candidate in self.digraph:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def set_outputs(self, names: Sequence[str], labels: Sequence[str] | None = None) -> None:
        """Declare which nodes the model returns.

        Raises:
            GraphError: a name is unknown, or there are none.
        """
        missing = [name for name in names if name not in self.digraph]
        if missing or not names:
            raise GraphError(f"model {self.name!r}: no output {missing[0]!r}" if missing else "the model has no output")
        self.outputs = list(names)
        self.output_labels = list(labels) if labels is not None else list(names)

    @property
    def inputs(self) -> list[str]:
        """Names of the Input nodes in the order they were added."""
        return [name for name in self._order if isinstance(self.op(name), Input)]

    def holds_integers(self, name: str) -> bool:
        """Whether ``name`` is an Input of whole numbers, which are not stored in a floating-point format."""
        op = self.op(name)
        return isinstance(op, Input) and op.integer

    @property
    def parameters(self) -> int:
        """Number of stored weights, those of shared layers counted once."""
        seen = {id(weight): weight.size for name in self._order for weight in self.op(name).parameters()}
        return sum(seen.values())

    def op(self, name: str) -> Op:
        """The op of node ``name``."""
        op: Op = self.digraph.nodes[name]["op"]
        return op

    def shape(self, name: str) -> Shape:
        """Shape of node ``name`` without the batch axis."""
        shape: Shape = self.digraph.nodes[name]["shape"]
        return shape

    def inputs_of(self, name: str) -> tuple[str, ...]:
        """Names of the inputs of node ``name``, in order."""
        names: tuple[str, ...] = self.digraph.nodes[name]["inputs"]
        return names

    def layer_of(self, name: str) -> str:
        """Source layer of node ``name``."""
        return str(self.digraph.nodes[name]["layer"])

    def kind_of(self, name: str) -> str:
        """Class of the source layer of node ``name``."""
        return str(self.digraph.nodes[name]["kind"])

    def consumers(self, name: str) -> int:
        """How many operands read node ``name``, the model's outputs included."""
        readers = sum(self.inputs_of(user).count(name) for user in self.digraph.successors(name))
        return readers + self.outputs.count(name)

    def readers(self, name: str) -> list[str]:
        """Nodes that read ``name``."""
        return list(self.digraph.successors(name))

    def topological(self) -> list[str]:
        """All nodes that some output depends on, and all inputs, each after its inputs."""
        if not self.outputs:
            raise GraphError(f"model {self.name!r} has no output: call set_outputs")
        needed = set(self.outputs) | set(self.inputs)
        for output in self.outputs:
            needed |= nx.ancestors(self.digraph, output)
        return [name for name in self._order if name in needed]

    def mapped(self, change: Callable[[Array], Array]) -> LayerGraph:
        """The same graph with every stored weight replaced by ``change(weight)``; shared weights stay shared."""
        return self.replaced(lambda op: op.cast(change))

    def replaced(self, change: Callable[[Op], Op]) -> LayerGraph:
        """The same graph with every op replaced by ``change(op)``, once where layers share it."""
        done: dict[int, tuple[Op, Op]] = {}
        copy = LayerGraph(self.name)
        for name in self._order:
            data = self.digraph.nodes[name]
            op = data["op"]
            if id(op) not in done:
                done[id(op)] = (op, change(op))
            copy.digraph.add_node(name, **{**data, "op": done[id(op)][1]})
            copy.digraph.add_edges_from((source, name) for source in data["inputs"])
            copy._order.append(name)
        copy.outputs, copy.output_labels = list(self.outputs), list(self.output_labels)
        copy.metadata, copy.policies = dict(self.metadata), dict(self.policies)
        return copy

    def evaluate(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Float64 centres of all nodes for ``inputs`` (one (N, *shape) array per Input node)."""
        values: dict[str, Array] = dict(zip(self.inputs, inputs, strict=True))
        for name in self.topological():
            if name not in values:
                with np.errstate(all="ignore"):
                    values[name] = self.op(name).centre(*(values[source] for source in self.inputs_of(name)))
        return values
