"""Functions with a bounded range: however far an operand may be off, a result is not further off than the range is wide."""

from __future__ import annotations

import numpy as np
import pytest

import boundnet
from boundnet.functions import make
from boundnet.machines.running import RunningMachine
from boundnet.numerics.intervals import Box
from boundnet.ops import Activation
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder

WIDTHS = {"sigmoid": 1.0, "tanh": 2.0}


@pytest.mark.parametrize("preset", ["binary32", "bfloat16", "pure-bfloat16", "fp8_e5m2"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_rounding_of_a_bounded_function(name: str, preset: str) -> None:
    rules = boundnet.build(preset)
    centre = np.array([[0.0, -3.0, 700.0, 1e-30]])
    local = Activation(make(name)).local(
        Rounder(rules), Tensor(centre, np.full(centre.shape, 1e4), np.zeros(centre.shape, np.bool_))
    )
    # Its own ulps and a store come on top.
    most = WIDTHS[name] * (1.0 + 40.0 * rules.storage.unit_roundoff)
    assert np.all(local.rounding <= most)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "erf"])
def test_the_machine_covers_any_operand_in_reach(name: str) -> None:
    """Operands drawn anywhere within their error give images within the bound, which is sharper than slope times error."""
    rules = boundnet.build("binary32", subnormals="gradual")
    machine = RunningMachine(rules)
    rng = np.random.default_rng(0)
    exact, off = rng.normal(0.0, 3.0, 500), 10.0 ** rng.uniform(-8, 3, 500)
    variable = machine.variable(Box.exactly(exact))
    operand = type(variable)(variable.exact, off, variable.overflow)
    bound = machine.function(name, operand).error
    for share in (-1.0, 1.0, *rng.uniform(-1, 1, 20)):
        moved = np.array([float(value_of(name, x)) for x in exact + share * off])
        still = np.array([float(value_of(name, x)) for x in exact])
        assert np.all(np.abs(moved - still) <= bound)
    assert bound.max() < 2.1


def value_of(name: str, x: float) -> object:
    import mpmath

    with mpmath.workdps(30):
        if name == "sigmoid":
            return 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        return getattr(mpmath, name)(mpmath.mpf(x))
