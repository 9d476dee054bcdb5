"""Activations by name and as layers against Keras itself, in float64."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check

FUNCTIONS = (
    "relu relu6 leaky_relu elu selu celu silu gelu softplus softsign sigmoid tanh exponential hard_sigmoid hard_silu"
    " hard_tanh hard_shrink soft_shrink tanh_shrink log_sigmoid mish sparse_plus sparse_sigmoid squareplus linear"
    " softmax log_softmax glu"
)


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_activation_by_name(keras: ModuleType, tmp_path: Path, name: str) -> None:
    """As a layer and as an argument; the argument's node is separate, so that the values before it are visible."""
    x = keras.Input((4, 6))
    y = keras.layers.Dense(6, activation=name, name="dense")(x)
    model = keras.Model(x, [y, keras.layers.Activation(name, name="act")(x)])
    rtol = 1e-7 if name in ("gelu", "leaky_relu") else 1e-11  # float32 constants inside TensorFlow
    graph = check(model, tmp_path, kinds=("keras", "h5"), rtol=rtol)
    assert "dense" in graph.topological()
    assert ("dense/" + name in graph.topological()) == (name != "linear")


def _activations_as_objects(layers: Any) -> dict[str, Callable[[], Any]]:
    return {
        "LeakyReLU": lambda: layers.LeakyReLU(negative_slope=0.05),
        "ReLU": lambda: layers.ReLU(max_value=0.5),
        "ELU": lambda: layers.ELU(alpha=0.5),
        "Softmax": lambda: layers.Softmax(axis=1),
    }


def test_activation_given_as_layer(keras: ModuleType, tmp_path: Path) -> None:
    x = keras.Input((4, 6))
    made = _activations_as_objects(keras.layers)
    outputs = [keras.layers.Dense(3, activation=make())(x) for make in made.values()]
    outputs += [keras.layers.Activation(make())(x) for make in made.values()]
    check(keras.Model(x, outputs), tmp_path, rtol=1e-7)


def test_every_activation_is_covered(keras: ModuleType) -> None:
    """What Keras has beyond the tests above: sparsemax and threshold, refused for the reasons given."""
    names = {name for name, item in vars(keras.activations).items() if inspect.isfunction(item)}
    names -= {"get", "serialize", "deserialize"}
    tested = {*FUNCTIONS.split(), "swish", "hard_swish"}  # the last two are names of silu and hard_silu
    assert names - tested == {"sparsemax", "threshold"}


def test_sparsemax_is_not_what_it_is_called(keras: ModuleType) -> None:
    """The projection on the simplex takes (0.5, 0.3) to (0.6, 0.4)."""
    found = np.asarray(keras.activations.sparsemax(np.array([[0.5, 0.3]])))
    assert abs(float(found.sum()) - 1.0) > 0.1, "Keras has mended sparsemax: it can be supported now"
