"""What is known of one layer, in words and figures: for hovering over the picture and for the layer's own section."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boundnet.results import Analysis, Layer
from boundnet.results.text import bound_text, floor_text, printable, shape_text, share_text, value_text


@dataclass(frozen=True)
class Limits:
    """The storage format's largest finite, smallest normal and smallest subnormal number; 0 for what it does not have."""

    name: str
    largest: float
    smallest_normal: float
    smallest_subnormal: float


def limits(analysis: Analysis) -> Limits | None:
    """Of the format that tensors are stored in; None where the result does not tell (schema 1.0)."""
    formats = analysis.arithmetic.get("formats")
    found: Any = formats.get("storage") if isinstance(formats, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    numbers = [found.get(key) for key in ("largest", "smallest_normal", "smallest_subnormal")]
    if not all(isinstance(number, int | float) and 0.0 <= number < math.inf for number in numbers):
        return None
    return Limits(printable(str(found.get("name", ""))), *(float(number) for number in numbers))  # type: ignore[arg-type]


def reach(layer: Layer) -> float:
    """Largest magnitude that the layer's result can have in any execution; inf where it is not bounded."""
    size = max(abs(layer.low), abs(layer.high))
    return math.inf if math.isnan(layer.low) or math.isnan(layer.high) else size


def headroom(layer: Layer, known: Limits | None) -> str:
    """How far the layer's result stays from overflow: a factor that is never too large."""
    if layer.may_overflow:
        return "may overflow"
    if known is None:
        return "unknown"
    size = reach(layer)
    if size == 0.0:
        return "all values are 0"
    if not math.isfinite(size):
        return "none is proved"
    ratio = known.largest / size
    return f"{floor_text(math.nextafter(ratio, 0.0), 2)} times" if math.isfinite(ratio) else "more than 1e308 times"


def share(layer: Layer) -> float:
    """The layer's share of the error as a number between 0 and 1; 0 where it is undefined."""
    return min(1.0, max(0.0, layer.error_share)) if math.isfinite(layer.error_share) else 0.0


def seen_text(value: float) -> str:
    """An observed number to three digits, to nearest: it is no bound."""
    return value_text(value, abs(value) / 10)


def has_shares(analysis: Analysis) -> bool:
    """Whether the final bound could be attributed to layers at all."""
    return any(share(layer) > 0 for layer in analysis.layers)


def range_text(layer: Layer) -> str:
    """Values in all executions."""
    return f"{floor_text(layer.low)} .. {bound_text(layer.high)}"


def relative_text(layer: Layer) -> str:
    """The error bound as a multiple of the largest value seen."""
    largest = layer.largest_value
    if largest is None or not 0.0 < largest < math.inf or not math.isfinite(layer.absolute_bound):
        return ""
    return bound_text(math.nextafter(layer.absolute_bound / largest, math.inf) if layer.absolute_bound else 0.0, 2)


def underflow_text(layer: Layer, known: Limits | None) -> str:
    """What was seen of small values; empty where nothing is known."""
    if layer.smallest_value is None or layer.subnormal_share is None or known is None:
        return ""
    least = f"smallest value other than 0: {seen_text(layer.smallest_value)}"
    if known.smallest_normal == 0.0:
        return least
    normal = f"{known.name} is normal from {bound_text(known.smallest_normal)}"
    if layer.subnormal_share == 0.0:
        return f"{least}; {normal}"
    return f"{least}; {share_text(layer.subnormal_share)} of the values are subnormal ({normal})"


def details(analysis: Analysis, layer: Layer, known: Limits | None) -> list[tuple[str, str]]:
    """Everything about a layer, (what, value) pairs."""
    texts = {node.name: node.text for node in analysis.nodes}
    operations = [texts[name] for name in layer.nodes if name in texts]
    found = [("kind", printable(layer.kind)), ("shape", shape_text(layer.shape))]
    if operations:
        found.append(("operations", printable("; ".join(operations))))
    found.append(("error bound", bound_text(layer.absolute_bound)))
    relative = relative_text(layer)
    if relative:
        found.append(("bound / largest value", relative))
    if has_shares(analysis):
        parts = f"rounding {share_text(layer.rounding_share)}, linearisation {share_text(layer.linearisation_share)}"
        found.append(("share of the error", f"{share_text(layer.error_share)} ({parts})"))
    found.append(("range in every execution", range_text(layer)))
    if layer.largest_value is not None and layer.rms_value is not None:
        values = f"up to {seen_text(layer.largest_value)}"
        found.append(("sizes of values, float64", f"{values}, root mean square {seen_text(layer.rms_value)}"))
    found.append(("headroom to overflow", headroom(layer, known)))
    underflow = underflow_text(layer, known)
    if underflow:
        found.append(("small values, float64", underflow))
    return found
