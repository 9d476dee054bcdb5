"""Numbers of any dtype as binary64, told apart where that is not exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.numerics.outward import Array, Mask

_WHOLE = 2**53
"""Every integer up to here is a binary64 number."""


def to_float64(values: npt.NDArray[Any]) -> tuple[Array, Mask]:
    """``values`` as float64, and where that is another number (never where it is NaN or infinite already).

    Integers of 64 bits past 2**53 and floats wider than binary64 may have no equal there.
    """
    values = np.asarray(values)
    with np.errstate(over="ignore"):
        converted: Array = values.astype(np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        large = (values > _WHOLE) | (values < -_WHOLE) if values.dtype.kind == "i" else values > _WHOLE
        changed = np.zeros(values.shape, dtype=np.bool_)
        # Python's integers compare exactly with floats; NumPy's would be converted first.
        changed[large] = [int(a) != int(b) for a, b in zip(values[large].tolist(), converted[large].tolist(), strict=True)]
        return converted, changed
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return converted, (converted != values) & ~np.isnan(values)
    return converted, np.zeros(values.shape, dtype=np.bool_)
