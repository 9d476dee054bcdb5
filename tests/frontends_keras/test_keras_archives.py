"""The .keras format: what is refused, and the layout of Keras 2.  No TensorFlow needed here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.keras_models import dense_config, run, sequential

from boundnet.errors import ModelFileError
from boundnet_keras import frontend

INPUT = {"batch_input_shape": [None, 3], "trainable": True}


def _error(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        frontend.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def _archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


CONFIG = json.dumps(sequential(dense_config("d", 2, **INPUT))).encode()


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"other__txt": b""}, "config.json"),
        ({"config__json": CONFIG}, "model.weights.h5"),
        ({"config__json": CONFIG, "model__weights__npz": b""}, "pickled"),
        ({"config__json": CONFIG, "model__weights__json": b""}, "max_shard_size"),
        ({"config__json": b"nonsense", "model__weights__h5": b""}, "JSON"),
        ({"config__json": CONFIG, "model__weights__h5": b"nonsense"}, "HDF5"),
    ],
)
def test_keras_archives(tmp_path: Path, members: dict[str, bytes], word: str) -> None:
    assert word in _error(_archive(tmp_path / "model.keras", **members))


def test_truncated_archive(tmp_path: Path) -> None:
    path = _archive(tmp_path / "model.keras", config__json=CONFIG * 50)
    path.write_bytes(path.read_bytes()[:-40])
    assert "copy or save it again" in _error(path)


@pytest.mark.parametrize("container", ["layers", "_layer_checkpoint_dependencies"])
def test_layouts(tmp_path: Path, container: str) -> None:
    """Groups are named after classes and counted in each model; Keras 2.12 and 2.13 named the container otherwise."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, 3)) for _ in range(3)]
    inner = sequential(dense_config("x", 3, use_bias=False))
    inner["config"]["name"] = "inner"
    entries = [dense_config(name, 3, use_bias=False, **INPUT) for name in ("b", "a")]
    config = sequential(entries[0], inner, entries[1])
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for place, kernel in zip(("dense", f"sequential/{container}/dense", "dense_1"), kernels, strict=True):
            file[f"{container}/{place}/vars/0"] = kernel
    path = _archive(
        tmp_path / "m.keras",
        config__json=json.dumps(config).encode(),
        metadata__json=b'{"keras_version": "2.13.1"}',
        model__weights__h5=buffer.getvalue(),
    )
    graph = frontend.load(path)
    assert graph.metadata["keras_version"] == "2.13.1"
    x = rng.normal(size=(4, 3))
    np.testing.assert_allclose(run(graph, x)[0], x @ kernels[0] @ kernels[1] @ kernels[2], rtol=1e-12)
