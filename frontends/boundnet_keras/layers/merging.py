"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from boundnet import ops
from boundnet.errors import ModelFileError
from boundnet_keras.advanced import add_function
from boundnet_keras.lowering import Lowering, Rule
from boundnet_keras.values import ints


def _l2_epsilon(major: int) -> float:
    """Lower bound of the sum of squares: Keras 3 bounds the norm by 1e-7, earlier versions the sum by 1e-12."""
    return 1e-14 if major >= 3 else 1e-12


def _elementwise(op: Callable[[], ops.Op]) -> Callable[[Lowering, Sequence[str]], str]:
    """Inputs of lower rank get axes of length 1 after the batch axis, as Keras does; the rest is broadcasting."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        if len(inputs) == 1:
            return inputs[0]
        rank = max(len(layer.shape(x)) for x in inputs)
        aligned = []
        for number, x in enumerate(inputs):
            shape = layer.shape(x)
            aligned.append(layer.reshape(x, (1,) * (rank - len(shape)) + shape, f"expand{number}"))
        return layer.add(op(), *aligned)

    return lower


def _concatenate(layer: Lowering, inputs: Sequence[str]) -> str:
    axis = layer.axis(layer.get("axis", -1), len(layer.shape(inputs[0])))
    return inputs[0] if len(inputs) == 1 else layer.add(ops.Concat(axis), *inputs)


def _dot(layer: Lowering, inputs: Sequence[str]) -> str:
    """One axis of each is contracted; two vectors give one number, which Keras keeps as an axis of length 1."""
    if len(inputs) != 2:
        raise ModelFileError(f"layer {'/'.join(layer.path)!r}: Dot takes two inputs, not {len(inputs)}")
    axes = ints(layer.get("axes", -1), 2)
    i, j = (layer.axis(axis, len(layer.shape(x))) for axis, x in zip(axes, inputs, strict=True))
    x, y = inputs
    if layer.get("normalize", False):
        x = _l2_normalized(layer, x, i, "normalize0")
        y = _l2_normalized(layer, y, j, "normalize1")
    product = layer.add(ops.Contract((i, j)), x, y)
    return layer.reshape(product, (1,), "expand") if layer.shape(product) == () else product


def _l2_normalized(layer: Lowering, x: str, axis: int, part: str) -> str:
    """x / sqrt(max(sum of x^2, epsilon)), as Keras's l2_normalize."""
    squares = layer.add(ops.Multiply(), x, x, part=f"{part}/square")
    total = layer.add(ops.Total(axis), squares, part=f"{part}/total")
    inverse = add_function(layer, total, "clipped_rsqrt", f"{part}/rsqrt", epsilon=_l2_epsilon(layer.major))
    return layer.add(ops.Multiply(), x, inverse, part=part)


RULES = {
    "Add": Rule(_elementwise(ops.Add), merges=True),
    "Subtract": Rule(_elementwise(ops.Subtract), merges=True),
    "Multiply": Rule(_elementwise(ops.Multiply), merges=True),
    "Average": Rule(_elementwise(ops.Average), merges=True),
    "Maximum": Rule(_elementwise(ops.Maximum), merges=True),
    "Minimum": Rule(_elementwise(ops.Minimum), merges=True),
    "Concatenate": Rule(_concatenate, merges=True),
    "Dot": Rule(_dot, merges=True),
}
