"""Executions of rewritten formulas, each written down here operation by operation in NumPy's float32, within the bounds.

None of this uses the product's rules: every program is what a named library or compiler computes.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

import boundnet
from boundnet.forms import hull
from boundnet.forms.classes import Classes
from boundnet.forms.expressions import Expression, Program, traced
from boundnet.forms.hull import saturate
from boundnet.forms.rules import RULES
from boundnet.functions import known, make
from boundnet.ops import Activation
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder

F = np.float32
Single = npt.NDArray[np.float32]
Formula = Callable[[Single], Single]


def correct(function: Callable[[mpmath.mpf], mpmath.mpf]) -> Callable[[Single], Single]:
    """A correctly rounded elementary function."""

    def run(x: Single) -> Single:
        with mpmath.workprec(200):
            return np.array([F(float(function(mpmath.mpf(float(v))))) for v in x], F)

    return run


exp, log, tanh = correct(mpmath.exp), correct(mpmath.log), correct(mpmath.tanh)
SIXTH, ONE, THREE, HALF = F(1) / F(6), F(1), F(3), F(0.5)
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


def relu6(x: Single) -> Single:
    return np.minimum(np.maximum(x, F(0)), F(6))


def mish_by_squares(x: Single) -> Single:
    q = ONE + exp(np.minimum(x, F(40)))
    return np.asarray(x * ((q * q - ONE) / (q * q + ONE)), F)


PROGRAMS: list[tuple[str, dict[str, float], str, Formula]] = [
    ("selu", {}, "Eigen", lambda x: np.where(x < 0, F(SCALE * ALPHA) * (exp(np.minimum(x, F(0))) - ONE), F(SCALE) * x)),
    ("selu", {}, "separate", lambda x: F(SCALE) * np.where(x < 0, F(ALPHA) * (exp(np.minimum(x, F(0))) - ONE), x)),
    ("elu", {"alpha": 0.7}, "exp", lambda x: np.where(x < 0, F(0.7) * (exp(np.minimum(x, F(0))) - ONE), x)),
    ("elu", {"alpha": 0.7}, "distributed",
     lambda x: np.where(x < 0, F(0.7) * exp(np.minimum(x, F(0))) - F(0.7), x)),
    ("celu", {"alpha": 1.3}, "exp",
     lambda x: np.maximum(x, F(0)) + F(1.3) * (exp(np.minimum(x, F(0)) / F(1.3)) - ONE)),
    ("celu", {"alpha": 1.3}, "exp of a product",
     lambda x: np.maximum(x, F(0)) + F(1.3) * (exp(np.minimum(x, F(0)) * (ONE / F(1.3))) - ONE)),
    ("hard_sigmoid", {}, "grappler", lambda x: relu6(x + THREE) * SIXTH),
    ("hard_sigmoid", {}, "XLA", lambda x: np.clip(x * SIXTH + HALF, F(0), ONE)),
    ("hard_sigmoid", {}, "inside", lambda x: np.clip((x + THREE) * SIXTH, F(0), F(6) * SIXTH)),
    ("hard_silu", {}, "gate scaled", lambda x: x * (relu6(x + THREE) * SIXTH)),
    ("hard_silu", {}, "scaled last", lambda x: (x * relu6(x + THREE)) * SIXTH),
    ("hard_silu", {}, "divided last", lambda x: (x * relu6(x + THREE)) / F(6)),
    ("hard_silu", {}, "scaled first", lambda x: (x * SIXTH) * relu6(x + THREE)),
    ("sparse_plus", {}, "quarter inside",
     lambda x: np.where(x <= -1, F(0), np.where(x < 1, (F(0.25) * (x + ONE)) * (x + ONE), x))),
    ("sparse_sigmoid", {}, "distributed", lambda x: np.clip(HALF * x + HALF, F(0), ONE)),
    ("softplus", {}, "ONNX Runtime", lambda x: np.where(x > 0, x + log(exp(-np.abs(x)) + ONE), log(exp(-np.abs(x)) + ONE))),
    ("log_sigmoid", {}, "log of a sum", lambda x: -(np.maximum(-x, F(0)) + log(ONE + exp(-np.abs(x))))),
    ("silu", {}, "quotient", lambda x: x / (ONE + exp(np.minimum(-x, F(80))))),
    ("silu", {}, "tanh", lambda x: x * (HALF * tanh(HALF * x) + HALF)),
    ("silu", {}, "tanh, half outside", lambda x: HALF * (x * (tanh(HALF * x) + ONE))),
    ("mish", {}, "oneDNN", mish_by_squares),
    ("mish", {}, "log of a sum", lambda x: x * tanh(np.maximum(x, F(0)) + log(ONE + exp(-np.abs(x))))),
    ("gelu", {"approximate": True}, "factored", lambda x: HALF * x * (ONE + tanh(
        F(0.7978845608028654) * x * (ONE + F(0.044715) * (x * x))))),
    ("rsqrt", {}, "quotient", lambda x: ONE / np.sqrt(np.abs(x))),
    ("expm1", {}, "exp - 1", lambda x: exp(x) - ONE),
    ("log1p", {}, "log(1 + x)", lambda x: log(ONE + np.abs(x))),
]  # fmt: skip
"""Function, its constants, who computes it so, the program."""

EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "selu": lambda x: mpmath.mpf(SCALE) * (x if x >= 0 else mpmath.mpf(ALPHA) * mpmath.expm1(x)),
    "elu": lambda x: x if x >= 0 else mpmath.mpf(0.7) * mpmath.expm1(x),
    "celu": lambda x: x if x >= 0 else mpmath.mpf(1.3) * mpmath.expm1(x / mpmath.mpf(1.3)),
    "hard_sigmoid": lambda x: min(max((x + 3) / 6, 0), 1),
    "hard_silu": lambda x: x * min(max((x + 3) / 6, 0), 1),
    "sparse_plus": lambda x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
    "sparse_sigmoid": lambda x: min(max((x + 1) / 2, 0), 1),
    "softplus": lambda x: max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x))),
    "log_sigmoid": lambda x: -(max(-x, 0) + mpmath.log1p(mpmath.exp(-abs(x)))),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x)))),
    "gelu": lambda x: x / 2 * (1 + mpmath.tanh(mpmath.mpf(0.79788456080286535588) * (x + mpmath.mpf(0.044715) * x**3))),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "expm1": mpmath.expm1,
    "log1p": mpmath.log1p,
}


def points(name: str, count: int = 700) -> Single:
    rng = np.random.default_rng(5)
    tiny = 10.0 ** rng.uniform(-30, 1.9, count) * rng.choice([-1, 1], count)
    near = [b + 10.0 ** rng.uniform(-8, 0, 60) * rng.choice([-1, 1], 60) for b in (-3.0, -1.0, 1.0, 3.0)]
    x = np.concatenate([tiny, rng.uniform(-12, 12, count), *near]).astype(F)
    return np.abs(x) if name in ("rsqrt", "log1p") else x


def outside(name: str, constants: dict[str, float], program: Formula) -> int:
    x = points(name)
    with np.errstate(all="ignore"):
        computed = np.asarray(program(x), F)
    centre = x.astype(np.float64)[None]
    none = np.zeros(centre.shape, dtype=np.bool_)
    with np.errstate(all="ignore"):
        op = Activation(make(name, **constants))
        local = op.local(Rounder(boundnet.build("binary32")), Tensor(centre, np.zeros(centre.shape), none))
    bound = np.where(local.overflow, np.inf, local.rounding)[0]
    missed = 0
    with mpmath.workprec(200):
        for value, off, at in zip(computed, bound, x, strict=True):
            exact = EXACT[name](mpmath.mpf(float(at)))
            missed += not (np.isfinite(value) and abs(mpmath.mpf(float(value)) - exact) <= mpmath.mpf(float(off)))
    return missed


@pytest.mark.parametrize("case", PROGRAMS, ids=lambda case: f"{case[0]}, {case[2]}")
def test_named_programs_stay_inside(case: tuple[str, dict[str, float], str, Formula]) -> None:
    name, constants, _, program = case
    assert outside(name, constants, program) == 0


def outside_without(monkeypatch: pytest.MonkeyPatch, rule: str, name: str, who: str) -> int:
    """As :func:`outside`, one rule being struck out."""
    kept, plain = tuple(r for r in RULES if r.name != rule), hull.rewritten
    assert len(kept) == len(RULES) - 1
    monkeypatch.setattr(hull, "rewritten", lambda expressions, inputs: plain(expressions, inputs, kept))
    _, constants, _, program = next(case for case in PROGRAMS if case[0] == name and case[2] == who)
    return outside(name, constants, program)


NEEDS = [
    ("x / c -> x * (1 / c)", "hard_sigmoid", "inside"),
    ("expm1(x) <-> exp(x) - 1", "celu", "exp"),
    ("log1p(x) <-> log(1 + x)", "softplus", "ONNX Runtime"),
    ("sigmoid(x) -> tanh(x / 2) / 2 + 1 / 2", "silu", "tanh"),
]
"""Rules without which a program leaves its bound."""


@pytest.mark.parametrize(("rule", "name", "who"), NEEDS, ids=str)
def test_without_its_rule_a_program_leaves_the_bound(
    monkeypatch: pytest.MonkeyPatch, rule: str, name: str, who: str
) -> None:
    assert outside_without(monkeypatch, rule, name, who) > 0


C, D = 0.3, 0.7
DERIVED: dict[str, tuple[Program, Program]] = {
    "x / c -> x * (1 / c)": (lambda m, x, y: m.div(x, m.constant(C)),
                             lambda m, x, y: m.mul(x, m.div(m.constant(1.0), m.constant(C)))),
    "(x * c) * d -> x * (c * d)": (lambda m, x, y: m.mul(m.mul(x, m.constant(C)), m.constant(D)),
                                   lambda m, x, y: m.mul(x, m.mul(m.constant(C), m.constant(D)))),
    "(x / c) / d -> x / (c d), x / (y / c) -> x c / y": (
        lambda m, x, y: m.div(m.div(x, m.constant(C)), m.constant(D)),
        lambda m, x, y: m.div(x, m.mul(m.constant(C), m.constant(D)))),
    "(x * c) / d <-> x * (c / d)": (lambda m, x, y: m.div(m.mul(x, m.constant(C)), y),
                                   lambda m, x, y: m.mul(x, m.div(m.constant(C), y))),
    "(x + c) + d -> x + (c + d)": (lambda m, x, y: m.add(m.add(x, m.constant(C)), m.constant(D)),
                                   lambda m, x, y: m.add(x, m.add(m.constant(C), m.constant(D)))),
    "(x + c) * d -> x * d + c * d": (
        lambda m, x, y: m.mul(m.add(x, m.constant(C)), m.constant(D)),
        lambda m, x, y: m.add(m.mul(x, m.constant(D)), m.mul(m.constant(C), m.constant(D)))),
    "a c + b c -> (a + b) c": (lambda m, x, y: m.add(m.div(x, m.constant(C)), m.div(y, m.constant(C))),
                               lambda m, x, y: m.div(m.add(x, y), m.constant(C))),
    "(-x) * y -> -(x * y)": (lambda m, x, y: m.mul(m.negative(x), y), lambda m, x, y: m.negative(m.mul(x, y))),
    "c * where(p, x, y) -> where(p, c x, c y), max and min likewise": (
        lambda m, x, y: m.div(m.maximum(x, y), m.constant(C)),
        lambda m, x, y: m.maximum(m.div(x, m.constant(C)), m.div(y, m.constant(C)))),
    "expm1(x) <-> exp(x) - 1": (lambda m, x, y: m.sub(m.function("exp", x), m.constant(1.0)),
                                lambda m, x, y: m.function("expm1", x)),
    "log1p(x) <-> log(1 + x)": (lambda m, x, y: m.function("log", m.add(m.constant(1.0), x)),
                                lambda m, x, y: m.function("log1p", x)),
    "softplus(x) -> max(x, 0) + log1p(exp(-|x|)), log1p(exp(x))": (
        lambda m, x, y: m.function("softplus", x),
        lambda m, x, y: m.add(m.maximum(x, m.constant(0.0)),
                              m.function("log1p", m.function("exp", m.negative(m.absolute(x)))))),
    "sigmoid(x) -> tanh(x / 2) / 2 + 1 / 2": (
        lambda m, x, y: m.function("sigmoid", x),
        lambda m, x, y: m.add(m.mul(m.constant(0.5), m.function("tanh", m.mul(m.constant(0.5), x))), m.constant(0.5))),
    "rsqrt(x) <-> 1 / sqrt(x)": (lambda m, x, y: m.div(y, m.function("sqrt", x)),
                                 lambda m, x, y: m.mul(y, m.function("rsqrt", x))),
    "1 / x -> reciprocal(x)": (lambda m, x, y: m.div(m.constant(1.0), x), lambda m, x, y: m.function("reciprocal", x)),
    "x * x -> pow(x, 2), x * x * x -> pow(x, 3)": (lambda m, x, y: m.mul(m.mul(x, x), x),
                                                   lambda m, x, y: Expression("power", (x,), 3)),
}  # fmt: skip
"""For each rule an expression of x and y that it rewrites, and what into."""


def test_every_rule_is_asked_for() -> None:
    assert set(DERIVED) == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", DERIVED, ids=str)
def test_a_rule_derives_its_form_and_nothing_else_does(rule: str) -> None:
    first, second = (traced(program, 2, 0) for program in DERIVED[rule])
    assert first is not None
    assert second is not None
    for rules in (RULES, tuple(r for r in RULES if r.name != rule)):
        classes = Classes()
        root = classes.enter(first)
        saturate(classes, rules)
        assert (classes.find(classes.enter(second)) == classes.find(root)) is (rules is RULES)


@pytest.mark.parametrize("name", known())
def test_rewriting_comes_to_an_end(name: str) -> None:
    found = hull.every_form(make(name).programs, 1)
    assert found is None or found.complete
