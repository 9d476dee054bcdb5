"""Shared by the front end's tests: a plain float64 evaluator, legacy files by hand, comparison with Keras itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from boundnet.graph import LayerGraph
from boundnet_keras import frontend

KINDS = ("h5", "keras", "live")


def run(graph: LayerGraph, *inputs: np.ndarray) -> list[np.ndarray]:
    """Float64 outputs of a graph for inputs (N, *shape), node by node."""
    values: dict[str, np.ndarray] = dict(zip(graph.inputs, map(np.float64, inputs), strict=True))
    for name in graph.topological():
        if name not in values:
            values[name] = graph.op(name).centre(*(values[source] for source in graph.inputs_of(name)))
    return [values[name] for name in graph.outputs]


def load(model: Any, kind: str, folder: Path) -> LayerGraph:
    """The graph of a Keras model by way of a file of the given kind, or of the live object."""
    if kind == "live":
        return frontend.load(model)
    path = folder / f"model.{kind}"
    model.save(path)
    return frontend.load(path)


def randomise(model: Any, seed: int = 0) -> None:
    """Weights that are neither 0 nor 1, variances positive, so that no mix-up goes unnoticed."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.uniform(-1.0, 1.0, weight.shape)
        if "variance" in weight.name or weight.name == "count":
            values = rng.uniform(0.5, 2.0, weight.shape)
        weight.assign(values.astype(weight.dtype))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization keeps copies of its weights
            layer.finalize_state()


def samples(model: Any, seed: int = 1, count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, *tensor.shape[1:])) for tensor in model.inputs]


def outputs_of(model: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What Keras computes; dictionaries in sorted order."""
    result = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    if isinstance(result, Mapping):
        result = [result[key] for key in sorted(result)]
    return [np.asarray(item) for item in (result if isinstance(result, (list, tuple)) else [result])]


def check(model: Any, folder: Path, kinds: Sequence[str] = KINDS, rtol: float = 1e-11) -> LayerGraph:
    """Load a float64 model in each way and compare with Keras.  Returns the last graph."""
    randomise(model)
    inputs = samples(model)
    expected = outputs_of(model, inputs)
    for kind in kinds:
        graph = load(model, kind, folder)
        actual = run(graph, *inputs)
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected, strict=True):
            assert ours.shape == theirs.shape, kind
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol, err_msg=kind)
    return graph


def legacy_file(
    path: Path,
    config: Any,
    weights: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    version: str = "2.4.0",
    backend: str = "tensorflow",
) -> Path:
    """An HDF5 model file as Keras 1 and 2 wrote them.  weights: layer name -> [(weight name, values), ...]."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        for target in (file, group):
            target.attrs["keras_version"] = version.encode()
            target.attrs["backend"] = backend.encode()
        group.attrs["layer_names"] = np.array([name.encode() for name in weights])
        for layer, entries in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = np.array([name.encode() for name, _ in entries])
            for name, values in entries:
                inner.create_dataset(name, data=values)
    return path


def dense_config(name: str, units: int, activation: Any = "linear", **more: Any) -> dict[str, Any]:
    """A Dense layer of a Keras 2 Sequential model."""
    return {
        "class_name": "Dense",
        "config": {"name": name, "units": units, "activation": activation, "use_bias": True, **more},
    }


def sequential(*layers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(layers), **more}}
