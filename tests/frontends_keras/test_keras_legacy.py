"""Files of Keras 1 and 2, written by hand in the forms that those versions used.  No TensorFlow needed here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.keras_models import dense_config, legacy_file, run, sequential

from boundnet_keras import frontend

RNG = np.random.default_rng(0)
K1, B1 = RNG.normal(size=(3, 4)), RNG.normal(size=4)
K2, B2 = RNG.normal(size=(4, 2)), RNG.normal(size=2)
X = RNG.normal(size=(5, 3))
EXPECTED = (X @ K1 + B1) @ K2 + B2
INPUT = {"batch_input_shape": [None, 3]}


def _weights(first: str = "a", second: str = "b") -> dict[str, Any]:
    return {
        "a": [(f"{first}/kernel:0", K1), (f"{first}/bias:0", B1)],
        "b": [(f"{second}/kernel:0", K2), (f"{second}/bias:0", B2)],
    }


LAYERS = (dense_config("a", 4, **INPUT), dense_config("b", 2))
SHAPES = {
    "list": {"class_name": "Sequential", "config": list(LAYERS)},
    "dictionary": sequential(*LAYERS),
    "input layer": sequential({"class_name": "InputLayer", "config": {"name": "in", **INPUT}}, *LAYERS),
    "build shape": sequential(dense_config("a", 4), LAYERS[1], build_input_shape=[None, 3]),
    "input_dim": sequential(dense_config("a", 4, input_dim=3), LAYERS[1]),
}


@pytest.mark.parametrize("form", SHAPES)
def test_sequential_forms(tmp_path: Path, form: str) -> None:
    graph = frontend.load(legacy_file(tmp_path / "m.h5", SHAPES[form], _weights()))
    np.testing.assert_allclose(run(graph, X)[0], EXPECTED, rtol=1e-13)


def test_weight_names_are_not_layer_names(tmp_path: Path) -> None:
    """Names such as 'a_1/kernel:0' come from models that were loaded and saved again."""
    graph = frontend.load(legacy_file(tmp_path / "m.h5", sequential(*LAYERS), _weights("a_1", "b_7")))
    np.testing.assert_allclose(run(graph, X)[0], EXPECTED, rtol=1e-13)


def test_names_decide_over_order(tmp_path: Path) -> None:
    weights = {name: entries[::-1] for name, entries in _weights().items()}
    graph = frontend.load(legacy_file(tmp_path / "m.h5", sequential(*LAYERS), weights))
    np.testing.assert_allclose(run(graph, X)[0], EXPECTED, rtol=1e-13)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("outer/a", "outer/b"), ("renamed", "also")])
def test_nested_model_keeps_its_weights_in_one_group(tmp_path: Path, first: str, second: str) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": list(LAYERS)}}
    weights = _weights(first, second)
    path = legacy_file(tmp_path / "m.h5", sequential(inner), {"inner": weights["a"] + weights["b"]})
    graph = frontend.load(path)
    np.testing.assert_allclose(run(graph, X)[0], EXPECTED, rtol=1e-13)


def test_first_layer_is_a_functional_model(tmp_path: Path) -> None:
    """Keras 2 wrote no input layer and no shape for such a Sequential model: the inner model has both."""
    entry = {"class_name": "InputLayer", "name": "i", "config": {"name": "i", **INPUT}, "inbound_nodes": []}
    dense = LAYERS[0] | {"name": "a", "inbound_nodes": [[["i", 0, 0, {}]]]}
    inner = {"name": "inner", "layers": [entry, dense], "input_layers": [["i", 0, 0]], "output_layers": [["a", 0, 0]]}
    config = sequential({"class_name": "Model", "config": inner}, LAYERS[1])
    weights = _weights()
    graph = frontend.load(legacy_file(tmp_path / "m.h5", config, {"inner": weights["a"], "b": weights["b"]}))
    np.testing.assert_allclose(run(graph, X)[0], EXPECTED, rtol=1e-13)


def test_calls_of_nested_models_count_from_one(tmp_path: Path) -> None:
    """Keras 2: call 0 made the nested model itself, so references to its first use say 1."""
    inner = {"class_name": "Model", "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]], [["x", 0, 0, {}]]]}
    entry = {"class_name": "InputLayer", "name": "i", "config": {"name": "i", **INPUT}, "inbound_nodes": []}
    dense = dense_config("a", 4) | {"name": "a", "inbound_nodes": [[["i", 0, 0, {}]]]}
    inner["config"] = {
        "name": "inner",
        "layers": [entry, dense],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["a", 0, 0]],
    }
    outer = entry | {"name": "x", "config": {"name": "x", **INPUT}}
    add = {"class_name": "Add", "name": "add", "config": {"name": "add"}}
    add["inbound_nodes"] = [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]]
    config = {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [outer, inner, add],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["add", 0, 0]],
        },
    }
    graph = frontend.load(legacy_file(tmp_path / "m.h5", config, {"inner": _weights()["a"]}))
    np.testing.assert_allclose(run(graph, X)[0], 2 * (X @ K1 + B1), rtol=1e-13)


def test_attributes_in_chunks(tmp_path: Path) -> None:
    path = legacy_file(tmp_path / "m.h5", sequential(*LAYERS), _weights())
    with h5py.File(path, "a") as file:
        attributes = file["model_weights/a"].attrs
        names = attributes["weight_names"]
        del attributes["weight_names"]
        attributes["weight_names0"], attributes["weight_names1"] = names[:1], names[1:]
    np.testing.assert_allclose(run(frontend.load(path), X)[0], EXPECTED, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_are_exact(tmp_path: Path, dtype: str) -> None:
    weights = {"a": [("a/kernel:0", K1.astype(dtype)), ("a/bias:0", B1.astype(dtype))]}
    graph = frontend.load(legacy_file(tmp_path / "m.h5", sequential(LAYERS[0]), weights))
    kernel = graph.op("a").parameters()[0]
    assert kernel.dtype == np.float64
    np.testing.assert_array_equal(kernel, K1.astype(dtype).astype(np.float64))


@pytest.mark.parametrize(("version", "expected"), [("1.2.2", 0.7), ("2.4.0", 0.7), ("3.0.0", 0.5 + 1 / 6)])
def test_hard_sigmoid_depends_on_version(tmp_path: Path, version: str, expected: float) -> None:
    layer = {
        "class_name": "Activation",
        "config": {"name": "h", "activation": "hard_sigmoid", "trainable": True, **INPUT},
    }
    graph = frontend.load(legacy_file(tmp_path / "m.h5", sequential(layer), {}, version=version))
    np.testing.assert_allclose(run(graph, np.ones((1, 3)))[0], expected, rtol=1e-13)


def _correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Valid 2D cross-correlation, written out.  x: (N, h, w, cin), kernel: (kh, kw, cin, cout)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel)


CONV1 = {"name": "c", "nb_filter": 2, "nb_row": 3, "nb_col": 2, "border_mode": "valid", "bias": False}


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_keras1_convolution(tmp_path: Path, backend: str, ordering: str) -> None:
    """Keras 1's names; kernels (out, in, *k) with Theano's ordering; flipped where Theano computed."""
    kernel, x = RNG.normal(size=(3, 2, 4, 2)), RNG.normal(size=(2, 6, 5, 4))
    expected = _correlate(x, kernel)
    stored = kernel if ordering == "tf" else kernel.transpose(3, 2, 0, 1)
    if backend == "theano":
        axes = (0, 1) if ordering == "tf" else (2, 3)
        stored = np.flip(stored, axis=axes)
    shape = [None, 6, 5, 4] if ordering == "tf" else [None, 4, 6, 5]
    config = CONV1 | {"dim_ordering": ordering, "batch_input_shape": shape}
    layer = {"class_name": "Convolution2D", "config": config}
    file = legacy_file(
        tmp_path / "m.h5",
        {"class_name": "Sequential", "config": [layer]},
        {"c": [("c_W", stored)]},
        "1.2.2",
        backend,
    )
    graph = frontend.load(file)
    if ordering == "th":
        (actual,) = run(graph, x.transpose(0, 3, 1, 2))
        actual = actual.transpose(0, 2, 3, 1)
    else:
        (actual,) = run(graph, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def test_keras1_merge_and_batch_normalisation(tmp_path: Path) -> None:
    entry = {"class_name": "InputLayer", "name": "x", "config": {"name": "x", **INPUT}, "inbound_nodes": []}
    norm = {"class_name": "BatchNormalization", "name": "n", "inbound_nodes": [[["x", 0, 0]]]}
    norm["config"] = {"name": "n", "mode": 0, "axis": -1, "epsilon": 1e-3}
    merge = {"class_name": "Merge", "name": "m", "inbound_nodes": [[["x", 0, 0], ["n", 0, 0]]]}
    merge["config"] = {"name": "m", "mode": "concat", "concat_axis": -1, "mode_type": "raw"}
    layers = {
        "name": "g",
        "layers": [entry, norm, merge],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["m", 0, 0]],
    }
    gamma, beta, mean, variance = RNG.uniform(0.5, 2.0, size=(4, 3))
    names = ("gamma", "beta", "running_mean", "running_std")
    weights = {"n": [(f"n_{name}", value) for name, value in zip(names, (gamma, beta, mean, variance), strict=True)]}
    config = {"class_name": "Model", "config": layers}
    graph = frontend.load(legacy_file(tmp_path / "m.h5", config, weights, "1.2.2"))
    normal = (X - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(run(graph, X)[0], np.concatenate([X, normal], axis=1), rtol=1e-12)


def test_loading_never_imports_tensorflow(tmp_path: Path) -> None:
    path = legacy_file(tmp_path / "m.h5", sequential(*LAYERS), _weights())
    code = (
        "import sys; from boundnet_keras import frontend; frontend.accepts(sys.argv[1]); frontend.load(sys.argv[1]);"
        "sys.exit(any(name.split('.')[0] in ('tensorflow', 'keras') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
