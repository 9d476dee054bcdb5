"""Cross-checks: runs inside their bounds, planted bugs found, results written and read back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.tiny_models import classifier
from typer.testing import CliRunner, Result

import boundnet
from boundnet import ops
from boundnet.analysis.analyze import find_heads
from boundnet.analysis.execution.schedule import run_all
from boundnet.analysis.node_bounds import Nodes
from boundnet.analysis.units import Bounder, Job
from boundnet.cli.app import app
from boundnet.crosscheck import results, run
from boundnet.crosscheck.gather import Gathered
from boundnet.crosscheck.run import crosscheck
from boundnet.errors import InputError
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Sampling, backend
from boundnet.roundoff import inner_product
from boundnet.roundoff.rounder import Rounder

ALL = (Sampling(1, "none"), *(Sampling(3, mode, t, 1) for mode, t in (("rr", 24), ("pb", 16), ("mca", 11))))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return classifier(tmp_path / "model.h5")


def network() -> LayerGraph:
    rng = np.random.default_rng(8)
    graph = LayerGraph("small")
    node = graph.add("x", ops.Input((6, 6, 2)))
    node = graph.add("c", ops.Conv(rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4), padding=((1, 1), (1, 1))), [node])
    node = graph.add(
        "n", ops.BatchNorm(rng.normal(size=4), np.abs(rng.normal(size=4)), rng.normal(size=4), rng.normal(size=4)), [node]
    )
    node = graph.add("p", ops.AveragePool((2, 2)), [node])
    node = graph.add("l", ops.LayerNorm(rng.normal(size=4), rng.normal(size=4)), [node])
    node = graph.add("f", ops.Reshape((36,)), [node])
    node = graph.add("d", ops.Dense(rng.normal(size=(36, 3)), rng.normal(size=3)), [node])
    node = graph.add("s", ops.Softmax(0), [node])
    graph.set_outputs([node])
    return graph


@pytest.mark.parametrize("name", ["binary32", "bfloat16", "fp8_e4m3fn", "float(6,5)"])
def test_runs_lie_within_their_bounds(name):
    inputs = np.random.default_rng(1).normal(size=(2, 6, 6, 2))
    found = crosscheck(network(), inputs, name, samplings=(*ALL, Sampling(3, "stochastic")))
    assert found.violation_count == 0
    assert found.verdict.startswith("CONFIRMED")
    assert len(found.checks) == 5
    assert {row.name for row in found.checks[0].layers} == set("xcnplfds")
    assert all(row.observed > 0 for check in found.checks for row in check.layers if row.name in "cd")
    assert all(row.tightest is None or row.tightest >= 1.0 for check in found.checks for row in check.layers + check.outputs)


def recurrence() -> LayerGraph:
    """Ten steps of h' = tanh(R h) * sigmoid(S h), through which intervals grow."""
    rng = np.random.default_rng(3)
    kernels = [rng.normal(size=(6, 6)) / 2.0 for _ in range(2)]
    graph = LayerGraph("recurrence")
    node = graph.add("x", ops.Input((6,)))
    for t in range(10):
        parts = []
        for name, kernel in zip(("tanh", "sigmoid"), kernels, strict=True):
            z = graph.add(f"{t}/{name}/z", ops.Dense(kernel), [node], layer=f"step {t}")
            parts.append(graph.add(f"{t}/{name}", ops.Activation(make(name)), [z], layer=f"step {t}"))
        node = graph.add(f"{t}/h", ops.Multiply(), parts, layer=f"step {t}")
    graph.set_outputs([node])
    return graph


@pytest.mark.parametrize("domain", ["affine", "sketch"])
def test_layers_are_compared_with_the_radii_that_the_outputs_rest_on(domain):
    inputs = np.random.default_rng(1).normal(size=(5, 6))
    options = {"samplings": (Sampling(1, "none"), Sampling(3, "rr", 24))}
    sharp, coarse = (crosscheck(recurrence(), inputs, domain=name, **options) for name in (domain, "interval"))
    assert sharp.violation_count == coarse.violation_count == 0
    for ours, theirs in zip(sharp.checks, coarse.checks, strict=True):
        assert f"{domain} for 5 of 5 inputs" in ours.notes[-1 if domain == "affine" else -2]
        assert ("random coins" in ours.notes[-1]) == (domain == "sketch")
        last = [(a.bound, b.bound) for a, b in zip(ours.layers, theirs.layers, strict=True)][-1]
        assert last[0] < 0.5 * last[1]


