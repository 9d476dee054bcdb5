"""One operation of the engine as numba functions of float64 scalars; LLVM inlines and vectorises them.

Every function rounds an exact or nearly exact float64 result into a format held as :class:`Spec` numbers.  A product of two
p-bit numbers is exact in binary64 for p <= 26; rounding a binary64 sum, quotient or root once more to p bits is rounding
the exact one for p <= 25 (2p + 2 <= 53, Figueroa 1995), subnormal results included.  Wider formats, directed rounding and
fused operations round the exact result to odd first (Boldo & Melquiond 2008), which serves p <= 51.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from boundnet.arithmetic.formats import BINARY32, BINARY64, Format

F32, F64, FLOAT, FIXED = 0, 1, 2, 3
"""Kinds of format: native binary32 and binary64, any other float, fixed point."""


class Spec(NamedTuple):
    """A format as numbers for kernels.

    Attributes:
        kind: F32, F64, FLOAT or FIXED.
        drop: 53 - p, how many bits of a float64 significand are rounded off.
        least: smallest normal number; below it, and everywhere in fixed point, multiples of ``eta`` are the values.
        eta: smallest subnormal, or the quantum.
        largest: largest finite value.
        past: 0 infinity, 1 NaN, 2 the largest value, for results past it.
        flush: results below this magnitude become 0.
    """

    kind: int
    drop: int
    least: float
    eta: float
    largest: float
    past: int
    flush: float


def spec(fmt: Format, flush: bool = False) -> Spec:
    """``fmt`` for kernels; ``flush``: results below the normal range become 0."""
    kind = FIXED if fmt.is_fixed else F32 if fmt == BINARY32 and not flush else F64 if fmt == BINARY64 else FLOAT
    past = {"inf": 0, "nan": 1, "saturate": 2}[fmt.overflow]
    zero = fmt.smallest_normal if flush or not (fmt.subnormals or fmt.is_fixed) else 0.0
    least = fmt.largest * 4.0 if fmt.is_fixed else fmt.smallest_normal
    return Spec(kind, 53 - fmt.precision, least, fmt.smallest_subnormal, fmt.largest, past, zero)


def _bitcast(source: Any, target: Any, lowered: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def cast(typing_context: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], lowered)

        return target(source), emit

    return cast


bits_of = _bitcast(types.float64, types.uint64, ir.IntType(64))
float_of = _bitcast(types.uint64, types.float64, ir.DoubleType())

_ONE = np.uint64(1)
_EXPONENT = np.uint64(0x7FF0_0000_0000_0000)
_TWO52 = np.uint64(0x4330_0000_0000_0000)
njit = numba.njit(error_model="numpy", forceinline=True)  # a loop vectorises only around inlined functions


@njit
def settle(x, r, s):  # type: ignore[no-untyped-def]
    """``r``, the rounded ``x``, flushed and with overflow as the format has it."""
    size = abs(r)
    r = 0.0 * r if size < s.flush else r
    if s.past == 0:
        return np.copysign(np.inf, x) if size > s.largest else r
    if s.past == 1:
        return np.nan if size > s.largest else r
    return np.copysign(s.largest, x) if size > s.largest else r


@njit
def nearest(x, s):  # type: ignore[no-untyped-def]
    """x rounded to nearest, ties to even."""
    shift = np.uint64(s.drop)
    i = bits_of(x)
    half = (_ONE << (shift - _ONE)) - _ONE
    i = ((i + half + ((i >> shift) & _ONE)) >> shift) << shift
    # Multiples of eta below the normal range: adding 1.5 * 2**52 eta leaves no room for less.
    magic = 6755399441055744.0 * s.eta
    r = np.copysign((x + magic) - magic, x) if abs(x) < s.least else float_of(i)
    return settle(x, r, s)


@njit
def to32(x):  # type: ignore[no-untyped-def]
    """x rounded to nearest into binary32, natively."""
    return np.float64(np.float32(x))


@njit
def narrow(x, s):  # type: ignore[no-untyped-def]
    """x rounded to nearest, binary32 and binary64 natively."""
    if s.kind == 0:
        return to32(x)
    return x if s.kind == 1 else nearest(x, s)


@njit
def truncated(x, s):  # type: ignore[no-untyped-def]
    """x rounded toward zero; a finite x never becomes infinite."""
    shift = np.uint64(s.drop)
    i = (bits_of(x) >> shift) << shift
    r = np.copysign(np.floor(abs(x) / s.eta) * s.eta, x) if abs(x) < s.least else float_of(i)
    if s.past == 0 and abs(r) > s.largest and abs(x) != np.inf:
        r = np.copysign(s.largest, x)
    return settle(x, r, s)


@njit
def counted(word):  # type: ignore[no-untyped-def]
    """A word below 2**32 (in a uint64) as float64."""
    return float_of(_TWO52 | word) - 4503599627370496.0


@njit
def stochastic(x, word, s):  # type: ignore[no-untyped-def]
    """x rounded to one of its neighbours, up with probability of its distance from the lower one (in 2**-32)."""
    shift = np.uint64(s.drop)
    spread = (word << np.uint64(21)) >> (np.uint64(53) - shift)  # the word's leading bits below the last one kept
    i = ((bits_of(x) + spread) >> shift) << shift
    small = np.copysign(np.floor(abs(x) / s.eta + (counted(word) + 0.5) * 2.0**-32) * s.eta, x)
    r = small if abs(x) < s.least else float_of(i)
    return x if abs(x) > 1.7976931348623157e308 else settle(x, r, s)


@njit
def inexact(x, word, scale):  # type: ignore[no-untyped-def]
    """x + xi 2**(e - t + 1), xi = (word + 1/2) 2**-32 - 1/2, ``scale`` = 2**(1 - t - 32); 0, infinity and NaN stay."""
    place = bits_of(x) & _EXPONENT
    noise = (counted(word) - 2147483647.5) * (float_of(place) * scale)
    return x if place == _EXPONENT else x + noise


@njit
def inexact_result(x, word, scale, keep):  # type: ignore[no-untyped-def]
    """The same in mode rr, where a result that t bits hold (none of the bits ``keep`` set) stays as it is."""
    i = bits_of(x)
    place = i & _EXPONENT
    noise = (counted(word) - 2147483647.5) * (float_of(place) * scale)
    return x if (place == _EXPONENT) | (i & keep == np.uint64(0)) else x + noise


@njit
def _odd(high, low):  # type: ignore[no-untyped-def]
    """high + low rounded to odd."""
    i = bits_of(high)
    off = (low < 0.0) or (low > 0.0)  # not NaN
    if off and abs(high) <= 1.7976931348623157e308 and (i & _ONE) == np.uint64(0):
        up = (low > 0.0) == (high > 0.0)
        i = i + _ONE if up else i - _ONE
    return float_of(i)


@njit
def sum_odd(a, b):  # type: ignore[no-untyped-def]
    """a + b rounded to odd (Knuth's two-sum)."""
    high = a + b
    back = high - a
    return _odd(high, (a - (high - back)) + (b - back))


@njit
def _product(a, b):  # type: ignore[no-untyped-def]
    high = a * b
    split = 134217729.0
    ca, cb = split * a, split * b
    ah, bh = ca - (ca - a), cb - (cb - b)
    al, bl = a - ah, b - bh
    return high, ((ah * bh - high) + ah * bl + al * bh) + al * bl


@njit
def product_odd(a, b):  # type: ignore[no-untyped-def]
    """a * b rounded to odd (Dekker's product)."""
    high, low = _product(a, b)
    return _odd(high, low)


@njit
def quotient_odd(a, b):  # type: ignore[no-untyped-def]
    """a / b rounded to odd: the remainder tells on which side of the float64 quotient it lies."""
    high = a / b
    p, e = _product(high, b)
    rest = (a - p) - e
    return _odd(high, rest if b > 0.0 else -rest)


@njit
def fused_odd(a, b, c):  # type: ignore[no-untyped-def]
    """a * b + c rounded to odd, for a product that binary64 holds (p <= 26)."""
    return sum_odd(a * b, c)
