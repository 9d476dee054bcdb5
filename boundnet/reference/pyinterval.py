"""Certified evaluation with pyinterval, whose functions are crlibm's: binary64 intervals, correctly rounded ends."""

from __future__ import annotations

import math
from typing import Any

from boundnet.errors import BoundNetError
from boundnet.reference.objects import ObjectMachine

try:
    from interval import imath, interval
except ImportError:
    interval = None


def _ends(x: Any) -> tuple[float, float]:
    hull = interval.hull([x]) if len(x) != 1 else x
    return hull[0].inf, hull[0].sup


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + imath.exp(-x))


def _softplus(x: Any) -> Any:
    low, high = _ends(x)
    return interval.hull([_softplus_at(low), _softplus_at(high)])


def _softplus_at(x: float) -> Any:
    point = interval(x)
    return point + imath.log1p(imath.exp(-point)) if x > 0 else imath.log1p(imath.exp(point))


def _erf(x: Any) -> Any:
    # crlibm has no erf: the C library's, widened by the 4 ulp that accuracy.GLIBC_FLOAT64 allows it.
    low, high = math.erf(_ends(x)[0]), math.erf(_ends(x)[1])
    slack = interval([-(2.0**-50), 2.0**-50])
    return interval.hull([low + low * slack, high + high * slack])


class PyintervalMachine(ObjectMachine):
    """Binary64 intervals.  Values are object arrays of ``interval.interval``.

    Raises:
        BoundNetError: pyinterval is not installed.
    """

    def __init__(self, bits: int = 53) -> None:
        if interval is None:
            raise BoundNetError("the pyinterval engine needs pyinterval and crlibm: pip install boundnet[pyinterval]")
        self.bits = 53
        self._calls = {
            "exp": imath.exp,
            "expm1": imath.expm1,
            "log": imath.log,
            "log1p": imath.log1p,
            "tanh": imath.tanh,
            "erf": _erf,
            "sqrt": imath.sqrt,
            "rsqrt": lambda x: 1 / imath.sqrt(x),
            "sigmoid": _sigmoid,
            "softplus": _softplus,
        }

    def number(self, value: float) -> Any:
        return interval(value)

    def larger(self, a: Any, b: Any) -> Any:
        (a_low, a_high), (b_low, b_high) = _ends(a), _ends(b)
        return interval([max(a_low, b_low), max(a_high, b_high)])

    def pick(self, x: Any, threshold: Any, above: Any, below: Any) -> Any:
        (low, high), (level, _) = _ends(x), _ends(threshold)
        if low >= level:
            return above
        return below if high < level else interval.hull([above, below])

    def call(self, name: str, x: Any) -> Any:
        return self._calls[name](x)

    @staticmethod
    def enclosure(x: Any) -> tuple[float, float]:
        """Float64 bounds of an interval."""
        if len(x) == 0:
            return -math.inf, math.inf
        return _ends(x)

    @staticmethod
    def certified(x: Any, scale: float, digits: int) -> bool:
        """Always True: binary64 is all there is, whatever was asked."""
        return True


__all__ = ["PyintervalMachine"]
