"""Boxes as arrays: (N, n) lower and upper ends, one row a box, the elements of all inputs side by side in C order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array, up


def midpoint(low: Array, high: Array) -> tuple[Array, Array]:
    """Centre and radius of [low, high], the radius rounded so that both ends are inside."""
    centre = np.clip(0.5 * low + 0.5 * high, low, high)
    return centre, np.where(low == high, 0.0, up(np.maximum(high - centre, centre - low), 2))


def around(centre: Array, radius: Array | float) -> tuple[Array, Array]:
    """[centre - radius, centre + radius], rounded outwards."""
    reach = np.broadcast_to(radius, np.shape(centre))
    low, high = np.nextafter(centre - reach, -np.inf), np.nextafter(centre + reach, np.inf)
    return np.where(reach == 0.0, centre, low), np.where(reach == 0.0, centre, high)


def check_sides(low: Sequence[Array], high: Sequence[Array], names: Sequence[str], what: str) -> None:
    """Raise InputError unless every box has its ends in order.  Arrays: (N, *shape), one for each input."""
    if len(low[0]) != len(high[0]):
        raise InputError(f"{what}: lower ends of {len(low[0])} boxes, upper ends of {len(high[0])}")
    for name, a, b in zip(names, low, high, strict=True):
        wrong = np.argwhere(~(a <= b))
        if len(wrong):
            at = tuple(int(i) for i in wrong[0])
            where = f"element {at[1:]} of input {name!r}" + (f", box {at[0]}" if len(a) > 1 else "")
            raise InputError(f"{what}: the lower end {a[at]:.17g} is above the upper end {b[at]:.17g} ({where})")


def flatten(parts: Sequence[Array]) -> Array:
    """One (N, *shape) array for each input -> (N, n)."""
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def unflatten(flat: Array, graph: LayerGraph) -> list[Array]:
    """The inverse of :func:`flatten` for the inputs of ``graph``."""
    shapes = [graph.shape(name) for name in graph.inputs]
    ends = np.cumsum([int(np.prod(shape, dtype=np.int64)) for shape in shapes])[:-1]
    parts = np.split(flat, ends, axis=1)
    return [np.ascontiguousarray(part).reshape(len(flat), *shape) for part, shape in zip(parts, shapes, strict=True)]


def whole_numbers(graph: LayerGraph) -> Array:
    """Which elements of the flattened inputs are whole numbers, which are not split: (n,) of 0.0 and 1.0."""
    return np.concatenate(
        [np.full(int(np.prod(graph.shape(n), dtype=np.int64)), float(graph.holds_integers(n))) for n in graph.inputs]
    )
