"""Layers that only move numbers: reshape, permute, repeat, pad, crop, upsample."""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundnet import ops
from boundnet.errors import ModelFileError
from boundnet_keras.layers.conv import spatial_rank
from boundnet_keras.layers.images import bilinear
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import ints, pairs, positive


def _flatten(layer: Lowering, inputs: Sequence[str]) -> str:
    """Channels last order in either data format: Keras moves the channels to the end first."""
    x = inputs[0]
    if len(layer.shape(x)) > 1:
        x = layer.to_channels_last(x)
    return layer.add(ops.Reshape((math.prod(layer.shape(x)),)), x)


def _reshape(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    size = math.prod(layer.shape(x))
    raw = layer.get("target_shape", [])
    target = [-1 if item is None else item for item in ([raw] if isinstance(raw, int) else raw)]
    known = math.prod(item for item in target if item != -1)
    if target.count(-1) == 1 and known > 0 and size % known == 0:
        target[target.index(-1)] = size // known
    if -1 in target or math.prod(target) != size:
        raise ModelFileError(f"layer {'/'.join(layer.path)!r}: {layer.shape(x)} can't be reshaped to {tuple(raw)}")
    return layer.add(ops.Reshape(tuple(target)), x)


def _permute(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    rank = len(layer.shape(x))
    perm = tuple(dim - 1 for dim in ints(layer.get("dims"), rank))
    if sorted(perm) != list(range(rank)):
        name, dims = "/".join(layer.path), layer.get("dims")
        raise ModelFileError(f"layer {name!r}: dims {dims} isn't a permutation of {rank} axes")
    return layer.add(ops.Transpose(perm), x)


def _repeat_vector(layer: Lowering, inputs: Sequence[str]) -> str:
    layer.require_rank(inputs[0], 1)
    x = layer.reshape(inputs[0], (1, *layer.shape(inputs[0])), "expand")
    return layer.add(ops.Repeat(0, positive(layer.get("n"), 1)[0]), x)


def _zero_padding(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    amounts = pairs(layer.get("padding", 1), rank)
    if any(amount < 0 for pair in amounts for amount in pair):
        raise Refused("negative padding; use a cropping layer")
    x = layer.to_channels_last(inputs[0])
    return layer.from_channels_last(layer.add(ops.Pad((*amounts, (0, 0))), x))


def _cropping(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    default = 0 if layer.major == 1 or rank == 2 else 1
    amounts = (*pairs(layer.get("cropping", default), rank), (0, 0))
    x = layer.to_channels_last(inputs[0])
    shape = layer.shape(x)
    stop = tuple(size - high for size, (_, high) in zip(shape, amounts, strict=True))
    start = tuple(low for low, _ in amounts)
    if any(first >= last for first, last in zip(start, stop, strict=True)):
        raise ModelFileError(f"layer {'/'.join(layer.path)!r}: cropping leaves nothing of an input of shape {shape}")
    return layer.from_channels_last(layer.add(ops.Slice(start, stop, (1,) * len(shape)), x))


def _upsampling(layer: Lowering, inputs: Sequence[str]) -> str:
    rank = spatial_rank(layer.kind)
    layer.require_rank(inputs[0], rank + 1)
    x = layer.to_channels_last(inputs[0])
    times = positive(layer.get("size", 2), rank)
    if layer.config.get("interpolation") == "bilinear":
        height, width = (n * k for n, k in zip(layer.shape(x), times, strict=False))
        return layer.from_channels_last(bilinear(layer, x, height, width))
    axes = [axis for axis in range(rank) if times[axis] != 1] or [0]
    for axis in axes:
        x = layer.add(ops.Repeat(axis, times[axis]), x, part="" if axis == axes[-1] else f"axis{axis}")
    return layer.from_channels_last(x)


def _refuse_upsampling(config: Config, major: int) -> str:
    interpolation = config.get("interpolation") or "nearest"
    if interpolation == "bilinear" and major < 3:
        return "interpolates bilinearly as one of two versions of TensorFlow did, and the file doesn't tell which"
    if interpolation not in ("nearest", "bilinear"):
        return f"interpolation {interpolation!r}; use interpolation='nearest' or a Conv2DTranspose layer"
    return ""


RULES = {
    "Flatten": Rule(_flatten),
    "Reshape": Rule(_reshape),
    "Permute": Rule(_permute),
    "RepeatVector": Rule(_repeat_vector),
    **{f"ZeroPadding{rank}D": Rule(_zero_padding) for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": Rule(_cropping) for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": Rule(_upsampling, _refuse_upsampling) for rank in (1, 2, 3)},
}
