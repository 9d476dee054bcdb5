"""The verdict in one sentence: what is proved, and what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from boundnet.results import Layer, Summary


def verdict(summary: Summary, layers: Sequence[Layer], count: int, arithmetic: str, decided: bool) -> str:
    """First line of every report."""
    bound = summary.max_absolute_bound
    inputs = f"{count} input" + ("" if count == 1 else "s")
    if not math.isfinite(bound):
        first = next((layer.name for layer in layers if layer.may_overflow), None)
        if first is None:
            first = next((layer.name for layer in layers if not math.isfinite(layer.absolute_bound)), "?")
            why = f"the bound becomes infinite at layer {first!r}"
        else:
            why = f"layer {first!r} may overflow"
        head = f"NO BOUND in {arithmetic}: {why}"
        if summary.total and summary.proved:
            return f"{head}; class still proved for {summary.proved} of {summary.total} inputs."
        return f"{head}. A wider accumulator, a known order or smaller inputs may help."
    size = f"outputs within {bound:.3g} of exact"
    if not decided:
        return f"BOUNDED: {inputs} in {arithmetic}, {size}; no decision to prove."
    if summary.proved == summary.total:
        return f"PROVED: the class cannot change for any of {inputs} in {arithmetic}; {size}."
    return (
        f"NOT PROVED: class proved for {summary.proved} of {summary.total} inputs in {arithmetic}; {size}. "
        "The others may or may not change."
    )
