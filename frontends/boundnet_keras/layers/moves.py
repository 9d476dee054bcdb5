"""keras.ops calls that reduce or move tensors by way of ops that exist: extremes, spreads, running sums, paddings, rolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from boundnet import ops
from boundnet_keras import reducing
from boundnet_keras.advanced import add_function
from boundnet_keras.layers.arguments import HINT, argument, axes, listed
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.model import OPERATION
from boundnet_keras.values import ints, number

LONGEST = 1024  # of a running sum, whose matrix has the square of it


def _reduction(over: Callable[[Lowering, str], str]) -> Callable[[Lowering, Sequence[str]], str]:
    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        (x,) = inputs
        if argument(layer, "initial", 3) is not None:
            raise Refused(f"has an initial value; {HINT}")
        keep = bool(argument(layer, "keepdims", 2, False))
        return reducing.reduced(layer, x, axes(layer, len(layer.shape(x))), keep, lambda y: over(layer, y))

    return lower


def _deviation(layer: Lowering, x: str) -> str:
    return add_function(layer, reducing.variance(layer, x), "sqrt", "sqrt")


def _cumulative_sum(layer: Lowering, inputs: Sequence[str]) -> str:
    """A product with a triangle of ones: its bound holds for whatever order a sum over a prefix is taken in."""
    (x,) = inputs
    rank = len(layer.shape(x))
    raw = argument(layer, "axis")
    if raw is None or argument(layer, "dtype", 2) is not None:
        raise Refused("sums the flattened batch, or into another type")
    axis = layer.axis(raw, rank)
    n = layer.shape(x)[axis]
    if n > LONGEST:
        raise Refused(f"sums along {n} entries; at most {LONGEST} are supported")
    order = [*(i for i in range(rank) if i != axis), axis]
    y = layer.add(ops.Dense(np.triu(np.ones((n, n)))), layer.transpose(x, order, "to_last"))
    return layer.transpose(y, list(np.argsort(order)), "from_last")


def _pad(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    mode = str(argument(layer, "mode", 2, "constant"))
    value = argument(layer, "constant_values", 3)
    raw = listed(argument(layer, "pad_width"))
    pairs = [tuple(ints(pair, 2)) for pair in raw] if isinstance(raw[0], list | tuple) else [tuple(ints(raw, 2))]
    if len(pairs) == 1:
        pairs = pairs * (len(shape) + 1)
    if len(pairs) != len(shape) + 1 or any(pairs[0]) or any(n < 0 for pair in pairs for n in pair):
        raise Refused(f"pads by {raw}; give one pair for each axis, (0, 0) for the batch")
    if mode == "constant" and (value is None or number(value) == 0.0):
        return layer.add(ops.Pad(tuple((before, after) for before, after in pairs[1:])), x)
    if mode not in ("reflect", "symmetric"):
        raise Refused(f"pads in mode {mode!r} with {value!r}; zeros, 'reflect' and 'symmetric' are supported")
    for axis, (before, after) in enumerate(pairs[1:]):
        if before or after:
            # NumPy knows these modes: what it does to the indices is what happens to the values.
            index = np.pad(np.arange(shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
            x = layer.add(ops.Take(axis, tuple(int(i) for i in index)), x, part=f"axis{axis}")
    return x


def _roll(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    if argument(layer, "axis", 2) is None:
        raise Refused("rolls the flattened batch; give the axes")
    places = [layer.axis(axis, len(shape)) for axis in listed(argument(layer, "axis", 2))]
    shifts = ints(argument(layer, "shift"), len(places))
    for axis, shift in zip(places, shifts, strict=True):
        x = layer.add(ops.Take(axis, tuple(int(i) for i in np.roll(np.arange(shape[axis]), shift))), x, part=f"axis{axis}")
    return x


def _tile(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    shape = layer.shape(x)
    raw = listed(argument(layer, "repeats"))
    repeats = [*[1] * (len(shape) + 1 - len(raw)), *ints(raw, len(raw))]
    if len(repeats) != len(shape) + 1 or repeats[0] != 1 or min(repeats) < 1:
        raise Refused(f"repeats by {raw}; give a number for each axis, 1 for the batch")
    for axis, times in enumerate(repeats[1:]):
        if times > 1:
            index = tuple(range(shape[axis])) * times
            x = layer.add(ops.Take(axis, index), x, part=f"axis{axis}")
    return x


def _swap(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    order = list(range(len(layer.shape(x))))
    first, second = (layer.axis(argument(layer, key, place), len(order)) for place, key in ((1, "axis1"), (2, "axis2")))
    order[first], order[second] = second, first
    return layer.add(ops.Transpose(tuple(order)), x)


def _move(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    rank = len(layer.shape(x))
    sides = [[layer.axis(axis, rank) for axis in listed(argument(layer, key, place))]
             for place, key in ((1, "source"), (2, "destination"))]  # fmt: skip
    order = [axis for axis in range(rank) if axis not in sides[0]]
    for destination, source in sorted(zip(sides[1], sides[0], strict=True)):
        order.insert(destination, source)
    return layer.add(ops.Transpose(tuple(order)), x)


_LOWERINGS: dict[str, Callable[[Lowering, Sequence[str]], str]] = {
    "Min": _reduction(reducing.smallest),
    "Var": _reduction(reducing.variance),
    "Std": _reduction(_deviation),
    "Logsumexp": _reduction(reducing.log_sum_exp),
    "Cumsum": _cumulative_sum,
    "Pad": _pad,
    "Roll": _roll,
    "Tile": _tile,
    "Swapaxes": _swap,
    "Moveaxis": _move,
}
RULES = {OPERATION + kind: Rule(lower, merges=True) for kind, lower in _LOWERINGS.items()}
