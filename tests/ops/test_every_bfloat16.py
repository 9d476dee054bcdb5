"""Every bfloat16 number through every activation, executed with emulated rounding: each result lies within the rule's bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS
from helpers.mutation import mutate
from helpers.numbers_of import every_number

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32
from boundnet.functions import Function, make
from boundnet.machines.emulated import ADVERSARIES
from boundnet.machines.running import RunningMachine
from boundnet.numerics.outward import Array
from boundnet.ops.base import Tensor
from boundnet.reference.apply import broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import emulate

RULES = [
    Arithmetic("bfloat16", BFLOAT16, BFLOAT16, rounding=rounding, subnormals=subnormals)  # type: ignore[arg-type]
    for rounding in ("nearest", "any") for subnormals in ("gradual", "either")
] + [Arithmetic("mixed", BFLOAT16, BINARY32, subnormals="either")]  # fmt: skip


def check(function: Function, x: Array, adversaries: Sequence[str | None]) -> None:
    """For each arithmetic, form and adversary: |computed - exact| <= rounding, without tolerance."""
    machine, op = ArbMachine(160), ops.Activation(function)
    exact = op.evaluate(machine, machine.parameter(x))
    # The nearest float64 to the ball's middle settles most comparisons; the others are made in Arb.
    near = np.vectorize(lambda ball: float(ball.mid()), otypes=[np.float64])(exact)
    width = np.vectorize(lambda ball: float(ball.rad()), otypes=[np.float64])(exact)
    for rules in RULES:
        with np.errstate(all="ignore"):
            local = op.local(Rounder(rules), Tensor(x, np.zeros(x.shape), x == 0.0))
        bound = np.where(local.overflow, np.inf, local.rounding)
        for number, adversary in enumerate(adversaries):
            for form in op.forms():
                emulator = emulate(rules, np.random.default_rng(number), machine, adversary, 0.0)  # type: ignore[arg-type]
                with np.errstate(all="ignore"):
                    computed = form(emulator, x)
                    apart = np.abs(computed - near)
                    slack = width + np.abs(near) * 2.0**-51 + np.abs(computed) * 2.0**-51 + 2.0**-1060
                    clear = np.isinf(bound) | (apart + slack <= bound)
                unclear = np.nonzero(~clear)
                assert not np.any(broken(computed[unclear], bound[unclear])), (str(function), rules.name, adversary)
                away = machine.parameter(computed[unclear]) - exact[unclear]
                wrong = exceeds(away, bound[unclear])
                assert not np.any(wrong), (str(function), rules.name, adversary, x[unclear][wrong][:5])


def numbers(function: Function) -> Array:
    x = every_number(BFLOAT16)
    return (x[x > 0] if function.positive else x)[None]


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_some_bfloat16_numbers(function: Function) -> None:
    x = numbers(function)
    check(function, np.concatenate([x[:, ::61], x[:, :2], x[:, -2:]], axis=1), (None, "up", "random"))


@pytest.mark.slow
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_bfloat16_number(function: Function) -> None:
    check(function, numbers(function), ADVERSARIES)


def test_forgotten_ulps_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, RunningMachine.function, "carried + own", "carried")
    with pytest.raises(AssertionError):
        check(make("tanh"), numbers(make("tanh"))[:, ::61], (None, "up"))
