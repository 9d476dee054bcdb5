"""64-bit integers and wide floats as binary64: exact, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.errors import InputError, ModelFileError
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import check_inputs
from boundnet.numerics.conversion import to_float64
from boundnet_keras.values import number
from boundnet_keras.weights import exact

EXACT = [0, 1, -1, 2**53, -(2**53), 2**53 + 2, 2**60, -(2**63), 2**62 + 2**20]
ROUNDED = [2**53 + 1, -(2**53) - 1, 2**60 + 1, 2**63 - 1, 2**62 + 2**9 - 1]


@pytest.mark.parametrize("value", EXACT)
def test_integers_that_binary64_holds(value: int) -> None:
    converted, changed = to_float64(np.array([value], dtype=np.int64))
    assert int(converted[0]) == value
    assert not changed.any()


@pytest.mark.parametrize("value", ROUNDED)
def test_integers_that_it_does_not_hold(value: int) -> None:
    converted, changed = to_float64(np.array([3, value], dtype=np.int64))
    assert int(converted[1]) != value
    assert changed.tolist() == [False, True]


def test_unsigned_ones_up_to_the_last() -> None:
    values = np.array([2**64 - 1, 2**63, 2**53 + 1, 2**53, 2**64 - 2048], dtype=np.uint64)
    assert to_float64(values)[1].tolist() == [True, False, True, False, False]


def test_wider_floats_and_what_is_not_finite() -> None:
    wide = np.array([1.0, np.nan, np.inf, 0.5], dtype=np.longdouble)
    assert not to_float64(wide)[1].any()
    if np.finfo(np.longdouble).nmant > 52:
        assert to_float64(np.array([1.0], dtype=np.longdouble) + np.longdouble(2.0) ** -60)[1].all()
    assert not to_float64(np.array([True, False]))[1].any()


def test_inputs_are_refused_where_they_would_be_rounded() -> None:
    graph = LayerGraph()
    graph.set_outputs([graph.add("d", ops.Dense(np.eye(2)), [graph.add("x", ops.Input((2,)))])])
    with pytest.raises(InputError, match=r"input 'x' holds 9007199254740993 \(int64\)"):
        check_inputs(graph, np.array([[1, 2**53 + 1]]))
    assert check_inputs(graph, np.array([[1, 2**60]]))[0].tolist() == [[1.0, 2.0**60]]


def test_weights_are_refused_where_they_would_be_rounded() -> None:
    for dtype, value in ((np.uint64, 2**53 + 1), (np.int64, -(2**53) - 1)):
        with pytest.raises(ModelFileError, match=r"layer 'dense': weight 'kernel' holds .*9007199254740993 \(u?int64\)"):
            exact(np.array([[1, 0], [0, abs(value)]], dtype=dtype) * (1 if value > 0 else dtype(-1)), "dense", "kernel")
    assert exact(np.array([2**60], dtype=np.uint64), "d", "k").tolist() == [2.0**60]


def test_constants_of_a_configuration_too() -> None:
    assert number(2**60) == 2.0**60
    with pytest.raises(ValueError, match="9007199254740993 is an integer"):
        number(2**53 + 1)


def test_a_file_with_such_a_weight_names_the_layer(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    layer = {"class_name": "Dense", "config": {"name": "d", "units": 1, "batch_input_shape": [None, 1], "use_bias": False}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}})
        file.attrs["keras_version"] = "2.11.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([b"d"])
        inner = group.create_group("d")
        inner.attrs["weight_names"] = np.array([b"d/kernel:0"])
        inner.create_dataset("d/kernel:0", data=np.array([[2**53 + 1]], dtype=np.uint64))
    with pytest.raises(ModelFileError, match=r"m\.h5: layer 'd': weight 'kernel' holds 9007199254740993"):
        boundnet.load(path)
