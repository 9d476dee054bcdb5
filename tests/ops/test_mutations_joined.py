"""The oracle finds every forgotten term of means, contractions, softmax and reverse passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.attacks import BF16, DIRECTED, MIXED, PLAIN, RELU, TINY, Mutant, dense, find, many, net, one, void

from boundnet import ops
from boundnet.arithmetic.formats import BFLOAT16
from boundnet.domains.adjoint import adjoint
from boundnet.numerics.accuracy import CORRECT
from boundnet.ops import merge
from boundnet.roundoff import softmax as softmax_bounds
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound

ALONE = np.zeros((16, 14, 1))
ALONE[:, 3, 0] = 1.0 + np.arange(16) / 8.0
PAIRS = BFLOAT16.round(np.random.default_rng(0).uniform(-30.0, 30.0, size=(600, 2)))
NEAR = np.array([1.0 + 2.0**-12, 1.0 + 2.0**-7 - 2.0**-12])

MUTANTS: dict[str, Mutant] = {
    "division of a mean": Mutant(
        Rounder.divided, "slip + rounded + own", "slip + own", one(ops.AveragePool((2,)), [[[3 * TINY], [0.0]]], PLAIN)
    ),
    "reciprocal of a mean": Mutant(
        Rounder.divided, "error / count + slip + rounded", "error / count + rounded",
        lambda: void(check_bound(ops.AveragePool((14,)), [ALONE], DIRECTED, trials=30)),
    ),
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
        one(ops.Softmax(0), [[0.0]], BF16),
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
        adjoint, "up(noises + spread", "up(spread", net([("d", dense(1.0, 1.01), ["x"])], np.array([1.06, 1.05]), MIXED)
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
    find(monkeypatch, MUTANTS[name])
