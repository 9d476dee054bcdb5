"""Arrays and threads as the kernels want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np

from boundnet.numerics.outward import Array

PARALLEL = 1 << 18
"""Operations from which on a second thread pays."""


def owned(value: Array) -> Array:
    """``value`` contiguous and writable, copied if need be: kernels are compiled for that kind of array alone."""
    return np.require(value, np.float64, ["C", "W"])


@contextmanager
def threads(work: int) -> Iterator[None]:
    """One thread where there is little to do: waking a second one costs more."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if work > PARALLEL else 1)
    try:
        yield
    finally:
        numba.set_num_threads(before)
