"""Monte Carlo Arithmetic as an execution model: what one perturbed operation may be off by.

Parker (1997); modes and steps are those of Verificarlo's mca backend (Denis, de Oliveira Castro, Petit 2016).  An operation
runs in binary64 (w = 2**-53), ``inexact(x) = x + xi 2**(e - t + 1)`` with 2**e <= |x| < 2**(e+1) and |xi| <= 1/2, rounded
to binary64, so |inexact(x) - x| <= eps |x| with eps = (1 + 2**-t)(1 + w) - 1, and the result is rounded to the accumulator
(v, its unit roundoff):

- ``rr``: inexact(a op b), a result that t bits hold stays as it is;
- ``pb``: inexact(a) op inexact(b);
- ``mca``: inexact(inexact(a) op inexact(b)).

Comparisons, maxima, casts, square roots and library functions are not perturbed.  0 stays 0.

Noise depends on the binade of what it is added to, so besides the relative bounds there are sharper ones in units of
ufp(T) = 2**floor(log2 T) for a T that bounds the magnitude.  For an operand, |inexact(x) - x| <= 2**-t ufp(x)
+ w |x| (1 + 2**-t) <= (2**-t + 4w) ufp(T).  For a result r with |r| <= T: its binary64 rounding and that of inexact(r) cost
at most (2 + 4) w ufp(T), the noise 2**-t ufp(T), and rounding to the accumulator v ufp(T), unless noise carried the result
into the next binade; there it costs at most 2v ufp(T), and at most the distance to the power of two that noise has just
crossed: min(2v, 2**-t + 6w) ufp(T).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from boundnet.errors import FormatError

Mode = Literal["rr", "pb", "mca"]
_W = 2.0**-53
_ROOM = 1.0 + 2.0**-44  # more than all roundings of the few operations below, relative to results of at least 2**-53


@dataclass(frozen=True)
class Perturbation:
    """Perturbation of every +, -, * and / at virtual precision ``precision`` (t): relative noise of at most 2**-t.

    Raises:
        FormatError: no such mode, or t outside 1 .. 53.
    """

    mode: Mode
    precision: int

    def __post_init__(self) -> None:
        if self.mode not in ("rr", "pb", "mca"):
            raise FormatError(f"perturbation mode {self.mode!r}: use rr, pb or mca")
        if not 1 <= self.precision <= 53:
            raise FormatError(f"virtual precision {self.precision}: must be in 1 .. 53")

    @property
    def noise(self) -> float:
        """eps: bound of the relative change that ``inexact`` makes."""
        return (2.0**-self.precision + _W + 2.0**-self.precision * _W) * _ROOM

    @property
    def operands(self) -> float:
        """The same for operands: 0 in mode rr, which perturbs results only."""
        return 0.0 if self.mode == "rr" else self.noise

    def rounding(self, v: float) -> float:
        """c - 1: relative error of everything that happens to a result, into an accumulator of unit roundoff ``v``."""
        noise = 0.0 if self.mode == "pb" else self.noise
        # (1 + w)(1 + noise)(1 + v) - 1 without cancellation.
        return (_W + (noise + v + noise * v) * (1.0 + _W)) * _ROOM

    def keeps(self, precision: int) -> bool:
        """Whether exact results of ``precision`` significant bits stay as they are: rr with as many bits or more."""
        return self.mode == "rr" and self.precision >= precision

    @property
    def operand_unit(self) -> float:
        """Factor of ufp(T) for the noise of an operand of at most T."""
        return 0.0 if self.mode == "rr" else (2.0**-self.precision + 4.0 * _W) * _ROOM

    def result_unit(self, v: float) -> float:
        """Factor of ufp(T) for all that happens to a result of at most T, ``v`` the accumulator's unit roundoff."""
        noise = 0.0 if self.mode == "pb" else 2.0**-self.precision
        return (noise + 6.0 * _W + max(v, min(2.0 * v, noise + 6.0 * _W))) * _ROOM

    def product_unit(self, v: float) -> float:
        """The same for a product; infinite where operands are perturbed as well: then :meth:`product` alone holds."""
        return self.result_unit(v) if self.mode == "rr" else math.inf

    def product(self, v: float) -> float:
        """Bound of the relative error of a product."""
        o, c = self.operands, self.rounding(v)
        return (2.0 * o + o * o + c * (1.0 + o) ** 2) * _ROOM

    def quotient(self, v: float) -> float:
        """Bound of the relative error of a quotient."""
        o, c = self.operands, self.rounding(v)
        return (2.0 * o + c * (1.0 + o)) / (1.0 - o) * _ROOM

    def leaf(self, v: float) -> float:
        """c_+ - 1: what one addition adds to the relative error of each leaf of its operands' sums."""
        o, c = self.operands, self.rounding(v)
        return (o + c + o * c) * _ROOM

    def largest(self, v: float) -> float:
        """Bound of the relative error of any product, quotient, or sum of two numbers of the same sign."""
        return max(self.product(v), self.quotient(v), self.leaf(v))

    def __str__(self) -> str:
        return f"{self.mode}({self.precision})"


def parse_perturbation(text: str) -> Perturbation:
    """``rr(24)``, ``pb(11)``, ``mca(24)``.

    Raises:
        FormatError: it is none of these.
    """
    match = re.fullmatch(r"(rr|pb|mca)\((\d+)\)", text.strip().lower().replace(" ", ""))
    if match is None:
        raise FormatError(f"perturbation {text!r}: use rr(t), pb(t) or mca(t) with virtual precision t, such as rr(24)")
    return Perturbation(match[1], int(match[2]))  # type: ignore[arg-type]


__all__ = ["Mode", "Perturbation", "parse_perturbation"]
