"""Whole random networks in emulated formats: intervals, affine forms, sketches and adjoint rows at every node."""

from __future__ import annotations

import pytest
from helpers.cases import Draw, arithmetics, network
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from boundnet.arithmetic import Arithmetic
from boundnet.testing import check_graph

FAST = settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def attack(arithmetic: Arithmetic, number: int, stored: bool) -> None:
    draw = Draw(arithmetic, number)
    graph, shape = network(draw)
    x = draw.stored(1, *shape) if stored else draw.rng.normal(size=(1, *shape))
    check_graph(graph, [x], arithmetic, trials=6, seed=number, domains=("interval", "affine", "sketch"))


@seed(0)
@FAST
@given(arithmetics(), st.integers(0, 2**31), st.booleans())
def test_random_networks(arithmetic: Arithmetic, number: int, stored: bool) -> None:
    attack(arithmetic, number, stored)


@pytest.mark.slow
@seed(1)
@settings(FAST, max_examples=1500)
@given(arithmetics(), st.integers(0, 2**31), st.booleans())
def test_many_random_networks(arithmetic: Arithmetic, number: int, stored: bool) -> None:
    attack(arithmetic, number, stored)
