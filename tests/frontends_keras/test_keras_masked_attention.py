"""Padded sequences in attention, joins and means: masks that Keras propagates by itself, against Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import KINDS, load, outputs_of, randomise, run

import boundnet
from boundnet import ops
from boundnet.errors import UnsupportedLayerError
from boundnet.frontends import load as load_any
from boundnet.testing import check_bound

Build = Callable[[Any], Any]
TOKENS = np.array([[3, 1, 4, 1, 5], [2, 7, 1, 0, 0], [9, 0, 0, 0, 0], [6, 0, 5, 0, 3]])


def _embedded(keras: Any) -> tuple[Any, Any]:
    tokens = keras.Input((5,), dtype="int32")
    return tokens, keras.layers.Embedding(10, 4, mask_zero=True)(tokens)


def _block(**options: Any) -> Build:
    """A block of a Transformer and the mean over what is no padding."""
    call = {key: options.pop(key) for key in ("use_causal_mask",) if key in options}

    def build(keras: Any) -> Any:
        layers = keras.layers
        tokens, x = _embedded(keras)
        y = layers.MultiHeadAttention(2, 3, **options)(x, x, **call)
        y = layers.LayerNormalization()(layers.Add()([x, y]))
        return keras.Model(tokens, layers.Dense(3)(layers.GlobalAveragePooling1D()(y)))

    return build


def _rows(**options: Any) -> Build:
    """All rows of an attention layer, those of padded queries included."""

    def build(keras: Any) -> Any:
        tokens, x = _embedded(keras)
        y = keras.layers.MultiHeadAttention(2, 3, **options)(x, x)
        return keras.Model(tokens, keras.layers.Dense(2)(y))

    return build


def _scores(keras: Any) -> Any:
    tokens, x = _embedded(keras)
    return keras.Model(tokens, keras.layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True))


def _grouped(keras: Any) -> Any:
    tokens, x = _embedded(keras)
    return keras.Model(tokens, keras.layers.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True))


def _list(kind: str, **call: Any) -> Build:
    def build(keras: Any) -> Any:
        tokens, x = _embedded(keras)
        y = getattr(keras.layers, kind)()([x, x], **call)
        return keras.Model(tokens, [y, keras.layers.LSTM(2)(y)])

    return build


def _cross(keras: Any) -> Any:
    """Only the keys are padded."""
    tokens, x = _embedded(keras)
    repeated = keras.layers.RepeatVector(3)(keras.layers.LSTM(4)(x))
    y = keras.layers.MultiHeadAttention(2, 3)(repeated, x)
    return keras.Model(tokens, keras.layers.GRU(3)(y))


def _joins(keras: Any) -> Any:
    """A step is kept where any of the joined tensors keeps it; a tensor without a mask keeps all."""
    layers = keras.layers
    tokens, x = _embedded(keras)
    masked = layers.Masking()(layers.Dense(4, activation="relu", use_bias=False)(x))
    some = layers.LSTM(2)(layers.Average()([x, masked]))
    every = layers.LSTM(2)(layers.Add()([x, layers.Dense(4)(layers.Permute((2, 1))(layers.Permute((2, 1))(x)))]))
    side = layers.LSTM(2)(layers.Concatenate()([x, masked]))
    return keras.Model(tokens, [some, every, side])


def _in_time(keras: Any) -> Any:
    """Masked sequences one after the other, and one without a mask between them."""
    layers = keras.layers
    tokens, x = _embedded(keras)
    other = layers.Dense(4)(layers.Permute((2, 1))(layers.Permute((2, 1))(x)))
    masked = layers.Masking()(layers.Dense(4, activation="relu", use_bias=False)(x))
    both = layers.LSTM(2)(layers.Concatenate(axis=1)([x, masked]))
    three = layers.GRU(2, return_sequences=True)(layers.Concatenate(axis=1)([x, other, masked]))
    return keras.Model(tokens, [both, layers.LSTM(2)(three)])


def _handed_on(keras: Any) -> Any:
    """What hands a mask on and what ends it; some classes look as if they did the other thing."""
    layers = keras.layers
    tokens, x = _embedded(keras)
    between = [
        layers.EinsumDense("abc,cd->abd", (None, 4)), layers.RMSNormalization(), layers.GroupNormalization(2),
        layers.Normalization(mean=[0.1] * 4, variance=[2.0] * 4), layers.Rescaling(2.0), layers.Identity(), layers.LeakyReLU(),
        layers.UnitNormalization(), layers.Activation("softmax"), layers.SpectralNormalization(layers.Dense(4)),
        layers.BatchNormalization(), layers.Reshape((5, 4)), layers.Conv1D(4, 1), layers.SpatialDropout1D(0.1),
    ]  # fmt: skip
    return keras.Model(tokens, [layers.LSTM(2)(layer(x)) for layer in between])


CASES: dict[str, Build] = {
    "in time": _in_time,
    "handed on": _handed_on,
    "block": _block(),
    "block, causal": _block(use_causal_mask=True),
    "block, dropout": _block(dropout=0.1),
    "rows": _rows(),
    "rows, dropout": _rows(dropout=0.1),
    "scores": _scores,
    "grouped": _grouped,
    "dot": _list("Attention"),
    "dot, causal": _list("Attention", use_causal_mask=True),
    "additive": _list("AdditiveAttention"),
    "cross": _cross,
    "joins": _joins,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layer(keras: ModuleType, tmp_path: Path, name: str) -> None:
    model = CASES[name](keras)
    randomise(model)
    expected = outputs_of(model, [TOKENS])
    for kind in KINDS:
        actual = run(load(model, kind, tmp_path), TOKENS.astype(float))
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=kind)


@pytest.mark.parametrize("name", ["block", "rows", "rows, dropout", "dot", "cross", "joins", "in time"])
def test_float32_stays_within_the_bound(keras: ModuleType, name: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = CASES[name](keras)
    finally:
        keras.config.set_dtype_policy(before)
    randomise(model)
    computed = [value.astype(np.float64) for value in outputs_of(model, [TOKENS])]
    result = boundnet.analyze(model, TOKENS, "binary32")
    for n, sample in enumerate(result.samples):
        for output, value in zip(sample.outputs, computed, strict=True):
            error = np.abs(output.value - value[n])
            assert np.all(error <= output.absolute_bound)
            assert output.absolute_bound.max() <= 1e-3


@pytest.mark.parametrize("empty", ["zeros", "uniform"])
@pytest.mark.parametrize("rules", ["binary32", "bfloat16", "pure-binary16", "fp8_e4m3fn"])
def test_groups_without_a_kept_entry(empty: Any, rules: str) -> None:
    scores = np.random.default_rng(0).normal(size=(3, 4, 5))
    mask = np.ones((3, 4, 5))
    mask[0, 1] = mask[1] = mask[2, :, 3] = 0.0
    arithmetic = boundnet.preset(rules)
    local = check_bound(
        ops.MaskedSoftmax(1, None, empty), [arithmetic.storage.round(scores), mask], arithmetic,
        radius=[np.full(scores.shape, 0.03), mask * 0.0],
    )  # fmt: skip
    assert local.strip is not None
    assert np.isfinite(local.rounding + local.strip).all()
    assert np.all(local.zero[1] == (empty == "zeros"))


def test_a_product_of_masked_tensors_is_refused(keras: ModuleType) -> None:
    """Its masked steps are 1 in some versions of Keras 3."""
    tokens, x = _embedded(keras)
    model = keras.Model(tokens, keras.layers.Multiply()([x, keras.layers.Dense(4)(x)]))
    with pytest.raises(UnsupportedLayerError, match="multiplies tensors with masks"):
        load_any(model)


@pytest.mark.parametrize("kind", ["h5", "keras", "live"])
def test_a_softmax_of_its_own_on_a_masked_sequence_is_refused(keras: ModuleType, tmp_path: Path, kind: str) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Embedding(9, 4, mask_zero=True), layers.Softmax()])
    with pytest.raises(UnsupportedLayerError, match="mask"):
        load(model, kind, tmp_path)


def test_a_mask_given_to_one_call_is_not_seen_by_another(keras: ModuleType, tmp_path: Path) -> None:
    x, mask = keras.Input((4, 3)), keras.Input((4, 1))
    kept = keras.ops.any(keras.ops.not_equal(mask, 0.0), axis=-1)
    model = keras.Model([x, mask], [keras.layers.LSTM(2)(x, mask=kept), keras.layers.LSTM(2)(x)])
    randomise(model)
    values = np.random.default_rng(0).normal(size=(3, 4, 3))
    flags = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=float)[..., None]
    expected = outputs_of(model, [values, flags])
    for ours, theirs in zip(run(load(model, "keras", tmp_path), values, flags), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
