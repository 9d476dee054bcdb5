"""Elementwise functions: one program each, from which values, derivatives, enclosures and rounding bounds derive.

``Function.programs`` are the evaluation forms in use (all equal in exact arithmetic); a bound covers every one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.functions import elementary, piecewise, smooth
from boundnet.functions.base import Function, Pieces, Program

_TABLE: dict[str, Callable[..., Function]] = {
    "relu": piecewise.relu,
    "relu6": piecewise.relu6,
    "leaky_relu": piecewise.leaky_relu,
    "hard_sigmoid": piecewise.hard_sigmoid,
    "hard_tanh": piecewise.hard_tanh,
    "sparse_sigmoid": piecewise.sparse_sigmoid,
    "hard_shrink": piecewise.hard_shrink,
    "soft_shrink": piecewise.soft_shrink,
    "threshold": piecewise.threshold,
    "exponential": smooth.plain("exponential", "exp", (0.0, np.inf), np.inf),
    "tanh": smooth.plain("tanh", "tanh", (0.0, 1.0), 0.76981),
    "sigmoid": smooth.sigmoid,
    "softplus": smooth.softplus,
    "elu": smooth.elu,
    "selu": smooth.selu,
    "celu": smooth.celu,
    "silu": smooth.silu,
    "gelu": smooth.gelu,
    "softsign": smooth.softsign,
    "hard_silu": smooth.hard_silu,
    "tanh_shrink": smooth.tanh_shrink,
    "log_sigmoid": smooth.log_sigmoid,
    "mish": smooth.mish,
    "sparse_plus": smooth.sparse_plus,
    "squareplus": smooth.squareplus,
    "clipped_rsqrt": smooth.clipped_rsqrt,
    "absolute": elementary.absolute,
    "clip": elementary.clip,
    "sqrt": elementary.sqrt,
    "rsqrt": elementary.rsqrt,
    "log": elementary.log,
    "log1p": elementary.log1p,
    "expm1": smooth.plain("expm1", "expm1", (0.0, np.inf), np.inf),
    "erf": smooth.plain("erf", "erf", (0.0, 1.1283792), 0.96789),
    "reciprocal": elementary.reciprocal,
}


def make(name: str, **parameters: Any) -> Function:
    """The function ``name`` with the given constants.

    Raises:
        GraphError: there is no such function, or a parameter is not one of its own.
    """
    if name not in _TABLE:
        raise GraphError(f"unknown function {name!r}: known are {', '.join(sorted(_TABLE))}")
    try:
        function = _TABLE[name](**parameters)
    except TypeError as error:
        raise GraphError(f"function {name!r}: {error}") from None
    return replace(function, recipe=(_again, (name, tuple(parameters.items()))))


def _again(name: str, parameters: tuple[tuple[str, Any], ...]) -> Function:
    return make(name, **dict(parameters))


def known() -> tuple[str, ...]:
    """Names that :func:`make` accepts."""
    return tuple(sorted(_TABLE))


__all__ = ["Function", "Pieces", "Program", "known", "make"]
