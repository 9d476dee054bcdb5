"""Every op against emulated executions and exact values, over formats, orders, roundings, flushing and data."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw, arithmetics
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.functions import Function
from boundnet.ops.base import Op
from boundnet.testing import check_bound

# 12 executions an example: more than 1000 of each op and form.
MANY = settings(max_examples=90, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
FEW = settings(MANY, max_examples=30)
THOROUGH = settings(MANY, max_examples=1000)


def attack(op: Op, shapes: list[tuple[int, ...]], draw: Draw, spread: bool) -> None:
    xs = [draw.stored(1, *shape) for shape in shapes]
    if isinstance(op, ops.Activation) and op.function.positive:
        xs = [np.abs(x) for x in xs]
    check_bound(
        op, xs, draw.arithmetic, radius=[draw.radius(x) for x in xs] if spread else None, seed=int(draw.rng.integers(2**31))
    )


def attack_family(family: str, effort: settings, start: int) -> None:
    @seed(start)
    @effort
    @given(arithmetics(), st.integers(0, 2**31), st.booleans())
    def run(arithmetic: Arithmetic, number: int, spread: bool) -> None:
        draw = Draw(arithmetic, number)
        attack(*CASES[family](draw), draw, spread)

    run()


def attack_activation(function: Function, effort: settings, start: int) -> None:
    @seed(start)
    @effort
    @given(arithmetics(), st.integers(0, 2**31), st.booleans())
    def run(arithmetic: Arithmetic, number: int, spread: bool) -> None:
        attack(ops.Activation(function), [(6,)], Draw(arithmetic, number), spread)

    run()


@pytest.mark.parametrize("family", CASES)
def test_family(family: str) -> None:
    attack_family(family, MANY, 0)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_activation(function: Function) -> None:
    attack_activation(function, FEW, 0)


@pytest.mark.slow
@pytest.mark.parametrize("family", CASES)
def test_family_thoroughly(family: str) -> None:
    attack_family(family, THOROUGH, 1)


@pytest.mark.slow
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_activation_thoroughly(function: Function) -> None:
    attack_activation(function, THOROUGH, 1)
