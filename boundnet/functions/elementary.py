"""The elementary functions themselves, as operations of a network: roots, logarithms, absolute values, clipping."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.functions.base import Function, Pieces, named
from boundnet.machines.base import Machine


def absolute() -> Function:
    pieces = Pieces(((0.0, 0.0),), ((-1.0, 0.0), (1.0, 0.0)), (False, False))
    return named("absolute", {}, (lambda m, x: m.absolute(x),), pieces=pieces, slope_range=(-1.0, 1.0), zero_at_zero=True)


def clip(low: float = 0.0, high: float = 1.0) -> Function:
    """min(max(x, low), high)."""
    a, b = float(low), float(high)
    if not (np.isfinite(a) and np.isfinite(b) and a < b):
        raise GraphError(f"clip: {low} and {high} are not two finite numbers, the smaller one first")

    def program(m: Machine, x: Any) -> Any:
        return m.minimum(m.maximum(x, m.constant(a)), m.constant(b))

    pieces = Pieces(((a, a), (b, b)), ((0.0, 0.0), (1.0, 0.0), (0.0, 0.0)), (a == 0.0, False, b == 0.0))
    return named("clip", {"low": a, "high": b}, (program,), pieces=pieces, slope_range=(0.0, 1.0), monotone=True)


def sqrt() -> Function:
    return named("sqrt", {}, (lambda m, x: m.function("sqrt", x),), monotone=True, slope_range=(0.0, np.inf), positive=True)


def rsqrt() -> Function:
    def divided(m: Machine, x: Any) -> Any:
        return m.div(m.constant(1.0), m.function("sqrt", x))

    return named("rsqrt", {}, (lambda m, x: m.function("rsqrt", x), divided), slope_range=(-np.inf, 0.0), positive=True)


def log() -> Function:
    return named("log", {}, (lambda m, x: m.function("log", x),), monotone=True, slope_range=(0.0, np.inf), positive=True)


def log1p() -> Function:
    return named("log1p", {}, (lambda m, x: m.function("log1p", x),), monotone=True, slope_range=(0.0, np.inf),
                 positive=True)  # fmt: skip


def reciprocal() -> Function:
    return named("reciprocal", {}, (lambda m, x: m.div(m.constant(1.0), x),), slope_range=(-np.inf, 0.0), positive=True)
