"""Layers of Keras against their own bounds: how a graph is cut, and that what is wrong is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import boundnet
from benchmarks.cases import ROOT, find_cases
from benchmarks.layerwise import Seen, compare, markdown, parts_of
from boundnet import ops
from boundnet.functions import make
from boundnet.graph import LayerGraph


def test_a_graph_is_cut_into_layers() -> None:
    graph = LayerGraph()
    graph.add("x", ops.Input((4,)))
    graph.add("d", ops.Dense(np.eye(4)), ("x",), layer="dense")
    graph.add("r", ops.Activation(make("relu")), ("d",), layer="dense")
    graph.add("a", ops.Add(), ("r", "x"), layer="inner/add")
    graph.add("b", ops.Dense(np.eye(4)), ("a",), layer="inner/b")
    graph.set_outputs(["b"])
    dense, inner = parts_of(graph)
    assert (dense.name, dense.sources, dense.graph.topological()) == ("dense", ("x",), ["x", "d", "r"])
    assert (inner.name, inner.sources, inner.graph.topological()) == ("inner", ("dense", "x"), ["r", "x", "a", "b"])
    graph.add("peek", ops.Dense(np.eye(4)), ("d",), layer="peek")
    graph.set_outputs(["b", "peek"])
    with pytest.raises(SystemExit, match="'peek' reads 'd'"):
        list(parts_of(graph))


def test_values_outside_are_counted() -> None:
    seen = Seen("Dense")
    seen.add(np.array([0.0, 0.5, 1.0, 1.5, np.nan]), np.array([0.0, 1.0, 1.0, 1.0, 1.0]))
    assert (seen.values, seen.outside) == (5, 2)
    assert seen.nearest == np.inf


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    return keras.models.load_model(ROOT / "examples" / "digits_cnn.h5", compile=False)


def test_keras_layers_are_inside_and_a_wrong_weight_is_not(model: Any, tmp_path: Any) -> None:
    case = find_cases(tmp_path)["example"]
    graph = boundnet.load(case.model)
    fine = compare(model, graph, case.images(3), "example")
    assert (fine.outside, fine.wrong, fine.images) == (0, [], 3)
    assert fine.layers == len(list(parts_of(graph)))
    assert 0.0 < fine.median_nearest <= fine.nearest <= 1.0
    layer = next(item for item in model.layers if item.weights)
    kept = layer.get_weights()
    kernel, *rest = kept
    layer.set_weights([kernel * np.float32(1.0 + 2.0**-14), *rest])
    wrong = compare(model, graph, case.images(3), "example")
    layer.set_weights(kept)
    assert wrong.outside > 0
    assert [line.split(" ")[0] for line in wrong.wrong] == [layer.name]
    row = [line for line in markdown([vars(fine)]).splitlines() if line.startswith("| example | 3 |")]
    assert len(row) == 1
