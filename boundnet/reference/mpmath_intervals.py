"""Certified evaluation with mpmath's interval context, at any precision."""

from __future__ import annotations

import math
from typing import Any

import mpmath
from mpmath import iv

from boundnet.reference.objects import ObjectMachine


def _tanh(x: Any) -> Any:
    # 1 - 2 / (exp(2x) + 1), and x's Taylor remainder where that cancels.
    if x.a > -1 and x.b < 1:
        e = _expm1(2 * x)
        return e / (e + 2)
    return 1 - 2 / (iv.exp(2 * x) + 1) if x.a > 0 else -1 + 2 / (iv.exp(-2 * x) + 1)


def _expm1(x: Any) -> Any:
    # exp(x) - 1 at so much more precision that the cancellation leaves the working one.
    magnitude = max(abs(x.a), abs(x.b)) if not (x.a == 0 and x.b == 0) else iv.mpf(1)
    extra = max(0, -int(mpmath.mag(mpmath.mpf(magnitude.b)))) if magnitude.b < 1 else 0
    before, iv.prec = iv.prec, iv.prec + extra + 10
    try:
        return iv.exp(x) - 1
    finally:
        iv.prec = before


def _log1p(x: Any) -> Any:
    magnitude = max(abs(x.a), abs(x.b)) if not (x.a == 0 and x.b == 0) else iv.mpf(1)
    extra = max(0, -int(mpmath.mag(mpmath.mpf(magnitude.b)))) if magnitude.b < 1 else 0
    before, iv.prec = iv.prec, iv.prec + extra + 10
    try:
        return iv.log(1 + x)
    finally:
        iv.prec = before


def _erf(x: Any) -> Any:
    # Monotone: mpmath.erf at the ends is correct to the working precision; 8 more bits and an ulp of slack enclose it.
    with mpmath.workprec(iv.prec + 16):
        low, high = mpmath.erf(mpmath.mpf(x.a.a)), mpmath.erf(mpmath.mpf(x.b.b))
        slack = mpmath.ldexp(1, -iv.prec - 8)
        return iv.mpf([low - abs(low) * slack, high + abs(high) * slack])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + iv.exp(-x))


def _softplus(x: Any) -> Any:
    low, high = iv.mpf(x.a), iv.mpf(x.b)
    return iv.mpf([_softplus_at(low).a, _softplus_at(high).b])


def _softplus_at(x: Any) -> Any:
    return x + _log1p(iv.exp(-x)) if x.a > 0 else _log1p(iv.exp(x))


_CALLS = {
    "exp": iv.exp,
    "expm1": _expm1,
    "log": iv.log,
    "log1p": _log1p,
    "tanh": _tanh,
    "erf": _erf,
    "sqrt": iv.sqrt,
    "rsqrt": lambda x: 1 / iv.sqrt(x),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}


class MpmathMachine(ObjectMachine):
    """Intervals of ``bits`` bits.  Values are object arrays of ``mpmath.iv.mpf``; precision is global to ``mpmath.iv``."""

    def __init__(self, bits: int = 128) -> None:
        self.bits = bits
        iv.prec = bits

    def number(self, value: float) -> Any:
        return iv.mpf(value)

    def larger(self, a: Any, b: Any) -> Any:
        return iv.mpf([max(a.a, b.a, key=_key).a, max(a.b, b.b, key=_key).b])

    def pick(self, x: Any, threshold: Any, above: Any, below: Any) -> Any:
        if _key(x.a) >= _key(threshold):
            return above
        if _key(x.b) < _key(threshold):
            return below
        return iv.mpf([min(above.a, below.a, key=_key).a, max(above.b, below.b, key=_key).b])

    def call(self, name: str, x: Any) -> Any:
        return _CALLS[name](x)

    @staticmethod
    def enclosure(x: Any) -> tuple[float, float]:
        """Float64 bounds of an interval, rounded outwards."""
        low, high = _key(x.a), _key(x.b)
        if mpmath.isnan(low) or mpmath.isnan(high):
            return -math.inf, math.inf
        lo, hi = float(low), float(high)
        lo = lo if mpmath.mpf(lo) <= low else math.nextafter(lo, -math.inf)
        hi = hi if mpmath.mpf(hi) >= high else math.nextafter(hi, math.inf)
        return lo, hi

    @staticmethod
    def certified(x: Any, scale: float, digits: int) -> bool:
        """Whether the interval is narrower than 10**-digits times |x| or ``scale``."""
        low, high = _key(x.a), _key(x.b)
        if not (mpmath.isfinite(low) and mpmath.isfinite(high)):
            return False
        size = max(abs(low), abs(high), mpmath.mpf(scale) * mpmath.mpf(10) ** -6)
        return bool(high - low <= size * mpmath.mpf(10) ** -digits)


def _key(end: Any) -> Any:
    """An end of an interval (itself a degenerate interval) as an exact mpf."""
    return mpmath.mp.make_mpf(end._mpi_[0])
