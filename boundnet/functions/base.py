"""What an elementwise function is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.machines.base import Machine

Program = Callable[[Machine, Any], Any]


@dataclass(frozen=True)
class Pieces:
    """A piecewise linear function: slope ``slopes[i]`` between ``breaks[i-1]`` and ``breaks[i]``.

    Attributes:
        breaks: enclosures (lo, hi) of the breakpoints, increasing; degenerate where the breakpoint is a float.
        slopes: (value, bound of its distance from the exact slope), one more than breakpoints.
        zero: which pieces are identically zero.
        continuous: False where the function jumps at a breakpoint.
    """

    breaks: tuple[tuple[float, float], ...]
    slopes: tuple[tuple[float, float], ...]
    zero: tuple[bool, ...]
    continuous: bool = True


@dataclass(frozen=True)
class Function:
    """An elementwise function of one variable.

    Attributes:
        name: as in Keras.
        parameters: its constants, in a fixed order.
        programs: evaluation forms; the first is the one a reference or an emulator runs.
        pieces: set for piecewise linear functions.
        slope_range: enclosure of f' over the real line (infinite where unbounded).
        curvature: bound of |f''| wherever it exists.
        monotone: whether f never decreases.
        kinks: points where f is continuous and not differentiable.
        positive: whether it is defined for positive arguments only.
        zero_at_zero: whether f(0) = 0 in exact arithmetic and in every execution.
        selects: constants, one of which is the result unless that is the argument itself; None where anything is computed.
        recipe: (callable, its arguments) that makes it again: its programs, closures, can't be sent to other processes.
    """

    name: str
    parameters: tuple[tuple[str, float], ...]
    programs: tuple[Program, ...]
    pieces: Pieces | None = None
    slope_range: tuple[float, float] = (-np.inf, np.inf)
    curvature: float = np.inf
    monotone: bool = False
    zero_at_zero: bool = False
    positive: bool = False
    selects: tuple[float, ...] | None = None
    recipe: tuple[Callable[..., Function], tuple[Any, ...]] | None = None

    def __reduce__(self) -> str | tuple[Any, ...]:
        return object.__reduce_ex__(self, 2) if self.recipe is None else self.recipe

    def __str__(self) -> str:
        inner = ", ".join(f"{key}={value:.6g}" for key, value in self.parameters)
        return f"{self.name}({inner})" if inner else self.name


def named(name: str, parameters: Mapping[str, float], programs: tuple[Program, ...], **rest: Any) -> Function:
    return Function(name, tuple((key, float(value)) for key, value in parameters.items()), programs, **rest)
