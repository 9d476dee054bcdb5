"""The work for open decisions: who gets how much of it."""

from __future__ import annotations

import pytest
from helpers.sketch_networks import ENOUGH, random_network, screened

import boundnet
from boundnet.domains.sketch.allotment import Allotment
from boundnet.ops import Activation, MaxPool

BUDGET = 1e9


@pytest.mark.parametrize("number", range(10))
def test_shares_never_exceed_the_budget_and_all_of_it_is_for_the_last(number: int) -> None:
    graph, _ = random_network(number, 4)
    order = graph.topological()
    open_ = [name for name in order if any(isinstance(graph.op(r), (Activation, MaxPool)) for r in graph.readers(name))]
    spent, shares = 0.0, Allotment(graph, BUDGET)
    for name in order:
        share = shares.for_node(name, spent)
        assert 0.0 <= share <= BUDGET - spent
        if name not in open_:
            continue
        spent += share
    assert spent <= BUDGET
    idle = Allotment(graph, BUDGET)
    assert max((idle.for_node(name, 0.0) for name in order), default=0.0) == pytest.approx(BUDGET)


def test_what_a_node_leaves_goes_to_later_ones() -> None:
    graph, _ = random_network(1, 4)
    order = graph.topological()
    greedy, modest = Allotment(graph, BUDGET), Allotment(graph, BUDGET)
    spent, first, last = 0.0, [], []
    for name in order:
        first.append(greedy.for_node(name, spent))
        last.append(modest.for_node(name, 0.0))
        spent += first[-1]
    assert all(a <= b for a, b in zip(first, last, strict=True))
    assert sum(last) > sum(first)


@pytest.mark.parametrize("budget", [0.0, 3e8])
def test_a_small_budget_is_kept_and_leaves_decisions_open(budget: float) -> None:
    found = 0
    for number in range(12):
        graph, x = random_network(number, 4)
        domain = screened(graph, x, ENOUGH, budget=budget).domain
        found += domain.effort.skipped
        if budget == 0.0:
            assert domain.effort.rows == 0
        assert domain.effort.work <= budget
    assert found > 0
    # What is left open is promised less than what is decided anyway, and more than what decides.
    assert ENOUGH.least < ENOUGH.tight < ENOUGH.factor


def test_effort_scales_the_budget() -> None:
    graph, x = random_network(2, 4)
    reasons = [boundnet.analyze(graph, x, domain="sketch", coins=1, effort=effort).domain.reason for effort in (0.0, 1.0)]
    assert "stayed open beyond the budget" in reasons[0]
    assert "stayed open beyond the budget" not in reasons[1]
