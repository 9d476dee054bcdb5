"""Attention layers against Keras, in float64 and, with bounds, in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, outputs_of, randomise

import boundnet

Build = Callable[[Any], Any]
FLOAT32_SCALE = 1e-6
"""Keras's TensorFlow backend rounds 1 / sqrt(size) to float32 even in float64 models."""


def _mha(**options: Any) -> Build:
    call = {key: options.pop(key) for key in ("use_causal_mask", "return_attention_scores") if key in options}

    def build(keras: Any) -> Any:
        x, z = keras.Input((5, 4)), keras.Input((3, 6))
        layer = keras.layers.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **options})
        return keras.Model([x, z], layer(x, value=z, **call))

    return build


def _self(kind: str, shape: tuple[int, ...] = (5, 4), call: dict[str, Any] | None = None, **options: Any) -> Build:
    def build(keras: Any) -> Any:
        x = keras.Input(shape)
        layer = getattr(keras.layers, kind)(**options)
        arguments = ([x, x],) if kind in ("Attention", "AdditiveAttention") else (x, x)
        return keras.Model(x, layer(*arguments, **(call or {})))

    return build


def _three(keras: Any) -> Any:
    q, v, k = keras.Input((4, 3)), keras.Input((5, 2)), keras.Input((5, 3))
    return keras.Model([q, v, k], keras.layers.Attention(use_scale=True, score_mode="concat")([q, v, k]))


CASES: dict[str, Build] = {
    "cross": _mha(),
    "scores": _mha(return_attention_scores=True, use_bias=False),
    "value_dim, output_shape": _mha(value_dim=2, output_shape=5),
    "causal": _self("MultiHeadAttention", num_heads=2, key_dim=3, call={"use_causal_mask": True}),
    "dropout": _self("MultiHeadAttention", num_heads=2, key_dim=3, dropout=0.5, call={"use_causal_mask": True}),
    "second axis": _self("MultiHeadAttention", (3, 4, 2), num_heads=2, key_dim=3, attention_axes=(2,)),
    "grouped": _self("GroupQueryAttention", head_dim=3, num_query_heads=4, num_key_value_heads=2,
                     call={"use_causal_mask": True}),
    "dot": _self("Attention", use_scale=True, call={"use_causal_mask": True}),
    "concat": _three,
    "additive": _self("AdditiveAttention"),
    "additive, unscaled": _self("AdditiveAttention", use_scale=False, call={"return_attention_scores": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layer(keras: ModuleType, tmp_path: Path, name: str) -> None:
    check(CASES[name](keras), tmp_path, rtol=FLOAT32_SCALE)


def test_gate_and_sliding_window(keras: ModuleType, tmp_path: Path) -> None:
    """Arguments of recent versions of Keras."""
    try:
        keras.layers.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2)
    except (TypeError, ValueError):
        pytest.skip("this Keras has neither gates nor sliding windows")
    x = keras.Input((5, 4))
    y = keras.layers.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2)(x, x, use_causal_mask=True)
    z = keras.layers.GroupQueryAttention(3, 4, 2, use_gate=True, sliding_window=3)(y, y)
    check(keras.Model(x, [y, z]), tmp_path, rtol=FLOAT32_SCALE)


@pytest.mark.parametrize("name", ["causal", "grouped", "dot", "additive"])
def test_float32_stays_within_the_bound(keras: ModuleType, name: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = CASES[name](keras)
    finally:
        keras.config.set_dtype_policy(before)
    randomise(model)
    x = np.random.default_rng(0).normal(size=(4, *model.inputs[0].shape[1:])).astype(np.float32)
    computed = outputs_of(model, [x])[0].astype(np.float64)
    result = boundnet.analyze(model, x, "binary32")
    for sample, value in zip(result.samples, computed, strict=True):
        (output,) = sample.outputs
        error = np.abs(output.value - value)
        assert np.all(error <= output.absolute_bound)
        assert output.absolute_bound.max() <= 1000.0 * error.max()
