"""What a piece of emitted C consists of, and the spelling of its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from boundnet.arithmetic.formats import Format
from boundnet.numerics.outward import Array

Shape = tuple[int, ...]
Real = Literal["float", "double"]


@dataclass(frozen=True)
class Piece:
    """The body of one C function.

    Attributes:
        lines: statements, indented by four spaces a level.
        operations: how many of ``add``, ``sub``, ``mul`` and ``div`` one call executes, whatever the data.
        scratch: values of scratch memory it needs.
    """

    lines: tuple[str, ...]
    operations: Counter[str] = field(default_factory=Counter)
    scratch: int = 0


FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "erf", "sigmoid", "softplus", "rsqrt")
CALLS = {"sqrt": "sqrt"} | {name: f"network_{name}" for name in FUNCTIONS}
"""Elementary function -> its name in C, without the f of <math.h>'s float version of sqrt."""


@dataclass(frozen=True)
class CType:
    """The C type of all values.

    Attributes:
        name: ``float`` or ``double``.
        storage: a narrower format to which every operation's operands and results are rounded when the code runs (VPREC):
            weights and literals are then rounded to it at once, not to the C type first.
    """

    name: Real
    storage: Format | None = None

    @property
    def scalar(self) -> type[np.floating[Any]]:
        """The NumPy type."""
        return np.float32 if self.name == "float" else np.float64

    def stored(self, value: Array) -> Array:
        """Float64 values rounded to the storage format, if there is one."""
        return value if self.storage is None else self.storage.round(value)

    def literal(self, value: float) -> str:
        """A C literal that denotes ``value`` rounded once.

        The shortest decimal that identifies it among the numbers of the type: compilers read it back exactly.
        """
        rounded = self.scalar(self.stored(np.asarray(value, dtype=np.float64)))
        if not np.isfinite(rounded):
            return "(0.0 / 0.0)" if np.isnan(rounded) else ("(real)-HUGE_VAL" if rounded < 0 else "(real)HUGE_VAL")
        size = abs(float(rounded))
        if size == 0.0 or 1e-4 <= size < 1e7:
            text = np.format_float_positional(rounded, unique=True, trim="0")
        else:
            text = np.format_float_scientific(rounded, unique=True, trim="0")
        text += "f" if self.name == "float" else ""
        return f"({text})" if text.startswith("-") else text

    def call(self, function: str) -> str:
        """The C function that computes an elementary function."""
        name = CALLS[function]
        return name + ("f" if self.name == "float" and not name.startswith("network_") else "")


def size_of(shape: Sequence[int]) -> int:
    """Number of elements."""
    return int(np.prod(shape, dtype=np.int64))


def strides_of(shape: Shape) -> Shape:
    """C-order strides in elements."""
    return tuple(size_of(shape[i + 1 :]) for i in range(len(shape)))


def operand(number: int, count: int) -> str:
    """C name of an operand: x if it is the only one, else x0, x1, ..."""
    return "x" if count == 1 else f"x{number}"


def index(terms: Sequence[tuple[str, int]], offset: int = 0) -> str:
    """``i * 12 + j * 3 + 4`` from loop variables (or expressions in brackets) with their strides."""
    text = ""
    for name, stride in terms:
        if stride != 0:
            sign = ("-" if stride < 0 else "") if not text else (" - " if stride < 0 else " + ")
            text += sign + (name if abs(stride) == 1 else f"{name} * {abs(stride)}")
    if offset:
        text += str(offset) if not text else f" {'-' if offset < 0 else '+'} {abs(offset)}"
    return text or "0"


def loop(variable: str, count: int) -> str:
    """The head of a loop."""
    return f"for (long {variable} = 0; {variable} < {count}; ++{variable})"


def nest(heads: Sequence[str], body: Sequence[str], level: int = 1) -> list[str]:
    """``body`` inside the given loop heads, from ``level`` on; one pair of braces around each loop."""
    lines, closing = [], []
    for depth, head in enumerate(heads):
        pad = "    " * (level + depth)
        lines.append(f"{pad}{head} {{")
        closing.append(f"{pad}}}")
    pad = "    " * (level + len(heads))
    return [*lines, *(pad + line for line in body), *reversed(closing)]


__all__ = ["CALLS", "CType", "Piece", "Real", "Shape", "index", "loop", "nest", "operand", "size_of", "strides_of"]
