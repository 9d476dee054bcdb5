"""The shipped examples run, and the README's Python says what it says."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import boundnet
from boundnet.testing import BoundViolation, check_bound

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_shipped_files_are_small_and_say_what_they_hold() -> None:
    files = [EXAMPLES / "digits_cnn.h5", EXAMPLES / "digits_test.npz"]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    with np.load(files[1]) as data:
        inputs, labels = data["inputs"], data["labels"]
    assert inputs.dtype == np.float32
    assert inputs.shape == (len(labels), 8, 8, 1)
    graph = boundnet.load(files[0])
    values = graph.evaluate([inputs.astype(np.float64)])
    predicted = np.argmax(values[graph.outputs[0]], axis=1)
    assert np.mean(predicted == labels) > 0.95


def test_analyze_digits(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "analyze_digits.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "binary32:\n  class proved for 40 of 40 images" in printed
    assert "fp8_e4m3fn:" in printed


def test_custom_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "custom_arithmetic.py"), run_name="__main__")
    assert capsys.readouterr().out.count("20 of 20 proved") >= 5


def test_custom_layer(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "custom_layer.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "the oracle found nothing against CubeOp\nnor against the whole network" in printed
    assert "binary32: 40 of 40 proved, 40 right" in printed


def test_custom_layer_agrees_with_keras(keras: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules say what the layers do, which no oracle of ours can know; and a wrong rule is refuted."""
    monkeypatch.setattr(keras.saving, "register_keras_serializable", lambda package: lambda cls: cls)
    layers = runpy.run_path(str(EXAMPLES / "make_custom_layer.py"), run_name="layers")
    rules = runpy.run_path(str(EXAMPLES / "custom_layer.py"), run_name="rules")
    with np.load(EXAMPLES / "custom_layer_test.npz") as data:
        inputs = data["inputs"]
    own = {"examples>Gate": layers["Gate"], "examples>Cube": layers["Cube"]}
    model = keras.models.load_model(EXAMPLES / "custom_layer.keras", custom_objects=own)
    analysis = boundnet.analyze(EXAMPLES / "custom_layer.keras", inputs)
    for sample, computed in zip(analysis.samples, model.predict(inputs, verbose=0), strict=True):
        assert np.all(np.abs(computed - sample.outputs[0].value) <= sample.outputs[0].absolute_bound)

    class Careless(rules["CubeOp"]):  # type: ignore[misc,name-defined]
        def local(self, rounder: object, *xs: object) -> object:
            return replace(super().local(rounder, *xs), strip=None)

    with pytest.raises(BoundViolation):
        check_bound(Careless(), [np.ones((1, 5))], boundnet.preset("binary32"), radius=[np.full((1, 5), 0.1)])


@pytest.mark.slow
def test_training_makes_a_network_that_loads(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow isn't installed: nothing to train with")
    shutil.copy(EXAMPLES / "train_digits.py", tmp_path)
    run = subprocess.run([sys.executable, "train_digits.py"], cwd=tmp_path, check=True, capture_output=True, text=True)
    found = re.search(r"accuracy on \d+ test images: ([\d.]+)", run.stdout)
    assert found is not None
    assert float(found[1]) > 0.95
    assert boundnet.load(tmp_path / "digits_cnn.h5").outputs


def test_python_in_the_readme(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block runs; what it prints is the block that follows."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for code, expected in blocks:
        exec(compile(code, "README.md", "exec"), {})
        assert capsys.readouterr().out == expected
