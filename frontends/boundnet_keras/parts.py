"""Where .keras archives keep the weights of layers that are made of other layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CLASS_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
_PROJECTIONS = ("query_dense", "key_dense", "gate_dense", "value_dense", "output_dense")
_RECURRENT = ("SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


def snake_case(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case: 'SeparableConv2D' -> 'separable_conv2d', 'PReLU' -> 'p_re_lu'."""
    name = re.sub(r"\W+", "", _CLASS_NAMES.get(name, name))
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def parts(kind: str, config: Mapping[str, Any]) -> list[str]:
    """Groups below the layer's own whose ``vars`` hold its weights, in the order of ``layer.get_weights()``.

    '' is the layer's own group.
    """
    if kind in ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"):
        return [name for name in _PROJECTIONS if name != "gate_dense" or config.get("use_gate")]
    if kind in _RECURRENT:
        return ["cell"]
    if kind == "RNN":
        return _below("cell", config.get("cell"))
    if kind == "StackedRNNCells":
        found, used = [], dict[str, int]()
        for cell in config.get("cells") or []:
            name = snake_case(_class(cell))
            used[name] = used.get(name, -1) + 1
            found += _below(f"cells/{name}" + (f"_{used[name]}" if used[name] else ""), cell)
        return found
    if kind == "Bidirectional":
        forward = config.get("layer")
        return _below("forward_layer", forward) + _below("backward_layer", config.get("backward_layer") or forward)
    if kind in ("TimeDistributed", "Wrapper"):
        return _below("layer", config.get("layer"))
    if kind == "SpectralNormalization":
        return [*_below("layer", config.get("layer")), ""]
    return [""]


def _class(entry: Any) -> str:
    return str(entry.get("class_name", "")) if isinstance(entry, Mapping) else ""


def _below(place: str, entry: Any) -> list[str]:
    """The parts of a layer that is given by its serialised form and kept at ``place``."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    inner = parts(_class(entry), config if isinstance(config, Mapping) else {})
    return [f"{place}/{name}".rstrip("/") for name in inner]
