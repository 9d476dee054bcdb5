"""Subdivision: pieces cover the box, bounds hold whenever it stops, workers change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.analysis.boxes import leaves as leaves_module
from boundnet.analysis.boxes.bounder import Bounder, Bounds
from boundnet.analysis.boxes.subdivide import Effort, Subdivided, subdivide
from boundnet.analysis.boxes.workers import evaluator
from boundnet.analysis.heads import Head, find_head
from boundnet.arithmetic.presets import build
from boundnet.errors import InputError
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array

RULES = build("binary32", order="sequential", fma="no")


def small(seed: int = 0, inputs: int = 2, classes: int = 2) -> LayerGraph:
    """A network with two hidden layers of ReLUs."""
    rng = np.random.default_rng(seed)
    graph = LayerGraph("small")
    node = graph.add("x", ops.Input((inputs,)))
    for i, (n, m) in enumerate([(inputs, 8), (8, 8)]):
        kernel = rng.normal(size=(n, m)).astype(np.float32).astype(np.float64)
        node = graph.add(f"d{i}", ops.Dense(kernel, rng.normal(size=m).astype(np.float32).astype(np.float64)), [node])
        node = graph.add(f"r{i}", ops.Activation(make("relu")), [node])
    node = graph.add("y", ops.Dense(rng.normal(size=(8, classes)).astype(np.float32).astype(np.float64)), [node])
    graph.set_outputs([node])
    return graph


def linear(inputs: int = 2) -> LayerGraph:
    """A network without a switch."""
    rng = np.random.default_rng(7)
    graph = LayerGraph("linear")
    node = graph.add("x", ops.Input((inputs,)))
    for i, (n, m) in enumerate([(inputs, 5), (5, 2)]):
        node = graph.add(f"d{i}", ops.Dense(rng.normal(size=(n, m)).astype(np.float32).astype(np.float64)), [node])
    graph.set_outputs([node])
    return graph


def bounder_of(graph: LayerGraph, rule: str = "none") -> Bounder:
    return Bounder(graph, RULES, [find_head(graph, name, rule) for name in graph.outputs])


def run(bounder: Bounder, effort: Effort, side: float = 1.0) -> Subdivided:
    n = bounder.graph.shape("x")[0]
    low, high = np.full(n, -side), np.full(n, side)
    return subdivide(bounder, evaluator(bounder, None), low, high, np.zeros(n), effort)


def covers(done: Subdivided, points: Array) -> Array:
    """For each point the smallest bound of any piece that holds it, (P, K); infinite where none does."""
    low, high, error = done.leaves.low, done.leaves.high, done.leaves.bounds.error
    inside = ((points[:, None] >= low) & (points[:, None] <= high)).all(axis=2)
    return np.where(inside[..., None], error, np.inf).min(axis=1)


def test_pieces_cover_the_box_and_keep_their_bounds() -> None:
    bounder = bounder_of(small())
    done = run(bounder, Effort(15))
    assert done.leaves.count == 16
    assert np.ldexp(1.0, -done.leaves.depth).sum() == 1.0
    assert np.prod(done.leaves.high - done.leaves.low, axis=1).sum() == pytest.approx(4.0)
    assert done.error.max() < 0.8 * done.whole.error.max()
    assert done.reach <= done.error.max()
    points = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    met = bounder.bound(points, points)
    assert np.all(met.error <= covers(done, points))
    # Each piece's bound is its own or an ancestor's, which holds there, too.
    again = bounder.bound(done.leaves.low, done.leaves.high)
    assert np.all(done.leaves.bounds.error <= again.error)


def test_splits_and_time_are_kept() -> None:
    bounder = bounder_of(small(3))
    assert run(bounder, Effort(0)).leaves.count == 1
    assert run(bounder, Effort(1)).leaves.count == 2
    done = run(bounder, Effort(None, 0.3))
    assert done.stopped in ("time", "converged")
    assert done.seconds < 5.0
    assert run(bounder, Effort(None, 60.0), 0.0).stopped == "points"


def test_it_ends_where_nothing_is_gained() -> None:
    done = run(bounder_of(linear()), Effort(20000))
    assert done.stopped == "converged"
    assert done.leaves.count > 10
    assert done.error.max() <= 1.01 * done.reach


@pytest.mark.parametrize(
    "pool", [lambda: ThreadPoolExecutor(2), lambda: boundnet.processes(2)], ids=["threads", "processes"]
)
def test_workers_change_nothing(pool: Any) -> None:
    graph = small()
    first = boundnet.analyze(graph, arithmetic=RULES, box=(-1, 1), splits=600, decision="argmax")
    with pool() as executor:
        second = boundnet.analyze(graph, arithmetic=RULES, box=(-1, 1), splits=600, decision="argmax", executor=executor)
    one, two = first.samples[0], second.samples[0]
    assert np.array_equal(one.outputs[0].absolute_bound, two.outputs[0].absolute_bound)
    assert one.box is not None
    assert two.box is not None
    assert one.box.pieces == two.box.pieces > 200
    assert np.array_equal(one.box.worst_low, two.box.worst_low)


def test_no_executor() -> None:
    with pytest.raises(InputError, match=r"int is no concurrent\.futures\.Executor"):
        boundnet.analyze(linear(), arithmetic=RULES, box=(-1, 1), executor=3)  # type: ignore[arg-type]


def test_interrupted_anywhere_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between any two statements that change the pieces leaves bounds that hold everywhere."""
    bounder = bounder_of(small())
    points = np.random.default_rng(2).uniform(-1, 1, (200, 2))
    met = bounder.bound(points, points).error
    plain = leaves_module._put
    for fatal in range(1, 13):
        calls = 0

        def put(*arguments: Any, fatal: int = fatal) -> None:
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise KeyboardInterrupt
            plain(*arguments)

        monkeypatch.setattr(leaves_module, "_put", put)
        done = run(bounder, Effort(500))
        assert done.stopped == "interrupted"
        assert np.all(met <= covers(done, points))
        assert np.all(np.isfinite(covers(done, points)))


