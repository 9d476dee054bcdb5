"""Masks of padded sequences on their way through a model: which calls take them, join them and hand them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from boundnet import ops
from boundnet_keras.layers.identity import ATTENTION, JOINS_MASKS, TAKES_MASK, WRAPPERS, passes_mask
from boundnet_keras.lowering import Lowering, Refused
from boundnet_keras.model import LayerSpec
from boundnet_keras.values import ints


def given(layer: LayerSpec, major: int, inputs: Sequence[str], masks: Sequence[str]) -> dict[str, str]:
    """Masks in the arguments of a call, by the tensor that they belong to."""
    if not masks or passes_mask(layer.kind, major):
        return {}
    if layer.kind in TAKES_MASK and len(masks) == 1:
        return {inputs[0]: masks[0]}
    if layer.kind in ATTENTION | JOINS_MASKS and len(masks) == len(inputs):
        return dict(zip(inputs, masks, strict=True))
    raise Refused("is called with a mask; remove it")


def hand_on(layer: Lowering, inputs: Sequence[str], result: str | None) -> None:
    """Set the mask of ``result``: that of the input for layers that hand it on; the others end it, as in Keras."""
    kind = _wrapped(layer)
    if result is None or result in layer.masks.maps[0] or not any(x in layer.masks for x in inputs):
        return
    if kind == "Softmax":
        raise Refused("is applied to a sequence with a mask, which it takes for one of its own; use an Activation layer")
    if passes_mask(kind, layer.major) or kind in ATTENTION:
        mask = layer.masks.get(inputs[0])
        if kind in ATTENTION:
            call = layer.call
            named = [*call.named("query"), *call.positional][:1]
            mask = layer.masks.get(inputs[named[0]] if named else inputs[0])
        if mask is not None:
            layer.masks[result] = mask
    elif kind == "Multiply" and layer.major >= 3:
        raise Refused(
            "multiplies tensors with masks, whose masked steps some versions of Keras 3 replace by 1; mask after it"
        )
    elif kind in JOINS_MASKS:
        joined = _joined(layer, inputs, result)
        if joined is not None:
            layer.masks[result] = joined


def _wrapped(layer: Lowering) -> str:
    """The class that decides about masks: a wrapper's layer is called inside of it, and its result keeps what that sets."""
    kind, entry = layer.kind, layer.config.get("layer")
    while kind in WRAPPERS and isinstance(entry, Mapping):
        kind, entry = str(entry.get("class_name")), dict(entry.get("config") or {}).get("layer")
    return kind


def _joined(layer: Lowering, inputs: Sequence[str], result: str) -> str | None:
    masks = [layer.masks.get(x) for x in inputs]
    known = list(dict.fromkeys(mask for mask in masks if mask is not None))
    if layer.kind == "Concatenate":
        rank = len(layer.shape(result))
        axis = layer.axis(ints(layer.get("axis", -1), 1)[0], rank)
        if axis == 0 and rank == 2:
            return _one_after_the_other(layer, inputs)
        if axis != rank - 1:
            raise Refused("joins masked sequences along an axis other than time and the last; mask after it")
    if layer.major < 3:
        # A step is kept where every mask that there is keeps it.
        return known[0] if len(known) == 1 else layer.add(ops.Minimum(), *known, part="mask")
    # A step is kept where any tensor's mask keeps it; one without a mask keeps all.
    if len([mask for mask in masks if mask is not None]) < len(masks):
        return None
    return known[0] if len(known) == 1 else either(layer, known, "mask")


def _one_after_the_other(layer: Lowering, inputs: Sequence[str]) -> str:
    """The mask of sequences joined in time: each one's own, and ones for a sequence without."""
    parts = []
    for x in inputs:
        mask, shape = layer.masks.get(x), layer.shape(x)
        if mask is None:
            if layer.major < 3 and shape[-1] != 1:
                raise Refused("joins sequences with and without a mask along time, which Keras 2 can't run; mask after it")
            blank = layer.add(ops.Blank((shape[0], 1)), x, part="unmasked")
            mask = layer.add(ops.Differs(1.0), blank, part="unmasked/mask")
        parts.append(mask)
    return layer.add(ops.Concat(0), *parts, part="mask")


def either(layer: Lowering, masks: Sequence[str], part: str) -> str:
    """Where any of the masks, broadcast, is not 0: a comparison, so that zeros and ones stay exact."""
    shape = np.broadcast_shapes(*(layer.shape(mask) for mask in masks))
    wide = []
    for mask in masks:
        if len(layer.shape(mask)) != len(shape):
            raise Refused("joins masks of different ranks")
        for axis, n in enumerate(shape):
            if layer.shape(mask)[axis] != n:
                mask = layer.add(ops.Repeat(axis, n), mask, part=f"{part}/wide" if part else "wide")  # noqa: PLW2901
        wide.append(layer.reshape(mask, (*shape, 1), f"{part}/each" if part else "each"))
    both = layer.add(ops.Concat(len(shape)), *wide, part=f"{part}/both" if part else "both")
    return layer.add(ops.Differs(0.0), both, part=part)
