"""The backend ``keras``: the real model under dtype policies lies within the bounds."""

from __future__ import annotations

import builtins
import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

from boundnet.arithmetic.presets import preset
from boundnet.errors import InputError
from boundnet.frontends import load
from boundnet.mca import backend as registry
from boundnet.mca.backend import Job, Sampling
from boundnet_keras.backend_meaning import refuse_flipped, renamed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the entry point of this tree were installed."""
    monkeypatch.setitem(registry._OWN, "keras", "boundnet_keras.backend:backend")


@pytest.fixture
def model(keras: ModuleType, tmp_path: Path) -> Path:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((5, 5, 2))
    x = layers.Conv2D(3, 3, activation="relu", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Flatten()(x)
    y = layers.Dense(4, activation="softmax", name="top")(x)
    built = keras.Model(image, y)
    path = tmp_path / "m.keras"
    built.save(path)
    return path


def test_entry_point_is_declared():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert data["project"]["entry-points"]["boundnet.backends"] == {"keras": "boundnet_keras.backend:backend"}


RUNS = {"eager, batch n", "eager, batch 1", "tf.function, batch n", "XLA, batch n", "XLA, batch 1"}


@pytest.mark.parametrize("name", ["binary32", "bfloat16", "binary16"])
def test_policies_stay_within_the_bounds(keras: ModuleType, registered: None, model: Path, name: str) -> None:
    from boundnet.crosscheck.run import crosscheck

    found = crosscheck(model, np.random.default_rng(0).normal(size=(3, 5, 5, 2)), name, backends=("keras",))
    assert found.violation_count == 0
    titles = [check.title for check in found.checks]
    narrow = {"bfloat16": "bfloat16", "binary16": "float16"}
    policies = ["float32"] if name == "binary32" else [narrow[name], f"mixed_{narrow[name]}"]
    assert titles == [title for policy in policies for title in (f"keras {policy}, layers", f"keras {policy}")]
    layers = {row.name: row for row in found.checks[0].layers}
    assert {"conv", "norm", "top"} <= set(layers)
    assert all(row.observed > 0 for row in layers.values() if row.name in ("conv", "top"))
    graph = load(model)
    for execution in registry.backend("keras").executions(Job(graph, str(model), preset(name))):
        missing = {note.split(" does not run here")[0] for note in execution.notes if "does not run here" in note}
        ways = RUNS if "layers" not in execution.title else {"eager, batch n", "eager, batch 1"}
        assert set(execution.rows) == ways - missing
        assert "eager, batch 1" in execution.rows
        assert name != "binary32" or not missing


def test_masks_and_operations_without_a_policy(keras: ModuleType, registered: None, tmp_path: Path) -> None:
    """Keras makes a mask by operations that are no layers; padding is told by whole numbers."""
    from boundnet.crosscheck.run import crosscheck

    keras.utils.set_random_seed(2)
    tokens = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(7, 8, mask_zero=True)(tokens)
    x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 4)(x, x)])
    x = keras.layers.GlobalAveragePooling1D()(x)
    path = tmp_path / "masked.keras"
    keras.Model(tokens, keras.layers.Dense(3)(keras.ops.tanh(x) * 2.0)).save(path)
    inputs = np.array([[1.0, 2, 3, 0, 0], [6, 5, 4, 3, 2], [0, 0, 0, 0, 1]])
    found = crosscheck(path, inputs, "binary32", backends=("keras", "builtin"), samplings=(Sampling(1, "none"),))
    assert found.violation_count == 0
    assert all(check.outputs[0].non_finite == 0 and check.outputs[0].observed > 0.0 for check in found.checks)


def test_files_that_keras_refuses_and_formats_it_lacks(
    keras: ModuleType, registered: None, model: Path, tmp_path: Path
) -> None:
    graph = load(model)
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"no model")
    with pytest.raises(InputError, match="can't open it"):
        registry.backend("keras").executions(Job(graph, str(broken), preset("binary32")))
    with pytest.raises(InputError, match="not fp8_e4m3fn"):
        registry.backend("keras").executions(Job(graph, str(model), preset("fp8_e4m3fn")))
    with pytest.raises(InputError, match="model files"):
        registry.backend("keras").executions(Job(graph, None, preset("binary32")))


def test_without_tensorflow_it_says_what_to_install(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from boundnet import ops
    from boundnet.graph import LayerGraph

    plain = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".", maxsplit=1)[0] in ("tensorflow", "keras"):
            raise ImportError(f"No module named {name!r}")
        return plain(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    graph = LayerGraph("x")
    graph.set_outputs([graph.add("x", ops.Input((1,)))])
    with pytest.raises(InputError, match=r"pip install 'boundnet\[tensorflow\]'"):
        registry.backend("keras").executions(Job(graph, "m.keras", preset("binary32")))


def test_hard_sigmoid_means_what_the_keras_of_the_file_computed(
    keras: ModuleType, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras 3 opens files of Keras 2 and computes another function: found by the cross-check of other people's models."""
    from boundnet.crosscheck.run import crosscheck

    keras.utils.set_random_seed(1)
    x = keras.Input((4, 3))
    y = keras.layers.LSTM(3, recurrent_activation="hard_sigmoid", name="lstm")(x)
    y = keras.layers.Dense(2, activation="hard_sigmoid", name="top")(y)
    path = tmp_path / "old.h5"
    keras.Model(x, y).save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.2.4"
    inputs = np.random.default_rng(0).normal(size=(2, 4, 3))
    found = crosscheck(path, inputs, "binary32", backends=("keras",))
    assert found.violation_count == 0
    graph = load(path)
    (*_, whole) = registry.backend("keras").executions(Job(graph, str(path), preset("binary32")))
    assert "hard_sigmoid as Keras 2.2.4, which wrote the file, defines it" in whole.notes
    monkeypatch.setattr("boundnet_keras.backend.old_activations", lambda *_: {})
    assert crosscheck(path, inputs, "binary32", backends=("keras",)).violation_count > 0

    flipped = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 2, name="c")])
    refuse_flipped(flipped, {"backend": "tensorflow"})
    with pytest.raises(InputError, match="layer 'c': the file was written by Keras on Theano"):
        refuse_flipped(flipped, {"backend": "theano"})

    inside = keras.layers.Bidirectional(keras.layers.LSTM(3, recurrent_activation="hard_sigmoid"))
    with pytest.raises(InputError, match="uses hard_sigmoid inside"):
        renamed(inside, {"hard_sigmoid": abs})


def test_keras_2_runs_what_keras_3_cannot(
    keras: ModuleType, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras 3 adds a dimension to Sequential files of Keras 2 that say their batch shape."""
    from boundnet.crosscheck.run import crosscheck

    old = pytest.importorskip("tf_keras", exc_type=ImportError)
    layers = [old.layers.Dense(4, activation="relu", input_shape=(3,)), old.layers.Dense(2, activation="softmax")]
    path = tmp_path / "old.h5"
    old.Sequential(layers).save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"] = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
        file.attrs["model_config"] = json.dumps(config)
    found = crosscheck(path, np.random.default_rng(0).normal(size=(2, 3)), "binary32", backends=("keras",))
    assert found.violation_count == 0
    assert [check.title for check in found.checks] == ["keras float32, layers", "keras float32"]
    monkeypatch.setattr("boundnet_keras.backend._keras_2", lambda: None)
    with pytest.raises(InputError, match="may open with the package tf-keras installed"):
        registry.backend("keras").executions(Job(load(path), str(path), preset("binary32")))
