"""Bounds under Monte Carlo Arithmetic against perturbed executions: every op, mode and order, adversarial noise."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw, network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, float_format
from boundnet.arithmetic.perturbation import Perturbation, parse_perturbation
from boundnet.errors import FormatError
from boundnet.numerics.accuracy import X86_FLOAT32
from boundnet.testing import check_bound, check_graph

FEW = settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
FORMATS = [(BINARY32, BINARY32), (BFLOAT16, BFLOAT16), (BFLOAT16, BINARY32), (BINARY16, BINARY16), (float_format(6, 5),) * 2]


@st.composite
def perturbed(draw: st.DrawFn) -> Arithmetic:
    storage, accumulate = draw(st.sampled_from(FORMATS))
    mode, t = draw(st.sampled_from(["rr", "pb", "mca"])), draw(st.sampled_from([1, 2, 5, 8, 11, 16, 24, 53]))
    order = draw(st.sampled_from([Order(), Order("sequential"), Order("pairwise", 1), Order("blocked", 2)]))
    return Arithmetic("drawn", storage, accumulate, order, draw(st.sampled_from(["yes", "no", "either"])), "nearest",
                      "gradual", X86_FLOAT32, draw(st.sampled_from(["any", "first", "last", "separate"])),
                      Perturbation(mode, t))  # fmt: skip


@pytest.mark.parametrize("family", CASES)
def test_ops(family):
    @FEW
    @given(perturbed(), st.integers(0, 2**31), st.booleans())
    def run(arithmetic, number, spread):
        d = Draw(arithmetic, number)
        op, shapes = CASES[family](d)
        xs = [d.stored(1, *shape) for shape in shapes]
        check_bound(op, xs, arithmetic, radius=[d.radius(x) for x in xs] if spread else None, seed=number)

    run()


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_functions(function):
    @settings(FEW, max_examples=2)
    @given(perturbed(), st.integers(0, 2**31))
    def run(arithmetic, number):
        d = Draw(arithmetic, number)
        x = d.stored(1, 5)
        check_bound(ops.Activation(function), [np.abs(x) if function.positive else x], arithmetic, seed=number)

    run()


@pytest.mark.parametrize("number", range(8))
def test_networks(number):
    rng = np.random.default_rng(number)
    p = Perturbation(("rr", "pb", "mca")[number % 3], int(rng.choice([5, 11, 24])))
    arithmetic = Arithmetic("c", order=Order("sequential"), subnormals="gradual", perturbation=p)
    d = Draw(arithmetic, number)
    graph, shape = network(d)
    x = BINARY32.round(d.rng.normal(size=(1, *shape)))
    check_graph(graph, [x], arithmetic, trials=6, seed=number, domains=("interval", "affine", "sketch"))


@pytest.mark.parametrize("mode", ["rr", "pb", "mca"])
@pytest.mark.parametrize("t", [1, 2, 11, 24, 53])
def test_factors_cover_the_formulas_in_rationals(mode, t):
    w, v = Fraction(1, 2**53), Fraction(1, 2**24)
    eps = (1 + Fraction(1, 2**t)) * (1 + w) - 1
    p = Perturbation(mode, t)
    c = (1 + w) * (1 + v) * (1 if mode == "pb" else 1 + eps)
    inner = Fraction(0) if mode == "rr" else eps
    assert Fraction(p.rounding(2.0**-24)) >= c - 1
    assert Fraction(p.product(2.0**-24)) >= (1 + inner) ** 2 * c - 1
    assert Fraction(p.quotient(2.0**-24)) >= (1 + inner) / (1 - inner) * c - 1
    assert Fraction(p.leaf(2.0**-24)) >= (1 + inner) * c - 1
    assert Fraction(p.leaf(2.0**-24)) <= ((1 + inner) * c - 1) * (1 + Fraction(1, 2**40))


def test_adding_zero_counts():
    """x + 0 is exact in IEEE arithmetic, and perturbed under MCA: so are padding and a bias of zero."""
    plain = Arithmetic("c", order=Order("sequential"), fma="no", subnormals="gradual", bias="last")
    op, x = ops.Dense(np.array([[1.0], [0.0]]), np.zeros(1)), np.ones((1, 2))
    noisy = replace(plain, perturbation=Perturbation("pb", 11))
    assert check_bound(op, [x], noisy).rounding.max() > 4 * 2.0**-11
    assert check_bound(op, [x], plain).rounding.max() < 2.0**-20


@pytest.mark.parametrize("text", ["rr", "rr(0)", "rr(54)", "xx(3)", "rr(1.5)"])
def test_bad_perturbations(text):
    with pytest.raises(FormatError, match=r"perturbation|precision"):
        parse_perturbation(text)


def test_perturbation_needs_gradual_underflow():
    with pytest.raises(FormatError, match="gradual"):
        Arithmetic("c", perturbation=Perturbation("rr", 24))
    assert str(parse_perturbation("mca(24)")) == "mca(24)"
