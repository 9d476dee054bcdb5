"""Settings of a keras.ops call."""

from __future__ import annotations

from typing import Any

from boundnet_keras.lowering import Lowering, Refused
from boundnet_keras.model import Ref

HINT = "use the layer of keras.layers that does the same"


def listed(value: Any) -> list[Any]:
    """Several values, or one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def argument(layer: Lowering, key: str, place: int = 1, default: Any = None) -> Any:
    """A setting of an operation: in its configuration, or among the arguments of its call."""
    if layer.config.get(key) is not None:
        return layer.config[key]
    plain = layer.call.arguments
    value = plain[place] if place < len(plain) and not isinstance(plain[place], Ref) else layer.call.options.get(key)
    return default if value is None else value


def axes(layer: Lowering, rank: int, key: str = "axis") -> list[int]:
    """Axes to reduce; all of them would mix the samples of a batch."""
    raw = argument(layer, key)
    if raw is None:
        raise Refused(f"reduces all axes, the batch's too; give the axes or {HINT}")
    return sorted({layer.axis(axis, rank) for axis in listed(raw)})
