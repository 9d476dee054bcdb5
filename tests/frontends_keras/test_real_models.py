"""Trained networks of others against what their framework computed in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boundnet.errors import BoundNetError, UnsupportedLayerError
from boundnet_keras import frontend
from helpers import run

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
REFERENCES = sorted((MODELS / "data" / "reference_io").glob("*.npz"))
ZOO = sorted((MODELS / "dl4j_keras_zoo").rglob("*.h5"))
pytestmark = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"the collection of real models isn't at {MODELS}"
)


@pytest.mark.parametrize("reference", REFERENCES, ids=[path.stem for path in REFERENCES])
def test_agrees_with_framework(reference: Path) -> None:
    stored = np.load(reference)
    path = MODELS / reference.stem.replace("__", "/")
    if path.stem == "mnist_lstm":
        with pytest.raises(UnsupportedLayerError, match="lstm_1.*LSTM"):
            frontend.load(path)
        return
    graph = frontend.load(path)
    x = stored["x"][:2].astype(np.float64)
    (actual,) = run(graph, x.reshape(len(x), *graph.shape(graph.inputs[0])))
    expected = stored["y0"][:2]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_digits_from_both_formats() -> None:
    first, second = (frontend.load(MODELS / "digits" / f"digits.{suffix}") for suffix in ("h5", "keras"))
    for name in first.topological():
        for ours, theirs in zip(first.op(name).parameters(), second.op(name).parameters(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_zoo_of_old_files_loads_or_is_refused() -> None:
    """343 files of Keras 1.2.2 to 2.11 and nearly every layer: nothing but a graph or an error of ours comes out."""
    loaded = 0
    for path in ZOO:
        try:
            frontend.load(path)
            loaded += 1
        except BoundNetError as error:
            assert str(path) in str(error)
    assert loaded >= 130
