"""Number formats: what a machine can store (IEEE 754-2019, OCP 8-bit formats, fixed point)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from boundnet.errors import FormatError
from boundnet.numerics.outward import Array

Direction = Literal["nearest", "down", "up", "toward_zero"]


@dataclass(frozen=True)
class Format:
    """A binary format with ``precision`` significant bits, hidden bit included.

    Normal numbers have exponents ``emin .. emax``.  A fixed-point format is described by ``quantum`` and has no relative
    error at all (``unit_roundoff`` 0): only its absolute spacing matters.

    Attributes:
        name: how results print it.
        precision: p, significant bits.
        emin, emax: smallest and largest exponent of a normal number.
        subnormals: False for a format whose values below 2**emin are zero.
        overflow: what a result past the largest finite value becomes.
        largest: largest finite value.
        quantum: spacing of a fixed-point format, 0 for floating point.
    """

    name: str
    precision: int
    emin: int
    emax: int
    subnormals: bool = True
    overflow: Literal["inf", "nan", "saturate"] = "inf"
    largest: float = 0.0
    quantum: float = 0.0

    def __post_init__(self) -> None:
        if self.largest == 0.0:
            object.__setattr__(self, "largest", (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.emax)

    @property
    def is_fixed(self) -> bool:
        """Whether this is a fixed-point format."""
        return self.quantum > 0.0

    @property
    def unit_roundoff(self) -> float:
        """u = 2**-p, half the spacing just above 1; 0 for fixed point."""
        return 0.0 if self.is_fixed else 2.0**-self.precision

    @property
    def smallest_subnormal(self) -> float:
        """eta, the spacing below the smallest normal number; the quantum of a fixed-point format."""
        return self.quantum if self.is_fixed else 2.0 ** (self.emin - self.precision + 1)

    @property
    def smallest_normal(self) -> float:
        """lambda = 2**emin; 0 for fixed point, which has no normal range."""
        return 0.0 if self.is_fixed else 2.0**self.emin

    def describe(self) -> dict[str, object]:
        """What is needed to judge a number in this format, as plain values; ``quantum`` is 0 for floating point."""
        return {
            "name": self.name,
            "precision": self.precision,
            "largest": self.largest,
            "smallest_normal": self.smallest_normal,
            "smallest_subnormal": self.smallest_subnormal,
            "quantum": self.quantum,
            "overflow": self.overflow,
        }

    def contains(self, other: Format) -> bool:
        """Whether every finite value of ``other`` is a value of this format, so that storing it rounds nothing."""
        if self.is_fixed or other.is_fixed:
            same_kind = self.is_fixed and other.is_fixed
            return same_kind and self.quantum <= other.quantum and self.largest >= other.largest
        return (
            self.precision >= other.precision
            and self.emin - self.precision <= other.emin - other.precision
            and (self.subnormals or (not other.subnormals and self.emin <= other.emin))
            and self.largest >= other.largest
        )

    def holds(self, other: Format) -> bool:
        """As :meth:`contains`, and fixed point in floating point where the significand and the range suffice."""
        if other.is_fixed and not self.is_fixed:
            wide = other.largest < self.largest and other.quantum >= self.smallest_subnormal
            return wide and self.precision >= other.precision and (self.subnormals or other.quantum >= self.smallest_normal)
        return self.contains(other)

    def round(self, value: Array, direction: Direction = "nearest") -> Array:
        """Round float64 values once into this format (ties to even), results as float64.

        The spacing is a power of two, so scaling is exact and ``rint`` makes the only rounding.  Past the largest value
        ``overflow`` decides; a format without subnormals flushes them to zero.
        """
        value = np.asarray(value, dtype=np.float64)
        if self == BINARY64 and direction == "nearest":
            return value
        if self == BINARY32 and direction == "nearest":
            # The processor's own cast, a hundred times faster: large networks hold 1e8 weights.
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                return value.astype(np.float32).astype(np.float64)
        _, exponent = np.frexp(value)
        bits = np.full(value.shape, round(np.log2(self.smallest_subnormal)))
        if not self.is_fixed:
            bits = np.maximum(exponent - self.precision, bits)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.ldexp(value, -bits)
            rounded = np.ldexp(_ROUND[direction](scaled), bits)
            rounded = np.where(np.isfinite(value), rounded, value)
            if not self.subnormals:
                rounded = np.where(np.abs(rounded) < self.smallest_normal, 0.0, rounded)
            past = np.abs(rounded) > self.largest
            if self.overflow == "saturate":
                rounded = np.where(past, np.copysign(self.largest, value), rounded)
            elif self.overflow == "nan":
                rounded = np.where(past, np.nan, rounded)
            else:
                rounded = np.where(past, np.copysign(np.inf, value), rounded)
        return rounded


_ROUND = {"nearest": np.rint, "down": np.floor, "up": np.ceil, "toward_zero": np.trunc}

BINARY64 = Format("binary64", 53, -1022, 1023)
BINARY32 = Format("binary32", 24, -126, 127)
BINARY16 = Format("binary16", 11, -14, 15)
BFLOAT16 = Format("bfloat16", 8, -126, 127)
TF32 = Format("tf32", 11, -126, 127)
E4M3FN = Format("fp8_e4m3fn", 4, -6, 8, overflow="nan", largest=448.0)
E5M2 = Format("fp8_e5m2", 3, -14, 15)

FORMATS = {item.name: item for item in (BINARY64, BINARY32, BINARY16, BFLOAT16, TF32, E4M3FN, E5M2)}
"""The named formats, by name."""

_ALIASES = {
    "float64": "binary64", "double": "binary64", "fp64": "binary64",
    "float32": "binary32", "single": "binary32", "fp32": "binary32", "float": "binary32",
    "float16": "binary16", "half": "binary16", "fp16": "binary16",
    "bf16": "bfloat16", "e4m3": "fp8_e4m3fn", "e4m3fn": "fp8_e4m3fn", "fp8_e4m3": "fp8_e4m3fn",
    "e5m2": "fp8_e5m2", "float8_e4m3fn": "fp8_e4m3fn", "float8_e5m2": "fp8_e5m2",
}  # fmt: skip


def float_format(precision: int, exponent_bits: int) -> Format:
    """IEEE-like format with ``precision`` significant bits (hidden bit included) and ``exponent_bits`` exponent bits.

    ``float_format(8, 8)`` is bfloat16, ``float_format(11, 5)`` is binary16.
    """
    if not (2 <= precision <= 53 and 2 <= exponent_bits <= 11):
        raise FormatError(f"float({precision},{exponent_bits}): precision must be 2..53 and exponent bits 2..11")
    emax = 2 ** (exponent_bits - 1) - 1
    return Format(f"float({precision},{exponent_bits})", precision, 1 - emax, emax)


def fixed_format(integer_bits: int, fraction_bits: int, overflow: Literal["nan", "saturate"] = "saturate") -> Format:
    """Signed fixed point: multiples of 2**-fraction_bits up to 2**integer_bits, sign bit apart."""
    if not (0 <= integer_bits <= 200 and -50 <= fraction_bits <= 200 and 1 <= integer_bits + fraction_bits <= 52):
        raise FormatError(
            f"fixed({integer_bits},{fraction_bits}): integer + fraction bits must be 1..52 (they are held in binary64)"
        )
    quantum = 2.0**-fraction_bits
    name = f"fixed({integer_bits},{fraction_bits})"
    return Format(name, integer_bits + fraction_bits, 0, integer_bits, overflow=overflow,
                  largest=2.0**integer_bits - quantum, quantum=quantum)  # fmt: skip


def parse_format(text: str) -> Format:
    """A format from its name: ``binary32``, ``bf16``, ``fp8_e5m2``, ``float(p,e)``, ``fixed(i,f)``.

    Raises:
        FormatError: the name is unknown; the message lists what exists.
    """
    name = text.strip().lower().replace(" ", "")
    name = _ALIASES.get(name, name)
    if name in FORMATS:
        return FORMATS[name]
    match = re.fullmatch(r"(float|fixed)\((-?\d+),(-?\d+)\)", name)
    if match:
        make = float_format if match[1] == "float" else fixed_format
        return make(int(match[2]), int(match[3]))
    raise FormatError(
        f"unknown format {text!r}: use one of {', '.join(FORMATS)}, float(p,e) with p significant and e exponent bits, "
        "or fixed(i,f) with i integer and f fraction bits"
    )


def without_subnormals(fmt: Format) -> Format:
    """The same format on hardware that has no subnormal numbers."""
    return replace(fmt, subnormals=False)
