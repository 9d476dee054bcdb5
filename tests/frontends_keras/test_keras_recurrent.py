"""Recurrent layers, sequences and masks against Keras, in float64 and, with bounds, in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, load, outputs_of, randomise, run

import boundnet

Build = Callable[[Any], Any]


def _one(kind: str, shape: tuple[int, ...] = (5, 3), **options: Any) -> Build:
    def build(keras: Any) -> Any:
        return keras.Sequential([keras.Input(shape), getattr(keras.layers, kind)(4, **options)])

    return build


def _two_ways(mode: str | None, kind: str = "LSTM", **options: Any) -> Build:
    def build(keras: Any) -> Any:
        x = keras.Input((4, 3))
        inner = getattr(keras.layers, kind)(2, **options)
        return keras.Model(x, keras.layers.Bidirectional(inner, merge_mode=mode)(x))

    return build


def _initial(keras: Any) -> Any:
    layers = keras.layers
    x, h, c = keras.Input((4, 3)), keras.Input((2,)), keras.Input((2,))
    y = layers.LSTM(2, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    z = layers.GRU(2, return_state=True)(y[0], initial_state=y[1])
    return keras.Model([x, h, c], [*y, *z])


def _cells(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((4, 3))
    y = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2), layers.LSTMCell(2)], return_sequences=True)(x)
    return keras.Model(x, [y, layers.RNN(layers.SimpleRNNCell(2), go_backwards=True)(y)])


def _masked(**options: Any) -> Build:
    def build(keras: Any) -> Any:
        layers = keras.layers
        x = keras.Input((5, 3))
        y = layers.Dense(3, activation="tanh")(layers.Masking(0.5)(x))
        z = layers.GRU(2, return_sequences=True, **options)(y)
        return keras.Model(x, [z, layers.LSTM(2)(z), layers.Bidirectional(layers.LSTM(2, return_sequences=True))(y)])

    return build


def _distributed(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((3, 6, 5, 2))
    y = layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu"))(x)
    y = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.MaxPooling2D(2))(y))
    return keras.Model(x, layers.TimeDistributed(layers.Dense(2))(y))


def _images(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((3, 5, 4, 2))
    y = layers.ConvLSTM2D(3, 2, return_sequences=True, padding="same", recurrent_activation="hard_sigmoid")(x)
    z = layers.ConvLSTM2D(2, (3, 2), strides=2, return_state=True, use_bias=False)(y)
    w = layers.Bidirectional(layers.ConvLSTM2D(2, 3, dilation_rate=1))(y)
    return keras.Model(x, [*z, w, layers.ConvLSTM1D(2, 2, go_backwards=True)(layers.Reshape((3, 10, 4))(x))])


def _spectral(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((4, 4, 2))
    y = layers.SpectralNormalization(layers.Conv2D(3, 2))(x)
    return keras.Model(x, layers.SpectralNormalization(layers.Dense(2, use_bias=False))(y))


CASES: dict[str, Build] = {
    "SimpleRNN": _one("SimpleRNN"),
    "SimpleRNN, backwards": _one("SimpleRNN", go_backwards=True, return_sequences=True, activation="relu"),
    "LSTM": _one("LSTM", return_sequences=True),
    "LSTM, one step": _one("LSTM", (1, 3), use_bias=False),
    "LSTM, hard": _one("LSTM", recurrent_activation="hard_sigmoid", activation="softsign", go_backwards=True),
    "GRU": _one("GRU", return_sequences=True),
    "GRU, before": _one("GRU", reset_after=False, recurrent_activation="hard_sigmoid"),
    "GRU, no bias": _one("GRU", use_bias=False, go_backwards=True, return_sequences=True),
    "concat": _two_ways("concat", return_sequences=True),
    "sum": _two_ways("sum", "GRU"),
    "ave": _two_ways("ave", "SimpleRNN", return_sequences=True),
    "mul": _two_ways("mul", return_state=True),
    "apart": _two_ways(None, "GRU", return_sequences=True),
    "initial states": _initial,
    "cells": _cells,
    "time distributed": _distributed,
    "spectral": _spectral,
    "images": _images,
}


@pytest.mark.parametrize("name", CASES)
def test_layer(keras: ModuleType, tmp_path: Path, name: str) -> None:
    check(CASES[name](keras), tmp_path)


@pytest.mark.parametrize("zero", [False, True])
def test_masks(keras: ModuleType, tmp_path: Path, zero: bool) -> None:
    model = _masked(zero_output_for_mask=zero)(keras)
    randomise(model)
    x = np.random.default_rng(1).normal(size=(3, 5, 3))
    x[0, 3:] = x[1, 0] = x[1, 2] = 0.5
    expected = outputs_of(model, [x])
    for kind in ("h5", "keras", "live"):
        for ours, theirs in zip(run(load(model, kind, tmp_path), x), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


def test_embedding(keras: ModuleType, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((6,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)])
    randomise(model)
    x = np.array([[1, 5, 8, 0, 0, 0], [3, 0, 2, 2, 7, 1]])
    (expected,) = outputs_of(model, [x])
    for kind in ("h5", "keras", "live"):
        graph = load(model, kind, tmp_path)
        np.testing.assert_allclose(run(graph, x)[0], expected, rtol=1e-11, atol=1e-11)
    result = boundnet.analyze(graph, x, "bfloat16")
    assert all(np.isfinite(sample.outputs[0].absolute_bound).all() for sample in result.samples)
    with pytest.raises(boundnet.errors.InputError, match="outside of a table of 9"):
        boundnet.analyze(graph, x + 3, "binary32")


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "GRU, before", "ave"])
def test_float32_stays_within_the_bound(keras: ModuleType, name: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = CASES[name](keras)
    finally:
        keras.config.set_dtype_policy(before)
    randomise(model)
    x = np.random.default_rng(0).normal(size=(3, *model.inputs[0].shape[1:])).astype(np.float32)
    computed = outputs_of(model, [x])[0].astype(np.float64)
    result = boundnet.analyze(model, x, "binary32")
    for sample, value in zip(result.samples, computed, strict=True):
        (output,) = sample.outputs
        assert np.all(np.abs(output.value - value) <= output.absolute_bound)
        assert output.absolute_bound.max() <= 1e-4
