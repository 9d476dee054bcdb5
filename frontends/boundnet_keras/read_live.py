"""Reader for models in memory (Keras 3, tf.keras, tf_keras), by means of the model's own Keras: none is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundnet.errors import ModelFileError
from boundnet_keras.model import ModelSpec
from boundnet_keras.source import Source, parse_json
from boundnet_keras.weights import Path as LayerPath
from boundnet_keras.weights import Weight

_PACKAGES = ("keras", "tf_keras", "tensorflow.python.keras")


def is_live_model(source: object) -> bool:
    """Whether ``source`` is a Keras model, told by the names of its classes' modules: imports nothing."""
    return any(base.__name__ == "Model" and _package(base) for base in type(source).__mro__)


def _package(cls: type) -> str:
    return next((name for name in _PACKAGES if cls.__module__ == name or cls.__module__.startswith(name + ".")), "")


@contextmanager
def read_live(model: Any) -> Iterator[Source]:
    """Configuration and weights of a live Sequential or functional model.  Raises ModelFileError."""
    label = f"model {model.name!r}"
    package = next(name for base in type(model).__mro__ if (name := _package(base)))
    if not getattr(model, "built", True):
        raise ModelFileError(f"{label}: has no weights yet; call model.build(input_shape) or the model itself first")
    try:
        config = parse_json(model.to_json(), label)
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ModelFileError(
            f"{label}: gives no configuration ({reason}); only Sequential and functional models can be analysed"
        ) from error
    module = sys.modules[package]
    version = str(config.get("keras_version") or getattr(module, "__version__", "3")).removesuffix("-tf")
    config = {**config, "class_name": _structure(model)}
    # The backend is left out on purpose: it only matters for files written by Theano.
    yield Source(config, version, "", partial(LiveWeights, model), label, {"format": "live"})


def _structure(model: Any) -> str:
    """'Sequential' or 'Functional', also for user's subclasses that don't redefine what the model computes."""
    for base in type(model).__mro__:
        if _package(base):
            return base.__name__
        if "call" in vars(base):
            break
    return type(model).__name__


class LiveWeights:
    """Weights of the layer objects, by the same paths as in files."""

    def __init__(self, live: Any, model: ModelSpec) -> None:
        self._layers = dict(_walk(live, model, ()))

    def of(self, path: LayerPath) -> list[Weight]:
        layer = self._layers.get(path)
        if layer is None:
            return []
        return [Weight(str(weight.name), partial(_values, weight)) for weight in layer.weights]


def _walk(live: Any, model: ModelSpec, path: LayerPath) -> Iterator[tuple[LayerPath, Any]]:
    layers: Mapping[str, Any] = {layer.name: layer for layer in live.layers}
    # Custom layers may keep their name to themselves: those follow each other as in the configuration.
    names = {spec.name for spec in model.layers}
    nameless = [layer for layer in live.layers if layer.name not in names]
    for spec in model.layers:
        here, layer = (*path, spec.name), layers.get(spec.name)
        if layer is None:
            layer = next((other for other in nameless if type(other).__name__ == spec.kind), None)
            if layer is None:
                continue
            nameless.remove(layer)
        if spec.model is None:
            yield here, layer
        else:
            yield from _walk(layer, spec.model, here)


def _values(weight: Any) -> NDArray[np.generic]:
    values: NDArray[np.generic] = np.asarray(weight.numpy())
    return values
