"""Every refusal: one message that names the culprit and says what to do.  No TensorFlow needed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.keras_models import dense_config, legacy_file, sequential

from boundnet.errors import BoundNetError, ModelFileError, UnsupportedLayerError
from boundnet_keras import frontend

KERNEL, BIAS = np.eye(3)[:, :2], np.zeros(2)
GOOD = {"d": [("d/kernel:0", KERNEL), ("d/bias:0", BIAS)]}
INPUT = {"batch_input_shape": [None, 3]}


def _dense_file(path: Path, **more: Any) -> Path:
    return legacy_file(path / "model.h5", sequential(dense_config("d", 2, **INPUT, **more)), GOOD)


def _error(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        frontend.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing_file(tmp_path: Path) -> None:
    assert "no such file" in _error(tmp_path / "nothing.h5")


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.touch()
    assert "empty" in _error(path)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_not_a_model_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"something else entirely")
    assert "save it again" in _error(path)


def test_truncated_h5(tmp_path: Path) -> None:
    path = _dense_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-600])
    assert "truncated" in _error(path)


def test_saved_model_folder(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert frontend.accepts(tmp_path)
    assert "SavedModel" in _error(tmp_path)


def test_weights_only(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"d"])
    assert "weights only" in _error(path)
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    assert "not a Keras model" in _error(path)


def test_configuration_without_weights(tmp_path: Path) -> None:
    path = _dense_file(tmp_path)
    with h5py.File(path, "a") as file:
        del file["model_weights"]
    assert "no weights" in _error(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_weights(tmp_path: Path, value: float) -> None:
    path = _dense_file(tmp_path)
    with h5py.File(path, "a") as file:
        file["model_weights/d/d/kernel:0"][0, 0] = value
    message = _error(path)
    assert "'d'" in message
    assert "'kernel'" in message


def test_missing_weight(tmp_path: Path) -> None:
    config = sequential(dense_config("d", 2, **INPUT))
    assert "'d'" in _error(legacy_file(tmp_path / "a.h5", config, {}))
    assert "bias" in _error(legacy_file(tmp_path / "b.h5", config, {"d": GOOD["d"][:1]}))
    path = _dense_file(tmp_path)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/bias:0"]
    assert "d/bias:0" in _error(path)


def test_wrong_shape_or_number_of_weights(tmp_path: Path) -> None:
    config = sequential(dense_config("d", 5, **INPUT))
    assert "(3, 5)" in _error(legacy_file(tmp_path / "a.h5", config, GOOD))
    config = sequential(dense_config("d", 2, **INPUT) | {"class_name": "PReLU"})
    assert "don't belong together" in _error(legacy_file(tmp_path / "b.h5", config, GOOD))


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = _dense_file(tmp_path)
    other = legacy_file(tmp_path / "other.h5", {}, GOOD)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d/kernel:0"] = h5py.ExternalLink(str(other), "/model_weights/d/d/kernel:0")
    assert "link" in _error(path)


def test_weight_that_unfolds(tmp_path: Path) -> None:
    """Declared as 800 MB, stored as nothing."""
    path = _dense_file(tmp_path)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d"].create_dataset("kernel:0", shape=(10_000, 10_000), chunks=(1000, 1000), dtype="f8")
    assert "declares" in _error(path)


def test_open_input_shape(tmp_path: Path) -> None:
    config = sequential(dense_config("d", 2, batch_input_shape=[None, None, 3]))
    message = _error(legacy_file(tmp_path / "a.h5", config, GOOD))
    assert "--input-shape" in message
    assert "'input'" in message
    assert "no shape" in _error(legacy_file(tmp_path / "b.h5", sequential(dense_config("d", 2)), GOOD))


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"class_name": "Sequential", "config": {"layers": []}},
        {"class_name": "Sequential"},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}, 5]}},
        {"class_name": "Model", "config": {"layers": [{"class_name": "InputLayer", "config": {}}]}},
        {"class_name": "MyModel", "config": {}},
        sequential(dense_config("d", -1, **INPUT)),
        sequential(dense_config("d", 2.5, **INPUT)),
        sequential(dense_config("d", 2, **INPUT), dense_config("d", 2)),
    ],
)
def test_broken_configurations(tmp_path: Path, config: Any) -> None:
    _error(legacy_file(tmp_path / "model.h5", config, GOOD))


def test_invalid_json(tmp_path: Path) -> None:
    path = _dense_file(tmp_path)
    for text in ("{", "[" * 100_000):
        with h5py.File(path, "a") as file:
            del file.attrs["model_config"]
            file.attrs.create("model_config", text[:60_000].encode())
        assert "JSON" in _error(path)


def test_nested_too_deep(tmp_path: Path) -> None:
    config = sequential(dense_config("d", 2, **INPUT))
    for _ in range(60):
        config = sequential(config)
    assert "deep" in _error(legacy_file(tmp_path / "model.h5", config, GOOD))


def _functional(*layers: dict[str, Any]) -> dict[str, Any]:
    entry = {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 3], "name": "x"}}
    return {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [entry | {"inbound_nodes": []}, *layers],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[layers[-1]["name"], 0, 0]],
        },
    }


def _add(name: str, *sources: str) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in sources]]
    return {"class_name": "Add", "name": name, "config": {"name": name}, "inbound_nodes": nodes}


def test_cycle(tmp_path: Path) -> None:
    config = _functional(_add("a", "x", "b"), _add("b", "a", "x"))
    assert "depend on their own results" in _error(legacy_file(tmp_path / "model.h5", config, {}))


def test_shared_models_that_unfold_without_end(tmp_path: Path) -> None:
    """Forty levels, each calling the next one twice: a short file, but 2^40 calls."""
    config = _functional(_add("a", "x", "x"))
    for level in range(40):
        name = f"n{level}"
        inner = config | {"name": name, "inbound_nodes": [[["x", 0, 0, {}]], [[name, 1, 0, {}]]]}
        config = _functional(inner)
        config["config"]["output_layers"] = [[name, 2, 0]]
    assert "too large" in _error(legacy_file(tmp_path / "model.h5", config, {}))


def test_dangling_reference(tmp_path: Path) -> None:
    config = _functional(_add("a", "x", "nowhere"))
    assert "nowhere" in _error(legacy_file(tmp_path / "model.h5", config, {}))


def test_all_unsupported_layers_are_listed(tmp_path: Path) -> None:
    """Also those inside nested models, with reason and remedy; nothing in a Lambda is looked at."""
    inner = sequential({"class_name": "IntegerLookup", "config": {"name": "lookup"}})
    config = sequential(
        dense_config("d", 2, activation="my_function", **INPUT),
        {"class_name": "Lambda", "config": {"name": "code", "function": ["4wEAAAA=", None, None]}},
        {"class_name": "UpSampling2D", "config": {"name": "up", "interpolation": "bilinear"}},
        {"class_name": "Custom>Swish2", "config": {"name": "own"}},
        {"class_name": "LSTM", "config": {"name": "lstm", "units": 2, "time_major": True}},
        inner | {"config": inner["config"] | {"name": "nested"}},
    )
    path = legacy_file(tmp_path / "model.h5", config, GOOD)
    with pytest.raises(UnsupportedLayerError) as caught:
        frontend.load(path)
    found = {item.layer: item for item in caught.value.layers}
    assert set(found) == {"d", "code", "up", "own", "lstm", "nested/lookup"}
    assert found["code"].kind == "Lambda"
    assert "never runs" in found["code"].reason
    assert "my_function" in found["d"].reason
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "config", "word"),
    [
        ("BatchNormalization", {"renorm": True}, "renorm"),
        ("BatchNormalization", {"axis": [1, 2]}, "axes"),
        ("BatchNormalization", {"virtual_batch_size": 4}, "virtual"),
        ("Softmax", {"axis": 0}, "batch axis"),
        ("Activation", {"activation": "sparsemax"}, "sparsemax"),
        (
            "Dense",
            {"units": 2, "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"name": "int8"}}},
            "int8",
        ),
        ("EinsumDense", {"equation": "ab,ab->a", "output_shape": []}, "batch axis"),
        ("EinsumDense", {"equation": "abc,d->ad", "output_shape": [2]}, "alone"),
        ("TimeDistributed", {}, "wraps"),
        ("LayerNormalization", {"rms_scaling": True}, "rms_scaling"),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, "query and value"),
        ("IntegerLookup", {}, "integers"),
        ("RNN", {"cell": {"class_name": "My>Cell", "config": {}}}, "cell"),
        ("RandomCrop", {}, "image"),
    ],
)
def test_refused(tmp_path: Path, kind: str, config: dict[str, Any], word: str) -> None:
    layer = {"class_name": kind, "config": {"name": "n", "batch_input_shape": [None, 4, 4]} | config}
    if kind == "EinsumDense" and "abc" not in config["equation"]:
        layer["config"]["batch_input_shape"] = [None, 4]
    with pytest.raises(UnsupportedLayerError, match=word) as caught:
        frontend.load(legacy_file(tmp_path / "model.h5", sequential(layer), {}))
    assert [item.layer for item in caught.value.layers] == ["n"]


@pytest.mark.parametrize("nested", [False, True])
def test_training_mode_is_refused(tmp_path: Path, nested: bool) -> None:
    node = [[["x", 0, 0, {"training": True}]]]
    layer = {"class_name": "Dropout", "name": "drop", "config": {"name": "drop", "rate": 0.5}, "inbound_nodes": node}
    config = _functional(layer)
    if nested:
        layer["inbound_nodes"] = [[["x", 0, 0, {}]]]
        config = _functional(config | {"name": "inner", "inbound_nodes": node})
        config["config"]["output_layers"] = [["inner", 1, 0]]
    with pytest.raises(UnsupportedLayerError, match="training=True") as caught:
        frontend.load(legacy_file(tmp_path / "model.h5", config, {}))
    assert [item.layer for item in caught.value.layers] == ["inner" if nested else "drop"]


def test_read_only_folder(tmp_path: Path) -> None:
    path = _dense_file(tmp_path)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert len(frontend.load(path).outputs) == 1
    finally:
        tmp_path.chmod(0o755)


def test_accepts(tmp_path: Path) -> None:
    odd = _dense_file(tmp_path).rename(tmp_path / "model.weights")
    assert frontend.accepts(odd)
    assert frontend.accepts("some/where.KERAS")
    assert not frontend.accepts(tmp_path / "model.onnx")
    assert not frontend.accepts(tmp_path)
    assert not frontend.accepts(5)
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    assert not frontend.accepts(tmp_path / "arrays.npz")
    assert isinstance(frontend.load(odd), object)
    assert issubclass(ModelFileError, BoundNetError)
