"""Axes: where a number lies between 0 and 1, and which ticks to write."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_LEAST = 5e-324


@dataclass(frozen=True)
class LogAxis:
    """Decades ``low .. high`` (exponents of ten)."""

    low: int
    high: int

    def at(self, value: float) -> float:
        """Position of a positive ``value``: 0 at the lower end, 1 at the upper one, held to these; NaN is a mistake."""
        exponent = -math.inf if value <= 0.0 else math.inf if math.isinf(value) else math.log10(value)
        return min(1.0, max(0.0, (exponent - self.low) / (self.high - self.low)))

    def ticks(self, most: int = 8) -> list[tuple[float, str]]:
        """(position, label) of at most about ``most`` powers of ten."""
        step = max(1, math.ceil((self.high - self.low) / most))
        first = math.ceil(self.low / step) * step
        return [
            ((exponent - self.low) / (self.high - self.low), power_text(exponent))
            for exponent in range(first, self.high + 1, step)
        ]


@dataclass(frozen=True)
class LinearAxis:
    """Numbers ``low .. high``, low < high."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Position of ``value``, held to 0 .. 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """(position, label) at multiples of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / most
        scale = 10.0 ** math.floor(math.log10(rough))
        step = next((scale * k for k in (1, 2, 5) if scale * k >= rough), scale * 10)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(self.at(k * step), f"{0.0 if k == 0 else k * step:.12g}") for k in range(first, last + 1)]


def log_axis(values: Iterable[float], most: int = 60) -> LogAxis | None:
    """An axis around the positive finite ones of ``values``, None where there are none; at most ``most`` decades, the
    largest ones."""
    usable = [value for value in values if 0.0 < value < math.inf]
    if not usable:
        return None
    high = math.ceil(math.log10(max(usable)))
    low = min(math.floor(math.log10(max(min(usable), _LEAST))), high - 1)
    return LogAxis(max(low, high - most), high)


def linear_axis(values: Iterable[float]) -> LinearAxis | None:
    """An axis around the finite ones of ``values`` with a little room, None where there are none."""
    usable = [value for value in values if math.isfinite(value)]
    if not usable:
        return None
    low, high = min(usable), max(usable)
    room = 0.04 * high - 0.04 * low or 0.5 * abs(high) or 1.0
    axis = LinearAxis(low - room, high + room)
    return axis if 0.0 < axis.high - axis.low < math.inf else None


def power_text(exponent: int) -> str:
    """10 to the power of ``exponent``, as axes show it."""
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return {0: "1", 1: "10"}.get(exponent, f"10{digits}")
