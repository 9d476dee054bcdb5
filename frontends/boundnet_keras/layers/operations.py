"""keras.ops calls and Python operators inside functional models (x + y, 0.5 * x, keras.ops.relu(x))."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from boundnet import ops
from boundnet_keras.layers import moves, tensors
from boundnet_keras.layers.masks import either
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import OPERATION, Config, Ref
from boundnet_keras.values import number
from boundnet_keras.weights import Array

_HINT = "use the layer of keras.layers that does the same"


def _nary(op: Callable[[], ops.Op]) -> Callable[[Lowering, Sequence[str]], str]:
    """Two tensors, broadcast as NumPy does."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        if len(inputs) != 2 or len(layer.call.arguments) != 2:
            raise Refused(f"is called with a constant or another number of tensors than two; {_HINT}")
        first, second = (layer.shape(x) for x in inputs)
        if len(first) != len(second):
            raise Refused(f"broadcasts {first} with {second}, batch axes apart; {_HINT}")
        return layer.add(op(), *inputs)

    return lower


def _with_constant(op: Callable[[], ops.Op], name: str) -> Callable[[Lowering, Sequence[str]], str]:
    """As _nary, and also a tensor with a number."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        arguments = layer.call.arguments
        if len(inputs) != 1 or len(arguments) != 2:
            return _nary(op)(layer, inputs)
        first = isinstance(arguments[0], Ref)
        constant = _constant(arguments[1 if first else 0], layer.shape(inputs[0]))
        one = np.ones(())
        if name == "Multiply":
            return layer.add(ops.ScaleShift(constant, None), *inputs)
        if name == "Subtract":
            return layer.add(ops.ScaleShift(one, -constant) if first else ops.ScaleShift(-one, constant), *inputs)
        return layer.add(ops.ScaleShift(one, constant), *inputs)

    return lower


def _constant(value: object, shape: Shape) -> Array:
    """One number, or an array that broadcasts to ``shape``; it may have a batch axis of length 1."""
    try:
        constant = np.asarray(number(value) if not isinstance(value, list) else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Refused(f"is called with a constant that isn't a number or an array of numbers; {_HINT}") from error
    if not np.all(np.isfinite(constant)):
        raise Refused("is called with a constant that isn't a finite number")
    if constant.ndim == len(shape) + 1 and len(constant) == 1:
        constant = constant[0]
    if constant.ndim > len(shape) or any(n not in (1, m) for n, m in zip(constant.shape[::-1], shape[::-1], strict=False)):
        raise Refused(f"is called with a constant of shape {constant.shape}, which doesn't fit {shape}; {_HINT}")
    return constant


def _not_equal(layer: Lowering, inputs: Sequence[str]) -> str:
    """x != number: how functional models of Keras 3 write down where a mask comes from."""
    arguments = layer.call.arguments
    if len(inputs) != 1 or len(arguments) != 2 or not isinstance(arguments[0], Ref):
        raise Refused("compares two tensors; only a tensor with a number is supported")
    value = number(arguments[1])
    each = layer.reshape(inputs[0], (*layer.shape(inputs[0]), 1), "each")
    return layer.add(ops.Differs(value), each)


def _either(layer: Lowering, inputs: Sequence[str]) -> str:
    if len(layer.call.arguments) != 2 or len(inputs) != 2:
        raise Refused("is supported for two tensors")
    return either(layer, inputs, "")


def _zeros_like(layer: Lowering, inputs: Sequence[str]) -> str:
    """What functional models of Keras 3 write down to broadcast a mask."""
    return layer.add(ops.Blank(layer.shape(inputs[0])), inputs[0])


def _ones_like(layer: Lowering, inputs: Sequence[str]) -> str:
    """The mask of a tensor that has none, joined with others: exact ones, as 0 differs from 1 everywhere."""
    blank = layer.add(ops.Blank((*layer.shape(inputs[0]), 1)), inputs[0], part="blank")
    return layer.add(ops.Differs(1.0), blank)


def _any(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    rank = len(layer.shape(x))
    axis = layer.config.get("axis", -1)
    if axis is None or layer.axis(axis, rank) != rank - 1 or layer.config.get("keepdims"):
        raise Refused("is supported along the last axis alone")
    return layer.add(ops.Differs(0.0), x)


def _same(layer: Lowering, inputs: Sequence[str]) -> str:
    """What functional models of Keras 3 write down between an attention layer and its mask."""
    return inputs[0]


def _refuse_cast(config: Config, major: int) -> str:
    return f"casts to {config['dtype']}" if config.get("dtype") not in (None, "bool") else ""


RULES = {
    OPERATION + "Add": Rule(_with_constant(ops.Add, "Add"), merges=True),
    OPERATION + "Subtract": Rule(_with_constant(ops.Subtract, "Subtract"), merges=True),
    OPERATION + "Multiply": Rule(_with_constant(ops.Multiply, "Multiply"), merges=True),
    OPERATION + "NotEqual": Rule(_not_equal),
    OPERATION + "Any": Rule(_any),
    OPERATION + "LogicalOr": Rule(_either, merges=True),
    OPERATION + "LogicalAnd": Rule(_nary(ops.Minimum), merges=True),
    OPERATION + "ZerosLike": Rule(_zeros_like),
    OPERATION + "OnesLike": Rule(_ones_like),
    OPERATION + "ConvertToTensor": Rule(_same, _refuse_cast),
    OPERATION + "Maximum": Rule(_nary(ops.Maximum), merges=True),
    OPERATION + "Minimum": Rule(_nary(ops.Minimum), merges=True),
    **tensors.RULES,
    **moves.RULES,
}
