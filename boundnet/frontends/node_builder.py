"""Adding the nodes of one layer: their names, their shared weights, their axes.

Conventions of every graph, whatever the file's are: no batch axis, channels last, nodes named after their layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boundnet import ops
from boundnet.errors import ModelFileError
from boundnet.frontends.refusals import Refused
from boundnet.frontends.shared_ops import SharedOps
from boundnet.graph import LayerGraph

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NodeBuilder:
    """One call of one layer of a model that is being lowered.

    Attributes:
        graph: takes the nodes.
        node: name of the call's main node.
        layer_name: the layer's name in reports, nested models with "/".
        kind: the layer's class.
        used: the ops of all layers lowered so far.
    """

    graph: LayerGraph
    node: str
    layer_name: str
    kind: str
    used: SharedOps

    @property
    def channels_first(self) -> bool:
        """Whether the layer's tensors have their channels before their spatial axes."""
        return False

    def shape(self, node: str) -> Shape:
        """Without the batch axis."""
        return tuple(self.graph.shape(node))

    def add(self, op: ops.Op, *inputs: str, part: str = "") -> str:
        """Add a node named after the layer; ``part`` tells apart the nodes of a layer that needs several."""
        name = self.graph.unique(f"{self.node}/{part}" if part else self.node)
        op = self.used.first((self.layer_name, part), op)
        return str(self.graph.add(name, op, inputs=inputs, layer=self.layer_name, kind=self.kind))

    def axis(self, axis: int, rank: int) -> int:
        """An axis that counts the batch (axis 0, negative from the end) of a tensor with ``rank`` other axes, from 0.

        Raises:
            Refused: it is the batch axis.
            ModelFileError: there is no such axis.
        """
        index = axis - 1 if axis >= 0 else axis + rank
        if index == -1:
            raise Refused("it works along the batch axis; no bound for one input can cover that")
        if not 0 <= index < rank:
            raise ModelFileError(f"layer {self.layer_name!r}: axis {axis} doesn't exist in a tensor of {rank} axes")
        return index

    def transpose(self, x: str, perm: Sequence[int], part: str) -> str:
        """A Transpose node, left out where the order stays."""
        return x if list(perm) == sorted(perm) else self.add(ops.Transpose(tuple(perm)), x, part=part)

    def to_channels_last(self, x: str) -> str:
        """Every op works with channels last; a layer with channels first is surrounded by transpositions."""
        rank = len(self.shape(x))
        return self.transpose(x, (*range(1, rank), 0), "to_channels_last") if self.channels_first else x

    def from_channels_last(self, x: str) -> str:
        """Back to the layer's own order of axes."""
        rank = len(self.shape(x))
        return self.transpose(x, (rank - 1, *range(rank - 1)), "to_channels_first") if self.channels_first else x

    def reshape(self, x: str, shape: Sequence[int], part: str) -> str:
        """A Reshape node, left out where the shape stays."""
        return x if self.shape(x) == tuple(shape) else self.add(ops.Reshape(tuple(shape)), x, part=part)

    def require_rank(self, x: str, rank: int) -> None:
        """Raises ModelFileError unless ``x`` has ``rank`` axes besides the batch."""
        if len(self.shape(x)) != rank:
            raise ModelFileError(
                f"layer {self.layer_name!r} ({self.kind}) needs {rank} axes besides the batch,"
                f" but its input has shape {self.shape(x)}"
            )