def test_an_interrupt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def bound(self: Bounder, low: Array, high: Array) -> Bounds:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return plain(self, low, high)

    plain = Bounder.bound
    monkeypatch.setattr(Bounder, "bound", bound)
    middles = np.array([[0.0, 0.0], [0.5, 0.5]])
    result = boundnet.analyze(small(), middles, RULES, radius=0.25, splits=500)
    assert [sample.box.stopped for sample in result.samples if sample.box] == ["interrupted"] * 2
    assert len(result.warnings) == 2
    assert "interrupted" in result.warnings[0]
    assert np.isfinite(result.summary.max_absolute_bound)


def test_share_of_the_box_in_which_the_class_is_certain() -> None:
    graph = LayerGraph("line")
    graph.set_outputs([graph.add("y", ops.Dense(np.array([[1.0]])), [graph.add("x", ops.Input((1,)))])])
    result = boundnet.analyze(graph, arithmetic=RULES, box=(-1.0, 3.0), splits=40, decision="sign")
    box, decision = result.samples[0].box, result.samples[0].decision
    assert box is not None
    assert decision is not None
    assert box.proved_share is not None
    assert 0.98 < box.proved_share < 1.0
    assert not decision.proved
    certain = boundnet.analyze(graph, arithmetic=RULES, box=(0.5, 3.0), decision="sign")
    assert certain.verdict.startswith("PROVED: rounding in")
    assert certain.samples[0].decision is not None
    assert certain.samples[0].decision.proved


def test_classes_proved_piece_by_piece() -> None:
    """One piece leaves it open, many prove it."""
    graph = small(5, classes=3)
    whole = boundnet.analyze(graph, arithmetic=RULES, box=(0.3, 0.9), decision="argmax")
    cut = boundnet.analyze(graph, arithmetic=RULES, box=(0.3, 0.9), decision="argmax", splits=2000)
    first, second = whole.samples[0].box, cut.samples[0].box
    assert first is not None
    assert second is not None
    assert first.proved_share is not None
    assert second.proved_share is not None
    assert first.proved_share <= second.proved_share
    assert cut.samples[0].decision is not None
    if cut.samples[0].decision.proved:
        rng = np.random.default_rng(0)
        points = rng.uniform(0.3, 0.9, (500, 2))
        assert len(set(np.argmax(graph.evaluate([points])["y"], axis=1))) == 1


@pytest.mark.parametrize("name", ["float(3,4)", "e4m3fn", "bfloat16", "fixed(3,2)"])
def test_storing_inputs_of_a_box(name: str) -> None:
    """Every real number between two ends is stored within the error claimed, the ends' own binades included."""
    rules = build(None, storage=name, accumulate=name)
    graph = linear(1)
    bounder = Bounder(graph, rules, [find_head(graph, node, "none") for node in graph.outputs])
    rng = np.random.default_rng(0)
    ends = rules.storage.round(
        rng.choice([1.0, 2.0, -1.0, 0.5, 0.0, 1.5, -1.75, 0.25], size=(200, 2)) * rng.choice([1.0, 1.3], (200, 2))
    )
    low, high = ends.min(axis=1, keepdims=True), ends.max(axis=1, keepdims=True)
    claim = bounder._casting(low, high)
    for share in np.linspace(0.0, 1.0, 257):
        x = np.clip(low + share * (high - low), low, high)
        assert np.all(np.abs(rules.storage.round(x) - x) <= claim)
    assert np.all(claim[low == high] == 0.0)


def test_heads_of_all_outputs() -> None:
    graph = small()
    graph.set_outputs(["y", "r1"])
    bounder = Bounder(graph, RULES, [Head("y", None, "none"), Head("r1", None, "none")])
    assert run(bounder, Effort(10)).error.shape == (10,)


def test_memory_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boundnet.analysis.boxes.subdivide.MOST_VALUES", 2000)
    done = run(bounder_of(small(), "argmax"), Effort(5000))
    assert done.stopped == "memory"
    assert done.leaves.values >= 2000
    assert done.leaves.count < 1000
