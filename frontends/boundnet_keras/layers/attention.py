"""Attention: multi-head, grouped-query, dot-product and additive."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Literal

import numpy as np

from boundnet import ops
from boundnet_keras.advanced import add_function
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config
from boundnet_keras.values import ints
from boundnet_keras.weights import Array

_MASKED = "masks of padded sequences are supported in attention from Keras 3 on; use sequences of full length"
_MASKS = ("query_mask", "value_mask", "key_mask")
Empty = Literal["unknown", "zeros", "uniform"]


def _projected(layer: Lowering, x: str, kernel: Array, bias: Array | None, part: str) -> str:
    """x (..., D) times kernel (D, heads, size): (..., heads, size)."""
    heads = kernel.shape[1:]
    flat = None if bias is None else bias.reshape(-1)
    y = layer.add(ops.Dense(kernel.reshape(kernel.shape[0], -1), flat), x, part=part)
    return layer.reshape(y, (*layer.shape(x)[:-1], *heads), f"{part}/heads")


def _operands(layer: Lowering, inputs: Sequence[str]) -> dict[str, str]:
    """Query, value, key and masks of a call: those given, else those that the tensors carry."""
    call, names = layer.call, ("query", "value", "key", *_MASKS, "attention_mask")
    found = dict(zip(names, (inputs[i] for i in call.positional), strict=False))
    for name in names:
        for place in call.named(name):
            found[name] = inputs[place]
    if "query" not in found or "value" not in found:
        raise Refused("is called without query and value")
    for name, mask in zip(names[:3], _MASKS, strict=True):
        if name in found and found[name] in layer.masks:
            found.setdefault(mask, layer.masks[found[name]])
    if layer.major < 3 and any(mask in found for mask in _MASKS):
        raise Refused(_MASKED)
    return {"key": found["value"], **found}


def _masks_of(layer: Lowering, given: dict[str, str]) -> list[str]:
    """The call's masks as nodes that broadcast against (queries, keys)."""
    masks = [given["attention_mask"]] if "attention_mask" in given else []
    for name in _MASKS:
        if name in given:
            if len(layer.shape(given[name])) != 1:
                raise Refused(f"its {name} has several axes besides the batch")
            (length,) = layer.shape(given[name])
            shape = (length, 1) if name == "query_mask" else (1, length)
            masks.append(layer.reshape(given[name], shape, name))
    return masks


def _empty(layer: Lowering, given: dict[str, str], plain: bool) -> Empty:
    """What Keras 3 gives a query without any key: equal weights from its fused function, 0 from its Softmax layer."""
    if not any(name in given for name in _MASKS):
        return "unknown"
    fused = plain and not layer.get("dropout", 0.0) and not layer.call.options.get("return_attention_scores")
    return "uniform" if fused else "zeros"


def _band(layer: Lowering, queries: int, keys: int, causal: bool) -> Array | None:
    """The constant part of a mask, (queries, keys): causal, or a sliding window."""
    row, column = np.arange(queries)[:, None], np.arange(keys)[None, :]
    kept = np.ones((queries, keys))
    if causal:
        kept = kept * (row >= column)
    if layer.config.get("sliding_window") is not None:
        kept = kept * (np.abs(row - column) < ints(layer.config["sliding_window"], 1)[0])
    return None if kept.all() else kept


def _probabilities(layer: Lowering, scores: str, band: Array | None, masks: Sequence[str], empty: Empty = "unknown") -> str:
    """Softmax over the last axis of scores (..., queries, keys)."""
    rank = len(layer.shape(scores))
    if band is None and not masks:
        return layer.add(ops.Softmax(rank - 1), scores, part="softmax")
    constant = None if band is None else band.reshape((1,) * (rank - 2) + band.shape)
    shapes = [layer.shape(mask) for mask in masks]
    wide = [layer.reshape(m, (1,) * (rank - len(shape)) + shape, "mask") for m, shape in zip(masks, shapes, strict=True)]
    return layer.add(ops.MaskedSoftmax(rank - 1, constant, empty), scores, *wide, part="softmax")


def _weights(layer: Lowering, sizes: dict[str, Shape]) -> dict[str, Array | None]:
    """Kernels and, with use_bias, biases of the projections in ``sizes`` (name -> kernel shape), in stored order."""
    shapes: dict[str, Shape] = {}
    for name, shape in sizes.items():
        shapes[f"{name}/kernel"] = shape
        if layer.get("use_bias", True):
            shapes[f"{name}/bias"] = shape[1:] if name != "output" else shape[2:]
    found: dict[str, Array | None] = dict(layer.weights(shapes))
    return {**{f"{name}/bias": None for name in sizes}, **found}


