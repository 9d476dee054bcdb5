"""Inputs for an analysis: checked arrays, or seeded random ones where none were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.conversion import to_float64
from boundnet.numerics.outward import Array

DEFAULT_COUNT = 8


def check_inputs(graph: LayerGraph, inputs: Any, what: str = "inputs") -> list[Array]:
    """Inputs as float64 arrays (N, *shape), one for each Input node, N the same for all.

    Args:
        inputs: an array, a sequence of arrays in the order of the model's inputs, or a mapping from input name to array.
            A single
            sample without the batch axis is accepted.

    Raises:
        InputError: wrong number, shape or dtype, no samples, NaN or infinite values, or fractions where it holds whole
            numbers; names the input.
    """
    names = graph.inputs
    given = _in_order(names, inputs, what)
    arrays = [_check(graph, name, array, what) for name, array in zip(names, given, strict=True)]
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise InputError(f"{what}: the model's inputs have different numbers of samples: {sorted(counts)}")
    return arrays


def shapes_of(shapes: Mapping[str, Sequence[int | None]], inputs: Any, what: str = "inputs") -> dict[str, tuple[int, ...]]:
    """The sizes that a model leaves open, as ``inputs`` have them: shapes without the batch axis, by input name.

    Args:
        shapes: what the model says, None where a size is open.
        inputs: as for :func:`check_inputs`.

    Raises:
        InputError: wrong number of inputs, or of axes, or another size where one is known; names the input.
    """
    found = {}
    for (name, shape), array in zip(shapes.items(), _in_order(list(shapes), inputs, what), strict=True):
        try:
            given = np.shape(array)
        except ValueError:
            raise InputError(
                f"{what}: input {name!r} has samples of different sizes; pad them to one, or analyse each size for itself"
            ) from None
        sizes = given[1:] if len(given) == len(shape) + 1 else given
        if len(sizes) != len(shape) or any(n not in (None, m) for n, m in zip(shape, sizes, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise InputError(f"{what}: input {name!r} needs shape (samples, {wanted}), got {tuple(given)}")
        found[name] = tuple(map(int, sizes))
    return found


def _in_order(names: Sequence[str], inputs: Any, what: str) -> list[Any]:
    """One array for each name."""
    if isinstance(inputs, Mapping):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise InputError(f"{what}: nothing given for input {missing[0]!r}; the model's inputs are {', '.join(names)}")
        given = [inputs[name] for name in names]
    elif len(names) == 1 and not (isinstance(inputs, list | tuple) and len(inputs) == 1 and np.ndim(inputs[0]) > 1):
        given = [inputs]
    else:
        given = list(inputs)
    if len(given) != len(names):
        raise InputError(f"{what}: the model has {len(names)} inputs ({', '.join(names)}), {len(given)} given")
    return given


def _check(graph: LayerGraph, name: str, given: Any, what: str) -> Array:
    shape = graph.shape(name)
    array = np.asarray(given)
    if array.dtype.kind not in "fiub" and array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        raise InputError(f"{what}: input {name!r} has dtype {array.dtype}; numbers are needed")
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape:
        squeezed = array.reshape(len(array), *shape) if _same_but_ones(array.shape, shape) else None
        if squeezed is None:
            raise InputError(
                f"{what}: input {name!r} needs shape (samples, {', '.join(map(str, shape))}), got {tuple(array.shape)}"
            )
        array = squeezed
    if len(array) == 0:
        raise InputError(f"{what}: there are no samples for input {name!r}")
    values, changed = to_float64(array)
    if changed.any():
        raise InputError(
            f"{what}: input {name!r} holds {array[changed][0]} ({array.dtype}), which binary64 can't hold exactly; "
            "round it yourself first"
        )
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        raise InputError(f"{what}: sample {int(np.flatnonzero(bad)[0])} of input {name!r} holds NaN or infinity")
    if graph.holds_integers(name) and not np.array_equal(values, np.trunc(values)):
        # A framework cuts fractions off before or after a mask is taken from them, depending on the input's dtype.
        fraction = float(values[values != np.trunc(values)][0])
        raise InputError(f"{what}: input {name!r} holds whole numbers (indices of an embedding), got {fraction:g}")
    return values


def _same_but_ones(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether only axes of length 1 differ, as between (N, 28, 28) and (N, 28, 28, 1)."""
    if len(given) < 1:
        return False
    return [n for n in given[1:] if n != 1] == [n for n in shape if n != 1]


def random_inputs(graph: LayerGraph, count: int, low: float, high: float, seed: int) -> list[Array]:
    """``count`` seeded samples uniform in [low, high], rounded to float32 as real inputs usually are.

    Whole numbers where the input holds such (indices of an embedding): those in [low, high].

    Raises:
        InputError: the range is empty or not finite.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise InputError(f"--input-range {low} {high}: give two finite numbers, the smaller one first")
    generator = np.random.default_rng(seed)
    drawn = [generator.uniform(low, high, (count, *graph.shape(name))) for name in graph.inputs]
    real = [np.clip(values.astype(np.float32).astype(np.float64), low, high) for values in drawn]
    whole = [graph.holds_integers(name) for name in graph.inputs]
    if any(whole) and np.ceil(low) > np.floor(high):
        raise InputError(
            f"--input-range {low} {high}: input {graph.inputs[whole.index(True)]!r} holds whole numbers, none there"
        )
    least, most = np.ceil(low), np.floor(high)
    scale = (most - least + 1.0) / max(high - low, np.finfo(np.float64).tiny)
    return [
        np.clip(least + np.floor((values - low) * scale), least, most) if integer else values
        for values, integer in zip(real, whole, strict=True)
    ]


def take(inputs: Sequence[Array], start: int, stop: int) -> list[Array]:
    """Samples ``start`` to ``stop`` of every input."""
    return [values[start:stop] for values in inputs]
