"""EinsumDense: any equation Keras permits, as transpositions around one matrix product."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from boundnet import ops
from boundnet_keras.activations import apply_activation, refuse_activation
from boundnet_keras.layers.dense import refuse_quantized
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import Config

_LEFT = re.compile(r"^\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)$")
_RIGHT = re.compile(r"^([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\.$")
_NONE = re.compile(r"^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)$")


@dataclass(frozen=True)
class _Equation:
    """Axes of input, kernel and output as labels; those of '...' are numbers.  The batch axis comes first."""

    x: tuple[str, ...]
    kernel: tuple[str, ...]
    y: tuple[str, ...]
    bias_start: int

    @property
    def contracted(self) -> list[str]:
        return [label for label in self.x if label in self.kernel and label not in self.y]

    @property
    def batch(self) -> list[str]:
        return [label for label in self.x if label in self.kernel and label in self.y]

    @property
    def lead(self) -> list[str]:
        """The real batch axis first, as everywhere in the graph."""
        return [label for label in self.x if label not in self.kernel]

    @property
    def free(self) -> list[str]:
        return [label for label in self.kernel if label not in self.x]


def _parse(equation: str, rank: int, bias_axes: str) -> _Equation:
    """``rank`` counts the batch axis.  ``bias_start``: the output axis at which the bias begins."""
    for pattern in (_NONE, _LEFT, _RIGHT):
        if match := pattern.match(equation.replace(" ", "")):
            break
    else:
        raise Refused(f"equation {equation!r} isn't of a form that EinsumDense defines")
    x, kernel, y = (tuple(group) for group in match.groups())
    bias_start = min((y.index(label) for label in bias_axes if label in y), default=0)
    elided = tuple(str(axis) for axis in range(rank - len(x)))
    if pattern is _LEFT:
        x, y, bias_start = elided + x, elided + y, bias_start + len(elided)
    elif pattern is _RIGHT:
        x, y = x + elided, y + elided
    parsed = _Equation(x, kernel, y, bias_start)
    _check(parsed, equation, rank)
    return parsed


def _check(parsed: _Equation, equation: str, rank: int) -> None:
    if len(parsed.x) != rank:
        raise Refused(f"equation {equation!r} doesn't fit an input of {rank} axes")
    if any(len(set(labels)) != len(labels) for labels in (parsed.x, parsed.kernel, parsed.y)):
        raise Refused(f"equation {equation!r} repeats an axis; use separate layers")
    if any(label not in parsed.y for label in parsed.lead + parsed.free):
        raise Refused(f"equation {equation!r} sums an axis of one operand alone; use separate layers")
    if parsed.x[0] != parsed.y[0] or parsed.x[0] in parsed.kernel:
        raise Refused(f"equation {equation!r} doesn't keep the batch axis first")


def _kernel_shape(parsed: _Equation, sizes: dict[str, int], partial: Sequence[int | None], equation: str) -> list[int]:
    """Kernel shape from the input's sizes and the layer's ``output_shape``, which also sets the free axes' sizes."""
    named = [label for label in parsed.y[1:] if not label.isdigit()]
    if len(partial) != len(named):
        raise Refused(f"output_shape {list(partial)} doesn't fit equation {equation!r}")
    for label, size in zip(named, partial, strict=True):
        if size is not None:
            sizes.setdefault(label, size)
    missing = [label for label in parsed.kernel if label not in sizes]
    if missing:
        raise Refused(f"output_shape leaves axis {missing[0]!r} of equation {equation!r} open; give its size")
    return [sizes[label] for label in parsed.kernel]


def _einsum(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape, equation = layer.shape(x), str(layer.get("equation", ""))
    bias_axes = str(layer.get("bias_axes", ""))
    parsed = _parse(equation, len(shape) + 1, bias_axes)
    if parsed.x[0] in bias_axes:
        raise Refused("the bias runs along the batch axis")
    sizes = dict(zip(parsed.x[1:], shape, strict=True))
    partial = layer.get("output_shape", [])
    kernel_shape = _kernel_shape(parsed, sizes, [partial] if isinstance(partial, int) else partial, equation)
    shapes: dict[str, tuple[int, ...]] = {"kernel": tuple(kernel_shape)}
    if bias_axes:
        shapes["bias"] = tuple(sizes[a] if a in bias_axes else 1 for a in parsed.y[parsed.bias_start :])
    weights = layer.weights(shapes)
    return apply_activation(layer, _lower(layer, x, parsed, sizes, weights))


def _lower(layer: Lowering, x: str, parsed: _Equation, sizes: Mapping[str, int], weights: Mapping[str, np.ndarray]) -> str:
    """Bring x to (lead, batch, contracted), multiply by the kernel as (batch, contracted, free), restore the order."""
    lead, batch, contracted, free = parsed.lead, parsed.batch, parsed.contracted, parsed.free
    axes = {label: axis for axis, label in enumerate(parsed.x)}
    x = layer.transpose(x, [axes[a] - 1 for a in (lead + batch + contracted)[1:]], "to_matrix")
    outer = [sizes[a] for a in lead[1:] + batch]
    x = layer.reshape(x, [*outer, math.prod(sizes[a] for a in contracted)], "flatten")
    order = [parsed.kernel.index(a) for a in batch + contracted + free]
    columns = math.prod(sizes[a] for a in free)
    kernel = weights["kernel"].transpose(order).reshape([*(sizes[a] for a in batch), -1, columns])
    bias, left = _split_bias(parsed, sizes, weights.get("bias"))
    y = layer.add(ops.BatchMatMul(kernel, bias) if batch else ops.Dense(kernel, bias), x)
    y = layer.reshape(y, [*outer, *(sizes[a] for a in free)], "unflatten")
    current = lead + batch + free
    y = layer.transpose(y, [current.index(a) - 1 for a in parsed.y[1:]], "to_output")
    return y if left is None else layer.add(ops.ScaleShift(np.ones(()), left), y, part="bias")


def _split_bias(
    parsed: _Equation, sizes: Mapping[str, int], bias: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The bias as one of the matrix product if its axes are all the kernel's, else as an array to add at the end."""
    if bias is None:
        return None, None
    labels = parsed.y[parsed.bias_start :]
    full = bias.reshape((1,) * (len(parsed.y) - len(labels)) + bias.shape)
    inner = parsed.batch + parsed.free
    if any(full.shape[parsed.y.index(label)] != 1 for label in parsed.lead):
        return None, full.reshape(full.shape[1:])
    order = [parsed.y.index(label) for label in inner]
    outer = [axis for axis in range(full.ndim) if axis not in order]
    moved = full.transpose(outer + order).reshape([full.shape[axis] for axis in order])
    spread = np.broadcast_to(moved, [sizes[label] for label in inner])
    return spread.reshape([*(sizes[a] for a in parsed.batch), math.prod(sizes[a] for a in parsed.free)]), None


def _refuse(config: Config, major: int) -> str:
    return refuse_quantized(config) or refuse_activation(config.get("activation"), major)


RULES = {"EinsumDense": Rule(_einsum, _refuse, weighted=lambda config: True)}
