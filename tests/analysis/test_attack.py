"""Whole analyses of hard networks against greedy executions; what any run of the long attack has refuted stays here."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.greedy import check_runs, draw_rules
from helpers.hard_networks import hard_network
from helpers.mutation import mutate

import boundnet
from boundnet import ops
from boundnet.analysis import heads
from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.heads import bound_rows, find_head
from boundnet.analysis.runs import Runner, Runs
from boundnet.functions import make
from boundnet.graph import LayerGraph


def attack(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """One network in one execution model, with thresholds drawn so that small networks take the ways of large ones."""
    rng = np.random.default_rng([5, number])
    rules, samples = draw_rules(number), int(rng.choice([1, 1, 1, 2, 3]))
    for name, values in {
        "boundnet.domains.sketch.domain.LARGE": (0.0, 1e7), "boundnet.domains.sketch.domain.DROWNED": (0.02, 0.3, 4.0),
        "boundnet.domains.sketch.domain.IN_A_ROW": (1, 2, 3), "boundnet.domains.sketch.domain.MANY": (0, 1 << 14),
        "boundnet.analysis.heads.ROW_WORK": (0.0, 1e11), "boundnet.analysis.heads.PROBED": (0.0, 1e9), "boundnet.analysis.runs.LARGE": (0.0, 1e8),
        "boundnet.analysis.heads.ALL_PAIRS": (2, 32), "boundnet.analysis.heads.RIVALS": (1, 6),
        "boundnet.analysis.runs.ROW_WORK": (0.0, 1e6, 1e7, 6e11),
    }.items():  # fmt: skip
        monkeypatch.setattr(name, values[int(rng.integers(len(values)))])
    graph, x = hard_network(number, rules, samples)
    if sum(int(np.prod(graph.shape(name))) for name in graph.topological()) > 900:
        return
    runner, claim = Runner(graph, rules, "sketch", None, samples), Claim()
    wanted = {find_head(graph, name).logits or name for name in graph.outputs} | set(graph.outputs)
    runs = runner.sketch([x], wanted, claim, 0)
    assert claim.probability <= 1e-9
    check_runs(runs or runner.intervals([x]), runner, [x], number)


@pytest.mark.parametrize("number", range(12))
def test_hard_networks(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    attack(monkeypatch, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1000, 1400))
def test_many_hard_networks(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    attack(monkeypatch, number)


def drowning(depth: int = 12, classes: int = 6) -> LayerGraph:
    """Dense layers with ReLU that amplify what enters them, and a softmax."""
    rng = np.random.default_rng(2)
    graph = LayerGraph("drowning")
    node = graph.add("x", ops.Input((12,)))
    for i in range(depth):
        kernel = (1.6 * rng.normal(size=(12, 12)) / np.sqrt(12.0)).astype(np.float32).astype(np.float64)
        node = graph.add(f"dense_{i}", ops.Dense(kernel, None), (node,))
        node = graph.add(f"relu_{i}", ops.Activation(make("relu")), (node,))
    node = graph.add("logits", ops.Dense(rng.normal(size=(12, classes)).astype(np.float32).astype(np.float64)), (node,))
    graph.set_outputs([graph.add("p", ops.Softmax(0), (node,))])
    return graph


def lost_together(monkeypatch: pytest.MonkeyPatch, graph: LayerGraph, x: np.ndarray) -> tuple[Runner, Runs]:
    """Several inputs in one sketch whose symbols are given up."""
    monkeypatch.setattr("boundnet.domains.sketch.domain.LARGE", 0.0)
    for name, value in (("ROW_WORK", 0.0), ("PROBED", 0.0), ("ALL_PAIRS", 2)):
        monkeypatch.setattr(heads, name, value)
    runner, claim = Runner(graph, boundnet.build("pure-bfloat16"), "sketch", 1, len(x)), Claim()
    runs = runner.sketch([x], {"p", "logits"}, claim, 0)
    assert runs is not None
    assert claim.lost
    assert runs.machine.lost == runs.exact.lost == claim.lost[0]
    return runner, runs


def test_several_inputs_that_are_lost_together(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = drowning(), np.random.default_rng(3).normal(size=(3, 12)).astype(np.float32).astype(np.float64)
    runner, runs = lost_together(monkeypatch, graph, x)
    assert not runs.machine.sketches, "probes are kept of a single input alone"
    check_runs(runs, runner, [x], 1)
    best = np.argmax(runs.machine.tensors["logits"].centre, axis=1)
    rows = bound_rows(runs.machine, "logits", True, best)
    assert rows.each.shape == (3, 6)
    assert rows.pairs is not None
    assert rows.pairs.shape == (3, 6, 6)
    assert np.all(rows.each <= runs.machine.tensors["logits"].radius)
    for i in range(3):
        alone = bound_rows(runner.sketch([x[i : i + 1]], {"logits"}, Claim(), i).machine, "logits", True, best[i : i + 1])  # type: ignore[union-attr]
        # One input alone is lost at a place of its own, but what is known of it is of the same size.
        assert np.all(np.isfinite(alone.each))
        assert np.all(rows.each[i] <= 30.0 * alone.each[0])


def test_drowned_rows_of_several_inputs_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = drowning(), np.random.default_rng(3).normal(size=(3, 12)).astype(np.float32).astype(np.float64)
    _, runs = lost_together(monkeypatch, graph, x)
    mutate(monkeypatch, heads.bound_rows, "sketch is None and n == 1 and", "sketch is None and")
    with pytest.raises(ValueError, match=r"reshape|broadcast|shape"):
        bound_rows(runs.machine, "logits", True, np.argmax(runs.machine.tensors["logits"].centre, axis=1))


def test_one_input_that_is_lost_gets_rows_that_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = drowning(), np.random.default_rng(4).normal(size=(1, 12)).astype(np.float32).astype(np.float64)
    runner, runs = lost_together(monkeypatch, graph, x)
    # The probes of the outputs are gone, too, where symbols are no longer followed.
    assert not runs.machine.sketches
    rows = bound_rows(runs.machine, "logits", True, np.zeros(1, np.int64))
    assert rows.source is not None
    assert 1 <= len(rows.source.bound) <= 1 + heads.RIVALS
    check_runs(runs, runner, [x], 4)
    # One row at a time, so that a row takes the same way through BLAS whatever others are asked for.
    monkeypatch.setattr(heads, "_ROW_VALUES", 1)
    rows = bound_rows(runs.machine, "logits", True, np.zeros(1, np.int64))
    monkeypatch.setattr(heads, "PROBED", np.inf)
    plain = bound_rows(runs.machine, "logits", True, np.zeros(1, np.int64))
    assert np.all(plain.each <= rows.each)
    assert rows.each[0, 0] == plain.each[0, 0]
