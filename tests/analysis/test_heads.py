"""What heads say of outputs and of their differences, and what is decided on them, against every corner of a small network."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from boundnet import ops
from boundnet.analysis import heads
from boundnet.analysis.decisions import decide
from boundnet.analysis.heads import Head, Rows, bound_rows
from boundnet.arithmetic.presets import preset
from boundnet.domains.forward import Trace
from boundnet.graph import LayerGraph
from boundnet.maps import DenseMap
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Tensor

CLASSES, INPUTS = 6, 4
HEAD = Head("y", "y", "argmax")


def exact_trace(seed: int, samples: int) -> tuple[Trace, Array]:
    """A dense layer without roundings over inputs that are off by their radii, and all corners' deviations (C, N, K)."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-8, 9, size=(INPUTS, CLASSES)).astype(np.float64)
    radius = rng.integers(1, 5, size=(samples, INPUTS)).astype(np.float64)
    graph = LayerGraph("exact")
    graph.add("x", ops.Input((INPUTS,)))
    graph.add("y", ops.Dense(kernel, None), ["x"])
    graph.set_outputs(["y"])
    nothing, blank = np.zeros((samples, CLASSES)), np.zeros((samples, CLASSES), np.bool_)
    shift = rng.integers(-9, 10, size=(samples, CLASSES)).astype(np.float64)  # so that no enclosure is symmetric
    locals_ = {"y": Local((DenseMap(kernel),), nothing, blank, blank, shift)}
    x = rng.integers(-9, 10, size=(samples, INPUTS)).astype(np.float64)
    own = (radius @ np.abs(kernel) + np.abs(shift)) * (1.0 + 2.0**-40)
    tensors = {"x": Tensor(x, radius, x == 99.0), "y": Tensor(x @ kernel, own, blank)}
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=INPUTS)))
    return Trace(graph, tensors, locals_), (corners[:, None, :] * radius) @ kernel + shift


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("all_pairs", "row_work", "samples"), [(32, 1e11, 3), (2, 1e11, 3), (2, 1e11, 1), (2, 0.0, 1)])
@pytest.mark.parametrize("rivals", [2, 6])
def test_rows_hold_in_every_corner(
    seed: int, all_pairs: int, row_work: float, samples: int, rivals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ALL_PAIRS", all_pairs), ("ROW_WORK", row_work), ("RIVALS", rivals)):
        monkeypatch.setattr(heads, name, value)
    trace, met = exact_trace(seed, samples)
    best = np.argmax(trace.tensors["y"].centre, axis=1)
    for given, sharpen in ((best, True), (best, False), (None, True)):
        rows = bound_rows(trace, "y", True, given, sharpen)
        assert np.all(np.abs(met) <= rows.each)
        assert rows.pairs is not None
        apart = met[:, :, :, None] - met[:, :, None, :]
        assert np.all(apart >= rows.pairs)
        if sharpen and given is not None:
            # As sharp as can be for the class and what gets rows beside it.
            n, least = np.arange(samples), apart.min(axis=0)
            close = rows.pairs[n, best] >= least[n, best] * (1.0 + 1e-9) - 1e-9
            assert np.all(close.sum(axis=1) >= min(rivals + 1, CLASSES) if row_work == 0.0 else close)


def rows_of(low: float) -> Rows:
    """Three classes; the first one's lead is off by up to -``low``."""
    pairs = np.full((1, 3, 3), -100.0)
    pairs[0, 0] = [0.0, low, low]
    return Rows(np.full((1, 3), -low / 2.0), pairs, None)


@pytest.mark.parametrize(
    ("exact", "machine", "ours", "theirs", "proved"),
    [
        (4.0, 4.0, -3.0, -0.5, True),
        (4.0, 4.0, -4.0, -0.5, False),  # a tie is no lead
        (4.0, 4.0, -3.0, -4.0, False),
        (4.0, 2.0, -3.0, -0.5, False),  # the cast network leads by less
        (2.0, 4.0, -3.0, -2.5, False),  # the exact one does
        (4.0, 4.0, -np.inf, -0.5, False),
        (4.0, 4.0, np.nan, -0.5, False),
        (4.0, 4.0, -3.0, np.nan, False),
    ],
)
def test_proved_needs_both_leads(exact: float, machine: float, ours: float, theirs: float, proved: bool) -> None:
    values = [np.array([[lead, 0.0, -9.0]]) for lead in (exact, machine)]
    (decision,) = decide(HEAD, values[0], values[1], (rows_of(ours), rows_of(theirs)), None, preset("binary32"))
    assert decision is not None
    assert decision.class_index == 0
    assert decision.proved == proved


@pytest.mark.parametrize(
    ("exact", "machine", "ours", "theirs", "proved"),
    [(2.0, 2.0, 1.0, 1.0, True), (2.0, 2.0, 2.0, 1.0, False), (2.0, 2.0, 1.0, 2.0, False), (2.0, -2.0, 1.0, 1.0, False),
     (-2.0, -2.0, 1.0, 1.0, True), (-2.0, -2.0, np.nan, 1.0, False), (-2.0, -0.5, 1.0, 1.0, False)],
)  # fmt: skip
def test_signs_need_both_leads(exact: float, machine: float, ours: float, theirs: float, proved: bool) -> None:
    rows = (Rows(np.array([[ours]]), None, None), Rows(np.array([[theirs]]), None, None))
    (decision,) = decide(Head("y", "y", "sign"), np.array([[exact]]), np.array([[machine]]), rows, None, preset("binary32"))
    assert decision is not None
    assert decision.proved == proved


@pytest.mark.parametrize(("bounds", "separated"), [([0.1, 0.1, 0.1], True), ([0.4, 0.1, 0.1], False), ([0.1, 0.4, 0.1], False),
                                                   ([0.1, np.nan, 0.1], False), ([0.25, 0.15, 0.1], False)])  # fmt: skip
def test_separated_probabilities_need_both_bounds(bounds: list[float], separated: bool) -> None:
    logits = np.array([[4.0, 0.0, -9.0]])
    probabilities = np.array([[0.65, 0.25, 0.1]]), np.array([bounds])
    rows = (rows_of(-1.0), rows_of(-1.0))
    (decision,) = decide(HEAD, logits, logits, rows, probabilities, preset("fixed(8,8)"))
    assert decision is not None
    assert (decision.proved, decision.logits_only, decision.probabilities_separated) == (separated, not separated, separated)
