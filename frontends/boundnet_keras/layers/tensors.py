"""keras.ops calls that move, reduce or combine tensors inside functional models (x[:, 1:], ops.mean, ops.matmul)."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from boundnet import ops
from boundnet_keras.activations import add_activation
from boundnet_keras.advanced import add_function, add_softmax, scalar
from boundnet_keras.layers.arguments import HINT, argument, listed
from boundnet_keras.layers.arguments import axes as axes_of
from boundnet_keras.layers.tensorflow_ops import new_shape
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import OPERATION, Ref
from boundnet_keras.reducing import reduced
from boundnet_keras.values import ints, number


def _reduced(layer: Lowering, x: str, over: Callable[[str], str]) -> str:
    keep = bool(argument(layer, "keepdims", 2, False))
    return reduced(layer, x, axes_of(layer, len(layer.shape(x))), keep, over)


def _sum(layer: Lowering, inputs: Sequence[str]) -> str:
    return _reduced(layer, inputs[0], lambda x: layer.add(ops.Total(0), x))


def _mean(layer: Lowering, inputs: Sequence[str]) -> str:
    return _reduced(layer, inputs[0], lambda x: layer.add(ops.AveragePool((layer.shape(x)[0],)), x))


def _max(layer: Lowering, inputs: Sequence[str]) -> str:
    if argument(layer, "initial") is not None:
        raise Refused(f"has an initial value; {HINT}")
    return _reduced(layer, inputs[0], lambda x: layer.add(ops.MaxPool((layer.shape(x)[0],)), x))


def _get_item(layer: Lowering, inputs: Sequence[str]) -> str:
    """x[...]: slices and single indices, the batch axis taken whole."""
    (x,) = inputs
    shape, key = layer.shape(x), layer.call.arguments[1:]
    items = [item for part in key for item in listed(part)]
    items = _without_ellipsis(items, len(shape) + 1)
    whole = {"start": None, "stop": None, "step": None}
    if not items or _slice(items[0]) not in (whole, {**whole, "start": 0}):
        raise Refused("takes part of the batch; take all samples, x[:, ...]")
    begin, end, step, kept = list[int](), list[int | None](), list[int](), list[int]()
    for size, item in zip(shape, [*items[1:], *[None] * (len(shape) - len(items) + 1)], strict=True):
        if isinstance(item, int) and not isinstance(item, bool):
            at = item + size if item < 0 else item
            begin, end, step = [*begin, at], [*end, at + 1], [*step, 1]
            continue
        parts = _slice(item) if item is not None else whole
        if parts is None:
            raise Refused(f"indexes with {item!r}; {HINT}")
        first, last, every = slice(parts["start"], parts["stop"], parts["step"]).indices(size)
        # Backwards to the front: -1, as indices() has it, would be the last entry.
        begin, end, step = [*begin, first], [*end, last if last >= 0 else None], [*step, every]
        kept.append(len(range(first, last, every)))
    y = layer.add(ops.Slice(tuple(begin), tuple(end), tuple(step)), x, part="slice")
    return layer.add(ops.Reshape(tuple(kept)), y)


def _without_ellipsis(items: list[Any], rank: int) -> list[Any]:
    """An ellipsis stands for as many whole axes as are missing."""

    def dots(item: Any) -> bool:
        return item in ("...", Ellipsis) or (isinstance(item, Mapping) and item.get("class_name") == "__ellipsis__")

    places = [place for place, item in enumerate(items) if dots(item)]
    if not places:
        return items
    if len(places) > 1 or len(items) > rank + 1:
        raise Refused(f"indexes with more than one ellipsis, or too many axes; {HINT}")
    return [*items[: places[0]], *[_WHOLE] * (rank + 1 - len(items)), *items[places[0] + 1 :]]


def _slice(item: Any) -> dict[str, Any] | None:
    inner = item.get("config") if isinstance(item, Mapping) and item.get("class_name") == "__slice__" else None
    return {key: inner.get(key) for key in ("start", "stop", "step")} if isinstance(inner, Mapping) else None


def _reshape(layer: Lowering, inputs: Sequence[str]) -> str:
    target = [-1 if size is None else int(size) for size in listed(argument(layer, "newshape"))]
    return layer.add(ops.Reshape(new_shape(layer, inputs[0], target)), inputs[0])


def _transpose(layer: Lowering, inputs: Sequence[str]) -> str:
    axes = argument(layer, "axes")
    if axes is None or int(axes[0]) != 0:
        raise Refused(f"moves the batch axis; {HINT}")
    return layer.add(ops.Transpose(tuple(layer.axis(axis, len(axes) - 1) for axis in axes[1:])), inputs[0])


def _expand_dims(layer: Lowering, inputs: Sequence[str]) -> str:
    shape = list(layer.shape(inputs[0]))
    for axis in sorted(layer.axis(axis, len(shape) + 1) for axis in listed(argument(layer, "axis"))):
        shape.insert(axis, 1)
    return layer.add(ops.Reshape(tuple(shape)), inputs[0])


def _squeeze(layer: Lowering, inputs: Sequence[str]) -> str:
    shape = layer.shape(inputs[0])
    axes = axes_of(layer, len(shape))
    if any(shape[axis] != 1 for axis in axes):
        raise Refused(f"squeezes axes {axes} of {shape}, which are longer than 1")
    return layer.add(ops.Reshape(tuple(size for axis, size in enumerate(shape) if axis not in axes)), inputs[0])


def _concatenate(layer: Lowering, inputs: Sequence[str]) -> str:
    return layer.add(ops.Concat(layer.axis(argument(layer, "axis", 99, -1), len(layer.shape(inputs[0])))), *inputs)


def _stack(layer: Lowering, inputs: Sequence[str]) -> str:
    shape = list(layer.shape(inputs[0]))
    axis = layer.axis(argument(layer, "axis", 99, 0), len(shape) + 1)
    shape.insert(axis, 1)
    return layer.add(ops.Concat(axis), *(layer.reshape(x, shape, f"row{i}") for i, x in enumerate(inputs)))


def _split(layer: Lowering, inputs: Sequence[str]) -> list[str]:
    (x,) = inputs
    shape = layer.shape(x)
    axis, how = layer.axis(argument(layer, "axis", 2, 0), len(shape)), argument(layer, "indices_or_sections")
    size = shape[axis]
    if isinstance(how, int) and size % how:
        raise Refused(f"splits {size} into {how} parts that are not equal")
    cuts = [size // how * i for i in range(1, how)] if isinstance(how, int) else [int(cut) for cut in how]
    found = list[str]()
    for low, high in zip([0, *cuts], [*cuts, size], strict=True):
        begin = tuple(low if i == axis else 0 for i in range(len(shape)))
        end = tuple(high if i == axis else n for i, n in enumerate(shape))
        found.append(layer.add(ops.Slice(begin, end, (1,) * len(shape)), x, part=f"part{len(found)}"))
    return found


def _matmul(layer: Lowering, inputs: Sequence[str]) -> str:
    x, y = inputs
    rank = len(layer.shape(x))
    if rank != len(layer.shape(y)) or rank < 2:
        raise Refused(f"multiplies tensors of {rank} and {len(layer.shape(y))} axes; {HINT}")
    outer = string.ascii_lowercase[: rank - 2]
    left = "YX" if argument(layer, "transpose_a", 99) else "XY"
    right = "ZY" if argument(layer, "transpose_b", 99) else "YZ"
    return layer.add(ops.Einsum(f"{outer}{left},{outer}{right}->{outer}XZ"), x, y)


def _einsum(layer: Lowering, inputs: Sequence[str]) -> str:
    equation = str(argument(layer, "subscripts", 0)).replace(" ", "")
    operands, _, result = equation.partition("->")
    parts = operands.split(",")
    batch = parts[0][:1]
    if len(parts) != 2 or len(inputs) != 2 or "." in equation or any(not p.startswith(batch) for p in (*parts, result)):
        raise Refused(f"equation {equation!r} isn't of the form 'b...,b...->b...' with the batch axis first")
    return layer.add(ops.Einsum(f"{parts[0][1:]},{parts[1][1:]}->{result[1:]}"), *inputs)


def _divide(layer: Lowering, inputs: Sequence[str]) -> str:
    arguments = layer.call.arguments
    if len(inputs) == 2:
        if len(layer.shape(inputs[0])) != len(layer.shape(inputs[1])):
            raise Refused(f"broadcasts {layer.shape(inputs[0])} with {layer.shape(inputs[1])}, batch axes apart; {HINT}")
        return layer.add(ops.Divide(), *inputs)
    if isinstance(arguments[0], Ref):
        value = number(arguments[1])
        if value == 0.0 or not math.isfinite(value):
            raise Refused(f"divides by {value}")
        return layer.add(ops.DivideBy(value), inputs[0])
    y = add_function(layer, inputs[0], "reciprocal", "reciprocal")
    return layer.add(ops.ScaleShift(np.asarray(number(arguments[0]))), y)


def _clip(layer: Lowering, inputs: Sequence[str]) -> str:
    low, high = (number(argument(layer, key, i + 1)) for i, key in enumerate(("x_min", "x_max")))
    return add_function(layer, inputs[0], "clip", low=low, high=high)


def _function(name: str, defaults: Mapping[str, Any] | None = None) -> Callable[[Lowering, Sequence[str]], str]:
    """An elementwise function; ``defaults``: its parameters in the order of the call, with what keras.ops takes."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        given = {key: argument(layer, key, i + 1, value) for i, (key, value) in enumerate((defaults or {}).items())}
        if None in given.values():
            raise Refused(f"is called without {', '.join(given)}; {HINT}")
        return add_function(layer, inputs[0], name, **given)

    return lower


