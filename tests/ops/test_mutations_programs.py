"""The oracle finds every forgotten term of elementwise programs and maxima."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.attacks import DAZ, DIRECTED, FLUSH, LEAST, PLAIN, RELU, TANH, Mutant, find, many, one

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.functions import Function, make
from boundnet.machines.running import RunningMachine
from boundnet.numerics.accuracy import CORRECT
from boundnet.ops import maxima, merge
from boundnet.roundoff import strips
from boundnet.roundoff.rounder import Rounder

EXP_OF_SQUARE = Function("exp_of_square", (), (lambda m, x: m.function("exp", m.mul(x, x)),))

MUTANTS: dict[str, Mutant] = {
    "float64 error of a program": Mutant(
        Rounder.program, "error, _ = _run(RunningMachine(OWN), programs[:1], thin, weights)", "error = 0 * _run(RunningMachine(OWN), programs[:1], thin, weights)[0]",
        one(TANH, [[0.3, 0.7, 1.1]], PLAIN),
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
        maxima.read_error, "0.0, rules.flush())", "0.0, 0.0)", one(ops.MaxPool((2,)), [[[LEAST / 2], [0.0]]], DAZ)
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
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_unchanged_rules_hold(name: str) -> None:
    MUTANTS[name].attack()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_forgotten_term_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find(monkeypatch, MUTANTS[name])
