"""The analyzer's own arithmetic: how float64 results are turned into bounds.

Everything BoundNet computes runs in binary64, round to nearest, gradual underflow.  A nonnegative expression of
``+``, ``*``, ``/`` in which no path from a leaf to the result has more than ``q`` roundings is off by a factor
of at most ``(1 - w)**q`` with ``w = 2**-53``; :func:`up` multiplies by ``1 + (q + 2) * 2**-52``, which covers that
factor and the rounding of the multiplication itself (Higham 2002, Lemma 3.1, for q * w < 0.1).

Nonzero entries below ``2**-500`` are raised to it before products (:func:`raise_tiny`), so that a product
of two of them is a normal number: nothing is lost to underflow and an exact zero stays the only zero.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from boundnet.errors import BoundNetError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

W = 2.0**-53
"""Unit roundoff of binary64."""

TINY = 2.0**-500
"""Smallest nonzero magnitude allowed in a nonnegative factor."""


def up(value: Array, roundings: int) -> Array:
    """Upper bound of a nonnegative expression evaluated in float64 with at most ``roundings`` roundings a path."""
    bound: Array = value * (1.0 + (roundings + 2) * 2.0**-52)
    return bound


def up_float(value: float, roundings: int) -> float:
    """:func:`up` for one number."""
    return value * (1.0 + (roundings + 2) * 2.0**-52)


def down(value: Array, roundings: int) -> Array:
    """Lower bound of a nonnegative expression evaluated in float64 with at most ``roundings`` roundings a path."""
    bound: Array = value * (1.0 - (roundings + 2) * 2.0**-52)
    return bound


def add_up(*terms: Array | float) -> Array:
    """Upper bound of the sum of nonnegative ``terms`` (broadcast against each other)."""
    total = np.asarray(terms[0], dtype=np.float64)
    for term in terms[1:]:
        total = total + term
    return up(total, len(terms))


def raise_tiny(value: Array) -> Array:
    """``value`` (nonnegative) with its nonzero entries raised to at least ``TINY``; NaN becomes infinity."""
    if np.count_nonzero(value >= TINY) == np.count_nonzero(value):
        return value  # nothing tiny, nothing NaN: the rule
    raised = np.where(value == 0.0, 0.0, np.maximum(value, TINY))
    return np.where(np.isnan(raised), np.inf, raised)


def ufp(value: Array) -> Array:
    """Unit in the first place, 2**floor(log2 value), of values >= 0; 0 below the normal range, inf and NaN stay."""
    bits = np.ascontiguousarray(value, dtype=np.float64).view(np.int64)
    place: Array = (bits & np.int64(0x7FF0_0000_0000_0000)).view(np.float64)
    return place.reshape(np.shape(value))


def gamma(roundings: int) -> float:
    """Upper bound of gamma_q = q w / (1 - q w), with room for subnormal products (see :mod:`boundnet.domains.adjoint`)."""
    q = 2 * roundings + 4
    return q * W / (1.0 - 2.0 * q * W)


@functools.cache
def check_gradual_underflow() -> None:
    """Make sure that the BLAS and its threads neither flush nor zero subnormal numbers.

    Raises:
        BoundNetError: this process runs with FTZ or DAZ set (some libraries set them when loaded).
    """
    left = np.full((256, 256), 2.0**-600)
    right = np.full((256, 256), 2.0**-470)
    exact = 256 * 2.0**-1070
    subnormal = np.full((256, 256), 2.0**-1060)
    kept = (subnormal @ np.eye(256))[::17, ::13]
    if not (np.all(left @ right == exact) and np.all(kept == 2.0**-1060) and np.all(subnormal * 0.5 == 2.0**-1061)):
        raise BoundNetError(
            "this process flushes subnormal numbers to zero (FTZ/DAZ), so no bound computed in it is safe: "
            "unload the library that sets it, or run boundnet in a process of its own"
        )