def _softmax(op: Callable[[int], ops.Op]) -> Callable[[Lowering, Sequence[str]], str]:
    return lambda layer, inputs: add_softmax(layer, inputs[0], argument(layer, "axis", 1, -1), op)


def _named(layer: Lowering, inputs: Sequence[str]) -> str:
    """An activation without settings beside its defaults."""
    return add_activation(layer, inputs[0], _ACTIVATIONS[layer.kind.removeprefix(OPERATION)])


def _flip(layer: Lowering, inputs: Sequence[str]) -> str:
    shape = layer.shape(inputs[0])
    axes = axes_of(layer, len(shape))
    begin = tuple(size - 1 if axis in axes else 0 for axis, size in enumerate(shape))
    end: Any = tuple(None if axis in axes else size for axis, size in enumerate(shape))
    return layer.add(ops.Slice(begin, end, tuple(-1 if axis in axes else 1 for axis in range(len(shape)))), inputs[0])


def _normalize(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    if int(argument(layer, "order", 2, 2)) != 2:
        raise Refused("normalises by another norm than the Euclidean one")
    rank = len(layer.shape(x))
    axes = axes_of(layer, rank)
    if axes != [rank - 1]:
        raise Refused("normalises along other axes than the last one; use UnitNormalization")
    return layer.add(ops.UnitNorm(floor=scalar(layer, "epsilon", default=1e-7)), x)


def _negative(layer: Lowering, inputs: Sequence[str]) -> str:
    return layer.add(ops.ScaleShift(-np.ones(())), inputs[0])


def _repeat(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    if argument(layer, "axis", 2) is None:
        raise Refused("repeats the flattened batch")
    times = ints(argument(layer, "repeats"), 1)[0]
    return layer.add(ops.Repeat(layer.axis(argument(layer, "axis", 2), len(layer.shape(x))), times), x)


_WHOLE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Silu": "silu", "Selu": "selu", "Mish": "mish",
    "Softplus": "softplus", "Softsign": "softsign", "Exp": "exponential", "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu", "HardTanh": "hard_tanh", "LogSigmoid": "log_sigmoid", "TanhShrink": "tanh_shrink",
    "SparsePlus": "sparse_plus", "SparseSigmoid": "sparse_sigmoid",
}  # fmt: skip
_LOWERINGS: Mapping[str, Callable[[Lowering, Sequence[str]], str | list[str]]] = {
    **dict.fromkeys(_ACTIVATIONS, _named),
    "Abs": _function("absolute"), "Absolute": _function("absolute"), "Sqrt": _function("sqrt"), "Rsqrt": _function("rsqrt"),
    "Log": _function("log"), "Log1p": _function("log1p"), "Expm1": _function("expm1"), "Erf": _function("erf"),
    "Reciprocal": _function("reciprocal"), "Negative": _negative, "Clip": _clip,
    "Square": lambda layer, inputs: layer.add(ops.Multiply(), inputs[0], inputs[0]),
    "LeakyRelu": _function("leaky_relu", {"negative_slope": 0.2}), "Elu": _function("elu", {"alpha": 1.0}),
    "Celu": _function("celu", {"alpha": 1.0}), "Gelu": _function("gelu", {"approximate": True}),
    "Squareplus": _function("squareplus", {"b": 4.0}), "HardShrink": _function("hard_shrink", {"threshold": 0.5}),
    "SoftShrink": _function("soft_shrink", {"threshold": 0.5}),
    "Threshold": _function("threshold", {"threshold": None, "default": None}),
    "Softmax": _softmax(ops.Softmax), "LogSoftmax": _softmax(ops.LogSoftmax),
    "Sum": _sum, "Mean": _mean, "Max": _max, "GetItem": _get_item, "Reshape": _reshape, "Transpose": _transpose,
    "ExpandDims": _expand_dims, "Squeeze": _squeeze, "Concatenate": _concatenate, "Stack": _stack, "Split": _split,
    "Flip": _flip, "Repeat": _repeat, "Matmul": _matmul, "Einsum": _einsum, "Divide": _divide, "TrueDivide": _divide,
    "Normalize": _normalize, "Identity": lambda layer, inputs: inputs[0], "Copy": lambda layer, inputs: inputs[0],
    "StopGradient": lambda layer, inputs: inputs[0],
}  # fmt: skip
RULES = {OPERATION + kind: Rule(lower, merges=True) for kind, lower in _LOWERINGS.items()}
