"""Numbers as people read them, never kinder than what is proved: bounds are shortened upwards, margins downwards."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

_WIDE = Context(prec=800)
"""Holds every binary64 number exactly, so that only the wanted rounding happens."""


def bound_text(bound: float, digits: int = 3) -> str:
    """``bound`` shortened to so many significant digits, rounded up; words where it is not finite."""
    return _shorten(bound, digits, ROUND_CEILING)


def floor_text(value: float, digits: int = 3) -> str:
    """``value`` shortened downwards: for margins and lower ends."""
    return _shorten(value, digits, ROUND_FLOOR)


def value_text(value: float, bound: float = 0.0) -> str:
    """``value`` with one digit more than ``bound`` leaves certain, at least 3 and at most 17; all digits if it is 0."""
    if not math.isfinite(value) or bound == 0.0 or value == 0.0:
        return _word(value) or _plain(Decimal(repr(value)))
    digits = 3
    if math.isfinite(bound):
        digits = min(17, max(3, Decimal(value).adjusted() - Decimal(bound).adjusted() + 2))
    return _shorten(value, digits, ROUND_HALF_EVEN)


def share_text(share: float) -> str:
    """A share as a percentage; a small one is not shown as nothing."""
    if not math.isfinite(share):
        return _word(share)
    if 0.0 < share < 0.001:
        return "<0.1 %"
    return f"{100.0 * share:.1f} %"


def seconds_text(seconds: float) -> str:
    """A duration in seconds."""
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape without the batch axis, ``8 x 8 x 1``; a scalar has none."""
    return " x ".join(map(str, shape)) or "scalar"


def count_text(count: int, noun: str) -> str:
    """``1 sample``, ``2 samples``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def printable(text: str) -> str:
    """``text`` on one line without characters that steer a terminal; names in files can hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _word(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return ""


def _shorten(value: float, digits: int, rounding: str) -> str:
    if not math.isfinite(value) or value == 0.0:
        return _word(value) or "0"
    exact = Decimal(value)
    place = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return _plain(exact.quantize(place, rounding=rounding, context=_WIDE))


def _plain(number: Decimal) -> str:
    """Positional where that is short, else with an exponent; no trailing zeros."""
    number = number.normalize(_WIDE)
    if number == 0:
        return "0"
    exponent = number.adjusted()
    if -4 <= exponent <= 6:
        return f"{number:f}"
    mantissa = number.scaleb(-exponent, context=_WIDE)
    return f"{mantissa:f}e{exponent:+03d}"
