"""The one canonical form every Keras configuration is turned into before it is lowered.

Sequential and functional models, of any Keras version, become a ``ModelSpec``: named layers, each with its calls,
each call naming the tensors it takes.  Names and arguments are those of Keras 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Config = Mapping[str, Any]

OPERATION = "ops."  # before the kind of a node that is a keras.ops operation, not a layer

_OWN_MODULES = ("keras", "tf_keras", "tensorflow", "builtins")


def custom_package(entry: Mapping[str, Any]) -> str:
    """Where a class that isn't Keras's own comes from; '' for built-in ones."""
    registered, module = entry.get("registered_name"), entry.get("module")
    if isinstance(registered, str) and ">" in registered:
        return registered.split(">")[0]
    if isinstance(entry.get("class_name"), str) and ">" in entry["class_name"]:
        return str(entry["class_name"]).split(">")[0]
    if isinstance(module, str) and module.split(".")[0] not in _OWN_MODULES:
        return module
    return "" if module is not None or registered in (None, entry.get("class_name")) else str(registered)


class Ref(NamedTuple):
    """One tensor: output ``tensor`` of call number ``call`` of layer ``layer`` of the same model."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    ``arguments``: tensors (Ref) and plain values in order; ``options``: the keyword arguments of the call that hold
    no tensor, such as ``training``; ``keywords``: the positions in ``arguments`` of tensors given by keyword.
    """

    arguments: tuple[Any, ...]
    options: Config = field(default_factory=dict)
    keywords: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Ref, ...]:
        return tuple(argument for argument in self.arguments if isinstance(argument, Ref))

    def named(self, keyword: str) -> list[int]:
        """Positions among :attr:`inputs` of the tensors given as ``keyword``; [] if none were."""
        tensors = [place for place, argument in enumerate(self.arguments) if isinstance(argument, Ref)]
        return [tensors.index(place) for place in self.keywords.get(keyword, ()) if place in tensors]

    def without(self, keyword: str) -> Call:
        """The call as if ``keyword`` had not been given."""
        dropped = set(self.keywords.get(keyword, ()))
        left = [place for place in range(len(self.arguments)) if place not in dropped]
        keywords = {
            name: tuple(left.index(place) for place in places) for name, places in self.keywords.items() if name != keyword
        }
        options = {name: value for name, value in self.options.items() if name != keyword}
        return Call(tuple(self.arguments[place] for place in left), options, keywords)

    @property
    def positional(self) -> list[int]:
        """Positions among :attr:`inputs` of the tensors given without a keyword."""
        by_name = {place for places in self.keywords.values() for place in places}
        tensors = [place for place, argument in enumerate(self.arguments) if isinstance(argument, Ref)]
        return [number for number, place in enumerate(tensors) if place not in by_name]


@dataclass(frozen=True)
class LayerSpec:
    """A layer: ``kind`` is its Keras class; ``model`` is set when the layer is itself a model.

    ``custom`` is the package of a class that isn't Keras's own, or empty.
    """

    name: str
    kind: str
    config: Config
    calls: tuple[Call, ...]
    model: ModelSpec | None = None
    custom: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """A model: its layers in the order of the file, and the tensors that are its inputs and outputs."""

    name: str
    kind: str
    layers: tuple[LayerSpec, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    labels: tuple[str, ...]

    def leaves(self, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], LayerSpec]]:
        """All layers that aren't models, depth first, each with its path of names."""
        return [(here, layer) for here, layer in self.walk(path) if layer.model is None]

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], LayerSpec]]:
        """All layers, depth first, each with its path of names; a nested model before its layers."""
        for layer in self.layers:
            here = (*path, layer.name)
            yield here, layer
            if layer.model is not None:
                yield from layer.model.walk(here)
