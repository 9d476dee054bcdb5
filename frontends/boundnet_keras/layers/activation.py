"""Activation and the activations that are layers of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from boundnet import ops
from boundnet_keras.activations import activation_name, add_activation, refuse_activation
from boundnet_keras.advanced import AS_ARGUMENT
from boundnet_keras.lowering import Lowering, Rule
from boundnet_keras.model import Config


def _activation(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    activation = layer.config.get("activation")
    if isinstance(activation, Mapping) and str(activation.get("class_name")) in AS_ARGUMENT:
        y = AS_ARGUMENT[str(activation["class_name"])].lower(layer.as_argument(activation), inputs)
        return y if isinstance(y, str) else y[0]
    name = activation_name(activation)
    return add_activation(layer, x, name) if name else x


def _prelu(layer: Lowering, inputs: Sequence[str]) -> str:
    """alpha has the input's shape, with 1 along ``shared_axes`` (counted from 1)."""
    (x,) = inputs
    shape = list(layer.shape(x))
    for axis in _listed(layer.get("shared_axes", [])):
        shape[layer.axis(axis, len(shape))] = 1
    alpha = layer.weights({"alpha": tuple(shape)})["alpha"]
    return layer.add(ops.PReLU(alpha), x)


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _refuse_activation(config: Config, major: int) -> str:
    return refuse_activation(config.get("activation"), major)


RULES = {
    **AS_ARGUMENT,
    "Activation": Rule(_activation, _refuse_activation),
    "PReLU": Rule(_prelu, weighted=lambda config: True),
}