def _finished(layer: Lowering, context: str, query: str, w: dict[str, Array | None], scores: str) -> str | list[str]:
    """Gate and output projection of the heads' results (..., heads, size)."""
    if layer.get("use_gate", False):
        gate = _projected(layer, query, _sure(w["gate/kernel"]), w["gate/bias"], "gate")
        context = layer.add(ops.Multiply(), context, add_function(layer, gate, "sigmoid", "gate/sigmoid"), part="gated")
    kernel, bias = _sure(w["output/kernel"]), w["output/bias"]
    shape = layer.shape(context)
    merged = layer.reshape(context, (*shape[:-2], shape[-2] * shape[-1]), "merge")
    flat = ops.Dense(kernel.reshape(shape[-2] * shape[-1], -1), None if bias is None else bias.reshape(-1))
    y = layer.reshape(layer.add(flat, merged), (*shape[:-2], *kernel.shape[2:]), "output")
    return [y, scores] if layer.call.options.get("return_attention_scores") else y


def _sure(weight: Array | None) -> Array:
    assert weight is not None
    return weight


def _multi_head(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    given = _operands(layer, inputs)
    query, value, key = (given[name] for name in ("query", "value", "key"))
    shape, rank = layer.shape(query), len(layer.shape(query))
    if len(layer.shape(value)) != rank or len(layer.shape(key)) != rank:
        raise Refused("its query, value and key differ in the number of axes")
    heads, size = ints(layer.get("num_heads"), 1)[0], ints(layer.get("key_dim"), 1)[0]
    depth = ints(layer.get("value_dim", size), 1)[0]
    raw = layer.config.get("attention_axes")
    axes = sorted(layer.axis(a, rank) for a in (raw if isinstance(raw, list) else [raw])) if raw is not None else []
    axes = axes or list(range(rank - 1))
    if rank - 1 in axes:
        raise Refused("attends along the axis of features")
    wide = layer.config.get("output_shape")
    output = tuple(ints(wide, len(wide)) if isinstance(wide, list) else [int(wide)]) if wide else (shape[-1],)
    sizes: dict[str, Shape] = {"query": (shape[-1], heads, size), "key": (layer.shape(key)[-1], heads, size)}
    if layer.get("use_gate", False):
        sizes["gate"] = (shape[-1], heads, depth)
    sizes["value"] = (layer.shape(value)[-1], heads, depth)
    sizes["output"] = (heads, depth, *output)
    w = _weights(layer, sizes)
    q, k, v = (_projected(layer, x, _sure(w[f"{name}/kernel"]), w[f"{name}/bias"], name)
               for x, name in ((query, "query"), (key, "key"), (value, "value")))  # fmt: skip
    letters = string.ascii_lowercase
    ours, theirs = letters[: rank - 1], "".join(letters[rank - 1 + i] if i in axes else letters[i] for i in range(rank - 1))
    outer = "".join(ours[i] for i in range(rank - 1) if i not in axes) + "N"
    scored = outer + "".join(ours[i] for i in axes) + "".join(theirs[i] for i in axes)
    scores = layer.add(ops.Einsum(f"{ours}NH,{theirs}NH->{scored}", 1.0 / math.sqrt(size)), q, k, part="scores")
    full = layer.shape(scores)
    keys = math.prod(full[len(full) - len(axes) :])
    causal = bool(layer.call.options.get("use_causal_mask"))
    masks = _masks_of(layer, given)
    if len(axes) > 1 and (causal or masks or layer.config.get("sliding_window") is not None):
        raise Refused("masks attention along several axes at once")
    if len(axes) > 1:
        raise Refused("attends along several axes at once; flatten them into one")
    empty = _empty(layer, given, rank == 2)
    p = _probabilities(layer, scores, _band(layer, full[-2], keys, causal), masks, empty)
    context = layer.add(ops.Einsum(f"{scored},{theirs}NH->{ours}NH"), p, v, part="context")
    return _finished(layer, context, query, w, p)


def _grouped_query(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    """Query heads in groups that share a head of keys and values."""
    given = _operands(layer, inputs)
    query, value, key = (given[name] for name in ("query", "value", "key"))
    for x in (query, value, key):
        layer.require_rank(x, 2)
    size = ints(layer.get("head_dim"), 1)[0]
    heads, groups = (ints(layer.get(name), 1)[0] for name in ("num_query_heads", "num_key_value_heads"))
    if groups < 1 or heads % groups:
        raise Refused(f"its {heads} query heads can't be divided among {groups} heads of keys")
    width = layer.shape(query)[-1]
    sizes: dict[str, Shape] = {"query": (width, heads, size), "key": (layer.shape(key)[-1], groups, size)}
    if layer.get("use_gate", False):
        sizes["gate"] = (width, heads, size)
    sizes["value"] = (layer.shape(value)[-1], groups, size)
    sizes["output"] = (heads, size, width)
    w = _weights(layer, sizes)
    q, k, v = (_projected(layer, x, _sure(w[f"{name}/kernel"]), w[f"{name}/bias"], name)
               for x, name in ((query, "query"), (key, "key"), (value, "value")))  # fmt: skip
    count, keys = layer.shape(q)[0], layer.shape(k)[0]
    split = layer.reshape(q, (count, groups, heads // groups, size), "groups")
    scores = layer.add(ops.Einsum("qgrh,kgh->grqk", 1.0 / math.sqrt(size)), split, k, part="scores")
    causal = bool(layer.call.options.get("use_causal_mask"))
    p = _probabilities(
        layer, scores, _band(layer, count, keys, causal), _masks_of(layer, given), _empty(layer, given, plain=True)
    )
    context = layer.add(ops.Einsum("grqk,kgh->qgrh"), p, v, part="context")
    context = layer.reshape(context, (count, heads, size), "heads")
    return _finished(layer, context, query, w, layer.reshape(p, (heads, count, keys), "probabilities"))


def _attention(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    """Dot-product or additive scores of [query, value] or [query, value, key]."""
    if not 2 <= len(inputs) <= 3:
        raise Refused(f"is called with {len(inputs)} tensors; [query, value] or [query, value, key] are needed")
    query, value, key = inputs[0], inputs[1], inputs[-1] if len(inputs) == 3 else inputs[1]
    for x in (query, value, key):
        layer.require_rank(x, 2)
    (queries, width), keys = layer.shape(query), layer.shape(key)[0]
    additive, concat = layer.kind == "AdditiveAttention", layer.get("score_mode", "dot") == "concat"
    shapes: dict[str, Shape] = {}
    if layer.get("use_scale", additive):
        shapes["scale"] = (width,) if additive else ()
    if concat and not additive:
        shapes["concat_score_weight"] = ()
    w = layer.weights(shapes)
    if additive or concat:
        spread = layer.reshape(query, (queries, 1, width), "query"), layer.reshape(key, (1, keys, width), "key")
        y = layer.add(ops.Add(), *spread, part="sum")
        if not additive and "scale" in w:
            y = layer.add(ops.ScaleShift(w["scale"]), y, part="scale")
        y = add_function(layer, y, "tanh", "tanh")
        if additive and "scale" in w:
            y = layer.add(ops.ScaleShift(w["scale"]), y, part="scale")
        scores = layer.reshape(layer.add(ops.Total(2), y, part="total"), (queries, keys), "scores")
        if not additive:
            scores = layer.add(ops.ScaleShift(w["concat_score_weight"]), scores, part="weight")
    else:
        scores = layer.add(ops.Einsum("qd,kd->qk"), query, key, part="scores")
        if "scale" in w:
            scores = layer.add(ops.ScaleShift(w["scale"]), scores, part="scale")
    causal = bool(layer.call.options.get("use_causal_mask") or layer.config.get("causal"))
    band = np.tril(np.ones((queries, keys))) if causal else None
    masks = _masks_of(layer, {"value_mask": layer.masks[value]}) if value in layer.masks else []
    p = _probabilities(layer, scores, None if band is None or band.all() else band, masks)
    if query not in layer.masks:
        y = layer.add(ops.Einsum("qk,kd->qd"), p, value)
    else:
        y = layer.add(ops.Einsum("qk,kd->qd"), p, value, part="context")
        each = layer.reshape(layer.masks[query], (queries, 1), "query_mask")
        y = layer.add(ops.Select(), each, y, layer.add(ops.Blank(layer.shape(y)), y, part="zeros"))
    return [y, p] if layer.call.options.get("return_attention_scores") else y


def _scaled(config: Config) -> bool:
    return bool(config.get("use_scale", False)) or config.get("score_mode") == "concat"


RULES = {
    "MultiHeadAttention": Rule(_multi_head, weighted=lambda config: True, merges=True),
    "GroupQueryAttention": Rule(_grouped_query, weighted=lambda config: True, merges=True),
    "GroupedQueryAttention": Rule(_grouped_query, weighted=lambda config: True, merges=True),
    "Attention": Rule(_attention, weighted=_scaled, merges=True),
    "AdditiveAttention": Rule(_attention, weighted=lambda config: bool(config.get("use_scale", True)), merges=True),
}
