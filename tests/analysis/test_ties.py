"""What a program returns may tie where logits do not: only what excludes that is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from boundnet import ops
from boundnet.analysis.analyze import analyze
from boundnet.analysis.ties import ranges_apart, softmax_apart
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import build, preset
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.results import Analysis


def head(size: int, last: ops.Op) -> LayerGraph:
    graph = LayerGraph("head")
    graph.add("x", ops.Input((size,)))
    graph.add("logits", ops.Dense(np.eye(size)), ["x"])
    graph.add("y", last, ["logits"])
    graph.set_outputs(["y"])
    return graph


def softmax(values: list[float], rules: Arithmetic | str, **options: Any) -> Analysis:
    return analyze(head(len(values), ops.Softmax(0)), np.array([values]), rules, **options)


def test_logits_that_differ_by_less_than_probabilities_resolve() -> None:
    # Both are numbers of bfloat16, and so are the products: the logits are exact.  exp(-2**-8) rounds to 255/256, and half
    # of it lies between two neighbours around 1/2.
    found = softmax([1.0, 1.0 - 2.0**-8], build("pure-bfloat16", fma="yes"))
    decision = found.samples[0].decision
    assert decision is not None
    assert (decision.class_index, decision.proved, decision.logits_only) == (0, False, True)
    assert found.verdict.startswith("LOGITS ONLY: rounding in pure-bfloat16, fma=yes can't change which logit is largest of the 1 input, "
                                    "but the returned probabilities may tie for 1")  # fmt: skip
    assert not found.proved
    assert (found.summary.proved, found.summary.logits_only) == (0, 1)
    assert any("returned probabilities may tie" in line for line in found.warnings)


def test_a_wide_gap_is_proved() -> None:
    found = softmax([4.0, 0.0], "pure-bfloat16")
    assert found.proved
    assert found.verdict.startswith("PROVED: ")


def test_probabilities_without_bound_prove_nothing() -> None:
    found = softmax([4.0, 0.0, -4.0], "fixed(8,8)")
    decision = found.samples[0].decision
    assert decision is not None
    if np.isinf(found.summary.max_absolute_bound):
        assert (decision.proved, decision.logits_only) == (False, True)
        assert found.verdict.startswith("NO BOUND for 1 of 1 input")
        assert "on the logits only for 1" in found.verdict
        assert not found.proved


@pytest.mark.parametrize(("logit", "proved"), [(2.0, True), (-2.0, True), (2.0**-12, False), (-(2.0**-12), False)])
def test_a_sigmoid_has_to_leave_one_half(logit: float, proved: bool) -> None:
    # sigmoid(2**-12) is 1/2 + 2**-14, and 1/2 in bfloat16.
    graph = head(1, ops.Activation(make("sigmoid")))
    found = analyze(graph, np.array([[logit]]), build("pure-bfloat16", fma="yes"), decision="sign")
    decision = found.samples[0].decision
    assert decision is not None
    assert (decision.proved, decision.logits_only) == (proved, not proved)


def test_argmax_over_saturated_sigmoids_is_not_proved() -> None:
    found = analyze(head(2, ops.Activation(make("sigmoid"))), np.array([[30.0, 20.0]]), "binary16", decision="argmax")
    decision = found.samples[0].decision
    assert decision is not None
    assert (decision.class_index, decision.proved, decision.logits_only) == (0, False, True)


@pytest.mark.parametrize("values", [([1.0, 1.0 - 2.0**-8], False), ([4.0, 0.0], True)])
def test_boxes_decide_on_what_is_returned(values: tuple[list[float], bool]) -> None:
    point, proved = np.array([values[0]]), values[1]
    graph = head(2, ops.Softmax(0))
    found = analyze(graph, None, build("pure-bfloat16", fma="yes"), box=(point, point), inputs_exact=True)
    decision = found.samples[0].decision
    assert decision is not None
    assert decision.proved is proved


def test_ranges_apart() -> None:
    low, high = (
        np.array([[0.5, 0.1], [0.5, 0.1], [0.5, 0.1], [np.nan, 0.1]]),
        np.array([[0.6, 0.4], [0.6, 0.5], [0.6, 0.7], [0.6, 0.2]]),
    )
    assert ranges_apart(low, high, np.zeros(4, np.int64)).tolist() == [True, False, False, False]
    ends = np.array([[0.5], [np.nextafter(0.5, 1.0)], [np.nan]])
    assert ranges_apart(ends, ends, np.ones(3, np.int64)).tolist() == [False, True, False]
    assert ranges_apart(ends - 2.0**-54, ends - 2.0**-54, np.zeros(3, np.int64)).tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["pure-binary16", "pure-bfloat16", "bfloat16", "binary32"])
def test_separated_softmax_never_ties(name: str) -> None:
    """Adversarial exponentials and quotients, each rounding to either side: no tie where one is excluded."""
    rules = preset(name)
    rng = np.random.default_rng(5)
    ua, us = rules.accumulate.unit_roundoff, rules.storage.unit_roundoff
    theta = 2.0 * rules.ulp("exp") * ua
    excluded = 0
    for gap in np.geomspace(us / 8.0, 64.0 * us, 200):
        classes = int(rng.integers(2, 6))
        error = 0.05 / classes
        apart = bool(softmax_apart(rules, np.array([gap]), np.array([error]), classes)[0])
        excluded += apart
        # The worst that the machine may do: e_best as small, the rival's as large as its ulps allow.
        best, rival = 1.0 - theta, rules.accumulate.round(np.exp(-gap)) * (1.0 + theta)
        total = best + rival * (classes - 1)
        p, q = (rules.storage.round(rules.accumulate.round(e / total)) for e in (best, rival))
        if apart:
            assert p > q, (gap, classes)
    assert 0 < excluded < 200


def test_nothing_is_said_of_fixed_point_and_of_nothing() -> None:
    gap = np.array([5.0, np.nan, np.inf, 5.0, 5.0, 0.0])
    error = np.array([0.0, 0.0, 0.0, np.nan, 0.6, 0.0])
    assert softmax_apart(preset("binary32"), gap, error, 2).tolist() == [True, False, True, False, False, False]
    assert not softmax_apart(build("binary32", storage="fixed(8,8)", accumulate="fixed(8,8)"), gap, error, 2).any()
