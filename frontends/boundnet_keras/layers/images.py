"""Resizing and cropping of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet import ops
from boundnet.errors import GraphError
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import positive


def bilinear(layer: Lowering, x: str, height: int, width: int) -> str:
    """x (h, w, channels) interpolated; only where the weights are exact."""
    try:
        return layer.add(ops.Bilinear((height, width)), x)
    except GraphError as error:
        raise Refused(f"{error}; resize by powers of two, by whole factors downwards, or use 'nearest'") from error


def _resizing(layer: Lowering, inputs: Sequence[str]) -> str:
    layer.require_rank(inputs[0], 3)
    x = layer.to_channels_last(inputs[0])
    height, width = (positive(layer.get(key), 1)[0] for key in ("height", "width"))
    if layer.shape(x)[:2] == (height, width):
        return inputs[0]
    if layer.get("interpolation", "bilinear") == "bilinear":
        return layer.from_channels_last(bilinear(layer, x, height, width))
    for axis, wanted in enumerate((height, width)):
        size = layer.shape(x)[axis]
        cell = np.arange(wanted)
        index = ((2 * cell + 1) * size) // (2 * wanted)
        # Code computes floor((i + 1/2) * (size / wanted)) in binary32: the same cells, or none of ours.
        coded = np.floor((cell + np.float32(0.5)) * np.float32(size / wanted)).astype(int)
        if not np.array_equal(np.minimum(coded, size - 1), index):
            raise Refused(f"takes other cells in float32 than in exact arithmetic, from {size} to {wanted}")
        x = layer.add(ops.Take(axis, tuple(int(i) for i in index)), x, part=f"axis{axis}")
    return layer.from_channels_last(x)


def _refuse_resizing(config: Config, major: int) -> str:
    if major < 3:
        return "resizes as one of several versions of TensorFlow did, and the file doesn't tell which"
    if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
        return "keeps the aspect ratio by cropping or padding; do that with layers of their own"
    if config.get("interpolation", "bilinear") not in ("bilinear", "nearest"):
        return f"interpolation {config['interpolation']!r}; use 'bilinear' or 'nearest'"
    return ""


def _center_crop(layer: Lowering, inputs: Sequence[str]) -> str:
    layer.require_rank(inputs[0], 3)
    x = layer.to_channels_last(inputs[0])
    shape = layer.shape(x)
    wanted = tuple(positive(layer.get(key), 1)[0] for key in ("height", "width"))
    if any(n < k for n, k in zip(shape, wanted, strict=False)):
        raise Refused(f"enlarges images of {shape[:2]} to {wanted}; use Resizing")
    start = (*((n - k) // 2 for n, k in zip(shape, wanted, strict=False)), 0)
    stop = tuple(low + n for low, n in zip(start, (*wanted, shape[-1]), strict=True))
    return layer.from_channels_last(layer.add(ops.Slice(start, stop, (1, 1, 1)), x))


RULES = {"Resizing": Rule(_resizing, _refuse_resizing), "CenterCrop": Rule(_center_crop)}
