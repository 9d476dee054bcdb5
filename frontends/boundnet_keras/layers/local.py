"""Locally connected layers of Keras 1 and 2: a convolution with a kernel of its own at every place."""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundnet import ops
from boundnet_keras.activations import apply_activation, refuse_activation
from boundnet_keras.layers.conv import spatial_rank
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config
from boundnet_keras.values import positive


def _local(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    x = layer.to_channels_last(inputs[0])
    shape = layer.shape(x)
    kernel, strides = positive(layer.get("kernel_size"), rank), positive(layer.get("strides", 1), rank)
    outputs = tuple((n - k) // s + 1 for n, k, s in zip(shape, kernel, strides, strict=False))
    if any(n < 1 for n in outputs):
        raise Refused(f"a window of {kernel} doesn't fit an input of {shape}")
    places, leaves, filters = math.prod(outputs), math.prod(kernel) * shape[-1], positive(layer.get("filters"), 1)[0]
    shapes: dict[str, Shape] = {"kernel": (places, leaves, filters)}
    if layer.get("use_bias", True):
        shapes["bias"] = (*outputs, filters)
    w = layer.weights(shapes)
    weight = w["kernel"]
    if layer.channels_first:  # flattened as (channels, *window)
        weight = weight.reshape(places, shape[-1], math.prod(kernel), filters).swapaxes(1, 2).reshape(weight.shape)
    bias = w["bias"].reshape(places, filters) if "bias" in w else None
    y = layer.reshape(layer.add(ops.Patches(kernel, strides), x, part="patches"), (places, leaves), "flat")
    y = layer.reshape(layer.add(ops.BatchMatMul(weight, bias), y), (*outputs, filters), "grid")
    return apply_activation(layer, layer.from_channels_last(y))


def _refuse(config: Config, major: int) -> str:
    if config.get("implementation", 1) not in (None, 1):
        return f"keeps its kernel in the form of implementation {config['implementation']}; save it with implementation=1"
    if str(config.get("padding", "valid")).lower() != "valid":
        return "pads its input; only padding='valid' is defined for implementation 1"
    return refuse_activation(config.get("activation"), major)


RULES = {kind: Rule(_local, _refuse, weighted=lambda config: True) for kind in ("LocallyConnected1D", "LocallyConnected2D")}
