"""The oracle finds what a careless rule for boxes would forget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_subdivide import small

from boundnet import ops
from boundnet.analysis.boxes import bounder, changes, forms
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32
from boundnet.graph import LayerGraph
from boundnet.ops import elementwise
from boundnet.testing import BoundViolation, check_boxes


def attacked(storage: Any, width: float, stored: bool) -> None:
    """A few networks, and one whose error is the cast of its weights."""
    rules = Arithmetic("t", storage, fma="no", subnormals="gradual")
    for seed in range(8):
        middle = np.random.default_rng(seed).uniform(-1, 1, (6, 2))
        check_boxes(small(seed), middle - width, middle + width, rules, stored=stored, trials=8, seed=seed)
    graph = LayerGraph("cast")
    kernel = np.array([[1.00375]] * 8 + [[-1.0]] * 8)
    copies = graph.add("copies", ops.Concat(0), [graph.add("x", ops.Input((1,)))] * 16)
    graph.set_outputs([graph.add("y", ops.Dense(kernel), [copies])])
    ones = np.ones((1, 1))
    check_boxes(graph, ones - width, ones + width, rules, stored=stored, points=[ones + width])


def refuted(storage: Any = BINARY32, width: float = 0.25, stored: bool = False) -> None:
    """Some execution must leave its bounds."""
    with pytest.raises(BoundViolation):
        attacked(storage, width, stored)


@pytest.mark.parametrize("width", [0.0, 0.25])
@pytest.mark.parametrize("storage", [BINARY32, BFLOAT16], ids=str)
def test_nothing_forgotten(storage: Any, width: float) -> None:
    attacked(storage, width, True)


def test_slopes_of_the_middle_only(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = elementwise._between

    def between(slope: Any, radius: Any, cap: Any) -> Any:
        found = plain(slope, radius, cap)
        return replace(found, noise=np.zeros(found.noise.shape), cap=None)

    monkeypatch.setattr(elementwise, "_between", between)
    refuted(BFLOAT16)


def test_rounding_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = forms._difference
    monkeypatch.setattr(forms, "_difference", lambda *given: replace(plain(*given), rounding=np.zeros(())))
    refuted()


def test_casts_of_inputs_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounder.Bounder, "_casting", lambda self, low, high: np.zeros(low.shape))
    refuted(BFLOAT16)


def test_casts_of_weights_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = changes.Change.on
    monkeypatch.setattr(changes.Change, "on", lambda self, x: (0.0 * plain(self, x)[0], plain(self, x)[1]))
    refuted(BFLOAT16, 0.0, stored=True)


def test_casts_of_weights_over_the_box_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = changes.Change.on

    def on(self: changes.Change, x: Any) -> Any:
        shift, off = plain(self, x)
        return shift, 0.0 * off

    monkeypatch.setattr(changes.Change, "on", on)
    refuted(BFLOAT16, stored=True)


def test_range_of_the_middle_only(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = bounder.midpoint
    monkeypatch.setattr(bounder, "midpoint", lambda low, high: (plain(low, high)[0], 0.5 * plain(low, high)[1]))
    refuted()
