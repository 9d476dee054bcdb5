"""TensorFlow functions that Keras 2 stored as layers: as MobileNetV3, EfficientNet and ConvNeXt of tf.keras hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import dense_config, legacy_file, run

from boundnet.errors import ModelFileError, UnsupportedLayerError
from boundnet.graph import LayerGraph
from boundnet_keras import frontend

X = np.array([[0.5, -4.0, 3.25], [9.0, 1.0, -0.125]])
KERNEL = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -2.0], [3.0, 0.0, 1.0]])
D = X @ KERNEL


def lambda_layer(function: str, *nodes: Any) -> dict[str, Any]:
    name = f"tf.{function}"
    config = {"name": name, "trainable": True, "dtype": "float32", "function": function}
    return {"class_name": "TFOpLambda", "name": name, "config": config, "inbound_nodes": list(nodes)}


def load(folder: Path, *layers: dict[str, Any]) -> LayerGraph:
    """x -> Dense d -> ``layers``; the last one's first call is the output."""
    shape = {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}
    entry = {"class_name": "InputLayer", "name": "x", "config": shape, "inbound_nodes": []}
    dense = dense_config("d", 3, use_bias=False) | {"name": "d", "inbound_nodes": [[["x", 0, 0, {}]]]}
    config = {
        "name": "m",
        "layers": [entry, dense, *layers],
        "input_layers": [["x", 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
    weights = {"d": [("d/kernel:0", KERNEL)]}
    return frontend.load(
        legacy_file(folder / "m.h5", {"class_name": "Functional", "config": config}, weights, version="2.11.0")
    )


def test_hard_sigmoid_of_mobilenet_v3(tmp_path: Path) -> None:
    """ReLU(6)(x + 3) * (1 / 6)."""
    add = lambda_layer("__operators__.add", ["d", 0, 0, {"y": 3.0, "name": None}])
    relu = {
        "class_name": "ReLU",
        "name": "r",
        "config": {"name": "r", "max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0},
    }
    relu["inbound_nodes"] = [[["tf.__operators__.add", 0, 0, {}]]]
    scale = lambda_layer("math.multiply", ["r", 0, 0, {"y": 0.16666666666666666, "name": None}])
    graph = load(tmp_path, add, relu, scale)
    np.testing.assert_allclose(run(graph, X)[0], np.clip(D + 3.0, 0.0, 6.0) / 6.0, rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "node", "expected"),
    [
        ("__operators__.add", ["d", 0, 0, {"y": ["x", 0, 0], "name": None}], D + X),
        ("math.subtract", ["d", 0, 0, {"y": 1.5, "name": None}], D - 1.5),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 1.5, {"y": ["d", 0, 0], "name": None}], 1.5 - D),
        ("math.multiply", ["d", 0, 0, {"y": [[2.0, 3.0, -4.0]]}], D * [2.0, 3.0, -4.0]),
        ("math.multiply", ["d", 0, 0, {"y": ["x", 0, 0]}], D * X),
        ("math.maximum", ["d", 0, 0, {"y": ["x", 0, 0]}], np.maximum(D, X)),
        ("nn.relu", ["d", 0, 0, {"name": None}], np.maximum(D, 0.0)),
        ("nn.relu6", ["d", 0, 0, {}], np.clip(D, 0.0, 6.0)),
        ("math.tanh", ["d", 0, 0, {}], np.tanh(D)),
        ("nn.silu", ["d", 0, 0, {}], D / (1.0 + np.exp(-D))),
        ("math.truediv", ["d", 0, 0, {"y": 3.0, "name": None}], D / 3.0),
        ("math.truediv", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["d", 0, 0], "name": None}], 1.0 / D),
        ("nn.bias_add", ["d", 0, 0, {"bias": [1.0, 2.0, 3.0]}], D + np.array([1.0, 2.0, 3.0])),
        ("math.negative", ["d", 0, 0, {"name": None}], -D),
        ("math.abs", ["d", 0, 0, {}], np.abs(D)),
        ("math.square", ["d", 0, 0, {"name": None}], D * D),
        ("math.reduce_mean", ["d", 0, 0, {"axis": 1}], D.mean(axis=1)),
        ("math.reduce_sum", ["d", 0, 0, {"axis": -1, "keepdims": True}], D.sum(axis=1, keepdims=True)),
        ("math.reduce_max", ["d", 0, 0, {"axis": [1]}], D.max(axis=1)),
        ("math.reduce_min", ["d", 0, 0, {"axis": -1}], D.min(axis=1)),
        ("math.reduce_std", ["d", 0, 0, {"axis": -1}], D.std(axis=1)),
        ("math.reduce_variance", ["d", 0, 0, {"axis": -1}], D.var(axis=1)),
        ("math.reduce_logsumexp", ["d", 0, 0, {"axis": -1}], np.log(np.exp(D).sum(axis=1))),
        ("math.cumsum", ["d", 0, 0, {"axis": 1}], np.cumsum(D, axis=1)),
        ("reshape", ["d", 0, 0, {"shape": [-1, 3, 1]}], D[:, :, None]),
        ("expand_dims", ["d", 0, 0, {"axis": 1}], D[:, None]),
        ("concat", [["d", 0, 0, {"axis": -1}], ["x", 0, 0, {"axis": -1}]], np.concatenate([D, X], axis=1)),
        ("stack", [["d", 0, 0, {"axis": 1}], ["x", 0, 0, {"axis": 1}]], np.stack([D, X], axis=1)),
        ("math.add_n", [["d", 0, 0, {}], ["x", 0, 0, {}]], D + X),
        ("tile", ["d", 0, 0, {"multiples": [1, 2], "name": None}], np.tile(D, (1, 2))),
        ("repeat", ["d", 0, 0, {"repeats": 2, "axis": 1}], np.repeat(D, 2, axis=1)),
        (
            "compat.v1.pad",
            ["d", 0, 0, {"paddings": [[0, 0], [1, 2]], "mode": "CONSTANT", "name": None, "constant_values": 0}],
            np.pad(D, ((0, 0), (1, 2))),
        ),
        ("nn.softmax", ["d", 0, 0, {"axis": 1}], np.exp(D) / np.exp(D).sum(axis=1, keepdims=True)),
        ("clip_by_value", ["d", 0, 0, {"clip_value_min": -0.5, "clip_value_max": 0.5}], np.clip(D, -0.5, 0.5)),
        ("nn.leaky_relu", ["d", 0, 0, {"alpha": 0.1}], np.where(D > 0, D, 0.1 * D)),
        ("nn.leaky_relu", ["d", 0, 0, {}], np.where(D > 0, D, 0.2 * D)),
        ("math.l2_normalize", ["d", 0, 0, {"axis": -1}], D / np.sqrt((D * D).sum(axis=1, keepdims=True))),
        ("cast", ["d", 0, 0, {"dtype": "float32"}], D),
    ],
)
def test_functions(tmp_path: Path, function: str, node: Any, expected: np.ndarray) -> None:
    graph = load(tmp_path, lambda_layer(function, node))
    np.testing.assert_allclose(run(graph, X)[0], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "node"),
    [
        ("linalg.matmul", ["d", 0, 0, {"b": ["x", 0, 0]}]),
        ("nn.silu", ["d", 0, 0, {"beta": 2.0}]),
        ("math.multiply", ["d", 0, 0, {"y": [[1.0, 2.0]]}]),
        ("math.multiply", ["d", 0, 0, {"y": [[1.0], [2.0]]}]),
        ("math.multiply", ["d", 0, 0, {"y": "three"}]),
        ("math.pow", ["d", 0, 0, {"y": 2, "name": None}]),
        ("math.cumsum", ["d", 0, 0, {"axis": 1, "reverse": True}]),
        ("math.reduce_mean", ["d", 0, 0, {}]),
        ("compat.v1.pad", ["d", 0, 0, {"paddings": [[0, 0], [1, 2]], "mode": "REFLECT", "constant_values": 0}]),
        ("math.l2_normalize", ["d", 0, 0, {"axis": -1, "epsilon": 1e-3}]),
        ("split", ["d", 0, 0, {"num_or_size_splits": [1, -1], "axis": 1}]),
        ("cast", ["d", 0, 0, {"dtype": "float16"}]),
        ("__operators__.add", ["d", 0, 0, {"y": float("inf")}]),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, function: str, node: Any) -> None:
    with pytest.raises((UnsupportedLayerError, ModelFileError), match=function):
        load(tmp_path, lambda_layer(function, node))


