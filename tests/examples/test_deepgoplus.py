"""The DeepGOPlus example: shipped files, metric and study."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.mca.backend import Sampling

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "deepgoplus"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("study", "sequences"):
        sys.modules.pop(name, None)
    return importlib.import_module("study")


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "sequences_test.npz") as file:
        return file["letters"][:count], file["labels"][:count]


def test_shipped_network_has_the_architecture_and_predicts(study: ModuleType) -> None:
    assert (FOLDER / "deepgoplus_small.h5").stat().st_size < 300_000
    graph = boundnet.load(FOLDER / "deepgoplus_small.h5")
    kinds = [type(graph.op(name)) for name in graph.topological()]
    assert [kinds.count(kind) for kind in (ops.Conv, ops.MaxPool, ops.Concat, ops.Dense)] == [8, 8, 1, 1]
    letters, labels = data(60)
    x = study.one_hot(letters)
    assert x.shape == (60, 120, 21)
    assert (x.sum(axis=-1) == 1.0).all()
    assert study.fmax(graph.evaluate([x])[graph.outputs[0]], labels) > 0.9


def test_fmax(study: ModuleType) -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0]])
    assert study.fmax(labels.astype(float), labels) == 1.0
    assert study.fmax(np.zeros((2, 3)), labels) == 0.0
    # Everything chosen: precision 1/2 on average (2/3, 1/3), recall 1.
    assert study.fmax(np.ones((2, 3)), labels) == pytest.approx(2 / 3)


def test_sequences_repeat_and_carry_their_motifs(study: ModuleType) -> None:
    made = importlib.import_module("sequences")
    planted = made.motifs(4, 1)
    letters, labels = made.sequences(30, 80, planted, 2, mutation=0.0)
    np.testing.assert_array_equal(letters, made.sequences(30, 80, planted, 2, mutation=0.0)[0])
    for row, carried in zip(letters, labels, strict=True):
        text = " ".join(map(str, row))
        for motif, yes in zip(planted, carried, strict=True):
            assert not yes or " ".join(map(str, motif)) in text


def test_executions_keep_the_bounds_and_one_hot_inputs_help(study: ModuleType) -> None:
    graph = boundnet.load(FOLDER / "deepgoplus_small.h5")
    x = study.one_hot(data(1)[0])
    exact = graph.evaluate([x])[graph.outputs[0]]
    for precision, exponent in ((24, 8), (8, 8)):
        rules = study.machine(precision, exponent)
        found = study.execute(graph, x, rules, Sampling(1, "none"))[0]
        assert (np.abs(found - exact) <= study.proved(graph, x, rules)).all()
    assert study.one_hot_matters(graph, x)["ratio"] > 4.0


@pytest.mark.slow
def test_study(
    study: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["study.py", "--sequences", "4", "--json", str(tmp_path / "found.json")])
    study.main()
    printed = capsys.readouterr().out
    assert "of labels can't change" in printed
    assert len(printed.splitlines()) == 9 + 18
    assert (tmp_path / "found.json").stat().st_size > 1000
