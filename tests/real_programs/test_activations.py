"""Every activation and every arithmetic with constants as Keras really runs it, against its bound.

Shares nothing with the analyzer's list of evaluation forms: a form that it lacks shows here.
"""

from __future__ import annotations

import pytest
from helpers.real_programs import APART, PROGRAMS
from helpers.real_runs import MODES, outside

keras = pytest.importorskip("keras", reason="Keras is not installed: nothing to run")
pytest.importorskip("tensorflow", reason="TensorFlow is not installed: nothing to run")
pytestmark = pytest.mark.xdist_group("keras")

FEW, MANY = 1500, 20_000


def test_every_activation_of_keras_has_its_place() -> None:
    known = {function.__name__ for function in keras.src.activations.ALL_OBJECTS}
    assert known <= {*PROGRAMS, *APART}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_float32(name: str, mode: str) -> None:
    found = outside(name, "float32", mode, 7, FEW)
    assert found.count == 0, f"{found.count} of {found.values} outside, {found.worst:.6g} times the bound at {found.at!r}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_all_modes_batches_and_dtypes(name: str, mode: str, batch: int, dtype: str) -> None:
    found = outside(name, dtype, mode, batch, MANY)
    assert found.count == 0, f"{found.count} of {found.values} outside, {found.worst:.6g} times the bound at {found.at!r}"
