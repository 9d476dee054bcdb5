"""TensorFlow functions inside functional models of Keras 2.4 to 2.15, as the keras.ops operations that do the same.

Keras 2 stored ``x + 3.0`` or ``tf.nn.relu6(x)`` as a layer of class TFOpLambda with the function's name in its configuration
and further arguments with the call.  keras.applications needs them for MobileNetV3 and ConvNeXt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boundnet_keras.model import OPERATION, Call, Config

_BINARY = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
}
_UNARY = {
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.silu": "Silu",
    "nn.selu": "Selu",
    "nn.softsign": "Softsign",
    "math.exp": "Exp",
    "math.sigmoid": "Sigmoid",
    "math.softplus": "Softplus",
    "math.tanh": "Tanh",
}


def as_operation(kind: str, config: Config, calls: tuple[Call, ...]) -> tuple[str, Config, tuple[Call, ...]]:
    """Class, configuration and calls of a TFOpLambda whose function is known; everything else as it is."""
    function = config.get("function")
    if kind != "TFOpLambda" or not isinstance(function, str) or function not in _BINARY | _UNARY:
        return kind, config, calls
    named = tuple(_with_operand(call) if function in _BINARY else call for call in calls)
    if any(set(call.options) - {"name"} for call in named):
        return kind, config, calls
    operation = OPERATION + (_BINARY | _UNARY)[function]
    return operation, {"name": config.get("name")}, tuple(replace(call, options={}) for call in named)


def _with_operand(call: Call) -> Call:
    """The second operand among the arguments; tensors are there already."""
    options: dict[str, Any] = dict(call.options)
    if "y" not in options:
        return call
    return Call((*call.arguments, options.pop("y")), options)
