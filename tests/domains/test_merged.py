"""Constants that compilers merge across nodes: programs written out in NumPy's float32, against the network's bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import build
from boundnet.domains import AffineDomain, IntervalDomain, forward, merged
from boundnet.domains.base import Domain
from boundnet.domains.forward import forward as run
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op
from boundnet.roundoff.rounder import Rounder

F = np.float32
BINARY32 = build("binary32")


def plus(c: float) -> Op:
    return ops.ScaleShift(np.array(1.0), np.array(c))


def times(c: float) -> Op:
    return ops.ScaleShift(np.array(c), None)


@dataclass(frozen=True)
class Case:
    """A row of nodes, what it means, and a program that a compiler makes of it."""

    row: tuple[Op, ...]
    meaning: Callable[[Fraction], Fraction]
    program: Callable[[Array], Array]
    around: float


CASES = {
    "additions": Case((plus(0.1), plus(0.2)), lambda x: x + Fraction(0.1) + Fraction(0.2), lambda x: x + (F(0.1) + F(0.2)), -0.1),
    "additions, folded in double": Case(
        (plus(0.1), plus(0.2)), lambda x: x + Fraction(0.1) + Fraction(0.2), lambda x: x + F(0.1 + 0.2), -0.1
    ),
    "three additions": Case(
        (plus(0.1), plus(0.2), plus(-0.7)), lambda x: x + Fraction(0.1) + Fraction(0.2) - Fraction(0.7),
        lambda x: x + ((F(0.1) + F(0.2)) - F(0.7)), -0.1,
    ),
    "products": Case(
        (times(0.1), times(0.3), ops.DivideBy(7.0)), lambda x: x * Fraction(0.1) * Fraction(0.3) / 7,
        lambda x: x * (F(0.1) * F(0.3) * (F(1) / F(7))), 1.0,
    ),
}  # fmt: skip


def network(row: tuple[Op, ...], count: int) -> LayerGraph:
    graph = LayerGraph()
    name = graph.add("x", ops.Input((count,)))
    for number, op in enumerate(row):
        name = graph.add(f"op{number}", op, [name])
    graph.set_outputs([name])
    return graph


def radius(
    case: Case, x: Array, domain: Callable[[LayerGraph], Domain], rules: Arithmetic = BINARY32
) -> tuple[Array, Array]:
    graph = network(case.row, len(x))
    trace = run(graph, [x[None]], Rounder(rules), domain(graph))
    end = trace.tensors[graph.outputs[0]]
    return end.centre[0], end.radius[0]


def intervals(graph: LayerGraph) -> Domain:
    return IntervalDomain()


def affine(graph: LayerGraph) -> Domain:
    return AffineDomain({name: graph.consumers(name) for name in graph.topological()})


def points(case: Case) -> Array:
    """float32 numbers about the place where the first node cancels, and others."""
    middle = np.array([case.around], dtype=F)
    near = (middle.view(np.int32) + np.arange(-500, 501, dtype=np.int32)).view(F)
    return np.unique(np.concatenate([near, np.random.default_rng(0).normal(size=500).astype(F)])).astype(np.float64)


def outside(case: Case, domain: Callable[[LayerGraph], Domain]) -> int:
    x = points(case)
    centre, bound = radius(case, x, domain)
    seen = case.program(x.astype(F)).astype(np.float64)
    apart = [abs(Fraction(float(s)) - Fraction(float(c))) for s, c in zip(seen, centre, strict=True)]
    return sum(not error <= Fraction(float(b)) for error, b in zip(apart, bound, strict=True))


@pytest.mark.parametrize("domain", [intervals, affine], ids=["interval", "affine"])
@pytest.mark.parametrize("name", CASES)
def test_merged_programs_stay_inside(name: str, domain: Callable[[LayerGraph], Domain]) -> None:
    assert outside(CASES[name], domain) == 0


@pytest.mark.parametrize("name", ["additions", "additions, folded in double"])
def test_without_the_rule_they_do_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: nodes one by one."""
    monkeypatch.setattr(forward, "with_merged", lambda graph, rounder, name, local, *rest: local)
    assert outside(CASES[name], intervals) > 0


def test_a_known_form_merges_nothing() -> None:
    case = CASES["additions"]
    x = np.array([float(F(-0.1))])
    _, known = radius(case, x, intervals, build("c-binary32"))
    _, any_form = radius(case, x, intervals)
    assert known[0] < any_form[0]


def test_a_tensor_that_something_else_reads_is_not_free() -> None:
    """Two readers of the first sum: what it is off by can't serve one of them alone."""
    graph = LayerGraph()
    x = graph.add("x", ops.Input((1,)))
    first = graph.add("first", plus(0.1), [x])
    second = graph.add("second", plus(0.2), [first])
    graph.set_outputs([second, first])
    trace = run(graph, [np.array([[float(F(-0.1))]])], Rounder(BINARY32), IntervalDomain())
    alone, _ = CASES["additions"], None
    _, bound = radius(alone, np.array([float(F(-0.1))]), intervals)
    assert trace.tensors[second].radius[0, 0] >= bound[0]


def test_rows_end_where_something_has_weights() -> None:
    graph = LayerGraph()
    name = graph.add("x", ops.Input((2,)))
    for number, op in enumerate((plus(0.1), ops.Dense(np.eye(2)), plus(0.2), plus(0.3))):
        name = graph.add(f"op{number}", op, [name])
    graph.set_outputs([name])
    assert merged._rows(graph, "op3") == [["op2", "op3"]]
    assert merged._rows(graph, "op2") == []
