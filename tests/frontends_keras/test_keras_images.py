"""Resizing, cropping, encodings and tables against Keras."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, load, outputs_of, randomise, run

import boundnet

IMAGES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("UpSampling2D", (3, 4, 2), {"size": (2, 4), "interpolation": "bilinear"}),
    ("Resizing", (4, 8, 2), {"height": 8, "width": 4}),
    ("Resizing", (6, 4, 1), {"height": 3, "width": 8}),
    ("Resizing", (5, 7, 2), {"height": 8, "width": 3, "interpolation": "nearest"}),
    ("CenterCrop", (5, 8, 2), {"height": 3, "width": 5}),
]


@pytest.mark.parametrize(("kind", "shape", "arguments"), IMAGES, ids=[f"{k}{s}" for k, s, _ in IMAGES])
def test_images(keras: ModuleType, tmp_path: Path, kind: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    layer = getattr(keras.layers, kind)(**arguments, dtype="float32")
    check(keras.Sequential([keras.Input(shape), layer]), tmp_path, rtol=2e-6)


def test_float32_interpolation_stays_within_the_bound(keras: ModuleType) -> None:
    model = keras.Sequential(
        [keras.Input((4, 4, 2), dtype="float32"), keras.layers.UpSampling2D(4, interpolation="bilinear", dtype="float32")]
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    (computed,) = outputs_of(model, [x])
    for sample in boundnet.analyze(model, x, "binary32").samples:
        (output,) = sample.outputs
        assert np.all(np.abs(output.value - computed[sample.index].astype(np.float64)) <= output.absolute_bound)


def test_odd_factors_are_refused(keras: ModuleType) -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Resizing(12, 12)])
    with pytest.raises(boundnet.UnsupportedLayerError, match="weights that code rounds"):
        boundnet.load(model)


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_category_encoding(keras: ModuleType, tmp_path: Path, mode: str) -> None:
    size = 1 if mode == "one_hot" else 3
    model = keras.Sequential([keras.Input((size,), dtype="int32"), keras.layers.CategoryEncoding(5, output_mode=mode)])
    x = np.array([[4, 1, 1], [0, 2, 3]])[:, :size]
    for kind in ("h5", "keras"):
        np.testing.assert_array_equal(run(load(model, kind, tmp_path), x)[0], outputs_of(model, [x])[0])


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization(keras: ModuleType, tmp_path: Path, mode: str) -> None:
    size = 1 if mode == "one_hot" else 5
    layer = keras.layers.Discretization([-1.0, 0.1, 2.5], output_mode=mode)
    model = keras.Sequential([keras.Input((size,)), layer])
    x = np.array([[-1.0, 0.0, 0.3, 7.0, -9.0], [2.5, -1.5, 0.1, 1.0, 3.0]], dtype=np.float32)[:, :size]
    for kind in ("h5", "keras"):
        np.testing.assert_array_equal(run(load(model, kind, tmp_path), x)[0], outputs_of(model, [x])[0])


def test_bins_into_an_embedding(keras: ModuleType) -> None:
    """Exact where the inputs decide the bins; nothing is known of the embedding where they don't."""
    layers = [keras.layers.Discretization([0.0, 1.0]), keras.layers.Embedding(3, 2), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((2,), dtype="float32"), *layers])
    randomise(model)
    bound = boundnet.analyze(model, np.array([[0.5, 2.0], [1.0, 0.0]]), "binary32").samples[0].outputs[0].absolute_bound
    assert np.all(bound < 1e-6)
    with pytest.raises(boundnet.UnsupportedLayerError, match="adapt"):
        boundnet.load(keras.Sequential([keras.Input((2,)), keras.layers.Discretization(num_bins=3)]))


def test_reversible_embedding(keras: ModuleType, tmp_path: Path) -> None:
    if not hasattr(keras.layers, "ReversibleEmbedding"):
        pytest.skip("this Keras has no ReversibleEmbedding")
    x = keras.Input((4,), dtype="int32")
    for tied in (True, False):
        layer = keras.layers.ReversibleEmbedding(6, 3, tie_weights=tied)
        model = keras.Model(x, layer(layer(x), reverse=True))
        randomise(model)
        ids = np.array([[0, 5, 2, 2]])
        for kind in ("h5", "keras", "live"):
            np.testing.assert_allclose(run(load(model, kind, tmp_path), ids)[0], outputs_of(model, [ids])[0], rtol=1e-11)
