"""The global claims of every function (slope range, curvature, monotony) proved by subdivision with Arb, tails sampled."""

from __future__ import annotations

from itertools import pairwise

import flint
import numpy as np
import pytest
from flint import arb
from helpers.series import derivatives

from boundnet.errors import GraphError
from boundnet.functions import Function, known, make

REACH = 60.0
CASES = [make(name) for name in known() if name not in ("exponential", "expm1") and not make(name).positive] + [
    make("gelu", approximate=True), make("elu", alpha=0.3), make("elu", alpha=2.5), make("celu", alpha=0.5),
    make("celu", alpha=3.0), make("squareplus", b=1.0), make("relu", negative_slope=0.3), make("relu", max_value=6.0),
    make("hard_sigmoid", keras_version=2), make("relu", negative_slope=-0.5), make("relu", negative_slope=1.5),
]  # fmt: skip

ATTAINED = 2.0**-40
"""Room for suprema that are attained (tanh' = 1 at 0): subdivision closes in on them and never gets below."""


def exceeds(lo: arb, hi: arb, low: float, high: float, room: float) -> bool:
    """Whether [lo, hi] is not proved to lie within [low - room, high + room]."""
    below = not np.isinf(low) and not lo >= arb(low) - arb(room)
    above = not np.isinf(high) and not hi <= arb(high) + arb(room)
    return below or above


def prove(function: Function, low: float, high: float, depth: int) -> None:
    """Slope and curvature within the claims on [low, high], by bisection."""
    _, slope, bend = derivatives(function, low, high)
    room = ATTAINED * (1.0 + abs(function.slope_range[1]) if np.isfinite(function.slope_range[1]) else 1.0)
    curved = np.isfinite(function.curvature)
    good = slope.is_finite() and not exceeds(slope.lower(), slope.upper(), *function.slope_range, room)
    good = good and (not function.monotone or bool(slope.lower() >= -room))
    room = ATTAINED * (1.0 + function.curvature) if curved else 0.0
    good = good and (not curved or not exceeds(bend.lower(), bend.upper(), -function.curvature, function.curvature, room))
    if good:
        return
    assert depth > 0, f"{function}: on [{low}, {high}] slope {slope}, second derivative {bend}"
    middle = 0.5 * (low + high)
    prove(function, low, middle, depth - 1)
    prove(function, middle, high, depth - 1)


@pytest.mark.parametrize("function", CASES, ids=str)
def test_slope_range_and_curvature(function: Function) -> None:
    flint.ctx.prec = 128
    # Jumps and kinks of all cases lie on this grid or within one float of it.
    grid = np.linspace(-REACH, REACH, 241)
    jump = function.pieces is not None and not function.pieces.continuous
    for low, high in pairwise(grid):
        if not jump:
            prove(function, float(low), float(high), 44)
    for size in (60.5, 100.0, 1e3, 1e8, 1e30):
        for x in (size, -size):
            _, slope, bend = derivatives(function, x, x)
            assert not exceeds(slope, slope, *function.slope_range, 2.0**-90), (function, x, slope)
            assert not exceeds(bend, bend, -function.curvature, function.curvature, 2.0**-90), (function, x, bend)


@pytest.mark.parametrize("function", [f for f in CASES if f.pieces is not None], ids=str)
def test_pieces_are_linear_with_the_stated_slopes(function: Function) -> None:
    pieces = function.pieces
    assert pieces is not None
    ends = [-1000.0] + [v for pair in pieces.breaks for v in pair] + [1000.0]
    for i, ((slope, spread), zero) in enumerate(zip(pieces.slopes, pieces.zero, strict=True)):
        low, high = ends[2 * i], ends[2 * i + 1]
        if not low < high:
            continue
        for x in np.linspace(low, high, 7)[1:-1]:
            value, first, _ = derivatives(function, float(x), float(x))
            assert abs(first - arb(slope)) <= arb(spread) + arb(2) ** -120, (function, x)
            assert not zero or value.is_zero()


@pytest.mark.parametrize("name", known())
def test_all_forms_agree_with_the_first(name: str) -> None:
    from boundnet.reference.arb import ArbMachine

    machine = ArbMachine(256)
    x = machine.parameter(
        np.array([0.3, 1.7, 12.0] if make(name).positive else [-7.25, -1.0, -0.3, 0.0, 0.3, 1.0, 2.5, 30.0])
    )
    function = make(name)
    first = function.programs[0](machine, x)
    for program in function.programs[1:]:
        for a, b in zip(first, program(machine, x), strict=True):
            assert a.overlaps(b), name


@pytest.mark.parametrize(("name", "parameters"), [
    ("nosuch", {}), ("relu", {"alpha": 1.0}), ("relu", {"max_value": 1.0, "threshold": 2.0}), ("celu", {"alpha": 0.0}),
    ("relu", {"max_value": -1.0, "threshold": -2.0}), ("relu", {"max_value": 1.0, "negative_slope": -0.5}),
    ("hard_shrink", {"threshold": -1.0}), ("soft_shrink", {"threshold": -0.5}),
])  # fmt: skip
def test_refused_parameters(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(GraphError):
        make(name, **parameters)


@pytest.mark.parametrize(("name", "change"), [
    ("gelu", {"slope_range": (-0.12905, 1.1289)}), ("mish", {"slope_range": (-0.1132, 1.0884)}),
    ("silu", {"curvature": 0.4999}),
    ("gelu", {"curvature": 0.7978}), ("selu", {"slope_range": (0.0, 1.758)}),
])  # fmt: skip
def test_a_wrong_claim_is_found(name: str, change: dict[str, object]) -> None:
    from dataclasses import replace

    with pytest.raises(AssertionError):
        test_slope_range_and_curvature(replace(make(name), **change))  # type: ignore[arg-type]
