"""The oracle finds every forgotten term of sums of products: drop one noise term at a time and look for a violation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.attacks import DAZ, DIRECTED, FLUSH, LEAST, MIXED, PLAIN, SEQ, TINY, Mutant, dense, find, many, net, one

from boundnet import ops
from boundnet.arithmetic import SEQUENTIAL, Arithmetic, Order
from boundnet.arithmetic.formats import BINARY32, E4M3FN, E5M2
from boundnet.kernels import running
from boundnet.roundoff import inner_product, running_bound
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.sums import Sum

EXACT_SUMS = Arithmetic("wide", E4M3FN, BINARY32, subnormals="gradual")
WIDE = np.random.default_rng(0).normal(size=(6, 1))

MUTANTS: dict[str, Mutant] = {
    "weight cast": Mutant(Rounder.inner, "result.error + own + cast", "result.error + own", one(dense(*[1.06] * 13), [[1.0] * 13], EXACT_SUMS)),
    "bias cast": Mutant(Rounder.inner, "else bias_noise", "else 0 * bias_noise", one(dense(1.0, bias=1.06), [[0.0]], PLAIN)),
    "cast weight in the rounding": Mutant(
        running.add_leaf, "(e * magnitude + abs(x) * noise)", "(e * magnitude)",
        one(dense(1.01), [[1.75]], Arithmetic("e5m2", E5M2, E5M2, SEQUENTIAL, rounding="any", subnormals="gradual", fma="no")),
    ),
    "input cast": Mutant(
        Rounder.stored_error, "self.held.one_rounding(np.abs(value), storage) + self.held.flush()", "0.0",
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
    "cast of a bias that comes first in the running bound": Mutant(
        running.stored_bias, "return b, noise, abs(b)", "return b, 0.0 * noise, abs(b)",
        one(dense(1.0, bias=1.9), [[0.0625]], replace(DIRECTED, order=SEQUENTIAL, bias="first")),
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
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_unchanged_rules_hold(name: str) -> None:
    MUTANTS[name].attack()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_forgotten_term_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find(monkeypatch, MUTANTS[name])
