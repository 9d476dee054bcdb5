"""Where the model of mean-independent errors is doubtful: equal numbers round alike to nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import take
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op

SAMPLES = 4
"""Inputs that are looked at."""
LEAST = 64
"""Tensors with fewer values that are not 0 are left alone."""
SHARE = 0.5
"""Part of a tensor's values that repeat from which on it is named."""


def repeating(graph: LayerGraph, values: Sequence[Array]) -> list[str]:
    """Layers of which most results, zeros apart, occur more than once at the float64 centre of one of the first inputs.

    Args:
        values: (N, *shape) for each Input node.
    """
    found: list[str] = []
    for index in range(min(SAMPLES, len(values[0]))):
        centres = graph.evaluate(take(list(values), index, index + 1))
        for name in graph.topological():
            layer = graph.layer_of(name)
            if type(graph.op(name)).split is Op.split or layer in found:
                continue
            centre = centres[name][0].ravel()
            centre = centre[centre != 0.0]
            if centre.size >= LEAST:
                counts = np.unique(centre, return_counts=True)[1]
                if counts[counts > 1].sum() > SHARE * centre.size:
                    found.append(layer)
    return found


def repeats_warning(graph: LayerGraph, values: Sequence[Array]) -> str | None:
    """What to tell people, None where nothing repeats."""
    layers = repeating(graph, values)
    if not layers:
        return None
    named = ", ".join(map(repr, layers[:3])) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    return (
        f"most values of layer {named} occur more than once: to nearest, equal sums round alike, and the model of "
        "mean-independent errors may be wrong there"
    )
