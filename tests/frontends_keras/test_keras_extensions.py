"""Rules that users register: found by name, named when they are wrong, never code of the file."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import dense_config, legacy_file, sequential
from typer.testing import CliRunner

import boundnet_keras
from boundnet import ops
from boundnet.cli.app import app
from boundnet.errors import ExtensionError, ModelFileError, UnsupportedLayerError
from boundnet.functions import make
from boundnet_keras import Lowering, Refused, Rule, extensions, frontend, register, unregister

INPUT = {"batch_input_shape": [None, 2]}
GOOD = {"d": [("d/kernel:0", np.ones((2, 2), np.float32)), ("d/bias:0", np.zeros(2, np.float32))]}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = dict(extensions._called)
    extensions._called.clear()
    yield
    extensions._called.clear()
    extensions._called.update(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Dense, then a custom layer of the class lab>Mine with a stored weight."""
    own = {"class_name": "lab>Mine", "config": {"name": "own", "power": 2}}
    weights = GOOD | {"own": [("own/scale:0", np.array([2.0, 3.0], np.float32))]}
    return legacy_file(tmp_path / "model.h5", sequential(dense_config("d", 2, **INPUT), own), weights)


def lower(layer: Lowering, inputs: Sequence[str]) -> str:
    scale = layer.weights({"scale": layer.shape(inputs[0])})["scale"]
    return layer.add(ops.ScaleShift(scale, None), inputs[0])


def outputs(path: Path) -> np.ndarray:
    graph = frontend.load(path)
    return graph.evaluate([np.array([[1.0, 2.0]])])[graph.outputs[0]]


@pytest.mark.parametrize("name", ["lab>Mine", "Mine"])
def test_call_and_decorator(name: str, file: Path) -> None:
    assert register(name, lower) is lower
    np.testing.assert_array_equal(outputs(file), [[6.0, 9.0]])
    unregister(name)
    with pytest.raises(UnsupportedLayerError):
        frontend.load(file)
    assert register(name)(lower) is lower
    np.testing.assert_array_equal(outputs(file), [[6.0, 9.0]])


def test_the_refusal_of_an_unknown_layer_says_how(file: Path) -> None:
    with pytest.raises(
        UnsupportedLayerError, match=r"boundnet_keras\.register\('lab>Mine', \.\.\.\) \(docs/how-to/extending.md\)"
    ):
        frontend.load(file)


def test_the_name_with_its_package_comes_first_and_the_last_call_wins(file: Path) -> None:
    register("Mine", lambda layer, inputs: inputs[0], weighted=False)
    register("lab>Mine", lambda layer, inputs: layer.add(ops.Activation(make("relu")), inputs[0]))
    register("lab>Mine", lower)
    np.testing.assert_array_equal(outputs(file), [[6.0, 9.0]])


def test_layers_of_keras_cannot_be_replaced(file: Path) -> None:
    register("Dense", lambda layer, inputs: inputs[0])
    register("lab>Mine", lower)
    np.testing.assert_array_equal(outputs(file), [[6.0, 9.0]])


def test_a_custom_class_named_like_one_of_keras_is_not_taken_for_it(tmp_path: Path) -> None:
    own = {"class_name": "Dropout", "registered_name": "lab>Dropout", "module": None, "config": {"name": "own"}}
    path = legacy_file(tmp_path / "model.h5", sequential(dense_config("d", 2, **INPUT), own), GOOD)
    with pytest.raises(UnsupportedLayerError, match="lab>Dropout"):
        frontend.load(path)
    wrapped = {"class_name": "TimeDistributed", "config": {"name": "each", "layer": own | {"class_name": "Dense"}}}
    path = legacy_file(tmp_path / "wrapped.h5", sequential(dense_config("d", 2, **INPUT), wrapped), GOOD)
    with pytest.raises(UnsupportedLayerError, match="wraps a custom layer"):
        frontend.load(path)


def test_a_rule_may_refuse(file: Path) -> None:
    register("lab>Mine", lower, refuse=lambda config, major: f"power {config['power']} isn't covered")
    with pytest.raises(UnsupportedLayerError, match=r"own \(Mine\): power 2 isn't covered"):
        frontend.load(file)

    @register("lab>Mine")
    def refuses(layer: Lowering, inputs: Sequence[str]) -> str:
        raise Refused(f"no rule for shape {layer.shape(inputs[0])}")

    with pytest.raises(UnsupportedLayerError, match=r"own \(Mine\): no rule for shape \(2,\)"):
        frontend.load(file)


def _fails(layer: Lowering, inputs: Sequence[str]) -> str:
    return str(layer.config["absent"])


BAD: list[tuple[Any, str]] = [
    (_fails, r"rule for lab>Mine \(_fails, .*test_keras_extensions\.py:\d+\) failed on layer 'own': KeyError: 'absent'"),
    (lambda layer, inputs: None, "failed on layer 'own': it must return the name of a node, or a list of names, not None"),
    (lambda layer, inputs: [], "must return the name of a node"),
    (lambda layer, inputs: "nowhere", "it returns 'nowhere', which is no node; return what layer.add returns"),
    (lambda layer, inputs: layer.add(ops.Dense(np.ones((5, 2)), None), inputs[0]), "failed on layer 'own': GraphError"),
    (lambda layer: layer, "failed on layer 'own': TypeError"),
    (lambda layer, inputs: 1 / 0, "failed on layer 'own': ZeroDivisionError"),
]


@pytest.mark.parametrize(("rule", "message"), BAD)
def test_a_wrong_rule_is_named_with_its_layer(rule: Any, message: str, file: Path) -> None:
    register("lab>Mine", rule)
    with pytest.raises(ExtensionError, match=message) as caught:
        frontend.load(file)
    assert str(caught.value).startswith(f"{file}: the rule for lab>Mine")
    done = CliRunner().invoke(app, ["graph", str(file)])
    assert done.exit_code == 2


