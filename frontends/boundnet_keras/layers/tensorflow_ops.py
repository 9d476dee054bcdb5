"""TensorFlow operations inside functional models of tf.keras 2.2 and 2.3 (TensorFlowOpLayer)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boundnet import ops
from boundnet_keras.activations import add_activation
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import number

_HINT = "use the layer of keras.layers that does the same"
_FUNCTIONS = {"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Elu": "elu",
              "Selu": "selu", "Softsign": "softsign", "Exp": "exponential", "Softmax": "softmax"}  # fmt: skip
_TWO: Mapping[str, Any] = {"AddV2": ops.Add, "Add": ops.Add, "Sub": ops.Subtract, "Mul": ops.Multiply,
                           "Maximum": ops.Maximum, "Minimum": ops.Minimum}  # fmt: skip


def operation(config: Config) -> str:
    """The name of TensorFlow's operation."""
    node = config.get("node_def")
    return str(node.get("op")) if isinstance(node, Mapping) else ""


def new_shape(layer: Lowering, x: str, target: Sequence[int]) -> tuple[int, ...]:
    """A target shape that includes the batch axis, without it."""
    size, (batch, *rest) = math.prod(layer.shape(x)), target
    known = math.prod(n for n in rest if n != -1)
    if rest.count(-1) == 1 and known and size % known == 0:
        rest = [size // known if n == -1 else n for n in rest]
    if math.prod(rest) != size or any(n < 1 for n in rest) or (batch == -1 and -1 in rest):
        raise Refused(f"moves numbers between the samples of a batch (reshape to {list(target)}); {_HINT}")
    return tuple(rest)


def _lower(layer: Lowering, inputs: Sequence[str]) -> str:
    name, constants = operation(layer.config), layer.config.get("constants") or {}
    x = inputs[0]
    rank = len(layer.shape(x))
    if name == "Reshape" and len(inputs) == 1:
        return layer.add(ops.Reshape(new_shape(layer, x, [int(n) for n in constants["1"]])), x)
    if name == "Transpose" and len(inputs) == 1:
        order = [int(n) for n in constants["1"]]
        if order[0] != 0:
            raise Refused(f"moves the batch axis; {_HINT}")
        return layer.add(ops.Transpose(tuple(n - 1 for n in order[1:])), x)
    if name in _FUNCTIONS and len(inputs) == 1:
        return add_activation(layer, x, _FUNCTIONS[name])
    if name in _TWO and len(inputs) == 2 and all(len(layer.shape(y)) == rank for y in inputs):
        return layer.add(_TWO[name](), *inputs)
    if name in ("AddV2", "Add", "Sub", "Mul") and len(constants) == 1 and len(inputs) == 1:
        ((place, value),) = constants.items()
        constant, one = np.asarray(number(value)), np.ones(())
        if name == "Mul":
            return layer.add(ops.ScaleShift(constant), x)
        if name == "Sub":
            scale, offset = (one, -constant) if place == "1" else (-one, constant)
            return layer.add(ops.ScaleShift(scale, offset), x)
        return layer.add(ops.ScaleShift(one, constant), x)
    raise Refused(f"TensorFlow's operation {name} as it is called here isn't supported; {_HINT}")


def _refuse(config: Config, major: int) -> str:
    name = operation(config)
    known = (*_FUNCTIONS, *_TWO, "Reshape", "Transpose")
    return "" if name in known else f"TensorFlow's operation {name or 'without a name'} isn't supported; {_HINT}"


RULES = {"TensorFlowOpLayer": Rule(_lower, _refuse, merges=True)}
