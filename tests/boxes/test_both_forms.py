"""Random networks, boxes and arithmetics: exact and computed values stay in both forms, no tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Draw, arithmetics, network
from hypothesis import given, settings
from hypothesis import strategies as st

from boundnet.arithmetic import Arithmetic
from boundnet.boxes.sides import flatten
from boundnet.formats import BFLOAT16, BINARY32
from boundnet.graph import LayerGraph
from boundnet.rounding import Array
from boundnet.testing import check_boxes


def boxes_of(graph: LayerGraph, d: Draw, count: int) -> tuple[Array, Array]:
    """``count`` boxes that suit the arithmetic: wide, narrow, degenerate in some elements."""
    middle = flatten([d.stored(count, *graph.shape(name)) for name in graph.inputs])
    width = d.radius(middle) * d.rng.choice([1.0, 2.0**-10, 0.0], size=(count, 1), p=[0.6, 0.3, 0.1])
    largest = d.arithmetic.storage.largest
    return np.maximum(middle - width, np.minimum(middle, -largest)), np.minimum(middle + width, np.maximum(middle, largest))


@settings(max_examples=60, deadline=None)
@given(arithmetics(), st.integers(0, 2**31), st.booleans())
def test_networks(arithmetic: Arithmetic, seed: int, stored: bool) -> None:
    d = Draw(arithmetic, seed)
    graph, _ = network(d)
    low, high = boxes_of(graph, d, 3)
    check_boxes(graph, low, high, arithmetic, stored=stored, trials=8, seed=seed)


@pytest.mark.parametrize("storage", [BINARY32, BFLOAT16], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_ordinary_networks(seed: int, storage: object) -> None:
    """Where bounds are finite and boxes not too wide, so that every rule is met and not only infinity."""
    rng = np.random.default_rng(seed)
    arithmetic = Arithmetic("t", storage if storage is BFLOAT16 else BINARY32, subnormals="gradual")
    d = Draw(arithmetic, seed)
    d.rng = rng
    graph, _ = network(_Gentle(d))
    middle = flatten([rng.uniform(-1, 1, (4, *graph.shape(name))) for name in graph.inputs])
    width = np.array([[0.0], [2.0**-12], [0.01], [0.3]])
    forms = check_boxes(graph, middle - width, middle + width, arithmetic, trials=12, seed=seed)
    for name in graph.outputs:
        assert np.all(np.isfinite(forms.error(name)))


class _Gentle(Draw):
    """Weights of ordinary size."""

    def __init__(self, d: Draw) -> None:
        self.arithmetic, self.rng = d.arithmetic, d.rng

    def stored(self, *shape: int) -> Array:
        return self.arithmetic.storage.round(self.rng.normal(size=shape) * 0.5)
