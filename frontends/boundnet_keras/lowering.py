"""What a lowering function works with: one call of one layer, its weights and the graph to add nodes to."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from boundnet.frontends import NodeBuilder, Refused
from boundnet.frontends.node_builder import Shape
from boundnet_keras import keras1
from boundnet_keras.model import Call, Config, LayerSpec
from boundnet_keras.values import ints
from boundnet_keras.weights import Array, Path, Weight, WeightStore, collect

Lower = Callable[["Lowering", Sequence[str]], "str | list[str]"]


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
class Lowering(NodeBuilder):
    """One call of one Keras layer.  ``path``: the layer's name with those of the models around it."""

    layer: LayerSpec
    call: Call
    path: Path
    major: int
    backend: str
    store: WeightStore
    masks: ChainMap[str, str] = field(default_factory=ChainMap)
    """Node -> node of its mask: zeros and ones, one for each time step.  The first map takes those of results."""
    sequences: dict[str, list[str]] = field(default_factory=dict)
    """Node joined from time steps -> their nodes: the next layer takes those, and the joined one need not be computed."""

    @property
    def config(self) -> Config:
        return self.layer.config

    def get(self, key: str, default: Any = None) -> Any:
        """The configuration's value; ``default`` also where it is null."""
        value = self.config.get(key)
        return default if value is None else value

    def weights(self, shapes: Mapping[str, Shape], optional: Sequence[str] = ()) -> dict[str, Array]:
        """Exact stored weights by name, in the order of ``layer.get_weights()``, checked against ``shapes``."""
        convert = keras1.kernel_layout(self.layer.kind, self.major, self.backend, self.channels_first)
        stored = self.store.of(self.path)
        if convert is not None:
            stored = [Weight(weight.name, _converted(weight, convert)) for weight in stored]
        return collect(self.layer_name, stored, shapes, optional)

    def within(self, kind: str, config: Mapping[str, Any], stored: Sequence[Weight]) -> Lowering:
        """For a layer or cell inside this one: its class, its configuration and its part of the weights."""
        layer = replace(self.layer, kind=kind, config=dict(config))
        return replace(self, kind=kind, layer=layer, store=_Part(stored))

    def as_argument(self, layer: Mapping[str, Any]) -> Lowering:
        """For a layer given as another one's ``activation``: its configuration, under this layer's name."""
        kind, config = str(layer["class_name"]), layer["config"]
        inner = replace(self.layer, config=config)
        same = self.layer.kind == "Activation"
        return replace(self, layer=inner, node=self.node if same else f"{self.node}/{kind}")

    @property
    def channels_first(self) -> bool:
        return bool(self.config.get("data_format") == "channels_first")

    def axis(self, axis: Any, rank: int) -> int:
        """As :meth:`NodeBuilder.axis`; Keras stores an axis as a number or as a list of one."""
        return super().axis(ints(axis, 1)[0], rank)


class _Part:
    """Some of a layer's weights as a store of their own; each is read once."""

    def __init__(self, stored: Sequence[Weight]) -> None:
        self._stored = [Weight(weight.name, functools.cache(weight.read)) for weight in stored]

    def of(self, path: Path) -> list[Weight]:
        return self._stored


def _converted(weight: Weight, convert: Callable[[keras1.Kernel], keras1.Kernel]) -> Callable[[], keras1.Kernel]:
    return lambda: np.ascontiguousarray(convert(weight.read()))


__all__ = ["Lower", "Lowering", "Refused", "Rule", "Shape"]
