"""Shared layers, nested models, several inputs and outputs, against Keras itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, load, randomise, run

from boundnet_keras import frontend


def _shared(keras: ModuleType) -> Any:
    x, layer = keras.Input((4,), name="x"), keras.layers.Dense(4, activation="tanh", name="shared")
    return keras.Model(x, layer(layer(layer(x))))


def _nested(keras: ModuleType) -> Any:
    """A Sequential in a functional model in a Sequential, with names that occur at several depths."""
    layers = keras.layers
    core = keras.Sequential([keras.Input((5,)), layers.Dense(5, name="d"), layers.BatchNormalization(name="bn")], name="c")
    x = keras.Input((5,))
    middle = keras.Model(x, layers.Add()([core(x), layers.Dense(5, name="d")(x)]), name="m")
    return keras.Sequential([keras.Input((5,)), layers.Dense(5, name="d"), middle, layers.Dense(2, name="out")])


def _shared_model(keras: ModuleType) -> Any:
    """A nested model called twice, once frozen, its calls merged."""
    layers = keras.layers
    tower = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dense(4)],
        name="tower",
    )
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    left, right = tower(a), tower(b)
    tower.trainable = False
    return keras.Model([a, b], [layers.Dot(axes=1, normalize=True)([left, right]), layers.Subtract()([left, right])])


def _several_outputs(keras: ModuleType) -> Any:
    """A nested model with two inputs and two outputs, outputs used crosswise; an input that is an output as well."""
    layers = keras.layers
    a, b = keras.Input((3,), name="p"), keras.Input((3,), name="q")
    inner = keras.Model([a, b], [layers.Dense(3, name="k")(a), layers.Multiply()([a, b])], name="inner")
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    first, second = inner([x, y])
    third, fourth = inner([second, first])
    return keras.Model([x, y], [layers.Average()([third, second]), fourth, first, x])


def _merges(keras: ModuleType) -> Any:
    """All merging layers, with broadcasting and axes counted from either end."""
    layers = keras.layers
    a, b = keras.Input((3, 4), name="a"), keras.Input((3, 4), name="b")
    v, row = keras.Input((4,), name="v"), keras.Input((1, 4), name="row")
    outputs = [kind()([a, b]) for kind in (layers.Add, layers.Subtract, layers.Multiply, layers.Average)]
    outputs += [
        layers.Maximum()([a, b, a]),
        layers.Minimum()([a, b]),
        layers.Add()([a, v]),
        layers.Multiply()([row, a]),
    ]
    outputs += [layers.Concatenate(axis=axis)([a, b]) for axis in (1, 2, -1, -2)]
    outputs += [layers.Dot(axes=axes)([a, b]) for axes in (1, 2, -1, (2, 2))]
    outputs += [
        layers.Dot(axes=(2, 1))([a, v]),
        layers.Dot(axes=1, normalize=True)([a, b]),
        layers.Add()([a, a]),
    ]
    return keras.Model([a, b, v, row], outputs)


def _dictionary(keras: ModuleType) -> Any:
    x = keras.Input((3,))
    return keras.Model(x, {"second": keras.layers.Dense(2)(x), "first": keras.layers.Dense(4)(x)})


def _deferred(keras: ModuleType) -> Any:
    """Nested Sequential models without an input layer get their shape from where they are called."""
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(4), layers.Dropout(0.5), layers.Dense(3, "relu")], name="inner")
    x = keras.Input((6,))
    return keras.Model(x, inner(x))


def _operators(keras: ModuleType) -> Any:
    """Python operators and keras.ops on the tensors of a functional model."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    ops = keras.ops
    outputs = [
        a + b,
        a - b,
        a * b,
        ops.maximum(a, b),
        ops.relu(a),
        ops.tanh(a + 0.5),
        2.0 * a,
        1.0 - a,
        a - 1.0,
    ]
    return keras.Model([a, b], outputs)


BUILDERS = (_shared, _nested, _shared_model, _several_outputs, _merges, _dictionary, _deferred, _operators)


@pytest.mark.parametrize("build", BUILDERS, ids=[build.__name__.strip("_") for build in BUILDERS])
def test_structure(keras: ModuleType, tmp_path: Path, build: Callable[[ModuleType], Any]) -> None:
    check(build(keras), tmp_path)


def test_names(keras: ModuleType, tmp_path: Path) -> None:
    """Node names tell calls apart, layer paths don't: one layer is one layer."""
    model = _shared(keras)
    model.save(tmp_path / "model.keras")
    graph = frontend.load(tmp_path / "model.keras")
    expected = ["x", "shared", "shared/tanh", "shared@1", "shared@1/tanh", "shared@2", "shared@2/tanh"]
    assert list(graph.topological()) == expected
    assert graph.op("shared") is graph.op("shared@2")
    graph = load(_nested(keras), "keras", tmp_path)
    assert {"d", "m/c/d", "m/d", "m/c/bn"} <= set(graph.topological())


def test_output_labels(keras: ModuleType, tmp_path: Path) -> None:
    model = _dictionary(keras)
    randomise(model)
    graph = load(model, "keras", tmp_path)
    x = np.ones((2, 3))
    first, second = run(graph, x)
    assert first.shape == (2, 4)
    assert second.shape == (2, 2)
    assert graph.output_labels == ["first", "second"]


def test_metadata(keras: ModuleType, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_bfloat16")])
    for kind in ("h5", "keras", "live"):
        graph = load(model, kind, tmp_path)
        assert graph.metadata["format"] == kind
        assert graph.metadata["keras_version"] == keras.__version__
        assert graph.metadata["dtype_policy"] == "mixed_bfloat16"
        if kind != "live":
            assert graph.metadata["path"] == str(tmp_path / f"model.{kind}")
            assert len(graph.metadata["sha256"]) == 64


def test_bfloat16_weights_are_exact(keras: ModuleType, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    randomise(model)
    kernel = np.asarray(model.layers[0].kernel.numpy()).astype(np.float64)
    graph = load(model, "keras", tmp_path)
    np.testing.assert_array_equal(graph.op(model.layers[0].name).parameters()[0], kernel)


def test_open_shapes_can_be_fixed(keras: ModuleType, tmp_path: Path) -> None:
    x = keras.Input((None, None, 2), name="image")
    model = keras.Model(x, keras.layers.Conv2D(2, 3)(x))
    model.save(tmp_path / "model.keras")
    graph = frontend.load(tmp_path / "model.keras", input_shapes={"image": (5, 6, 2)})
    assert graph.shape(graph.outputs[0]) == (3, 4, 2)


def test_subclass_of_functional_model(keras: ModuleType) -> None:
    """A live subclass that keeps Keras's ``call`` is a functional model; one with its own isn't."""

    class Plain(keras.Model):
        pass

    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return super().call(x) * 2

    x = keras.Input((3,))
    y = keras.layers.Dense(2)(x)
    assert len(frontend.load(Plain(x, y)).outputs) == 1
    with pytest.raises(Exception, match="Own"):
        frontend.load(Own(x, y))
