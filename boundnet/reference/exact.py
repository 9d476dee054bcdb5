"""Exact evaluation in rational arithmetic: no functions, no doubt."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from boundnet.errors import BoundNetError
from boundnet.reference.objects import ObjectMachine


class ExactMachine(ObjectMachine):
    """Values are object arrays of ``fractions.Fraction``."""

    def number(self, value: float) -> Fraction:
        return Fraction(value)

    def larger(self, a: Any, b: Any) -> Any:
        return max(a, b)

    def pick(self, x: Any, threshold: Any, above: Any, below: Any) -> Any:
        return above if x >= threshold else below

    def call(self, name: str, x: Any) -> Any:
        raise BoundNetError(f"{name} has no rational values: use the arb or mpmath machine")