def test_a_layer_radius_that_is_too_small_is_found(monkeypatch):
    """Radii of a sketch that were made smaller after their check: runs leave them."""
    plain = Nodes.of

    def shrunk(runs):
        found = plain(runs)
        return replace(found, radius={name: 1e-4 * radius for name, radius in found.radius.items()})

    monkeypatch.setattr(Nodes, "of", staticmethod(shrunk))
    inputs = np.random.default_rng(1).normal(size=(2, 6))
    found = crosscheck(recurrence(), inputs, domain="sketch", samplings=(Sampling(3, "rr", 24),))
    assert found.violation_count > 0
    assert {violation.what for violation in found.checks[0].violations} == {"layer"}


def test_chunks_are_whole_whatever_the_order_of_the_parts():
    graph, count = recurrence(), 7
    bounder = Bounder(
        Job(graph, boundnet.preset("binary32"), "affine", tuple(find_heads(graph, "none")), None, count, nodes=True)
    )
    parts = list(run_all(bounder, [np.random.default_rng(1).normal(size=(count, 6))]))
    chunks = list(Gathered(count, 3).chunks(parts[::-1]))
    assert sorted((chunk.start, chunk.stop) for chunk in chunks) == [(0, 3), (3, 6), (6, 7)]
    assert [[x.sample.index for x in chunk.inputs] for chunk in chunks] == [[6], [3, 4, 5], [0, 1, 2]]


def test_fixed_point():
    graph = LayerGraph("fixed")
    node = graph.add("d", ops.Dense(np.random.default_rng(0).normal(size=(5, 4))), [graph.add("x", ops.Input((5,)))])
    graph.set_outputs([node])
    rules = boundnet.build(storage="fixed(4,6)", accumulate="fixed(8,12)")
    assert crosscheck(graph, np.ones((2, 5)) / 3, rules, samplings=(Sampling(1, "none"),)).violation_count == 0


def test_overflow_in_execution_is_flagged_by_the_analysis():
    graph = LayerGraph("big")
    node = graph.add("d", ops.Dense(np.full((4, 2), 60.0)), [graph.add("x", ops.Input((4,)))])
    graph.set_outputs([node])
    found = crosscheck(graph, np.full((1, 4), 2.0), "fp8_e4m3fn", samplings=(Sampling(1, "none"),))
    (row,) = found.checks[0].outputs
    assert row.non_finite == 2
    assert row.may_overflow
    assert row.unbounded == 2
    assert found.violation_count == 0
    assert "not finite were seen in 1 of 1 layer that may overflow" in found.verdict
    # NaN travels on through a layer that can't overflow itself.
    graph.set_outputs([graph.add("r", ops.Reshape((1, 2)), [node])])
    found = crosscheck(graph, np.full((1, 4), 2.0), "fp8_e4m3fn", samplings=(Sampling(1, "none"),))
    assert found.verdict.endswith("in 1 of 1 layer that may overflow, and in 1 layer that they reach from there")


def test_overflow_that_was_not_flagged_is_a_violation(monkeypatch):
    plain = Rounder.inner

    def blind(self, linear, x, bias, centre, products=True, stored=True):
        error, overflow = plain(self, linear, x, bias, centre, products, stored)
        return np.where(np.isfinite(error), error, 1.0), np.zeros_like(overflow)

    monkeypatch.setattr(Rounder, "inner", blind)
    graph = LayerGraph("big")
    node = graph.add("d", ops.Dense(np.full((4, 2), 60.0)), [graph.add("x", ops.Input((4,)))])
    graph.set_outputs([node])
    found = crosscheck(graph, np.full((1, 4), 2.0), "fp8_e4m3fn", samplings=(Sampling(1, "none"),))
    assert found.violation_count > 0
    assert found.checks[0].violations[0].what == "overflow"


