"""Layers that normalise by statistics of the input itself: layer, RMS, group and unit normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from boundnet import ops
from boundnet_keras.advanced import scalar
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config
from boundnet_keras.weights import Array


def _axes(layer: Lowering, rank: int) -> list[int]:
    """The layer's ``axis``, one number or several, in increasing order."""
    raw = layer.get("axis", -1)
    axes = sorted({layer.axis(axis, rank) for axis in (raw if isinstance(raw, list) else [raw])})
    if not axes:
        raise Refused("normalises over no axis at all")
    return axes


def _over(layer: Lowering, x: str, axes: Sequence[int], add: Callable[[str], str]) -> str:
    """``add`` applied with ``axes`` of ``x`` brought to the end, and the result with them brought back."""
    rank = len(layer.shape(x))
    order = [*(axis for axis in range(rank) if axis not in axes), *axes]
    return layer.transpose(add(layer.transpose(x, order, "to_last")), list(np.argsort(order)), "from_last")


def _layer_normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    axes = _axes(layer, len(shape))
    kept: Shape = tuple(shape[axis] for axis in axes)
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if layer.get(key, True)]
    w = layer.weights(dict.fromkeys(names, kept))
    op = ops.LayerNorm(w.get("gamma"), w.get("beta"), scalar(layer, "epsilon", default=1e-3), len(axes))
    return _over(layer, x, axes, lambda last: layer.add(op, last))


def _rms_normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    axes = _axes(layer, len(shape))
    if axes != list(range(len(shape) - len(axes), len(shape))):
        raise Refused("normalises over other axes than the last ones, along which Keras scales; move them to the end")
    scale = layer.weights({"scale": tuple(shape[axis] for axis in axes)})["scale"]
    op = ops.RMSNorm(scale, None, scalar(layer, "epsilon", default=1e-6), len(axes))
    return _over(layer, x, axes, lambda last: layer.add(op, last))


def _unit_normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    """Keras 3 bounds the norm by 1e-12, earlier versions the sum of squares."""
    (x,) = inputs
    axes = _axes(layer, len(layer.shape(x)))
    op = ops.UnitNorm(axes=len(axes), floor=1e-12 if layer.major >= 3 else 1e-6)
    return _over(layer, x, axes, lambda last: layer.add(op, last))


def _group_normalization(layer: Lowering, inputs: Sequence[str]) -> str:
    """(*outer, c, *inner) -> (groups, *outer, c / groups, *inner), normalised over all axes but the first."""
    (x,) = inputs
    shape = layer.shape(x)
    axis = layer.axis(layer.get("axis", -1), len(shape))
    channels = shape[axis]
    groups = int(layer.get("groups", 32))
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise Refused(f"its {channels} channels can't be divided into {groups} groups")
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if layer.get(key, True)]
    w = layer.weights(dict.fromkeys(names, (channels,)))
    split = (*shape[:axis], groups, channels // groups, *shape[axis + 1 :])
    order = [axis, *(i for i in range(len(split)) if i != axis)]

    def spread(weight: Array | None) -> Array | None:
        if weight is None:
            return None
        return weight.reshape(groups, *(1,) * axis, channels // groups, *(1,) * (len(shape) - axis - 1))

    op = ops.LayerNorm(spread(w.get("gamma")), spread(w.get("beta")), scalar(layer, "epsilon", default=1e-3), len(shape))
    y = layer.transpose(layer.reshape(x, split, "to_groups"), order, "groups_first")
    y = layer.transpose(layer.add(op, y), list(np.argsort(order)), "groups_back")
    return layer.reshape(y, shape, "from_groups")


def _refuse_layer_normalization(config: Config, major: int) -> str:
    if config.get("rms_scaling"):
        return "uses rms_scaling, which divides by the variance without centring; use RMSNormalization"
    return ""


def _refuse_group_normalization(config: Config, major: int) -> str:
    if isinstance(config.get("axis", -1), list):
        return "normalises over several axes; group normalisation has one axis of channels"
    return ""


def _affine(config: Config) -> bool:
    return config.get("scale", True) is not False or config.get("center", True) is not False


RULES = {
    "LayerNormalization": Rule(_layer_normalization, _refuse_layer_normalization, weighted=_affine),
    "RMSNormalization": Rule(_rms_normalization, weighted=lambda config: True),
    "GroupNormalization": Rule(_group_normalization, _refuse_group_normalization, weighted=_affine),
    "UnitNormalization": Rule(_unit_normalization),
}
