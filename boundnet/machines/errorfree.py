"""Error-free transformations in binary64, and rounding to odd.

An operation's exact result is held as ``high + low``; rounding it to odd into 53 bits keeps enough to round once more,
in any
direction, into every format of at most 51 bits without a double rounding (Boldo & Melquiond 2008, Theorem 2).
"""

from __future__ import annotations

import numpy as np

from boundnet.numerics.outward import Array

_SPLIT = 2.0**27 + 1.0
_HUGE = 2.0**990
"""Beyond this a split would overflow where the product does not."""


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b = high + low exactly (Knuth), barring overflow."""
    high = a + b
    back = high - a
    return high, (a - (high - back)) + (b - back)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a * b = high + low exactly (Dekker, Veltkamp), while nothing over- or underflows."""
    high = a * b
    a_high, b_high = _head(a), _head(b)
    a_low, b_low = a - a_high, b - b_high
    low = ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low
    return high, low


def quotient(a: Array, b: Array) -> tuple[Array, Array]:
    """(high, low) where low has the sign of a / b - high, and is 0 where the quotient is exact."""
    high = a / b
    product, error = two_product(high, b)
    rest = (a - product) - error
    return high, np.where(rest == 0.0, 0.0, np.copysign(1.0, rest) * np.copysign(1.0, b))


def root(a: Array) -> tuple[Array, Array]:
    """(high, low) where low has the sign of sqrt(a) - high, and is 0 where the root is exact."""
    high = np.sqrt(a)
    product, error = two_product(high, high)
    rest = (a - product) - error
    return high, np.sign(rest)


def to_odd(high: Array, low: Array) -> Array:
    """high + low rounded to odd: the neighbour with an odd last bit where the sum is no float64."""
    high = np.asarray(high, dtype=np.float64)
    odd = (high.view(np.int64) & 1).astype(np.bool_)
    target = np.where(low > 0, np.inf, -np.inf)
    return np.where(odd | (low == 0.0) | ~np.isfinite(high) | np.isnan(low), high, np.nextafter(high, target))


def fused(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """(high, low): a * b + c as high + low up to a final rounding to odd (Boldo & Melquiond 2008, section 4)."""
    product, product_error = two_product(a, b)
    tail, tail_error = two_sum(c, product_error)
    high, low = two_sum(product, tail)
    return two_sum(high, to_odd(*two_sum(low, tail_error)))


def _head(a: Array) -> Array:
    scale = np.where(np.abs(a) > _HUGE, 2.0**-60, 1.0)
    part = a * scale
    scaled = _SPLIT * part
    head: Array = (scaled - (scaled - part)) / scale
    return head
