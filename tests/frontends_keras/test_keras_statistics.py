"""Normalisation by the input's own statistics against Keras, in float64 and, with bounds, in float32."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, outputs_of, randomise

import boundnet

CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("LayerNormalization", (6,), {}),
    ("LayerNormalization", (3, 4, 5), {"axis": [1, 3], "epsilon": 1e-5}),
    ("LayerNormalization", (3, 4), {"axis": 1, "center": False}),
    ("LayerNormalization", (3, 4), {"scale": False, "center": False}),
    ("RMSNormalization", (3, 5), {}),
    ("RMSNormalization", (3, 5), {"axis": [1, 2], "epsilon": 1e-3}),
    ("GroupNormalization", (4, 3, 6), {"groups": 3}),
    ("GroupNormalization", (6, 3, 2), {"groups": 2, "axis": 1, "scale": False}),
    ("GroupNormalization", (4, 6), {"groups": -1}),
    ("UnitNormalization", (3, 5), {}),
    ("UnitNormalization", (3, 4, 5), {"axis": [1, 2]}),
]
IDS = [f"{kind}{shape}{arguments}".replace(" ", "") for kind, shape, arguments in CASES]


@pytest.mark.parametrize(("kind", "shape", "arguments"), CASES, ids=IDS)
def test_layer(keras: ModuleType, tmp_path: Path, kind: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    layer = getattr(keras.layers, kind)(**arguments)
    check(keras.Sequential([keras.Input(shape), layer]), tmp_path)


@pytest.mark.parametrize(("kind", "shape", "arguments"), CASES[::2], ids=IDS[::2])
def test_float32_stays_within_the_bound(
    keras: ModuleType, kind: str, shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    """Keras in float32, inputs far from centred."""
    model = keras.Sequential([keras.Input(shape), getattr(keras.layers, kind)(dtype="float32", **arguments)])
    randomise(model)
    x = (np.random.default_rng(0).normal(size=(4, *shape)) * 2.0 + 3.0).astype(np.float32)
    exact = outputs_of(model, [x])[0].astype(np.float64)
    result = boundnet.analyze(model, x, "binary32")
    for sample, value in zip(result.samples, exact, strict=True):
        (output,) = sample.outputs
        assert np.all(np.abs(output.value - value) <= output.absolute_bound)
        assert np.all(output.absolute_bound < 1e-3)