def test_wrong_weights_are_told_as_for_any_layer(file: Path) -> None:
    register(
        "lab>Mine", lambda layer, inputs: layer.add(ops.ScaleShift(layer.weights({"scale": (7,)})["scale"], None), *inputs)
    )
    with pytest.raises(ModelFileError, match=r"layer 'own': weight 'scale' has shape \(2,\)"):
        frontend.load(file)


def test_a_wrong_refuse_is_named(file: Path) -> None:
    register("lab>Mine", lower, refuse=lambda config, major: config["absent"])
    with pytest.raises(ExtensionError, match=r"rule for lab>Mine .*refuse failed on layer 'own' \(KeyError: 'absent'\)"):
        frontend.load(file)
    register("lab>Mine", lower, refuse=lambda config, major: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ExtensionError, match="refuse must return a reason or '', not None"):
        frontend.load(file)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("", lower), "'' is no name of a layer"),
        ((3, lower), "3 is no name of a layer"),
        (("Mine", 3), "the rule for Mine: lower can't be called"),
    ],
)
def test_wrong_arguments(words: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ExtensionError, match=message):
        register(*words)
    with pytest.raises(ExtensionError, match="parts must be a sequence of strings"):
        register("Mine", lower, parts="dense")


def test_several_inputs_need_merges(tmp_path: Path) -> None:
    layers = [
        {"class_name": "InputLayer", "name": "x", "inbound_nodes": [], "config": {"name": "x", "batch_input_shape": [None, 2]}},
        {"class_name": "lab>Mine", "name": "own", "config": {"name": "own"}, "inbound_nodes": [[["x", 0, 0, {}], ["x", 0, 0, {}]]]},
    ]  # fmt: skip
    config = {"name": "two", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["own", 0, 0]]}
    path = legacy_file(tmp_path / "model.h5", {"class_name": "Functional", "config": config}, {})
    register("Mine", lambda layer, inputs: layer.add(ops.Multiply(), *inputs), weighted=False)
    with pytest.raises(ModelFileError, match="is called with 2 inputs"):
        frontend.load(path)
    register("Mine", lambda layer, inputs: layer.add(ops.Multiply(), *inputs), weighted=False, merges=True)
    np.testing.assert_array_equal(outputs(path), [[1.0, 4.0]])


class _Point:
    """An entry point."""

    def __init__(self, name: str, found: object) -> None:
        self.name, self.value, self._found = name, f"somewhere:{name}", found

    def load(self) -> object:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def _install(monkeypatch: pytest.MonkeyPatch, *points: _Point) -> None:
    real = importlib.metadata.entry_points

    def fake(**query: Any) -> Any:
        return list(points) if query.get("group") == "boundnet.keras_layers" else real(**query)

    monkeypatch.setattr(extensions, "entry_points", fake)
    monkeypatch.setattr(extensions, "_installed", None)


def test_entry_points(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, _Point("lab", {"lab>Mine": Rule(lower)}))
    np.testing.assert_array_equal(outputs(file), [[6.0, 9.0]])
    register("lab>Mine", lambda layer, inputs: inputs[0])  # a call comes before what is installed
    np.testing.assert_array_equal(outputs(file), [[3.0, 3.0]])


def test_wrong_entry_points_are_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = r"entry point lab = somewhere:lab \(boundnet\.keras_layers\): "
    for found, message in [
        (ImportError("no such module"), r"can't be loaded \(ImportError: no such module\)"),
        ([lower], "a mapping from layer names to boundnet_keras.Rule is needed"),
        ({"lab>Mine": lower}, "the rule for lab>Mine is <function lower"),
    ]:
        _install(monkeypatch, _Point("lab", found))
        with pytest.raises(ExtensionError, match=where + message):
            frontend.load(file)
    _install(monkeypatch, _Point("a", {"Mine": Rule(lower)}), _Point("b", {"Mine": Rule(lower)}))
    with pytest.raises(ExtensionError, match="another entry point has a rule for Mine"):
        frontend.load(file)


def test_models_of_keras_alone_load_no_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, _Point("lab", ImportError("broken")))
    frontend.load(legacy_file(tmp_path / "model.h5", sequential(dense_config("d", 2, **INPUT)), GOOD))


def test_layers_inside_a_custom_layer_keep_their_weights(tmp_path: Path, keras: ModuleType) -> None:
    """With Keras itself: a custom layer that holds two Dense layers, from a .keras file and live."""

    @keras.saving.register_keras_serializable(package="lab")
    class Bottleneck(keras.layers.Layer):
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.down, self.up = keras.layers.Dense(2), keras.layers.Dense(3, use_bias=False)

        def build(self, shape: Any) -> None:
            self.down.build(shape)
            self.up.build((*shape[:-1], 2))

        def call(self, x: Any) -> Any:
            return self.up(self.down(x))

    @register("lab>Bottleneck", parts=("down", "up"))
    def rule(layer: Lowering, inputs: Sequence[str]) -> str:
        weights = layer.weights({"down": (3, 2), "bias": (2,), "up": (2, 3)})
        x = layer.add(ops.Dense(weights["down"], weights["bias"]), inputs[0], part="down")
        return layer.add(ops.Dense(weights["up"], None), x)

    model = keras.Sequential([keras.Input((3,)), Bottleneck(), keras.layers.Dense(1)])
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    for source in (tmp_path / "model.keras", model):
        graph = boundnet_keras.frontend.load(source)
        y = graph.evaluate([x.astype(np.float64)])[graph.outputs[0]]
        np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
