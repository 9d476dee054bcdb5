"""Convolutions: Conv1D to 3D, depthwise and separable."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from boundnet import ops
from boundnet_keras.activations import apply_activation, refuse_activation
from boundnet_keras.layers.dense import refuse_quantized
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config
from boundnet_keras.padding import window
from boundnet_keras.values import positive
from boundnet_keras.weights import Array


def spatial_rank(kind: str) -> int:
    """'Conv2D' -> 2."""
    match = re.search(r"([123])D", kind)
    if match is None:
        raise Refused(f"class {kind} tells no number of dimensions")
    return int(match[1])


def _window(layer: Lowering, shape: Shape) -> tuple[Shape, Shape, Shape, tuple[tuple[int, int], ...]]:
    """Kernel size, strides, dilation and explicit zero padding for an input of ``shape``, channels last."""
    rank = spatial_rank(layer.kind)
    kernel = positive(layer.get("kernel_size"), rank)
    strides = positive(layer.get("strides", 1), rank)
    dilation = positive(layer.get("dilation_rate", 1), rank)
    mode = str(layer.get("padding", "valid")).lower()
    sides = zip(shape[:-1], kernel, strides, dilation, strict=True)
    padding = tuple(window(mode, *side) for side in sides)
    check_theano(layer, mode, kernel, strides)
    return kernel, strides, dilation, padding


def check_theano(layer: Lowering, mode: str, kernel: Shape, strides: Shape) -> None:
    """Theano pads kernel // 2 on either side, which is TensorFlow's 'same' for odd kernels and strides of 1 only."""
    odd = all(k % 2 for k in kernel) and all(s == 1 for s in strides)
    if layer.backend == "theano" and mode == "same" and not odd:
        raise Refused("Theano's 'same' padding of even kernels or with strides; save the model with another backend")


def _conv(layer: Lowering, inputs: Sequence[str]) -> str:
    layer.require_rank(inputs[0], spatial_rank(layer.kind) + 1)
    x = layer.to_channels_last(inputs[0])
    channels = layer.shape(x)[-1]
    kernel, strides, dilation, padding = _window(layer, layer.shape(x))
    filters, groups = positive(layer.get("filters"), 1)[0], positive(layer.get("groups", 1), 1)[0]
    if groups < 1 or channels % groups or filters % groups:
        raise Refused(f"groups={groups} divides neither {channels} input channels nor {filters} filters evenly")
    shapes: dict[str, Shape] = {"kernel": (*kernel, channels // groups, filters)}
    if layer.get("use_bias", True):
        shapes["bias"] = (filters,)
    weights = layer.weights(shapes)
    op = ops.Conv(weights["kernel"], weights.get("bias"), strides, dilation, groups, padding)
    return apply_activation(layer, layer.from_channels_last(layer.add(op, x)))


def _depthwise_kernel(kernel: Array) -> Array:
    """(*k, channels, multiplier) -> (*k, 1, channels * multiplier): output channel c * multiplier + j, as in Keras."""
    return kernel.reshape(*kernel.shape[:-2], 1, math.prod(kernel.shape[-2:]))


def _depthwise(layer: Lowering, inputs: Sequence[str]) -> str:
    layer.require_rank(inputs[0], spatial_rank(layer.kind) + 1)
    x = layer.to_channels_last(inputs[0])
    channels = layer.shape(x)[-1]
    kernel, strides, dilation, padding = _window(layer, layer.shape(x))
    multiplier = positive(layer.get("depth_multiplier", 1), 1)[0]
    shapes: dict[str, Shape] = {_depthwise_name(layer): (*kernel, channels, multiplier)}
    if layer.get("use_bias", True):
        shapes["bias"] = (channels * multiplier,)
    weights = layer.weights(shapes)
    merged = _depthwise_kernel(weights[_depthwise_name(layer)])
    op = ops.Conv(merged, weights.get("bias"), strides, dilation, channels, padding)
    return apply_activation(layer, layer.from_channels_last(layer.add(op, x)))


def _depthwise_name(layer: Lowering) -> str:
    return "kernel" if layer.major >= 3 else "depthwise_kernel"


def _separable(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    x = layer.to_channels_last(inputs[0])
    channels = layer.shape(x)[-1]
    kernel, strides, dilation, padding = _window(layer, layer.shape(x))
    filters, multiplier = positive(layer.get("filters"), 1)[0], positive(layer.get("depth_multiplier", 1), 1)[0]
    shapes: dict[str, Shape] = {
        "depthwise_kernel": (*kernel, channels, multiplier),
        "pointwise_kernel": (*(1,) * rank, channels * multiplier, filters),
    }
    if layer.get("use_bias", True):
        shapes["bias"] = (filters,)
    weights = layer.weights(shapes)
    first = ops.Conv(_depthwise_kernel(weights["depthwise_kernel"]), None, strides, dilation, channels, padding)
    ones, zeros = (1,) * rank, ((0, 0),) * rank
    second = ops.Conv(weights["pointwise_kernel"], weights.get("bias"), ones, ones, 1, zeros)
    x = layer.add(second, layer.add(first, x, part="depthwise"), part="pointwise")
    return apply_activation(layer, layer.from_channels_last(x))


def refuse_conv(config: Config, major: int) -> str:
    """Reasons that the configuration alone gives."""
    return refuse_quantized(config) or refuse_activation(config.get("activation"), major)


RULES = {
    **{f"Conv{rank}D": Rule(_conv, refuse_conv, weighted=lambda config: True) for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": Rule(_depthwise, refuse_conv, weighted=lambda config: True) for rank in (1, 2)},
    **{f"SeparableConv{rank}D": Rule(_separable, refuse_conv, weighted=lambda config: True) for rank in (1, 2)},
}
