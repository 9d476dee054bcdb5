"""Transposed convolutions: Conv1DTranspose to Conv3DTranspose."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet import ops
from boundnet_keras.activations import apply_activation
from boundnet_keras.layers.conv import check_theano, refuse_conv, spatial_rank
from boundnet_keras.lowering import Lowering, Rule, Shape
from boundnet_keras.padding import transposed
from boundnet_keras.values import ints, positive


def _conv_transpose(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    x = layer.to_channels_last(inputs[0])
    *sizes, channels = layer.shape(x)
    kernel = positive(layer.get("kernel_size"), rank)
    strides = positive(layer.get("strides", 1), rank)
    dilation = positive(layer.get("dilation_rate", 1), rank)
    output_padding = layer.config.get("output_padding")
    added = (None,) * rank if output_padding is None else ints(output_padding, rank)
    mode = str(layer.get("padding", "valid")).lower()
    check_theano(layer, mode, kernel, strides)
    sizes_etc = zip(sizes, kernel, strides, dilation, added, strict=True)
    sides = [transposed(mode, *side, output_padding=extra) for *side, extra in sizes_etc]
    filters = positive(layer.get("filters"), 1)[0]
    shapes: dict[str, Shape] = {"kernel": (*kernel, filters, channels)}
    if layer.get("use_bias", True):
        shapes["bias"] = (filters,)
    weights = layer.weights(shapes)
    crop, extra = tuple(side[0] for side in sides), tuple(side[1] for side in sides)
    op = ops.ConvTranspose(weights["kernel"], weights.get("bias"), strides, dilation, crop, extra)
    return apply_activation(layer, layer.from_channels_last(layer.add(op, x)))


RULES = {f"Conv{rank}DTranspose": Rule(_conv_transpose, refuse_conv, weighted=lambda config: True) for rank in (1, 2, 3)}
