"""Layers that scale and shift by constants: BatchNormalization at inference, Normalization, Rescaling, LayerScale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from boundnet import ops
from boundnet_keras.advanced import scalar
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config
from boundnet_keras.values import ints
from boundnet_keras.weights import Array

_EPSILON = 1e-7  # keras.config.epsilon(), which files don't record


def _along(layer: Lowering, x: str, axis: int, add: Callable[[str], str]) -> str:
    """``add`` applied with ``axis`` of ``x`` brought to the end, and the result with it brought back."""
    rank = len(layer.shape(x))
    order = [*(other for other in range(rank) if other != axis), axis]
    x = add(layer.transpose(x, order, "to_channels_last"))
    return layer.transpose(x, list(np.argsort(order)), "to_channels_first")


def _batch_normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    axis = layer.axis(layer.get("axis", -1), len(shape))
    channels: Shape = (shape[axis],)
    shapes: dict[str, Shape] = {}
    if layer.get("scale", True):
        shapes["gamma"] = channels
    if layer.get("center", True):
        shapes["beta"] = channels
    w = layer.weights(shapes | {"moving_mean": channels, "moving_variance": channels})
    epsilon = scalar(layer, "epsilon", default=1e-3)
    if np.any(w["moving_variance"] + epsilon <= 0):
        raise Refused("its moving variance is negative beyond epsilon, so the result isn't a number; train it again")
    op = ops.BatchNorm(w["moving_mean"], w["moving_variance"], w.get("gamma"), w.get("beta"), epsilon)
    return _along(layer, x, axis, lambda last: layer.add(op, last))


def _refuse_batch_normalization(config: Config, major: int) -> str:
    axis = config.get("axis", -1)
    if isinstance(axis, list) and len(axis) != 1:
        return f"normalises over the axes {axis} at once; use one axis"
    if config.get("renorm"):
        return "uses batch renormalisation; train it with renorm=False"
    if config.get("virtual_batch_size") is not None:
        return "uses virtual batches, so outputs depend on other inputs of the batch; set virtual_batch_size=None"
    if config.get("adjustment") is not None:
        return "has an adjustment function, which isn't in the file; remove it"
    if major == 1 and config.get("mode", 0) == 1:
        return "mode 1 of Keras 1 normalises each sample by its own statistics; use mode 0"
    return ""


def _normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    raw = layer.config.get("axis", -1)
    axes = [] if raw is None else [layer.axis(axis, len(shape)) for axis in (raw if isinstance(raw, list) else [raw])]
    kept: Shape = tuple(shape[axis] for axis in sorted(axes))
    broadcast = tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
    if layer.config.get("mean") is not None:
        constants = [np.asarray(layer.get(name), dtype=np.float64) for name in ("mean", "variance")]
        mean, variance = (_spread(constant, kept) for constant in constants)
    else:
        w = layer.weights({"mean": kept, "variance": kept}, optional=["count"])
        mean, variance = w["mean"], w["variance"]
    if not (np.all(np.isfinite(mean)) and np.all(variance >= 0) and np.all(np.isfinite(variance))):
        raise Refused("its mean or variance isn't a finite number or the variance is negative; adapt it again")
    invert = bool(layer.get("invert", False))
    op = ops.Standardize(mean.reshape(broadcast), variance.reshape(broadcast), _EPSILON, invert)
    return layer.add(op, x)


def _spread(constant: Array, kept: Shape) -> Array:
    """Mean or variance from the configuration, broadcast to the kept axes' shape."""
    try:
        return np.broadcast_to(constant, kept)
    except ValueError as error:
        raise Refused(f"mean or variance of shape {constant.shape} doesn't fit axes of shape {kept}") from error


def _rescaling(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    scale = np.asarray(layer.get("scale", 1.0), dtype=np.float64)
    offset = np.asarray(layer.get("offset", 0.0), dtype=np.float64)
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(offset))):
        raise Refused("its scale or offset isn't a finite number")
    return layer.add(ops.ScaleShift(scale, offset if np.any(offset) else None), x)


def _layer_scale(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    size = layer.shape(x)[-1]
    gamma = layer.weights({"gamma": (ints(layer.get("projection_dim", size), 1)[0],)})["gamma"]
    return layer.add(ops.ScaleShift(gamma, None), x)


RULES = {
    "BatchNormalization": Rule(_batch_normalization, _refuse_batch_normalization, weighted=lambda config: True),
    "SyncBatchNormalization": Rule(_batch_normalization, _refuse_batch_normalization, weighted=lambda config: True),
    "Normalization": Rule(_normalization, weighted=lambda config: config.get("mean") is None),
    "Rescaling": Rule(_rescaling),
    "LayerScale": Rule(_layer_scale, weighted=lambda config: True),
}
