"""Where errors outgrow the values: symbols are no longer followed, and bounds still hold."""

from __future__ import annotations

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.heads import RIVALS, bound_rows
from boundnet.analysis.runs import Runner
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.testing import check_graph

DEPTH = 14


def deep(seed: int) -> tuple[LayerGraph, np.ndarray]:
    """Dense layers with ReLU, which amplify what enters them."""
    rng = np.random.default_rng(seed)
    graph = LayerGraph("deep")
    node = graph.add("x", ops.Input((12,)))
    for i in range(DEPTH):
        kernel = (1.6 * rng.normal(size=(12, 12)) / np.sqrt(12.0)).astype(np.float32).astype(np.float64)
        node = graph.add(f"dense_{i}", ops.Dense(kernel, None), (node,))
        node = graph.add(f"relu_{i}", ops.Activation(make("relu")), (node,))
    graph.set_outputs([node])
    return graph, rng.normal(size=(1, 12)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("arithmetic", ["pure-bfloat16", "fp8_e5m2"])
def test_lost_runs_end_in_bounds_that_hold(seed: int, arithmetic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boundnet.domains.sketch.domain.LARGE", 0.0)
    graph, x = deep(seed)
    rules = boundnet.build(arithmetic)
    claim = Claim()
    runs = Runner(graph, rules, "sketch", 1, 1).sketch([x], set(graph.outputs), claim, 0)
    assert runs is not None
    assert claim.lost, "these formats drown such networks"
    lost = graph.topological().index(claim.lost[0])
    assert lost > 2
    assert runs.machine.lost == claim.lost[0]
    # Before: as sharp as ever.  After: no less than the affine domain says.
    affine = Runner(graph, rules, "affine", None, 1).affine([x])
    assert affine is not None
    for name in graph.topological():
        theirs = affine.machine.tensors[name].radius
        assert np.all(runs.machine.tensors[name].radius >= theirs * (1.0 - 1e-9)), name
    check_graph(graph, [x], rules, domains=("sketch",))


def test_binary32_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boundnet.domains.sketch.domain.LARGE", 0.0)
    graph, x = deep(0)
    claim = Claim()
    assert Runner(graph, boundnet.build("binary32"), "sketch", 1, 1).sketch([x], set(graph.outputs), claim, 0) is not None
    assert claim.lost == ()


def test_small_networks_are_followed_to_the_end() -> None:
    graph, x = deep(0)
    claim = Claim()
    assert Runner(graph, boundnet.build("fp8_e5m2"), "sketch", 1, 1).sketch([x], set(graph.outputs), claim, 0) is not None
    assert claim.lost == ()


def wide(seed: int) -> tuple[LayerGraph, np.ndarray]:
    """The same with more outputs than get rows for all pairs."""
    graph, x = deep(seed)
    kernel = np.random.default_rng(seed).normal(size=(12, 40)).astype(np.float32).astype(np.float64)
    graph.set_outputs([graph.add("logits", ops.Dense(kernel, None), graph.outputs)])
    return graph, x


@pytest.mark.parametrize("seed", range(3))
def test_one_row_tells_whether_others_are_worth_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In binary64 all rows are spent; where the first says nothing, radii serve, in both runs, and hold.

    Each row is computed alone, so that few and all take the same way through BLAS: what they say of one row is the same bits.
    """
    graph, x = wide(seed)
    monkeypatch.setattr("boundnet.analysis.heads._ROW_VALUES", 1)
    monkeypatch.setattr("boundnet.analysis.heads.PROBED", np.inf)
    every = {name: Runner(graph, boundnet.build(name), "interval").intervals([x]) for name in ("binary64", "fp8_e5m2")}
    plain = {name: bound_rows(runs.machine, "logits", True, np.array([3])) for name, runs in every.items()}
    monkeypatch.setattr("boundnet.analysis.heads.PROBED", 0.0)
    fine, vague = (bound_rows(runs.machine, "logits", True, np.array([3])) for runs in every.values())
    assert not fine.vague
    np.testing.assert_array_equal(fine.each, plain["binary64"].each)
    assert vague.vague
    assert vague.source is not None
    assert len(vague.source.bound) == 1 + RIVALS
    assert (
        vague.each[0, 3] == plain["fp8_e5m2"].each[0, 3] > np.abs(every["fp8_e5m2"].machine.tensors["logits"].centre).max()
    )
    assert np.all(vague.each >= plain["fp8_e5m2"].each)
    # Dear networks get a few rows: none of their bounds is below what all rows say.
    monkeypatch.setattr("boundnet.analysis.heads.ROW_WORK", 0.0)
    few, every_row = bound_rows(every["binary64"].machine, "logits", True, np.array([3])), plain["binary64"]
    assert few.source is not None
    assert len(few.source.bound) == 1 + RIVALS
    assert few.pairs is not None
    assert every_row.pairs is not None
    assert few.each[0, 3] == every_row.each[0, 3]
    assert np.all(few.each >= every_row.each)
    assert np.all(few.pairs <= every_row.pairs)
    check_graph(graph, [x], boundnet.build("fp8_e5m2"), domains=("interval",))


def test_radii_that_hold_need_no_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the exact network's promises fail every time, it falls back on the machine's radii."""
    monkeypatch.setattr("boundnet.analysis.runs.SHRINK", 2.0**-200)
    graph, x = deep(1)
    claim = Claim()
    runs = Runner(graph, boundnet.build("binary32"), "sketch", 1, 1).sketch([x], set(graph.outputs), claim, 0)
    assert runs is not None
    assert claim.failed == 1
    assert 0.0 < claim.probability <= 1e-9
    for name in graph.topological():
        assert np.all(runs.exact.tensors[name].radius <= runs.machine.tensors[name].radius * (1.0 + 1e-9))
