"""Plans put together by hand, where a term that only float64 or an overflow needs is all that there is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from helpers.sketch_networks import ENOUGH

from boundnet import ops
from boundnet.arithmetic.presets import preset
from boundnet.domains import AffineDomain
from boundnet.domains.adjoint import adjoint
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch import plan as module
from boundnet.domains.sketch.domain import SketchDomain
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.rows import exact_radii
from boundnet.graph import LayerGraph
from boundnet.maps import DenseMap, Zero
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local
from boundnet.roundoff.rounder import Rounder

FIRST = np.array([[1.0], [2.0**-53], [-1.0]]).T
"""x enters three elements, whose sum is 2**-53 x and 0 in float64."""
SECOND = np.ones((3, 1))


def cancelling() -> LayerGraph:
    graph = LayerGraph("cancelling")
    graph.add("x", ops.Input((1,)))
    graph.add("a", ops.Dense(FIRST, None), ["x"])
    graph.add("y", ops.Dense(SECOND, None), ["a"])
    graph.set_outputs(["y"])
    return graph


def linear(kernel: Array) -> Local:
    """A dense layer whose arithmetic is exact."""
    shape = (1, kernel.shape[1])
    nothing = np.zeros(shape)
    return Local((DenseMap(kernel),), nothing, np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))


EXACT = sum((Fraction(float(w)) for w in FIRST[0]), Fraction(0))


def test_rows_that_cancel_in_float64_are_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELATIVE_FLOOR", 0.0)
    graph = cancelling()
    plan = Plan(graph)
    plan.enter("x", np.ones((1, 1)))
    for name, source, kernel in (("a", "x", FIRST), ("y", "a", SECOND)):
        plan.radius[name] = plan.push(name, (source,), linear(kernel))
    _, radii, _ = exact_radii(plan, graph.topological(), "y", np.arange(1))
    assert Fraction(float(radii[0])) >= EXACT > 0


def test_affine_coefficients_that_cancel_in_float64_are_covered() -> None:
    graph = cancelling()
    domain = AffineDomain({name: graph.consumers(name) for name in graph.topological()})
    domain.enter("x", np.ones((1, 1)))
    for name, source, kernel in (("a", "x", FIRST), ("y", "a", SECOND)):
        radius = domain.push(name, (source,), linear(kernel), np.zeros((1, kernel.shape[1])))
    assert Fraction(float(radius[0, 0])) >= EXACT
    domain = AffineDomain({name: graph.consumers(name) + 1 for name in graph.topological()})
    domain.enter("x", np.ones((1, 1)))
    domain.push("a", ("x",), linear(FIRST), np.zeros((1, 3)))
    assert Fraction(float(domain.spread("a", DenseMap(SECOND))[0, 0])) >= EXACT


def test_adjoint_rows_that_cancel_in_float64_are_covered() -> None:
    graph = cancelling()
    locals_ = {"a": linear(FIRST), "y": linear(SECOND)}
    radii = {"x": np.ones((1, 1)), "a": np.array([[1.0, 2.0**-53, 1.0]]), "y": np.full((1, 1), 2.0)}
    tensors = {
        name: ops.Tensor(np.zeros(r.shape), r, np.zeros(r.shape, np.bool_)) for name, r in radii.items()
    }  # fmt: skip
    found = adjoint(Trace(graph, tensors, locals_), "y", np.ones((1, 1, 1)))
    assert Fraction(float(found.bound[0, 0])) >= EXACT


def shared(kernel: Array) -> Local:
    """An op that adds errors which reach all its elements through ``kernel``, and no input's deviation."""
    shape = (1, kernel.shape[1])
    nothing = np.zeros(shape)
    blank = np.zeros(shape, np.bool_)
    return Local((Zero((1,), shape[1:]),), nothing, blank, blank, shared=((DenseMap(kernel), np.ones((1, 1))),))


def test_shared_errors_that_cancel_in_float64_are_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELATIVE_FLOOR", 0.0)
    graph = cancelling()
    plan = Plan(graph)
    domain = AffineDomain({name: graph.consumers(name) for name in graph.topological()})
    for each in (plan, domain):
        each.enter("x", np.ones((1, 1)))
    affine = np.zeros(())
    for name, source, local in (("a", "x", shared(FIRST)), ("y", "a", linear(SECOND))):
        plan.radius[name] = plan.push(name, (source,), local)
        affine = domain.push(name, (source,), local, np.zeros(local.rounding.shape))
    _, radii, _ = exact_radii(plan, graph.topological(), "y", np.arange(1))
    assert Fraction(float(radii[0])) >= EXACT
    assert Fraction(float(affine[0, 0])) >= EXACT
    radius = {"x": np.zeros((1, 1)), "a": np.array([[1.0, 2.0**-53, 1.0]]), "y": np.full((1, 1), 2.0)}
    tensors = {n: ops.Tensor(np.zeros(r.shape), r, np.zeros(r.shape, np.bool_)) for n, r in radius.items()}
    without = {"a": shared(FIRST), "y": linear(SECOND)}
    found = adjoint(Trace(graph, tensors, without), "a", np.ones((1, 1, 3)))
    assert Fraction(float(found.bound[0, 0])) >= EXACT


def test_severed_nodes_keep_all_of_their_radius() -> None:
    """Where symbols are no longer followed, and behind them, nothing but intervals is left: what a row says there."""
    graph = LayerGraph("severed")
    graph.add("x", ops.Input((4,)))
    rng = np.random.default_rng(8)
    kernels = {name: rng.normal(size=(4, 4)).astype(np.float32).astype(np.float64) for name in ("a", "b", "c", "d")}
    node = "x"
    for name, kernel in kernels.items():
        node = graph.add(name, ops.Dense(kernel), [node])
    graph.set_outputs([node])
    x = rng.normal(size=(2, 4))
    domain = SketchDomain(graph, ENOUGH, 1, np.inf, lost="c")
    trace = forward(graph, [x], Rounder(preset("binary16")), domain)
    plan = domain.plan
    assert domain.lost == "c"
    assert plan.links["b"]
    for name, before in (("c", "b"), ("d", "c")):
        assert not plan.links[name]
        assert name not in domain.limits
        radius = trace.tensors[name].radius
        assert np.all(plan.known(name) >= radius * (1.0 - 2.0**-40))
        for ours, theirs in zip(radius, trace.tensors[before].radius, strict=True):
            for j, kernel in enumerate(kernels[name].T):
                carried = sum(Fraction(float(r)) * abs(Fraction(float(w))) for r, w in zip(theirs, kernel, strict=True))
                assert Fraction(float(ours[j])) >= carried