def test_planted_bug_is_found(monkeypatch, command, model, tmp_path):
    """Without the perturbation of products and sums, rr at 11 bits leaves the bound: exit code 3, and how to repeat it."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(size=(4, 3)))
    words = ("crosscheck", model, "--inputs", tmp_path / "x.npy", "--precision", 11, "--mode", "rr", "--samples", 4, "--seed", 7,
             "--json", tmp_path / "r.json")  # fmt: skip
    assert command(*words).exit_code == 0
    mutate(
        monkeypatch,
        inner_product.perturbed_bound,
        "up(_product(growth, total)",
        "0.0 * up(_product(growth, total)",
    )
    failed = command(*words)
    assert failed.exit_code == 3
    assert failed.stdout.startswith("VIOLATED")
    for word in ("--seed 7", "--precision 11", "sample", "input 0", "computed", "arithmetic", "--inputs"):
        assert word in failed.stdout
    found = results.crosscheck_from_json((tmp_path / "r.json").read_text())
    assert found.violation_count > 0
    assert found.checks[0].violations[0].layer == "dense"


def test_planted_bug_in_a_deterministic_bound_is_found(monkeypatch):
    mutate(
        monkeypatch, inner_product._tree_bound, "np.minimum(by_leaves, by_height)", "0.02 * np.minimum(by_leaves, by_height)"
    )
    rules = boundnet.build("binary32", order="blocked(4)")
    assert crosscheck(network(), np.ones((1, 6, 6, 2)) / 3, rules, samplings=(Sampling(1, "none"),)).violation_count > 0


def test_results_validate_and_come_back(tmp_path, command, model):
    path, table = tmp_path / "r.json", tmp_path / "r.csv"
    done = command("crosscheck", model, "--first", 2, "--samples", 2, "--json", path, "--csv", table, "--quiet")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 3
    data = json.loads(path.read_text())
    jsonschema.validate(data, json.loads(results.SCHEMA.read_text()))
    again = results.crosscheck_from_json(path.read_text())
    assert json.loads(again.to_json()) == data
    assert "--input-seed" not in again.command
    rows = list(csv.DictReader(table.open()))
    assert {row["what"] for row in rows} == {"layer", "output"}
    assert float(rows[-1]["bound"]) >= float(rows[-1]["observed"])
    with pytest.raises(InputError, match="kind"):
        results.crosscheck_from_json("{}")


def test_analyze_with_mca(command, model, monkeypatch):
    done = command("analyze", model, "--samples", 2, "--mca", 3, "--quiet")
    assert "CONFIRMED" in done.stdout
    mutate(
        monkeypatch,
        inner_product.perturbed_bound,
        "up(_product(growth, total)",
        "0.0 * up(_product(growth, total)",
    )
    assert command("analyze", model, "--samples", 2, "--mca", 3, "--quiet").exit_code == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backend", "nothing"], "use one of builtin"),
        (["--mode", "rrr"], "use rr, pb, mca"),
        (["--precision", "x"], "--precision x"),
        (["--precision", "0"], "1 .. 53"),
        (["--samples", "0"], "at least 1"),
        (["--rounding", "toward_zero"], "rounding nearest"),
        (["--backend", ","], "nothing given"),
        (["--format", "binary64", "--accumulate", "binary64"], "binary64"),
    ],
)
def test_bad_use(command, model, tmp_path, words, message):
    done = command("crosscheck", model, "--json", tmp_path / "o.json", *words)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not (tmp_path / "o.json").exists()


def test_unknown_backend():
    with pytest.raises(InputError, match="unknown backend"):
        backend("nothing")


def test_a_backend_is_closed_when_something_fails(monkeypatch):
    closed = []
    made = backend("builtin").executions
    monkeypatch.setattr("boundnet.mca.builtin.EngineExecution.close", lambda self: closed.append(self.title))
    monkeypatch.setattr(run, "compare", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        crosscheck(network(), samplings=ALL)
    assert len(closed) == len(ALL)
    assert made is not None


def test_whole_numbers_are_not_stored_in_a_narrow_format():
    """Indices reach an embedding as they are: as bfloat16, 259 would be 260."""
    graph = LayerGraph("indices")
    node = graph.add("e", ops.Lookup(np.arange(300.0)[:, None] % 7), [graph.add("x", ops.Input((2,), integer=True))])
    graph.set_outputs([node])
    found = crosscheck(
        graph, np.array([[259, 3], [299, 257]]), "bfloat16", samplings=(Sampling(1, "none"), Sampling(2, "rr", 8))
    )
    assert found.violation_count == 0


def test_an_embedding_and_a_weight_with_as_many_entries_as_there_are_lanes():
    """Weights have no lanes of their own until an operation meets them, whatever their shape looks like."""
    rng = np.random.default_rng(4)
    graph = LayerGraph("embedding")
    node = graph.add("e", ops.Lookup(rng.normal(size=(7, 4))), [graph.add("x", ops.Input((3,)))])
    node = graph.add("n", ops.BatchNorm(rng.normal(size=4), np.abs(rng.normal(size=4)), None, rng.normal(size=4)), [node])
    graph.set_outputs([graph.add("p", ops.PReLU(rng.normal(size=(3, 4))), [node])])
    inputs = np.array([[0, 1, 6], [2, 2, 5], [3, 4, 0], [1, 1, 1]])
    found = crosscheck(graph, inputs, samplings=(Sampling(1, "none"), Sampling(1, "rr", 11), Sampling(3, "mca", 16)))
    assert found.violation_count == 0
    assert all(row.observed < 0.1 for check in found.checks for row in check.layers)
