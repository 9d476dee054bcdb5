"""Several inputs of a small network in one sketch: each has radii, promises and rows of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.sketch_networks import BINARY32, ENOUGH, Frozen, random_network, screened
from test_certify import confirm

import boundnet
from boundnet import ops
from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.runs import Runner
from boundnet.crosscheck.run import crosscheck
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Sampling
from boundnet.numerics.outward import Array


def three(x: Array) -> Array:
    """Three inputs like ``x``."""
    rng = np.random.default_rng(1)
    return np.concatenate([x, 3.0 * x, x + rng.normal(size=x.shape).astype(np.float32)])


def exact_of(frozen: Frozen, node: str) -> Array:
    """Radii of all elements of all samples by rows."""
    from boundnet.domains.sketch.rows import exact_radii

    radius = frozen.trace.tensors[node].radius
    _, found, _ = exact_radii(frozen.domain.plan, frozen.graph.topological(), node, np.arange(radius.size))
    return found.reshape(radius.shape)


@pytest.mark.parametrize("number", range(20))
def test_confirmed_radii_are_no_less_than_exact_ones(number: int) -> None:
    graph, x = random_network(number)
    frozen = screened(graph, three(x), ENOUGH)
    if confirm(frozen).holds:
        for node, limit in frozen.domain.limits.items():
            promised = np.isfinite(limit)
            assert np.all((exact_of(frozen, node) * (1 - 1e-12) <= limit)[promised]), node


@pytest.mark.parametrize("number", range(10))
def test_rows_of_a_sample_are_those_of_the_sample_alone(number: int) -> None:
    """Radii frozen together, one sample's plan cut out: rows through it give the same."""
    graph, x = random_network(number)
    frozen = screened(graph, three(x), ENOUGH)
    plan, node = frozen.domain.plan, graph.outputs[-1]
    together = exact_of(frozen, node)
    silent = replace(plan, named={n: np.where([[True], [False], [True]], 0.0, v.reshape(3, -1)).reshape(v.shape)
                                  for n, v in plan.named.items()})  # fmt: skip
    frozen.domain.plan = silent
    alone = exact_of(frozen, node)
    np.testing.assert_allclose(alone[1], together[1], rtol=1e-12)
    known = np.broadcast_to(plan.known(node), alone.shape)
    np.testing.assert_allclose(alone[[0, 2]], known[[0, 2]], rtol=1e-12)


def test_a_wrong_promise_of_one_sample_is_caught() -> None:
    for number in range(100):
        graph, x = random_network(number)
        frozen = screened(graph, three(x), ENOUGH)
        nodes = [n for n, limit in frozen.domain.limits.items() if np.isfinite(limit[1]).any()]
        if nodes and confirm(frozen).holds:
            frozen.domain.limits[nodes[-1]][1] /= 100.0
            assert not confirm(frozen).holds
            return
    raise AssertionError("no network with promises")


def recurrence() -> LayerGraph:
    """Twelve steps of h' = tanh(R h) * sigmoid(S h)."""
    rng = np.random.default_rng(3)
    kernels = [rng.normal(size=(6, 6)).astype(np.float32).astype(np.float64) / 4.0 for _ in range(2)]
    graph = LayerGraph("recurrence")
    h = graph.add("x", ops.Input((6,)))
    for t in range(12):
        parts = []
        for name, kernel in zip(("tanh", "sigmoid"), kernels, strict=True):
            z = graph.add(f"{t}/{name}/z", ops.Dense(kernel), [h])
            parts.append(graph.add(f"{t}/{name}", ops.Activation(make(name)), [z]))
        h = graph.add(f"{t}/h", ops.Multiply(), parts)
    graph.set_outputs([h])
    return graph


def test_bounds_together_are_near_those_alone() -> None:
    graph, x = recurrence(), np.random.default_rng(4).normal(size=(5, 6))
    together = boundnet.analyze(graph, x, domain="sketch", reference="mpmath")
    assert together.guarantee == "sketch"
    for i, sample in enumerate(together.samples):
        alone = boundnet.analyze(graph, x[i : i + 1], domain="sketch").samples[0]
        ours, theirs = sample.outputs[0].absolute_bound, alone.outputs[0].absolute_bound
        assert np.all(ours <= 1.5 * theirs)
        assert np.all(theirs <= 1.5 * ours)


def test_padding_of_exact_zeros_leaves_nothing_to_divide_by() -> None:
    """Where zeros enter a product that may flush, radii are 0, and probes must be: what they round by is told by radii."""
    rng = np.random.default_rng(5)
    graph = LayerGraph("padded")
    x = graph.add("x", ops.Input((4, 3)))
    z = graph.add("z", ops.Dense(rng.normal(size=(3, 5)), np.zeros(5)), [x])
    rows = [graph.add(f"z{t}", ops.Slice((t, 0), (t + 1, 5), (1, 1)), [z]) for t in range(4)]
    total = rows[0]
    for t, row in enumerate(rows[1:]):
        both = graph.add(f"s{t}", ops.Add(), [total, row])
        total = graph.add(f"h{t}", ops.Activation(make("tanh")), [both])
    graph.set_outputs([total])
    inputs = rng.normal(size=(2, 4, 3))
    inputs[0, 2:] = inputs[1, 1] = 0.0
    found = boundnet.analyze(graph, inputs, domain="sketch", reference="mpmath")
    assert found.domain.used == "sketch"
    assert max(s.outputs[0].absolute_bound.max() for s in found.samples) < 1e-5
    runs = (Sampling(1, "none"), Sampling(20, "rr", 24))
    checked = crosscheck(graph, inputs, domain="sketch", samplings=runs)
    assert checked.violation_count == 0
    assert all("sketch for 2 of 2 inputs" in check.notes[-2] for check in checked.checks)


def test_inputs_that_fail_together_are_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = recurrence(), np.random.default_rng(4).normal(size=(3, 6))
    asked: list[int] = []
    plain = Runner.sketch

    def failing(
        self: Runner, inputs: list[Array], wanted: list[str], claim: Claim, index: int, note: object = None
    ) -> object:
        asked.append(len(inputs[0]))
        return None if len(inputs[0]) > 1 else plain(self, inputs, wanted, claim, index, None)

    monkeypatch.setattr(Runner, "sketch", failing)
    found = boundnet.analyze(graph, x, domain="sketch")
    assert asked == [3, 1, 1, 1]
    assert [sample.index for sample in found.samples] == [0, 1, 2]
    assert found.domain.used == "sketch"


def test_seeds_are_distinct() -> None:
    runner = Runner(recurrence(), BINARY32, "sketch", 0, 4)
    x, claim = np.random.default_rng(4).normal(size=(4, 6)), Claim()
    assert runner.sketch([x], (), claim, 0) is not None
    for i in range(4):
        assert runner.sketch([x[i : i + 1]], (), claim, i) is not None
    assert len(set(claim.seeds)) == len(claim.seeds) > 0
