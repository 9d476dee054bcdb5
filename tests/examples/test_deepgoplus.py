"""The DeepGOPlus example: shipped files, metric and study."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Sampling

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "deepgoplus"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("study", "sequences", "metrics", "plots"):
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


def test_metrics(study: ModuleType) -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0]])
    assert study.aupr(labels.astype(float), labels) == 1.0
    assert study.aupr(np.ones((2, 3)), labels) == 0.5  # all chosen together: half are right
    # Ranked right, wrong, right, then the rest: precision 1, 1/2, 2/3, 2/4, 2/5, 3/6 at recalls 1/3, 1/3, 2/3, 2/3, 2/3, 1.
    ranked = np.array([[0.9, 0.8, 0.7], [0.5, 0.2, 0.4]])
    assert study.aupr(ranked, labels) == pytest.approx((1.0 + 2.0 / 3.0 + 0.5) / 3.0)
    assert study.fmax(labels.astype(float), labels) == 1.0
    assert study.fmax(np.zeros((2, 3)), labels) == 0.0
    # Everything chosen: precision 1/2 on average (2/3, 1/3), recall 1.
    assert study.fmax(np.ones((2, 3)), labels) == pytest.approx(2 / 3)


def test_fmax_of_anything_within_the_bounds_lies_in_the_enclosure(study: ModuleType) -> None:
    rng = np.random.default_rng(0)
    tight = 0
    for trial in range(60):
        p, labels = rng.random((4, 5)), (rng.random((4, 5)) < 0.4).astype(int)
        labels[np.arange(4), rng.integers(5, size=4)] = 1
        radius = rng.random((4, 5)) * rng.choice([0.0, 0.01, 0.1, 0.6])
        low, high = study.fmax_enclosure(p - radius, p + radius, labels)
        seen = [
            study.fmax(p + radius * rng.choice([-1.0, 1.0, rng.uniform(-1, 1)], size=p.shape), labels) for _ in range(60)
        ]
        assert low <= min(seen), trial
        assert max(seen) <= high, trial
        tight += high - low < 0.35
    assert tight > 20
    assert study.fmax_enclosure(np.full((1, 2), -np.inf), np.full((1, 2), np.inf), np.array([[1, 0]])) == (0.0, 1.0)


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
        (found,), conforms = study.execute(graph, x, rules, Sampling(1, "none"))
        bound, low, high = study.proved(graph, x, conforms)
        assert (np.abs(found - exact) <= bound).all()
        assert ((low <= found) & (found <= high)).all()


def test_one_hot_inputs_help(study: ModuleType) -> None:
    """20 of 21 products are exactly 0 and one is a copy; both orders know."""
    graph = boundnet.load(FOLDER / "deepgoplus_small.h5")
    found = study.one_hot_matters(graph, study.one_hot(data(1)[0]))
    assert [row["leaves"] for row in found["convolutions"]] == list(range(8, 65, 8))
    assert all(row["products"] == 21 * row["leaves"] for row in found["convolutions"])
    for order in ("any order", "document order"):
        assert found[f"{order}, zeros not known"] > 15.0 * found[f"{order}, known"]
        assert found[f"{order}, ones not known"] > 1.01 * found[f"{order}, known"]


def test_the_published_size_as_a_graph(study: ModuleType) -> None:
    """2000 x 21, 16 convolutions of 512 filters, 8192 features; the analysis of it takes minutes (docs/evidence/deepgoplus.md)."""
    graph = LayerGraph("published")
    sequence = graph.add("sequence", ops.Input((2000, 21)))
    branches = []
    for size in range(8, 129, 8):
        kernel = np.zeros((size, 21, 512), dtype=np.float32)
        node = graph.add(f"conv_{size}", ops.Conv(kernel, np.zeros(512)), [sequence])
        node = graph.add(f"pool_{size}", ops.MaxPool((2001 - size,)), [node])
        branches.append(graph.add(f"flat_{size}", ops.Reshape((512,)), [node]))
    assert graph.shape(graph.add("features", ops.Concat(0), branches)) == (8192,)


@pytest.mark.slow
def test_study(
    study: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["study.py", "--sequences", "4", "--json", str(tmp_path / "found.json")])
    study.main()
    printed = capsys.readouterr().out
    assert "of labels can't change" in printed
    assert len(printed.splitlines()) == 14 + len(study.MANTISSA) * len(study.EXPONENT)
    plots = importlib.import_module("plots")
    monkeypatch.setattr(sys, "argv", ["plots.py", str(tmp_path / "found.json"), str(tmp_path / "out")])
    plots.main()
    for name in ("errors", "formats", "fmax"):
        picture = ElementTree.parse(tmp_path / "out" / f"{name}.svg").getroot()
        assert len(list(picture.iter())) > 25
