"""What a lowering function works with: one call of one layer, its weights and the graph to add nodes to."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from boundnet import ops
from boundnet.errors import ModelFileError
from boundnet.graph import LayerGraph
from boundnet_keras import keras1
from boundnet_keras.model import Call, Config, LayerSpec
from boundnet_keras.values import ints
from boundnet_keras.weights import Array, Path, Weight, WeightStore, collect

Shape = tuple[int, ...]
Lower = Callable[["Lowering", Sequence[str]], "str | list[str]"]


class Refused(Exception):
    """A layer can't be lowered; the message is the reason with what a user can do."""


@dataclass(frozen=True)
class Rule:
    """How one Keras class is treated.

    ``lower``: adds the nodes of one call and returns the node of its result, or those of several.  ``refuse``: looks at the
    configuration (and the Keras version) alone and returns the reason why it isn't supported, or ''.
    ``weighted``: whether the layer stores weights.  ``merges``: whether it takes several tensors.  ``parts``: where a .keras
    archive keeps them, None for what :mod:`boundnet_keras.parts` knows.
    """

    lower: Lower
    refuse: Callable[[Config, int], str] = lambda config, major: ""
    weighted: Callable[[Config], bool] = lambda config: False
    merges: bool = False
    parts: Sequence[str] | None = None


@dataclass(frozen=True)
class Lowering:
    """One call of one layer.  ``node``: the name of its main node; ``path``: the layer's name with '/' for nesting."""

    graph: LayerGraph
    layer: LayerSpec
    call: Call
    path: Path
    node: str
    major: int
    backend: str
    store: WeightStore
    used: dict[Path, list[ops.Op]]
    masks: ChainMap[str, str] = field(default_factory=ChainMap)
    """Node -> node of its mask: zeros and ones, one for each time step.  The first map takes those of results."""
    sequences: dict[str, list[str]] = field(default_factory=dict)
    """Node joined from time steps -> their nodes: the next layer takes those, and the joined one need not be computed."""

    @property
    def kind(self) -> str:
        return self.layer.kind

    @property
    def config(self) -> Config:
        return self.layer.config

    def get(self, key: str, default: Any = None) -> Any:
        """The configuration's value; ``default`` also where it is null."""
        value = self.config.get(key)
        return default if value is None else value

    def shape(self, node: str) -> Shape:
        """Without the batch axis."""
        return tuple(self.graph.shape(node))

    def add(self, op: ops.Op, *inputs: str, part: str = "") -> str:
        """Add a node named after the layer; ``part`` tells apart the nodes of a layer that needs several."""
        name = self.graph.unique(f"{self.node}/{part}" if part else self.node)
        op = self._shared(op, part)
        return str(self.graph.add(name, op, inputs=inputs, layer="/".join(self.path), kind=self.layer.kind))

    def _shared(self, op: ops.Op, part: str) -> ops.Op:
        """The op of an earlier call of this layer if it is the same, so that shared weights stay one set of weights."""
        earlier = self.used.setdefault((*self.path, part), [])
        for other in earlier:
            if other is op:
                return op
            if type(other) is type(op) and _equal(vars(other), vars(op)):
                return other
        earlier.append(op)
        return op

    def weights(self, shapes: Mapping[str, Shape], optional: Sequence[str] = ()) -> dict[str, Array]:
        """Exact stored weights by name, in the order of ``layer.get_weights()``, checked against ``shapes``."""
        convert = keras1.kernel_layout(self.layer.kind, self.major, self.backend, self.channels_first)
        stored = self.store.of(self.path)
        if convert is not None:
            stored = [Weight(weight.name, _converted(weight, convert)) for weight in stored]
        return collect("/".join(self.path), stored, shapes, optional)

    def within(self, kind: str, config: Mapping[str, Any], stored: Sequence[Weight]) -> Lowering:
        """For a layer or cell inside this one: its class, its configuration and its part of the weights."""
        return replace(self, layer=replace(self.layer, kind=kind, config=dict(config)), store=_Part(stored))

    def as_argument(self, layer: Mapping[str, Any]) -> Lowering:
        """For a layer given as another one's ``activation``: its configuration, under this layer's name."""
        kind, config = str(layer["class_name"]), layer["config"]
        inner = replace(self.layer, config=config)
        same = self.layer.kind == "Activation"
        return replace(self, layer=inner, node=self.node if same else f"{self.node}/{kind}")

    # Axes.  Keras counts the batch axis, graphs don't.

    @property
    def channels_first(self) -> bool:
        return bool(self.config.get("data_format") == "channels_first")

    def axis(self, axis: Any, rank: int) -> int:
        """A Keras axis (batch axis 0, negative from the end) of a tensor with ``rank`` non-batch axes, from 0."""
        index = ints(axis, 1)[0]
        index = index - 1 if index >= 0 else index + rank
        if index == -1:
            raise Refused("it works along the batch axis; no bound for one input can cover that")
        if not 0 <= index < rank:
            raise ModelFileError(f"layer {'/'.join(self.path)!r}: axis {axis} doesn't exist in a tensor of {rank} axes")
        return index

    def transpose(self, x: str, perm: Sequence[int], part: str) -> str:
        """A Transpose node, left out where the order stays."""
        return x if list(perm) == sorted(perm) else self.add(ops.Transpose(tuple(perm)), x, part=part)

    def to_channels_last(self, x: str) -> str:
        """Every op works with channels last; a layer with channels first is surrounded by transpositions."""
        rank = len(self.shape(x))
        return self.transpose(x, (*range(1, rank), 0), "to_channels_last") if self.channels_first else x

    def from_channels_last(self, x: str) -> str:
        rank = len(self.shape(x))
        return self.transpose(x, (rank - 1, *range(rank - 1)), "to_channels_first") if self.channels_first else x

    def reshape(self, x: str, shape: Sequence[int], part: str) -> str:
        """A Reshape node, left out where the shape stays."""
        return x if self.shape(x) == tuple(shape) else self.add(ops.Reshape(tuple(shape)), x, part=part)

    def require_rank(self, x: str, rank: int) -> None:
        """Raises ModelFileError unless ``x`` has ``rank`` non-batch axes."""
        if len(self.shape(x)) != rank:
            raise ModelFileError(
                f"layer {'/'.join(self.path)!r} ({self.layer.kind}) needs {rank} axes besides the batch,"
                f" but its input has shape {self.shape(x)}"
            )


class _Part:
    """Some of a layer's weights as a store of their own; each is read once."""

    def __init__(self, stored: Sequence[Weight]) -> None:
        self._stored = [Weight(weight.name, functools.cache(weight.read)) for weight in stored]

    def of(self, path: Path) -> list[Weight]:
        return self._stored


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two ops have the same fields (what they cache, in names with an underscore, aside)."""
    fields = {key for key in (*one, *other) if not key.startswith("_")}
    return all(key in one and key in other and np.array_equal(one[key], other[key]) for key in fields)


def _converted(weight: Weight, convert: Callable[[keras1.Kernel], keras1.Kernel]) -> Callable[[], keras1.Kernel]:
    return lambda: np.ascontiguousarray(convert(weight.read()))
