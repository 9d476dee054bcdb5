"""From a graph to C sources and a weights file, in memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet import ops
from boundnet.arithmetic.formats import Format
from boundnet.errors import Refusal, UnsupportedLayerError
from boundnet.graph import LayerGraph
from boundnet.mca.emit import choices, groups, images, moves, sums, text, weights
from boundnet.mca.emit.code import CType, Piece, Real, Shape, operand, size_of
from boundnet.mca.emit.programs import elementwise, parametric
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op

Emitter = Callable[[Any, Sequence[Shape], CType], Piece]


def _program(op: Any, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """The first form of an elementwise op with weights."""
    return parametric(op.programs()[0], op.parameters(), shapes[0], ctype)


def _merge(op: Any, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Several tensors, element by element, folded from the left."""
    arrays = [(operand(i, len(shapes)), shape) for i, shape in enumerate(shapes)]
    return elementwise(lambda m, terms: op.program(m, *terms), arrays, op.output_shape(*shapes), ctype)


def _biased(op: ops.AddBiased, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Two tensors and a bias."""
    arrays = [("x0", shapes[0]), ("x1", shapes[1]), ("p0", op.bias.shape)]
    return elementwise(lambda m, terms: op.programs()[0](m, *terms), arrays, shapes[0], ctype)


EMITTERS: Mapping[type[Op], Emitter] = {
    ops.Dense: sums.dense,
    ops.BatchMatMul: sums.dense,
    ops.Conv: sums.conv,
    ops.ConvTranspose: sums.conv_transpose,
    ops.AveragePool: sums.average_pool,
    ops.Contract: sums.product,
    ops.Einsum: sums.product,
    ops.Total: sums.total,
    ops.Reshape: moves.reshape,
    ops.Transpose: moves.transpose,
    ops.Slice: moves.slice_,
    ops.Repeat: moves.repeat,
    ops.Pad: moves.pad,
    ops.Concat: moves.concat,
    ops.Take: images.take,
    ops.Patches: images.patches,
    ops.Bilinear: images.bilinear,
    ops.MaxPool: moves.max_pool,
    ops.Softmax: moves.softmax,
    ops.LogSoftmax: moves.softmax,
    ops.MaskedSoftmax: groups.masked_softmax,
    ops.LayerNorm: groups.normalise,
    ops.RMSNorm: groups.normalise,
    ops.UnitNorm: groups.normalise,
    ops.Blank: choices.blank,
    ops.Bucket: choices.bucket,
    ops.Differs: choices.differs,
    ops.Select: choices.select,
    ops.Lookup: choices.lookup,
    ops.Activation: _program,
    ops.BatchNorm: _program,
    ops.ScaleShift: _program,
    ops.Standardize: _program,
    ops.PReLU: _program,
    ops.Add: _merge,
    ops.Subtract: _merge,
    ops.Average: _merge,
    ops.Multiply: _merge,
    ops.Maximum: _merge,
    ops.Minimum: _merge,
    ops.AddBiased: _biased,
    ops.Divide: _merge,
    ops.DivideBy: _program,
}
"""Op -> what writes it.  Exact classes: a subclass may compute something else."""


@dataclass(frozen=True)
class Node:
    """One tensor in the work memory of the emitted program: ``offset`` in values, shape without the batch axis."""

    name: str
    offset: int
    shape: Shape


@dataclass(frozen=True)
class Emitted:
    """A network as C.

    Attributes:
        files: name -> contents, the weights file among them.
        real: the C type of every value.
        nodes: all tensors in the order they are computed in; inputs too.
        inputs, outputs: names of the nodes that are.
        operations: number of ``add``, ``sub``, ``mul`` and ``div`` that one sample takes, node by node, whatever its data.
    """

    files: Mapping[str, bytes]
    real: Real
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operations: Mapping[str, Counter[str]]

    @property
    def total_operations(self) -> Counter[str]:
        """Operations of one sample."""
        return sum(self.operations.values(), Counter())


def refused(graph: LayerGraph) -> list[Refusal]:
    """Ops that no emitter is written for."""
    kinds = {type(graph.op(name)): name for name in graph.topological()}
    return [
        Refusal(graph.layer_of(name), graph.kind_of(name), f"C can't be written for its operation {kind.__name__} yet")
        for kind, name in kinds.items()
        if kind not in EMITTERS and kind is not ops.Input
    ]


def emit(graph: LayerGraph, real: Real = "float", storage: Format | None = None) -> Emitted:
    """``graph`` as C99 in type ``real``, one function for each op.

    Args:
        storage: see :class:`boundnet.mca.emit.code.CType`.

    Raises:
        UnsupportedLayerError: the graph has an op that no emitter is written for; names all of them.
    """
    missing = refused(graph)
    if missing:
        raise UnsupportedLayerError(missing, graph.metadata.get("path", graph.name))
    ctype = CType(real, storage)
    stored = weights.Weights(ctype)
    nodes: list[Node] = []
    functions: list[text.Function] = []
    operations: dict[str, Counter[str]] = {}
    offset = scratch = 0
    places: dict[str, int] = {}
    for number, name in enumerate(graph.topological()):
        op, shape = graph.op(name), graph.shape(name)
        nodes.append(Node(name, offset, shape))
        places[name] = offset
        offset += size_of(shape)
        if isinstance(op, ops.Input):
            continue
        sources = graph.inputs_of(name)
        shapes = [graph.shape(source) for source in sources]
        piece = EMITTERS[type(op)](op, shapes, ctype)
        operations[name] = piece.operations
        scratch = max(scratch, piece.scratch)
        arrays = [(operand(i, len(sources)), f"work + {places[source]}") for i, source in enumerate(sources)]
        arrays += [(f"p{i}", f"weights + {stored.add(p)}") for i, p in enumerate(_parameters(op))]
        functions.append(text.Function(
            f"op_{number}_{_identifier(name)}", _comment(graph, name, op), tuple(arrays), f"work + {places[name]}", piece,
        ))  # fmt: skip
    inputs, outputs = tuple(graph.inputs), tuple(graph.outputs)
    where = {node.name: i for i, node in enumerate(nodes)}
    layout = text.Layout(
        graph.name, graph.metadata, real, tuple((n.name, n.offset, n.shape) for n in nodes),
        tuple(where[n] for n in inputs), tuple(where[n] for n in outputs), offset, scratch, stored.count, stored.checksum,
    )  # fmt: skip
    files = text.sources(layout, functions) | {"weights.bin": stored.contents()}
    return Emitted(files, real, tuple(nodes), inputs, outputs, operations)


def _parameters(op: Op) -> tuple[Array, ...]:
    """What the op's C reads besides its inputs."""
    stored = op.parameters()
    if isinstance(op, ops.MaskedSoftmax) and op.mask is not None:
        stored = (op.mask,)
    return tuple(np.asarray(p, dtype=np.float64) for p in stored)


def _identifier(name: str) -> str:
    """``name`` as part of a C identifier; numbers before it keep names apart."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:40] or "node"


def _comment(graph: LayerGraph, name: str, op: Op) -> str:
    shapes = ", ".join(str(graph.shape(source)) for source in graph.inputs_of(name))
    return f"{name}: {op.describe()}; {shapes} -> {graph.shape(name)}; layer {graph.layer_of(name)} ({graph.kind_of(name)})"
