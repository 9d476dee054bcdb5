"""Layers around sequences: Embedding, Masking, TimeDistributed, and wrappers that do nothing at inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boundnet import ops
from boundnet_keras.layers.recurrent import inner, join_steps, split_steps
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import ints, number

# Inner layers that work on every step alike when they see all steps at once.
_STEPWISE = (
    "Activation", "Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "AlphaDropout", "LeakyReLU", "ReLU",
    "Identity", "Rescaling",
)  # fmt: skip


def whole_numbers(layer: Lowering, x: str) -> None:
    """Mark the model's input that ``x`` is rearranged from as whole numbers, which no execution rounds."""
    while layer.graph.inputs_of(x) and isinstance(layer.graph.op(x), (ops.Reshape, ops.Slice, ops.Transpose)):
        (x,) = layer.graph.inputs_of(x)
    op = layer.graph.op(x)
    if isinstance(op, ops.Input):
        op.integer = True


def _embedding(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    rows, width = ints(layer.get("input_dim"), 1)[0], ints(layer.get("output_dim"), 1)[0]
    table = layer.weights({"embeddings": (rows, width)})["embeddings"]
    whole_numbers(layer, x)
    y = layer.add(ops.Lookup(table), x)
    if layer.get("mask_zero", False):
        each = layer.reshape(x, (*layer.shape(x), 1), "each")
        layer.masks[y] = layer.add(ops.Differs(0.0), each, part="mask")
    return y


def _reversible(layer: Lowering, inputs: Sequence[str]) -> str:
    """An embedding that also runs backwards: its table, or another matrix, as a dense layer."""
    rows, width = ints(layer.get("input_dim"), 1)[0], ints(layer.get("output_dim"), 1)[0]
    shapes: dict[str, tuple[int, ...]] = {"embeddings": (rows, width)}
    if not layer.get("tie_weights", True):
        shapes["reverse_embeddings"] = (width, rows)
    w = layer.weights(shapes)
    (x,) = inputs
    if not layer.call.options.get("reverse"):
        whole_numbers(layer, x)
        y = layer.add(ops.Lookup(w["embeddings"]), x)
        if layer.get("mask_zero", False):
            each = layer.reshape(x, (*layer.shape(x), 1), "each")
            layer.masks[y] = layer.add(ops.Differs(0.0), each, part="mask")
        return y
    if layer.config.get("logit_soft_cap") is not None:
        raise Refused("caps its logits softly; use a Dense layer and an activation")
    kernel = w.get("reverse_embeddings", w["embeddings"].T)
    return layer.add(ops.Dense(kernel), x, part="reverse")


def _category_encoding(layer: Lowering, inputs: Sequence[str]) -> str:
    whole_numbers(layer, inputs[0])
    return _encoded(layer, inputs[0], ints(layer.get("num_tokens"), 1)[0], str(layer.get("output_mode", "multi_hot")))


def _discretization(layer: Lowering, inputs: Sequence[str]) -> str:
    """Numbers of bins, as they are or encoded as categories.  TensorFlow holds the boundaries as binary32."""
    edges = np.asarray(layer.get("bin_boundaries"), dtype=np.float32).astype(np.float64)
    mode = str(layer.get("output_mode", "int"))
    bins = layer.add(ops.Bucket(tuple(np.unique(edges).tolist())), inputs[0], part="" if mode == "int" else "bins")
    return bins if mode == "int" else _encoded(layer, bins, len(edges) + 1, mode)


def _refuse_discretization(config: Config, major: int) -> str:
    if config.get("bin_boundaries") is None:
        return "has no boundaries of its bins; call adapt before the model is saved"
    edges = np.asarray(config["bin_boundaries"], dtype=np.float64)
    if edges.ndim != 1 or not np.all(np.isfinite(edges)) or not np.all(np.diff(edges.astype(np.float32)) > 0.0):
        return "its boundaries don't increase as float32 numbers"
    return _refuse_encoding(
        {**config, "output_mode": "count"} if config.get("output_mode", "int") == "int" else config, major
    )


def _encoded(layer: Lowering, x: str, count: int, mode: str) -> str:
    """One-hot, multi-hot or counted categories of whole numbers."""
    shape = layer.shape(x)
    if mode == "one_hot":
        shape = shape[:-1] if shape and shape[-1] == 1 else shape
        return layer.add(ops.Lookup(np.eye(count)), layer.reshape(x, shape, "squeeze"))
    if len(shape) != 1:
        raise Refused(f"encodes an input of shape {shape}; one axis of categories is supported")
    hot = layer.add(ops.Lookup(np.eye(count)), x, part="one_hot")
    pooled = layer.add(ops.MaxPool(shape) if mode == "multi_hot" else ops.Total(0), hot)
    return layer.reshape(pooled, (count,), "flat")


def _refuse_encoding(config: Config, major: int) -> str:
    if config.get("output_mode", "multi_hot") not in ("one_hot", "multi_hot", "count") or config.get("sparse"):
        return "its output_mode isn't one_hot, multi_hot or count, or is sparse"
    return ""


def _masking(layer: Lowering, inputs: Sequence[str]) -> str:
    """Steps whose entries all equal mask_value become 0 and are skipped by recurrent layers."""
    (x,) = inputs
    value = number(layer.get("mask_value", 0.0))
    mask = layer.add(ops.Differs(value), x, part="mask")
    each = layer.reshape(mask, (*layer.shape(mask), 1), "each")
    y = layer.add(ops.Select(), each, x, layer.add(ops.Blank(layer.shape(x)), x, part="zeros"))
    layer.masks[y] = mask
    return y


def _time_distributed(layer: Lowering, inputs: Sequence[str]) -> str:
    from boundnet_keras.layers import TABLE  # the table holds this rule, too

    (x,) = inputs
    kind, config = inner(layer.config, "layer")
    if kind not in TABLE:
        raise Refused(f"wraps a layer of the class {kind!r}, which isn't supported")
    rule = TABLE[kind]
    if rule.merges:
        raise Refused(f"wraps a layer of the class {kind!r}, which takes several tensors or sequences")
    held = layer.within(kind, config, layer.store.of(layer.path))
    if kind in _STEPWISE and (kind != "Dense" or len(layer.shape(x)) > 1):
        return _one(rule.lower(held, [x]))
    steps = split_steps(layer, x, "time")
    mask = layer.masks.get(x)
    y = [_one(rule.lower(replace(held, node=f"{layer.node}/{t}"), [step])) for t, step in enumerate(steps)]
    joined = join_steps(layer, y)
    if mask is not None:
        layer.masks[joined] = mask
    return joined


def _one(result: str | list[str]) -> str:
    return result if isinstance(result, str) else result[0]


def _refuse_wrapped(config: Config, major: int) -> str:
    from boundnet_keras.layers import TABLE
    from boundnet_keras.layers.refused import reason

    try:
        kind, own = inner(config, "layer")
    except Refused as refused:
        return str(refused)
    if kind not in TABLE:
        return f"wraps a {kind} layer: {reason(kind)}"
    why = TABLE[kind].refuse(own, major)
    return f"wraps a {kind} layer: {why}" if why else ""


def _wrapped(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    """A wrapper that only acts in training: SpectralNormalization keeps the kernel it normalised last."""
    from boundnet_keras.layers import TABLE

    kind, config = inner(layer.config, "layer")
    stored = layer.store.of(layer.path)
    if layer.kind == "SpectralNormalization":
        # The vector of the power iteration comes last or, in some files, next to the kernel, which may be there again.
        biased = kind != "Embedding" and config.get("use_bias", True) is not False
        ranks = [weight.read().ndim for weight in stored]
        stored = [stored[0], stored[ranks.index(1)]] if biased and 1 in ranks else stored[:1]
    return TABLE[kind].lower(layer.within(kind, config, stored), inputs)


def _refuse_embedding(config: Config, major: int) -> str:
    if config.get("quantization_mode") or config.get("lora_rank"):
        return "its table is quantized or has LoRA weights; save the model without"
    return ""


RULES = {
    "Embedding": Rule(_embedding, _refuse_embedding, weighted=lambda config: True),
    "ReversibleEmbedding": Rule(_reversible, _refuse_embedding, weighted=lambda config: True),
    "CategoryEncoding": Rule(_category_encoding, _refuse_encoding),
    "Discretization": Rule(_discretization, _refuse_discretization),
    "Masking": Rule(_masking),
    "TimeDistributed": Rule(_time_distributed, _refuse_wrapped, weighted=lambda config: True),
    "SpectralNormalization": Rule(_wrapped, _refuse_wrapped, weighted=lambda config: True),
    "Wrapper": Rule(_wrapped, _refuse_wrapped, weighted=lambda config: True),
}
