"""Soundness against numbers nobody here computed: other people's networks and what their framework made of them in float32.

A framework's float32 run conforms to binary32 in any order, so it must stay within that bound of our float64 centre, for
every element of every output, without any tolerance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import boundnet

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
REFERENCES = sorted((MODELS / "data" / "reference_io").glob("*.npz"))
DIGITS = MODELS / "digits"
U = 2.0**-24
pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason=f"the collection of real models isn't at {MODELS}")

DEEP = ("crepe", "XCEPTION", "resnet8", "lstm")
"""A sample of these takes 5 seconds and more: one is tried by default, all with -m slow."""


def _check(reference: Path, count: int | None) -> None:
    with np.load(reference) as stored:
        data = {key: stored[key] for key in stored.files}
    path = MODELS / reference.stem.replace("__", "/")
    graph = boundnet.load(path)
    names = ["x"] if "x" in data else [f"x{i}" for i in range(len(graph.inputs))]
    inputs = [
        data[key][:count].astype(np.float64).reshape(-1, *graph.shape(node))
        for key, node in zip(names, graph.inputs, strict=True)
    ]
    analysis = boundnet.analyze(graph, inputs if len(inputs) > 1 else inputs[0], boundnet.build("binary32"), domain="auto")
    assert analysis.guarantee in ("deterministic", "sketch")
    for sample in analysis.samples:
        for i, output in enumerate(sample.outputs):
            theirs = data[f"y{i}"][sample.index].astype(np.float64).reshape(output.value.shape)
            apart = np.abs(output.value - theirs)
            outside = ~(apart <= output.absolute_bound)
            assert not outside.any(), (
                f"sample {sample.index}, output {i}: the framework is {apart[outside].max()} away, the bound says "
                f"{output.absolute_bound[outside].min()}"
            )
            assert np.isfinite(output.absolute_bound).all(), f"sample {sample.index}, output {i}: {analysis.verdict}"


@pytest.mark.parametrize("reference", REFERENCES, ids=[path.stem for path in REFERENCES])
def test_framework_stays_within_the_bound(reference: Path) -> None:
    _check(reference, 1 if any(word in reference.stem for word in DEEP) else 3)


@pytest.mark.slow
@pytest.mark.parametrize("reference", REFERENCES, ids=[path.stem for path in REFERENCES])
def test_framework_stays_within_the_bound_for_all_samples(reference: Path) -> None:
    _check(reference, None)


def _digits(arithmetic: boundnet.Arithmetic, count: int | None) -> boundnet.Analysis:
    with np.load(DIGITS / "digits_test.npz") as data:
        inputs = data["inputs"][:count]
    return boundnet.analyze(DIGITS / "digits.h5", inputs, arithmetic)


def _check_digits(count: int | None) -> None:
    """Medians over the inputs of the largest bound of a sample, in u of binary32."""
    free = _digits(boundnet.build("binary32"), count)
    assert np.isfinite(free.summary.max_absolute_bound)
    assert free.summary.median_logit_bound is not None
    assert free.summary.median_logit_bound <= 4.6e4 * U
    ordered = _digits(boundnet.build("binary32", order="sequential"), count)
    assert np.isfinite(ordered.summary.max_absolute_bound)
    assert ordered.summary.median_logit_bound is not None
    assert ordered.summary.median_logit_bound <= 6.6e3 * U
    assert ordered.summary.median_absolute_bound <= 20.0 * U


def test_digits_bounds_are_as_sharp_as_measured() -> None:
    _check_digits(40)


@pytest.mark.slow
def test_digits_bounds_on_all_inputs() -> None:
    _check_digits(None)
    narrow = _digits(boundnet.build("bfloat16"), None)
    assert np.isfinite(narrow.summary.max_absolute_bound)
    # Every bias may be stored apart from its sum (two roundings to 8 bits); fused biases prove more.
    assert narrow.summary.proved >= 0.945 * narrow.summary.total
    fused = _digits(boundnet.build("bfloat16", bias="last"), None)
    assert fused.summary.proved >= 0.97 * fused.summary.total