WHOLE = {"start": None, "stop": None, "step": None}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ([WHOLE, {"start": 1, "stop": None, "step": None}], D[:, 1:]),
        ([WHOLE, -1], D[:, -1]),
        ([{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": 2}], D[..., ::2]),
    ],
)
def test_slices(tmp_path: Path, spec: list[Any], expected: np.ndarray) -> None:
    layer = lambda_layer("__operators__.getitem", ["d", 0, 0, {"slice_spec": spec}]) | {"class_name": "SlicingOpLambda"}
    np.testing.assert_allclose(run(load(tmp_path, layer), X)[0], expected, rtol=1e-14)


def test_a_slice_of_the_batch_is_refused(tmp_path: Path) -> None:
    layer = lambda_layer("__operators__.getitem", ["d", 0, 0, {"slice_spec": [0]}]) | {"class_name": "SlicingOpLambda"}
    with pytest.raises(UnsupportedLayerError, match="batch"):
        load(tmp_path, layer)


@pytest.mark.parametrize(("how", "cuts"), [(3, [1, 2]), ([1, 2], [1])])
def test_split(tmp_path: Path, how: Any, cuts: list[int]) -> None:
    layer = lambda_layer("split", ["d", 0, 0, {"num_or_size_splits": how, "axis": -1}])
    np.testing.assert_allclose(run(load(tmp_path, layer), X)[0], np.split(D, cuts, axis=1)[0], rtol=1e-14)
