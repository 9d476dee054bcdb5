"""Elementwise work block by block: intermediate arrays stay in the processor's cache instead of going through memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Anything = npt.NDArray[Any]
Shape = tuple[int, ...]

BLOCK = 1 << 16
"""Elements of a block: temporaries of this size stay in the caches, and there are few of them."""


def in_blocks(
    evaluate: Callable[..., tuple[Anything, ...]], shape: Shape, arrays: Sequence[Anything], dtypes: Sequence[Any],
    size: int = BLOCK,
) -> tuple[Anything, ...]:  # fmt: skip
    """evaluate(*arrays) of a function that acts element by element on arrays that broadcast to ``shape``.

    Args:
        evaluate: returns arrays that broadcast to the block's shape, one for each of ``dtypes``.
    """
    if math.prod(shape) <= 2 * size:
        return tuple(np.broadcast_to(part, shape) for part in evaluate(*arrays))
    results = tuple(np.empty(shape, dtype=dtype) for dtype in dtypes)
    for where in _blocks(shape, size):
        for result, part in zip(results, evaluate(*(_part(array, where) for array in arrays)), strict=True):
            result[where] = part
    return results


def _blocks(shape: Shape, size: int) -> Iterator[tuple[slice, ...]]:
    """Slices of all axes that divide ``shape`` into blocks of at most ``size`` elements, contiguous in C order."""
    axis = next(k for k in range(len(shape)) if math.prod(shape[k + 1 :]) <= size)
    step = max(1, size // math.prod(shape[axis + 1 :]))
    rest = (slice(None),) * (len(shape) - axis - 1)
    for front in itertools.product(*map(range, shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*(slice(i, i + 1) for i in front), slice(start, start + step), *rest)


def _part(array: Anything, where: tuple[slice, ...]) -> Anything:
    """The part of an operand that a block reads; axes of length 1 are broadcast."""
    if array.ndim == 0:
        return array
    aligned = where[len(where) - array.ndim :]
    index: Any = tuple(slice(None) if n == 1 else part for n, part in zip(array.shape, aligned, strict=True))
    part: Anything = array[index]
    return part
