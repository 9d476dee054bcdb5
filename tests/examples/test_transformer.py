"""The Transformer example: shipped files, proofs, and how tight attention's bounds are."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import boundnet
from boundnet import ops

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "transformer"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("study", "digits"):
        sys.modules.pop(name, None)
    return importlib.import_module("study")


def test_shipped_files_are_small_and_the_network_is_what_it_says(study: ModuleType) -> None:
    assert sum((FOLDER / name).stat().st_size for name in ("encoder.keras", "digits_test.npz")) < 200_000
    graph = boundnet.load(study.MODEL)
    kinds = [type(graph.op(name)) for name in graph.topological()]
    assert [kinds.count(kind) for kind in (ops.LayerNorm, ops.Softmax, ops.Einsum, ops.Add)] == [5, 3, 4, 4]
    x, labels = study.data(100)
    assert x.shape == (100, 8, 16)
    values = graph.evaluate([x.astype(np.float64)])[graph.outputs[0]]
    assert np.mean(np.argmax(values, axis=1) == labels) > 0.94


def test_classes_are_proved_and_attention_is_within_1000_times_what_keras_errs(study: ModuleType, keras: ModuleType) -> None:
    x, _ = study.data(4)
    analysis, limits = study.bounds(x)
    assert analysis.summary.proved == analysis.summary.total == 4
    assert analysis.summary.max_logit_bound < 0.01
    runs, truth = study.computed(x), study.exact(x)
    for name in study.WEIGHTS:
        error = np.max([np.abs(run - truth[name]) for run in runs[name]], axis=0)
        assert np.all(error <= limits[name])
        assert 0.0 < limits[name].max() < 1000 * error.max()
