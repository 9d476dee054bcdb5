"""Every bfloat16 number: enclosures of value and slope of every function against Arb."""

from __future__ import annotations

import math

import flint
import numpy as np
import pytest
from cases import ACTIVATIONS
from flint import arb
from series import derivatives

from boundnet.box import Box
from boundnet.formats import BFLOAT16, E4M3FN, Format
from boundnet.functions import Function
from boundnet.machines.boxes import BoxMachine
from boundnet.machines.jets import JetMachine
from boundnet.rounding import Array


def every_number(fmt: Format, largest: float) -> Array:
    """All numbers of ``fmt`` up to ``largest`` in magnitude."""
    count = 2 ** (fmt.precision - 1)
    exponents = np.arange(fmt.emin, min(fmt.emax, math.frexp(largest)[1]) + 1)
    normal = ((1.0 + np.arange(count) / count) * 2.0 ** exponents[:, None]).ravel()
    positive = np.concatenate([np.arange(count) * fmt.smallest_subnormal, normal])
    positive = positive[positive <= min(fmt.largest, largest)]
    return np.concatenate([-positive[:0:-1], positive])


def check(function: Function, x: Array) -> None:
    """Arb's value and slope at every x lie in the intervals of the box and the jet machine."""
    flint.ctx.prec = 128
    machine = JetMachine()
    with np.errstate(all="ignore"):
        value = function.programs[0](BoxMachine(), Box.exactly(x))
        slope = function.programs[0](machine, machine.variable(Box.exactly(x))).slope
    ends = [np.broadcast_to(end, x.shape) for end in (value.lo, value.hi, slope.lo, slope.hi)]
    for at, low, high, left, right in zip(x, *ends, strict=True):
        exact, first, _ = derivatives(function, float(at), float(at))
        for found, below, above in ((exact, low, high), (first, left, right)):
            if found.is_finite():
                assert not found < arb(float(below)), (str(function), at)
                assert not found > arb(float(above)), (str(function), at)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_fp8_number(function: Function) -> None:
    x = every_number(E4M3FN, E4M3FN.largest)
    check(function, x[x > 0] if function.positive else x)


@pytest.mark.slow
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_bfloat16_number(function: Function) -> None:
    """Up to 2**20 in magnitude; beyond, every function here is 0, 1 or a line to more digits than bfloat16 has."""
    x = every_number(BFLOAT16, 2.0**20)
    check(function, x[x > 0] if function.positive else x)
