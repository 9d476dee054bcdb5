"""Activations with constants: as layers of their own and, given as layers, as the ``activation`` of another one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from boundnet import functions, ops
from boundnet.errors import GraphError
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.reducing import softmax_over
from boundnet_keras.values import number


def add_function(layer: Lowering, x: str, name: str, part: str = "", **parameters: Any) -> str:
    """A node applying an elementwise function."""
    try:
        function = functions.make(name, **parameters)
    except GraphError as error:
        raise Refused(str(error)) from error
    return layer.add(ops.Activation(function), x, part=part)


def add_softmax(layer: Lowering, x: str, axis: Any, op: Callable[[int], ops.Op], part: str = "") -> str:
    """Softmax or its logarithm over one axis, counted as Keras does."""
    return layer.add(op(layer.axis(axis, len(layer.shape(x)))), x, part=part)


def scalar(layer: Lowering, *keys: str, default: float) -> float:
    """The first of ``keys`` that the configuration sets, as a number."""
    for key in keys:
        if layer.config.get(key) is not None:
            value = number(layer.config[key])
            if not math.isfinite(value):
                raise Refused(f"{key} is {value}, which isn't a finite number")
            return value
    return default


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
    return add_function(layer, inputs[0], "threshold", threshold=scalar(layer, "theta", default=1.0), default=0.0)


def _softmax(layer: Lowering, inputs: Sequence[str]) -> str:
    axis = layer.get("axis", -1)
    if isinstance(axis, list | tuple) and len(axis) > 1:
        rank = len(layer.shape(inputs[0]))
        return softmax_over(layer, inputs[0], sorted({layer.axis(one, rank) for one in axis}))
    return add_softmax(layer, inputs[0], axis, ops.Softmax)


AS_ARGUMENT = {
    "ReLU": Rule(_relu),
    "LeakyReLU": Rule(_leaky_relu),
    "ELU": Rule(_elu),
    "ThresholdedReLU": Rule(_thresholded_relu),
    "Softmax": Rule(_softmax),
}
