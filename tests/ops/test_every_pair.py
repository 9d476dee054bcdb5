"""Activations of several numbers: every pair of fp8 numbers, and every bfloat16 number beside some others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers.numbers_of import every_number

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, E4M3FN, E5M2, Format
from boundnet.domains import IntervalDomain
from boundnet.domains.forward import forward
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.reference.apply import broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound, emulate

Check = Callable[[Array, Arithmetic], object]


def gated(x: Array, rules: Arithmetic) -> None:
    """glu, a sigmoid(b), through a graph by intervals: computed values and the exact one within their radii."""
    graph = LayerGraph("glu")
    graph.add("x", ops.Input((2,)))
    graph.add("a", ops.Slice((0,), (1,), (1,)), ["x"])
    graph.add("b", ops.Slice((1,), (2,), (1,)), ["x"])
    graph.add("s", ops.Activation(make("sigmoid")), ["b"])
    graph.add("y", ops.Multiply(), ["a", "s"])
    graph.set_outputs(["y"])
    machine = ArbMachine(128)
    ours, theirs = (forward(graph, [x], Rounder(given), IntervalDomain()).tensors["y"] for given in (None, rules))
    centre = machine.parameter(ours.centre)
    exact = machine.parameter(x[:, :1]) * machine.function("sigmoid", machine.parameter(x[:, 1:]))
    assert not np.any(exceeds(exact - centre, ours.radius))
    for adversary in (None, "up", "down"):
        emulator = emulate(rules, np.random.default_rng(0), machine, adversary)  # type: ignore[arg-type]
        for form in ops.Activation(make("sigmoid")).forms():
            computed = emulator.mul(x[:, :1], form(emulator, x[:, 1:]))
            assert not np.any(broken(computed, theirs.radius))
            assert not np.any(exceeds(machine.parameter(computed) - centre, theirs.radius))


CHECKS: dict[str, Check] = {
    "softmax": lambda x, rules: check_bound(ops.Softmax(0), [x], rules, trials=2, exact=False),
    "log_softmax": lambda x, rules: check_bound(ops.LogSoftmax(0), [x], rules, trials=2, exact=False),
    "glu": gated,
}


def pairs(fmt: Format) -> Array:
    """All pairs of numbers, (N, 2)."""
    x = every_number(fmt)
    return np.stack([v.ravel() for v in np.meshgrid(x, x)], axis=-1)


def arithmetics(fmt: Format) -> list[Arithmetic]:
    """8-bit tensors with sums as hardware keeps them; 8-bit sums are too coarse for any bound of a softmax."""
    return [Arithmetic("mixed", fmt, wide, rounding=rounding)  # type: ignore[arg-type]
            for wide in (BINARY32, BFLOAT16) for rounding in ("nearest", "any")]  # fmt: skip


@pytest.mark.parametrize("fmt", [E4M3FN, E5M2], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("name", CHECKS)
def test_some_pairs(name: str, fmt: Format) -> None:
    x = pairs(fmt)[::71]
    for rules in arithmetics(fmt):
        CHECKS[name](x, rules)


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [E4M3FN, E5M2], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("name", CHECKS)
def test_every_pair(name: str, fmt: Format) -> None:
    for rules in arithmetics(fmt):
        CHECKS[name](pairs(fmt), rules)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_every_bfloat16_number_beside_another(name: str) -> None:
    x = every_number(BFLOAT16)
    for other in (np.zeros(x.shape), np.ones(x.shape), BFLOAT16.round(x * 0.875), x[::-1]):
        for rules in (Arithmetic("bfloat16", BFLOAT16, BFLOAT16), Arithmetic("mixed", BFLOAT16, BINARY32, rounding="any")):
            CHECKS[name](np.stack([x, other], axis=-1), rules)
