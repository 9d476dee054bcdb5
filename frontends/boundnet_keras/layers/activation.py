"""Activation and the activations that are layers of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from boundnet import ops
from boundnet_keras.activations import (
    activation_name,
    add_activation,
    add_function,
    add_softmax,
    refuse_activation,
    scalar,
)
from boundnet_keras.lowering import Lowering, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import number


def _activation(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    activation = layer.config.get("activation")
    if isinstance(activation, Mapping) and str(activation.get("class_name")) in AS_ARGUMENT:
        return AS_ARGUMENT[str(activation["class_name"])].lower(layer.as_argument(activation), inputs)
    name = activation_name(activation)
    return add_activation(layer, x, name) if name else x


def _relu(layer: Lowering, inputs: Sequence[str]) -> str:
    cap = layer.config.get("max_value")
    limit = None if cap is None or number(cap) == math.inf else scalar(layer, "max_value", default=0.0)
    slope = scalar(layer, "negative_slope", default=0.0)
    threshold = scalar(layer, "threshold", default=0.0)
    return add_function(layer, inputs[0], "relu", max_value=limit, negative_slope=slope, threshold=threshold)


def _leaky_relu(layer: Lowering, inputs: Sequence[str]) -> str:
    slope = scalar(layer, "negative_slope", "alpha", default=0.3)
    return add_function(layer, inputs[0], "leaky_relu", negative_slope=slope)


def _elu(layer: Lowering, inputs: Sequence[str]) -> str:
    return add_function(layer, inputs[0], "elu", alpha=scalar(layer, "alpha", default=1.0))


def _thresholded_relu(layer: Lowering, inputs: Sequence[str]) -> str:
    return add_function(
        layer, inputs[0], "threshold", threshold=scalar(layer, "theta", default=1.0), default=0.0
    )


def _softmax(layer: Lowering, inputs: Sequence[str]) -> str:
    return add_softmax(layer, inputs[0], layer.get("axis", -1), ops.Softmax)


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


def _refuse_softmax(config: Config, major: int) -> str:
    axis = config.get("axis", -1)
    if isinstance(axis, list) and len(axis) != 1:
        return "softmax over several axes at once; reshape them into one axis before it"
    return ""


def _refuse_activation(config: Config, major: int) -> str:
    return refuse_activation(config.get("activation"), major)


AS_ARGUMENT = {
    "ReLU": Rule(_relu),
    "LeakyReLU": Rule(_leaky_relu),
    "ELU": Rule(_elu),
    "ThresholdedReLU": Rule(_thresholded_relu),
    "Softmax": Rule(_softmax, _refuse_softmax),
}
RULES = {
    **AS_ARGUMENT,
    "Activation": Rule(_activation, _refuse_activation),
    "PReLU": Rule(_prelu, weighted=lambda config: True),
}
