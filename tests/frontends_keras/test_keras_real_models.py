"""Trained networks of others against what their framework computed in float32."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.keras_models import run

from boundnet.errors import BoundNetError
from boundnet_keras import frontend

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
REFERENCES = sorted((MODELS / "data" / "reference_io").glob("*.npz"))
ZOO = sorted((MODELS / "dl4j_keras_zoo").rglob("*.h5"))
pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason=f"the collection of real models isn't at {MODELS}")


@pytest.mark.parametrize("reference", REFERENCES, ids=[path.stem for path in REFERENCES])
def test_agrees_with_framework(reference: Path) -> None:
    stored = np.load(reference)
    path = MODELS / reference.stem.replace("__", "/")
    graph = frontend.load(path)
    x = stored["x"][:2].astype(np.float64)
    (actual,) = run(graph, x.reshape(len(x), *graph.shape(graph.inputs[0])))
    expected = stored["y0"][:2]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_small_convolutions_agree_with_predictions() -> None:
    """Keras 2 files of the zoo with stored inputs and predictions: causal, dilated, strided, channels first."""
    checked = 0
    for path in ZOO:
        answers = path.with_name(path.name.replace("_model.h5", "_inputs_and_outputs.h5"))
        if "conv1d" not in path.name or answers == path or not answers.exists():
            continue
        with h5py.File(answers) as file:
            (x,), (expected,) = ([np.asarray(item) for item in file[key].values()] for key in ("inputs", "predictions"))
        (actual,) = run(frontend.load(path), x.astype(np.float64))
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6, err_msg=path.name)
        checked += 1
    assert checked >= 10


def test_digits_from_both_formats() -> None:
    first, second = (frontend.load(MODELS / "digits" / f"digits.{suffix}") for suffix in ("h5", "keras"))
    for name in first.topological():
        for ours, theirs in zip(first.op(name).parameters(), second.op(name).parameters(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


OPEN = re.compile(r"input '([^']+)' has the shape (\(.*?\)),")


def _load(path: Path) -> None:
    """Load a file, inputs of open length with a length of 5."""
    try:
        frontend.load(path)
    except BoundNetError as error:
        match = OPEN.search(str(error))
        if match is None:
            raise
        shape = [5 if size == "None" else int(size) for size in re.findall(r"None|\d+", match[2])]
        frontend.load(path, input_shapes={match[1]: shape})


def test_zoo_of_old_files_loads_or_is_refused() -> None:
    """343 files of Keras 1.2.2 to 2.11 and nearly every layer: nothing but a graph or an error of ours comes out.

    277 hold a model; of the others all but one hold Lambda layers.
    """
    loaded = 0
    for path in ZOO:
        try:
            _load(path)
        except BoundNetError as error:
            named = str(path) in str(error)
        else:
            named, loaded = True, loaded + 1
        assert named, path
    assert loaded >= 273
