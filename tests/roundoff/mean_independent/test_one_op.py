"""One op under stochastic rounding: how often it leaves lambda half-ranges, and that no term of them is idle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.simulate import distances, exceeded, single, stochastic, traced

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.domains.chance import exceedance
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops import affine_constants
from boundnet.roundoff.mean_independent import machine, partial_sums, roundings

RNG = np.random.default_rng(3)
LAMBDAS = (1.5, 2.0, 2.5)
RUNS = 4000
Case = tuple[LayerGraph, list[Array], Arithmetic]


def values(rules: Arithmetic, *shape: int) -> Array:
    return rules.storage.round(RNG.normal(size=shape))


def dense(name: str, n: int = 60, bias: str = "last", order: str = "any") -> Case:
    rules = stochastic(name, bias=bias)
    if order != "any":
        from boundnet.arithmetic import parse_order

        rules = Arithmetic(**{**vars(rules), "order": parse_order(order)})
    op = ops.Dense(values(rules, n, 8), values(rules, 8))
    return single(op, (n,)), [values(rules, 1, n)], rules


def one(op: Callable[[Arithmetic], ops.Op], name: str, *shapes: tuple[int, ...], **changes: str) -> Case:
    rules = stochastic(name, **changes)
    return single(op(rules), *shapes), [values(rules, 1, *shape) for shape in shapes], rules


def norm(rules: Arithmetic) -> ops.Op:
    return ops.BatchNorm(values(rules, 2), rules.storage.round(np.array([0.7, 1.3])), values(rules, 2), values(rules, 2))


CASES: dict[str, Case] = {
    "dense": dense("pure-bfloat16"),
    "stored sum": dense("bfloat16"),
    "bias apart": dense("bfloat16", bias="separate"),
    "pairwise": dense("pure-binary16", order="pairwise(4)"),
    "blocked": dense("pure-binary16", order="blocked(6)"),
    "sequential": dense("pure-binary16", order="sequential"),
    "float32": dense("binary32"),
    "conv": one(
        lambda r: ops.Conv(values(r, 3, 3, 2, 4), values(r, 4), padding=((1, 1), (1, 1))), "pure-bfloat16", (5, 5, 2)
    ),
    "mean": one(lambda r: ops.AveragePool((5, 5)), "pure-bfloat16", (5, 5, 3)),
    "stored mean": one(lambda r: ops.AveragePool((2, 2), (1, 1)), "bfloat16", (5, 5, 3)),
    "sum": one(lambda r: ops.Total(0), "pure-bfloat16", (30,)),
    "batch norm": one(norm, "pure-bfloat16", (4, 4, 2)),
    "kept batch norm": one(norm, "bfloat16", (4, 4, 2)),
    "stored batch norm": one(norm, "bfloat16", (4, 4, 2), normalisation="stored"),
    "scale": one(lambda r: ops.ScaleShift(values(r, 6), values(r, 6)), "pure-bfloat16", (6,)),
    "add": one(lambda r: ops.Add(), "pure-bfloat16", (9,), (9,)),
    "multiply": one(lambda r: ops.Multiply(), "bfloat16", (9,), (9,)),
    "divide": one(lambda r: ops.Divide(), "pure-bfloat16", (9,), (9,)),
    "tanh": one(lambda r: ops.Activation(make("tanh")), "bfloat16", (12,)),
    "prelu": one(lambda r: ops.PReLU(values(r, 12)), "bfloat16", (12,)),
}


@pytest.mark.parametrize("name", CASES)
def test_exceedance_is_below_its_bound(name: str) -> None:
    graph, inputs, rules = CASES[name]
    apart = distances(graph, inputs, rules, RUNS)
    for lam in LAMBDAS:
        trace = traced(graph, inputs, rules, lam)
        seen = exceeded(trace, apart)["y"]
        assert seen <= exceedance(lam), f"{name}: {seen:.3f} of all runs leave lambda = {lam}"


@pytest.mark.parametrize("name", CASES)
def test_square_roots_and_worst_cases_hold_together(name: str) -> None:
    """At a lambda that is never reached no run leaves its radius, and the two parts are not above the worst case's reach."""
    graph, inputs, rules = CASES[name]
    trace = traced(graph, inputs, rules, 9.0)
    assert exceeded(trace, distances(graph, inputs, rules, 500, seed=2))["y"] == 0.0
    local = trace.locals["y"]
    assert local.deviation is not None
    assert np.any(local.deviation > 0.0)


def exceeds(case: Case, lam: float) -> bool:
    """Whether more runs leave their radii than lambda allows."""
    graph, inputs, rules = case
    return exceeded(traced(graph, inputs, rules, lam), distances(graph, inputs, rules, 1500))[graph.outputs[0]] > exceedance(
        lam
    )


MUTANTS = [
    (roundings.MeanIndependent._sum, "np.sqrt(levels) *", "0.0 * levels *", "dense", 2.0),
    (roundings.MeanIndependent._sum, "np.sqrt(levels) *", "0.05 * np.sqrt(levels) *", "dense", 2.5),
    (roundings.MeanIndependent.inner, "parts = [carried, rules.half_range(stored, rules.storage)] if rules.widens else [carried]",
     "parts = [carried]", "stored sum", 2.0),
    (roundings.MeanIndependent.mean, "up(carried / cells, 1)", "0.0 * carried", "mean", 2.0),
    (roundings.MeanIndependent.mean, "if rules.widens:", "if False:", "stored mean", 2.0),
    (machine.SplitMachine._rounded, "up(deviation, 4), rules.half_range(reached, rules.accumulate)", "up(deviation, 4)",
     "add", 2.0),
    (machine.SplitMachine._rounded, "if rules.widens:", "if False:", "multiply", 2.0),
    (machine.SplitMachine.result, "root_sum(value.deviation, around", "root_sum(0.0 * value.deviation, 0.0 * around", "kept batch norm", 2.0),
    (machine.SplitMachine.function, "half_range(tracked.magnitude, self.arithmetic.storage)", "half_range(0.0 * tracked.magnitude, self.arithmetic.storage)", "tanh", 2.0),
    (affine_constants.with_constants, "if np.any(gain):", "if False:", "steep batch norm", 2.0),
    (roundings.MeanIndependent._known, "known_order(terms, rules, away), last", "0.0 * away, last", "sequential", 2.0),
    (partial_sums.known_order, "norm + np.sqrt(float(nodes)) * away", "0.0 * away", "sequential", 2.0),
    (machine.SplitMachine.where, "np.maximum(above.deviation, below.deviation)", "0.0 * above.deviation", "prelu", 2.0),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MUTANTS)))
def test_no_term_is_idle(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    function, old, new, name, lam = MUTANTS[number]
    case = CASES[name] if name in CASES else steep()
    assert not exceeds(case, lam)
    mutate(monkeypatch, function, old, new)
    assert exceeds(case, lam)


def steep() -> Case:
    """Two channels with equal sums, each with the error of its own scale in all of its elements."""
    rules = stochastic("bfloat16", normalisation="stored")
    variance = np.array([0.703125, 1.21875])
    gamma = rules.storage.round(1.5 * np.sqrt(variance / variance[0]))
    graph = single(ops.BatchNorm(np.zeros(2), variance, gamma), (60, 2))
    flat = graph.add("flat", ops.Reshape((120,)), ["y"])
    graph.add("sum", ops.Dense(np.tile([[1.0], [-1.0]], (60, 1))), [flat])
    graph.set_outputs(["sum"])
    return graph, [np.full((1, 60, 2), 1.25)], rules
