"""TensorFlow functions that Keras 2 stored as layers: as MobileNetV3, EfficientNet and ConvNeXt of tf.keras hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import dense_config, legacy_file, run

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
        ("__operators__.add", ["d", 0, 0, {"y": float("inf")}]),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, function: str, node: Any) -> None:
    with pytest.raises((UnsupportedLayerError, ModelFileError), match=function):
        load(tmp_path, lambda_layer(function, node))
