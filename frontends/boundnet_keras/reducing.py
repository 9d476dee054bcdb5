"""Reductions over several axes, by way of tensors whose first axis holds what is reduced."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from boundnet import functions, ops
from boundnet_keras.lowering import Lowering

Over = Callable[[str], str]


def reduced(layer: Lowering, x: str, axes: Sequence[int], keepdims: bool, over: Over) -> str:
    """``over`` applied to x as (n, rest), n the numbers along ``axes``; the shape that Keras gives."""
    shape = layer.shape(x)
    y = over(_front(layer, x, axes))
    target = tuple(1 if axis in axes else size for axis, size in enumerate(shape) if keepdims or axis not in axes)
    return layer.add(ops.Reshape(target), y, part="result")


def _front(layer: Lowering, x: str, axes: Sequence[int]) -> str:
    """x as (n, rest)."""
    shape = layer.shape(x)
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    y = layer.transpose(x, [*axes, *rest], "to_front")
    n = math.prod(shape[axis] for axis in axes)
    return layer.reshape(y, (n, math.prod(shape[axis] for axis in rest)), "flatten")


def largest(layer: Lowering, x: str, part: str = "") -> str:
    """Maximum over the first axis of two."""
    return layer.add(ops.MaxPool((layer.shape(x)[0],)), x, part=part)


def mean(layer: Lowering, x: str, part: str = "") -> str:
    """Mean over the first axis of two."""
    return layer.add(ops.AveragePool((layer.shape(x)[0],)), x, part=part)


def _apply(layer: Lowering, x: str, name: str, part: str) -> str:
    return layer.add(ops.Activation(functions.make(name)), x, part=part)


def log_sum_exp(layer: Lowering, x: str) -> str:
    """log(sum exp(x - max)) + max over the first axis of two: the steps of TensorFlow."""
    top = largest(layer, x, "max")
    raised = _apply(layer, layer.add(ops.Subtract(), x, top, part="shifted"), "exponential", "exp")
    total = layer.add(ops.Total(0), raised, part="total")
    return layer.add(ops.Add(), _apply(layer, total, "log", "log"), top, part="logsumexp")


def softmax_over(layer: Lowering, x: str, axes: Sequence[int]) -> str:
    """exp(x - logsumexp(x)) over several axes: Keras's steps, which are not those of a softmax over one."""
    sums = reduced(layer, x, axes, True, lambda y: log_sum_exp(layer, y))
    return _apply(layer, layer.add(ops.Subtract(), x, sums, part="difference"), "exponential", "")


def variance(layer: Lowering, x: str) -> str:
    """Mean of the squared distances from the mean, over the first axis of two."""
    away = layer.add(ops.Subtract(), x, mean(layer, x, "mean"), part="away")
    return mean(layer, layer.add(ops.Multiply(), away, away, part="squares"), "variance")


def smallest(layer: Lowering, x: str) -> str:
    """Minimum over the first axis of two: minus the maximum of -x, signs being exact."""
    minus = ops.ScaleShift(-np.ones(()))
    return layer.add(minus, largest(layer, layer.add(minus, x, part="minus"), "max"), part="min")
