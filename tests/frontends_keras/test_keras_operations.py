"""keras.ops nodes and Python operators in functional models against Keras, in float64 and, with bounds, in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, outputs_of

import boundnet

Build = Callable[[Any, Any], Any]

CASES: dict[str, Build] = {
    "operators": lambda k, x: [x + 1, 2.0 * x, 1.0 - x, x / 3.0, x * x, -x, abs(x), x - 0.5, 1.0 / (x * x + 1.0)],
    "slices": lambda k, x: [x[:, 1:], x[:, ::2, 1], x[:, -1], x[:, :, 1:3], x[:, ::-1], x[:, 3:0:-2, ::-1]],
    "reductions": lambda k, x: [k.mean(x, axis=1), k.sum(x, axis=-1, keepdims=True), k.max(x, axis=(1, 2)), k.mean(x, axis=[1, 2])],
    "shapes": lambda k, x: [k.reshape(x, (-1, 12)), k.transpose(x, (0, 2, 1)), k.expand_dims(x, -1), k.squeeze(x[:, :1], 1),
                            k.flip(x, axis=1), k.repeat(x, 2, axis=2), k.stack([x, x], axis=1), k.split(x, 3, axis=1)[1]],
    "products": lambda k, x: [k.matmul(x, k.transpose(x, (0, 2, 1))), k.einsum("btc,bsc->bts", x, x), x / k.sum(x * x, axis=-1, keepdims=True)],
    "functions": lambda k, x: [k.sqrt(k.square(x) + 1.0), k.log(x * x + 0.5), k.exp(x), k.log1p(k.abs(x)), k.erf(x), k.expm1(x),
                               k.clip(x, -0.5, 1.0), k.rsqrt(k.square(x) + 0.25)],
    "activations": lambda k, x: [k.relu(x), k.leaky_relu(x), k.leaky_relu(x, 0.3), k.gelu(x), k.gelu(x, approximate=False), k.softmax(x),
                                 k.softmax(x, axis=1), k.log_softmax(x), k.elu(x, 0.7), k.celu(x, 0.5), k.silu(x), k.hard_sigmoid(x)],
    "spreads": lambda k, x: [k.min(x, axis=1), k.min(x, axis=(1, 2), keepdims=True), k.var(x, axis=-1), k.std(x, axis=1, keepdims=True),
                             k.logsumexp(x, axis=-1), k.logsumexp(x, axis=(1, 2), keepdims=True), k.cumsum(x, axis=1), k.cumsum(x, axis=-1)],
    "moves": lambda k, x: [k.pad(x, [[0, 0], [1, 0], [0, 2]]), k.pad(x, [[0, 0], [1, 2], [0, 1]], mode="reflect"), k.roll(x, 1, axis=1),
                           k.pad(x, [[0, 0], [0, 0], [2, 2]], mode="symmetric"), k.roll(x, (-1, 2), axis=(1, 2)), k.tile(x, (1, 2, 1)),
                           k.tile(x, (1, 1, 3)), k.swapaxes(x, 1, 2), k.moveaxis(x, 2, 1), k.moveaxis(x, -1, -2)],
    "joins": lambda k, x: [k.concatenate([x, x], axis=1), k.maximum(x, 1.0 - x), k.minimum(x, x * x), k.normalize(x, axis=-1)],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_operations(keras: ModuleType, tmp_path: Path, name: str) -> None:
    x = keras.Input((3, 4))
    loose = name in ("activations", "operators")  # float32 constants inside TensorFlow
    check(keras.Model(x, CASES[name](keras.ops, x)), tmp_path, rtol=1e-6 if loose else 1e-11)


def test_powers_are_refused(keras: ModuleType, tmp_path: Path) -> None:
    """TensorFlow's pow is off by more than the product x * x."""
    x = keras.Input((3, 4))
    keras.Model(x, x**2).save(tmp_path / "m.h5")
    with pytest.raises(boundnet.UnsupportedLayerError, match="square"):
        boundnet.load(tmp_path / "m.h5")


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_within_the_bound(keras: ModuleType, name: str) -> None:
    x = keras.Input((3, 4), dtype="float32")
    model = keras.Model(x, CASES[name](keras.ops, x))
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    computed = outputs_of(model, [values])
    if any(item.dtype != np.float32 for item in computed):
        pytest.skip("this Keras promotes to float64")
    for sample in boundnet.analyze(model, values, "binary32").samples:
        for output, theirs in zip(sample.outputs, computed, strict=True):
            away = np.abs(output.value - theirs[sample.index].astype(np.float64))
            assert np.all(away <= output.absolute_bound), output.name
            assert np.isfinite(output.absolute_bound).all(), output.name


def test_float32_softmax_over_two_axes_stays_within_the_bound(keras: ModuleType) -> None:
    """exp(x - logsumexp(x)): with arguments of 1000, the subtraction alone is off by more than the result's last digits."""
    x = keras.Input((3, 4), dtype="float32")
    model = keras.Model(x, keras.layers.Softmax(axis=[1, 2], dtype="float32")(x))
    away = np.array([0.0, 1000.0, -77.0, 3e4])[:, None, None]
    values = (np.random.default_rng(0).normal(size=(4, 3, 4)) + away).astype(np.float32)
    (computed,) = outputs_of(model, [values])
    ratios = []
    for sample in boundnet.analyze(model, values, "binary32").samples:
        (output,) = sample.outputs
        away = np.abs(output.value - computed[sample.index].astype(np.float64))
        assert np.all(away <= output.absolute_bound)
        assert np.isfinite(output.absolute_bound).all()
        ratios.append(float((output.absolute_bound / np.maximum(away, 1e-30)).min()))
    assert min(ratios) < 100.0
