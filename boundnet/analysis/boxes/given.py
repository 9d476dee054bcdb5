"""What a caller gives for boxes, checked: ends or inputs with a radius, and how far to subdivide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from boundnet.analysis.boxes.sides import around, check_sides
from boundnet.analysis.boxes.subdivide import Effort
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import check_inputs, take
from boundnet.numerics.outward import Array


def choose_boxes(
    graph: LayerGraph, inputs: Any, box: tuple[Any, Any] | None, radius: float | None, samples: int | None, source: str
) -> tuple[list[Array], list[Array]]:
    """Lower and upper ends, (N, *shape) for each input.

    Args:
        inputs: the middles, where a radius is given.
        box: (low, high), each a number for all elements or what :func:`boundnet.inputs.arrays.check_inputs` takes.

    Raises:
        InputError: too much or too little was given, ends are out of order or not finite.
    """
    if box is not None and (inputs is not None or radius is not None):
        raise InputError("box: give either a box or inputs with a radius, not both")
    if box is not None:
        if samples is not None:
            raise InputError("samples: a box holds all its inputs; leave samples out")
        if not isinstance(box, tuple | list) or len(box) != 2:
            raise InputError("box: give two ends, (low, high)")
        low, high = (_side(graph, side, source) for side in box)
    else:
        if radius is None or inputs is None:
            raise InputError("radius: give the inputs in the middle of the boxes, too")
        if not (math.isfinite(radius) and radius >= 0.0):
            raise InputError(f"radius {radius}: give a finite number that is not negative")
        middle = check_inputs(graph, inputs, source)
        middle = take(middle, 0, samples or len(middle[0]))
        sides = [around(x, float(radius)) for x in middle]
        low, high = [a for a, _ in sides], [b for _, b in sides]
    check_sides(low, high, graph.inputs, source)
    return low, high


def _side(graph: LayerGraph, side: Any, source: str) -> list[Array]:
    if np.ndim(side) == 0 and not isinstance(side, dict):
        return check_inputs(graph, [np.full((1, *graph.shape(n)), side) for n in graph.inputs], source)
    return check_inputs(graph, side, source)


def effort_of(splits: int | None, seconds: float | None) -> Effort:
    """How far to subdivide: not at all unless a limit is given.

    Raises:
        InputError: a negative or undefined limit.
    """
    if splits is not None and splits < 0:
        raise InputError(f"splits {splits}: give a number that is not negative")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0.0):
        raise InputError(f"time limit {seconds}: give a positive number of seconds")
    return Effort(0, None) if splits is None and seconds is None else Effort(splits, seconds)
