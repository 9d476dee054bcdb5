"""The oracle finds every forgotten term: drop one noise term at a time and look for a violation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from mutation import mutate

from boundnet import inner_product, ops, running_bound, softmax_bounds, strips
from boundnet.accuracy import CORRECT, FUNCTIONS, FunctionAccuracy
from boundnet.adjoint import adjoint
from boundnet.arithmetic import SEQUENTIAL, Arithmetic, Order
from boundnet.formats import BFLOAT16, BINARY32, E4M3FN, E5M2
from boundnet.functions import Function, make
from boundnet.graph import LayerGraph
from boundnet.kernels import running
from boundnet.machines.running import RunningMachine
from boundnet.ops import maxima, merge
from boundnet.ops.base import Op
from boundnet.rounder import Rounder
from boundnet.rounding import Array
from boundnet.sums import Sum
from boundnet.testing import BoundViolation, check_bound, check_graph

PLAIN = Arithmetic("fp8", E4M3FN, E4M3FN, fma="no", subnormals="gradual", bias="last")
SEQ = replace(PLAIN, order=SEQUENTIAL)
DIRECTED = replace(PLAIN, rounding="any")
MIXED = Arithmetic("mixed", BFLOAT16, BINARY32, fma="no", subnormals="gradual", bias="last")
FLUSH = replace(PLAIN, subnormals="ftz")
DAZ = replace(PLAIN, subnormals="ftz+daz")
BF16 = Arithmetic("bf16", BFLOAT16, BFLOAT16, subnormals="gradual")
EXACT_SUMS = Arithmetic("wide", E4M3FN, BINARY32, subnormals="gradual")
ALONE = np.zeros((16, 14, 1))
ALONE[:, 3, 0] = 1.0 + np.arange(16) / 8.0
PAIRS = BFLOAT16.round(np.random.default_rng(0).uniform(-30.0, 30.0, size=(600, 2)))
NEAR = np.array([1.0 + 2.0**-12, 1.0 + 2.0**-7 - 2.0**-12])
EXP_OF_SQUARE = Function("exp_of_square", (), (lambda m, x: m.function("exp", m.mul(x, x)),))
COARSE = FunctionAccuracy("coarse", dict.fromkeys(FUNCTIONS, 19.0), "none")
TINY, LEAST = E4M3FN.smallest_subnormal, E4M3FN.smallest_normal

Attack = Callable[[], None]


def one(op: Op, inputs: list[Any], rules: Arithmetic, radius: list[Any] | None = None) -> Attack:
    """An attack on fixed inputs."""
    arrays = [np.asarray(x, dtype=np.float64)[None] for x in inputs]
    spread = (
        None
        if radius is None
        else [np.broadcast_to(np.asarray(r, dtype=np.float64), x.shape) for r, x in zip(radius, arrays, strict=True)]
    )
    return lambda: void(check_bound(op, arrays, rules, radius=spread, trials=60))


def many(
    op: Op,
    shape: tuple[int, ...],
    rules: Arithmetic,
    scale: float = 1.0,
    radius: float = 0.0,
    count: int = 25,
    inputs: int = 1,
) -> Attack:
    """Attacks on random inputs."""

    def run() -> None:
        for seed in range(count):
            rng = np.random.default_rng(seed)
            xs = [rules.storage.round(rng.normal(size=(1, *shape)) * scale) for _ in range(inputs)]
            check_bound(
                op, xs, rules, radius=None if radius == 0.0 else [np.full(x.shape, radius) for x in xs], trials=12, seed=seed
            )

    return run


def net(layers: Iterable[tuple[str, Op, list[str]]], x: Array, rules: Arithmetic) -> Attack:
    """An attack on a small network."""
    graph = LayerGraph("m")
    graph.add("x", ops.Input(x.shape))
    for name, op, sources in layers:
        graph.add(name, op, sources)
    graph.set_outputs([name])
    return lambda: void(check_graph(graph, [x[None]], rules, trials=80))


def void(_: object) -> None:
    """Nothing is returned."""


@dataclass(frozen=True)
class Mutant:
    """One term dropped from one rule, and an attack that must notice."""

    function: Callable[..., Any]
    old: str
    new: str
    attack: Attack


def dense(*weights: float, bias: float | None = None) -> Op:
    return ops.Dense(np.array(weights)[:, None], None if bias is None else np.array([bias]))


RELU, TANH = ops.Activation(make("relu")), ops.Activation(make("tanh"))
WIDE = np.random.default_rng(0).normal(size=(6, 1))

MUTANTS: dict[str, Mutant] = {
    "weight cast": Mutant(Rounder.inner, "result.error + own + cast", "result.error + own", one(dense(*[1.06] * 13), [[1.0] * 13], EXACT_SUMS)),
    "bias cast": Mutant(Rounder.inner, "else bias_noise", "else 0 * bias_noise", one(dense(1.0, bias=1.06), [[0.0]], PLAIN)),
    "cast weight in the rounding": Mutant(
        running.add_leaf, "(e * magnitude + abs(x) * noise)", "(e * magnitude)",
        one(dense(1.01), [[1.75]], Arithmetic("e5m2", E5M2, E5M2, SEQUENTIAL, rounding="any", subnormals="gradual", fma="no")),
    ),
    "input cast": Mutant(
        Rounder.stored_error, "self.arithmetic.one_rounding(np.abs(value), storage) + self.arithmetic.flush()", "0.0",
        net([("y", ops.Reshape((1,)), ["x"])], np.array([1.06]), PLAIN),
    ),
    "product, by leaves": Mutant(
        inner_product._tree_bound, "+ own +", "+ 0.0 * own +", one(dense(1.125), [[1.125]], PLAIN)
    ),
    "exact products with inputs that vary": Mutant(
        Sum.__dict__["whole"].func, "(self.radius == 0.0) & ", "", one(dense(1.125), [[1.0]], PLAIN, radius=[0.2])
    ),
    "exact products that underflow": Mutant(
        running.is_whole, "abs(x) >= 1.0 and ", "", one(dense(TINY), [[0.5]], SEQ)
    ),
    "exact products with inputs that vary in the running bound": Mutant(
        running.add_leaf, "e == 0.0 and is_whole(x)", "is_whole(x)", one(dense(1.125), [[1.0]], SEQ, radius=[0.2])
    ),
    "additions, by leaves": Mutant(
        inner_product._tree_bound, "np.maximum(leaves - 1.0, 0.0) * u * total", "0.0 * total",
        one(dense(1.0, 1.0, 1.0), [[1.0, 0.0625, 0.0625]], PLAIN),
    ),
    "bias as a leaf": Mutant(
        inner_product.sum_error, "m = leaves + (bias != 0.0)", "m = leaves", one(dense(1.0, bias=0.0625), [[1.0]], PLAIN)
    ),
    "bias added apart": Mutant(
        inner_product.sum_error, "first + arithmetic.one_operation(at_most, up(reached + bias, 1))", "first",
        one(dense(1.0, bias=0.0625), [[1.0]], replace(PLAIN, bias="separate")),
    ),
    "product in the running bound": Mutant(
        running.add_leaf, "rounds * one_rounding(reached, unit, relative, absolute)", "0.0",
        one(dense(1.125), [[1.125]], SEQ),
    ),
    "sum in the running bound": Mutant(
        running.add_leaf, "inner + (rounding if started + fused > 0.0 else per_sum)", "inner",
        one(dense(1.0, 1.0, 1.0), [[1.0, 0.0625, 0.0625]], SEQ),
    ),
    "sum of block sums": Mutant(
        running.join, "inner + (rounding if both > 0.0 else rules[3] * any_)", "inner",
        one(dense(1.0, 1.0, 1.0), [[1.0, 0.0625, 0.0625]], replace(PLAIN, order=Order("blocked", 1))),
    ),
    "sum of halves": Mutant(
        running.join, "a[3] + b[3]", "a[3]", one(ops.Total(0), [[-1.0, 0.0, 1.0, 0.0625]], replace(PLAIN, order=Order("pairwise", 1)))
    ),
    "block sums after the bias": Mutant(
        running_bound.running_bounds, "(1, 2) if kind == \"blocked\" else (1,)", "()",
        one(dense(0.0625, 0.0625, bias=1.0), [[1.0, 1.0]], replace(PLAIN, order=Order("blocked", 1), bias="first")),
    ),
    "radius in the running bound": Mutant(
        running.add_leaf, "spread + slack, size", "spread, size", one(dense(1.0, 1.0), [[0.875, 1.0]], replace(SEQ, fma="yes"), [[0.26, 0.0]])
    ),
    "first fused product in the running bound": Mutant(
        running.add_leaf, "started + fused > 0.0", "started > 0.0", one(dense(1.125), [[1.125]], replace(SEQ, fma="yes"))
    ),
    "product underflow": Mutant(
        inner_product.absolute_terms, "per_product + per_sum", "per_sum", one(dense(0.5), [[TINY]], PLAIN)
    ),
    "flushed product": Mutant(
        inner_product.absolute_terms, "per_sum + 2.0 * flush", "per_sum", one(dense(0.5), [[LEAST]], FLUSH)
    ),
    "flushed operand": Mutant(
        inner_product.absolute_terms, "flush * (operands + 3.0 * leaves)", "0.0 * leaves", one(dense(8.0), [[LEAST / 2]], DAZ)
    ),
    "flushed bias": Mutant(
        inner_product.absolute_terms, "3.0 * flush, 0.0)", "0.0, 0.0)", one(dense(1.0, bias=LEAST / 2), [[0.0]], DAZ)
    ),
    "final store": Mutant(Arithmetic.store, "error + self.one_rounding", "error + 0.0 * self.one_rounding", one(dense(1.0, 1.0), [[1.0, 2.0**-8]], MIXED)),
    "2u when not to nearest": Mutant(
        Arithmetic.relative, "else 2.0 * u", "else u", one(dense(1.125), [[1.125]], DIRECTED)
    ),
    "ufp, not to nearest": Mutant(
        Arithmetic.unit, "else 2.0 * fmt.unit_roundoff", "else fmt.unit_roundoff", many(ops.Subtract(), (4,), DIRECTED, inputs=2)
    ),
    "float64 error of the centre": Mutant(
        Rounder.inner, "centre, np.abs(centre) * 2.0**-50 + 2.0**-1060).error", "centre, np.abs(centre) * 2.0**-50).error * 0",
        one(ops.Dense(WIDE), [WIDE[::-1, 0]], PLAIN),
    ),
    "float64 error of a program": Mutant(
        Rounder.program, "error, _ = _run(RunningMachine(OWN), programs[:1], thin, weights)", "error = 0 * _run(RunningMachine(OWN), programs[:1], thin, weights)[0]",
        one(TANH, [[0.3, 0.7, 1.1]], PLAIN),
    ),
    "division of a mean": Mutant(
        Rounder.divided, "slip + rounded + own", "slip + own", one(ops.AveragePool((2,)), [[[3 * TINY], [0.0]]], PLAIN)
    ),
    "reciprocal of a mean": Mutant(
        Rounder.divided, "error / count + slip + rounded", "error / count + rounded",
        lambda: void(check_bound(ops.AveragePool((14,)), [ALONE], DIRECTED, trials=30)),
    ),
    "operation of a program": Mutant(
        RunningMachine._rounded, "carried + own", "carried", many(ops.Subtract(), (4,), PLAIN, inputs=2)
    ),
    "function's ulps": Mutant(RunningMachine.function, "carried + own", "carried", many(TANH, (4,), PLAIN)),
    "function's operand": Mutant(
        RunningMachine.function, "carried + own", "own", one(ops.Activation(EXP_OF_SQUARE), [[1.0, 1.125, 1.625, 2.25]], DIRECTED)
    ),
    "1 ulp functions when not to nearest": Mutant(
        Arithmetic.ulp, "max(k, 1.0)", "k", one(TANH, [np.linspace(-3.0, 3.0, 100)], replace(DIRECTED, functions=CORRECT))
    ),
    "rounded literal": Mutant(
        RunningMachine._held, "rounding = self", "rounding = 0 * self", many(ops.ScaleShift(np.array(1.06), None), (4,), PLAIN)
    ),
    "DAZ in a program": Mutant(
        RunningMachine._load, "up(a.error + least, 1)", "a.error", one(ops.Multiply(), [[LEAST / 2], [8.0]], DAZ)
    ),
    "FTZ in a program": Mutant(
        RunningMachine._rounded, "own + self.arithmetic.flush()", "own", one(ops.Multiply(), [[LEAST], [0.5]], FLUSH)
    ),
    "x * 1 under FTZ": Mutant(
        RunningMachine._copied, "a.error + self.arithmetic.flush()", "a.error", one(ops.ScaleShift(np.array(1.0)), [[LEAST / 2]], FLUSH)
    ),
    "wrong branch": Mutant(
        RunningMachine.where, "either + gap", "either", one(ops.Activation(make("threshold", threshold=0.53, default=-3.0)), [[0.5]], DIRECTED, [0.1])
    ),
    "DAZ in max pooling": Mutant(
        maxima.read_error, "0.0 if rules is None else rules.flush()", "0.0", one(ops.MaxPool((2,)), [[[LEAST / 2], [0.0]]], DAZ)
    ),
    "undecided maximum": Mutant(
        maxima.choose, "strip[open_], cap[open_] = ", "_, cap[open_] = ", one(ops.MaxPool((2,)), [[[1.0], [1.0]]], PLAIN, [0.5])
    ),
    "undecided ReLU": Mutant(strips._chord, "return lam, mid, half,", "return lam, mid, 0 * half,", one(RELU, [[0.25, -0.25]], PLAIN, [0.5])),
    "shift of an undecided ReLU": Mutant(strips._chord, "return lam, mid, half,", "return lam, 0 * mid, half,", one(RELU, [[0.25, -0.25]], PLAIN, [0.5])),
    "curvature": Mutant(strips.smooth, "0.5 * bend * radius * radius", "0.0 * bend", one(TANH, [[1.0]], PLAIN, [0.25])),
    "spread of slopes": Mutant(strips.smooth, "mean = up(spread * radius, 1)", "mean = 0 * up(spread * radius, 1)", one(TANH, [[1.0]], PLAIN, [0.25])),
    "cap": Mutant(strips.smooth, "cap = np.where(finite, rest.magnitude, np.inf)", "cap = np.where(finite, 0.5 * rest.magnitude, np.inf)", one(TANH, [[0.5]], PLAIN, [0.25])),
    "product of deviations": Mutant(merge.Multiply._strip, "total = rest +", "total =", one(ops.Multiply(), [[1.0], [1.0]], PLAIN, [0.5, 0.5])),
    "product of deviations, summed": Mutant(
        ops.Contract.local, "strip = up(", "strip = 0 * up(", one(ops.Contract((0, 0)), [[1.0], [1.0]], PLAIN, [0.5, 0.5])
    ),
    "contraction's rounding": Mutant(
        ops.Contract._rounding, "growth * total + ", "0 * total + ", one(ops.Contract((0, 0)), [[1.125], [1.125]], PLAIN)
    ),
    "softmax: exp": Mutant(
        softmax_bounds.shares, "b + np.log1p(theta) - np.log1p(-theta)", "b", many(ops.Softmax(0), (2,), BF16, count=30)
    ),
    "softmax: subtraction": Mutant(
        softmax_bounds.shares, "np.broadcast_to(up(shift_error, 1), centre.shape)", "np.zeros(centre.shape)",
        many(ops.Softmax(0), (3,), replace(BF16, rounding="any", functions=CORRECT), 20.0, count=30),
    ),
    "softmax: sum": Mutant(
        softmax_bounds._sum_relative, "free = np.full(", "free = 0 * np.full(",
        one(ops.Softmax(0), [[0.0] + [-6.0] * 60], replace(BF16, functions=CORRECT)),
    ),
    "softmax: division": Mutant(
        softmax_bounds.shares, "last = up(division + reciprocal + ", "last = up(",
        one(ops.Softmax(0), [[0.0]], replace(BF16, functions=COARSE)),
    ),
    "log-softmax: last subtraction": Mutant(
        ops.LogSoftmax._rounding, "shifted + log_error + last + operands", "shifted + log_error + operands",
        lambda: void(check_bound(ops.LogSoftmax(0), [PAIRS], replace(BF16, rounding="any", functions=CORRECT), trials=36)),
    ),
    "log-softmax: log": Mutant(
        ops.LogSoftmax._rounding, "shifted + log_error + last + operands", "shifted + last + operands",
        one(ops.LogSoftmax(0), [[0.0] * 8], replace(BF16, rounding="any")),
    ),
    "strips in adjoint rows": Mutant(
        adjoint, "+ strips + ", "+ ", net([("d", dense(1.0, -1.0), ["x"]), ("r", RELU, ["d"])], NEAR, replace(MIXED, rounding="any"))
    ),
    "roundings in adjoint rows": Mutant(
        adjoint, "sum(rounding.values(), spread)", "spread", net([("d", dense(1.0, 1.01), ["x"])], np.array([1.06, 1.05]), MIXED)
    ),
    "shifts in adjoint rows": Mutant(
        adjoint, "shifts = shifts + ", "shifts = shifts + 0 * ",
        net([("d", dense(1.0, -1.0), ["x"]), ("r", RELU, ["d"])], NEAR, replace(MIXED, rounding="any")),
    ),
    "any order of an addition": Mutant(
        merge._tree_sum, "error + rules.one_operation(reached, reached) + operands", "0 * error",
        many(ops.Average(), (4,), PLAIN, inputs=3),
    ),
}  # fmt: skip

HARMLESS = {"any order of an addition", "log-softmax: last subtraction"}
"""Mutants that other terms of the same bound cover: the left fold's own bound, and the subtraction of an exact difference."""


@pytest.mark.parametrize("name", MUTANTS)
def test_unchanged_rules_hold(name: str) -> None:
    MUTANTS[name].attack()


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in HARMLESS])
def test_a_forgotten_term_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutate(monkeypatch, mutant.function, mutant.old, mutant.new)
    with pytest.raises(BoundViolation):
        mutant.attack()
