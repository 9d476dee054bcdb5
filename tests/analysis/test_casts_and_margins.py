"""Bounds that once missed an execution: flushed casts, a tie behind a negative margin, an input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from boundnet import ops
from boundnet.analysis.analyze import analyze
from boundnet.analysis.decisions import decide
from boundnet.analysis.heads import Head, Rows
from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import E4M3FN
from boundnet.arithmetic.presets import build, preset
from boundnet.graph import LayerGraph
from boundnet.ops import Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound

SUBNORMAL = 2.0**-130 * (4.0 / 3.0)


def network(op: Any) -> LayerGraph:
    graph = LayerGraph("one op")
    graph.add("x", ops.Input((1,)))
    graph.add("y", op, ["x"])
    graph.set_outputs(["y"])
    return graph


@pytest.mark.parametrize("subnormals", ["ftz", "ftz+daz", "either"])
@pytest.mark.parametrize("domain", ["interval", "affine"])
@pytest.mark.parametrize(("weight", "x"), [(SUBNORMAL, 2.0**100), (2.0**100, SUBNORMAL)])
def test_a_cast_may_flush(subnormals: str, domain: Any, weight: float, x: float) -> None:
    rules = build("bfloat16", subnormals=subnormals)
    result = analyze(network(ops.Dense(np.array([[weight]]))), np.array([[x]]), rules, domain=domain)
    assert result.samples[0].outputs[0].absolute_bound[0] >= weight * x  # the machine's product is 0


def test_a_cast_input_that_is_only_moved_may_flush() -> None:
    rules = build("pure-binary16", subnormals="ftz")
    x = 2.0**-15 * (4.0 / 3.0)
    result = analyze(network(ops.Reshape((1, 1))), np.array([[x]]), rules)
    assert result.samples[0].outputs[0].absolute_bound.item() >= x


def test_a_cast_that_can_only_give_zero_is_known() -> None:
    rules = build("fp8_e4m3fn", subnormals="ftz")
    result = analyze(network(ops.Reshape((1, 1))), np.array([[1e-40]]), rules)
    assert result.samples[0].outputs[0].absolute_bound.item() < 1e-39


def test_a_tie_of_the_cast_network_is_not_proved() -> None:
    exact, machine = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    pairs = np.array([[[0.0, 1.0], [-1.0, 0.0]]])  # D_0 - D_1 is exactly 1: the computed logits tie
    ours, theirs = Rows(np.ones((1, 2)), pairs, None), Rows(np.zeros((1, 2)), np.zeros((1, 2, 2)), None)
    (decision,) = decide(Head("y", "y", "argmax"), exact, machine, (ours, theirs), None, preset("binary32"))
    assert decision is not None
    assert not decision.proved


@pytest.mark.parametrize("box", [False, True])
def test_an_input_that_does_not_fit_is_reported(box: bool) -> None:
    x = np.array([[1000.0]])
    where: Any = {"box": (x, x + 1.0)} if box else {"inputs": x}
    result = analyze(network(ops.Reshape((1, 1))), arithmetic="fp8_e4m3fn", **where)
    assert np.isinf(result.samples[0].outputs[0].absolute_bound).all()
    assert result.layers[0].may_overflow
    assert any("overflow" in warning for warning in result.warnings)


def test_adding_zero_flushes_a_subnormal_partial_sum() -> None:
    rules = Arithmetic("fp8", E4M3FN, E4M3FN, SEQUENTIAL, "yes", "nearest", "ftz")
    x = np.array([[[-1.625, 0.013671875], [-0.34375, 0.0], [0.0, 0.0]]])
    check_bound(ops.Total(0), [x], rules, seed=1301600463)
    local = ops.Total(0).local(Rounder(rules), Tensor(x, np.zeros(x.shape), x == 0.0))
    assert local.rounding[0, 0, 1] >= 0.013671875
