"""Small model files written by hand, so that tests of the command line need no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Layer = tuple[str, Mapping[str, Any], Sequence[tuple[str, np.ndarray]]]


def dense(name: str, kernel: Any, bias: Any, activation: str = "linear", **more: Any) -> Layer:
    """A Dense layer: kernel (n, m), bias (m,)."""
    kernel, bias = np.asarray(kernel, np.float32), np.asarray(bias, np.float32)
    config = {"name": name, "units": kernel.shape[1], "activation": activation, "use_bias": True, **more}
    return "Dense", config, [(f"{name}/kernel:0", kernel), (f"{name}/bias:0", bias)]


def plain(kind: str, name: str, **more: Any) -> Layer:
    """A layer without weights."""
    return kind, {"name": name, **more}, []


def write_model(path: Path, *layers: Layer, shape: Sequence[int]) -> Path:
    """A Keras 2 Sequential model with inputs of ``shape``."""
    configs = [{"class_name": kind, "config": dict(config)} for kind, config, _ in layers]
    configs[0]["config"] |= {"batch_input_shape": [None, *shape]}
    return _write(path, {"class_name": "Sequential", "config": {"name": "sequential", "layers": configs}}, layers)


def write_two_inputs(path: Path) -> Path:
    """left (2,) + right (2,), a functional model without weights."""
    inputs = [
        {"class_name": "InputLayer", "name": name, "inbound_nodes": [],
         "config": {"name": name, "batch_input_shape": [None, 2], "dtype": "float32"}}
        for name in ("left", "right")
    ]  # fmt: skip
    add = {"class_name": "Add", "name": "sum", "config": {"name": "sum"},
           "inbound_nodes": [[["left", 0, 0, {}], ["right", 0, 0, {}]]]}  # fmt: skip
    config = {"name": "two", "layers": [*inputs, add], "input_layers": [["left", 0, 0], ["right", 0, 0]],
              "output_layers": [["sum", 0, 0]]}  # fmt: skip
    return _write(path, {"class_name": "Functional", "config": config}, [])


def classifier(path: Path, name: str = "dense_1") -> Path:
    """3 inputs, 4 hidden units, softmax over 2 classes: (1, 0, 0) is class 0, (0, 0, 1) class 1, (0, 1, 0) a tie."""
    first = np.array([[1, 0, 0, 0.5], [0, 1, 0, 0.25], [0, 0, 1, 0.125]])
    second = np.array([[1.1, -1], [0.5, 0.5], [-1.3, 1], [0, 0]])
    return write_model(path, dense("dense", first, np.zeros(4), "relu"), dense(name, second, [0, 0], "softmax"), shape=[3])


def regressor(path: Path, weight: float = 0.1) -> Path:
    """One output, no decision: weight * (a + b)."""
    return write_model(path, dense("dense", [[weight], [weight]], [0.0]), shape=[2])


def _write(path: Path, config: Mapping[str, Any], layers: Sequence[Layer]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        for target in (file, group):
            target.attrs["keras_version"] = b"2.4.0"
            target.attrs["backend"] = b"tensorflow"
        group.attrs["layer_names"] = np.array([layer[1]["name"].encode() for layer in layers])
        for _, settings, weights in layers:
            inner = group.create_group(settings["name"])
            inner.attrs["weight_names"] = np.array([name.encode() for name, _ in weights])
            for name, values in weights:
                inner.create_dataset(name, data=values)
    return path
