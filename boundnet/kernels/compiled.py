"""numba with the options that every kernel uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile at the first call for its argument types, keep the machine code on disk, release the interpreter lock.

    ``fastmath`` stays off: sums are not reordered and NaN and infinity mean what IEEE 754 says.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
