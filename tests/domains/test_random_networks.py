"""Whole networks under stochastic rounding: residuals, ties, kinks, batch norms, softmax; by every domain and by rows."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.simulate import distances, exceeded, stochastic, traced
from helpers.sketch_networks import ENOUGH, random_network

from boundnet.domains.adjoint import adjoint
from boundnet.domains.chance import Chance, exceedance
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch.certify import certify
from boundnet.domains.sketch.certify_random import certify_random
from boundnet.domains.sketch.domain import SketchDomain
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.roundoff.rounder import Rounder

LAM = 2.5
RUNS = 400
FORMATS = ("bfloat16", "pure-binary16", "binary32")
NETWORKS = range(30)


def case(number: int) -> tuple[LayerGraph, Array, str]:
    name = FORMATS[number % 3]
    graph, x = random_network(number, 3)
    storage = stochastic(name).storage
    return graph.mapped(storage.round), storage.round(x), name


@pytest.mark.parametrize("number", NETWORKS)
def test_radii_and_rows_are_left_no_more_often_than_claimed(number: int) -> None:
    graph, x, name = case(number)
    rules = stochastic(name)
    apart = distances(graph, [x], rules, RUNS)
    for affine in (True, False):
        trace = traced(graph, [x], rules, LAM, affine)
        shares = exceeded(trace, apart)
        # Every element's share is a mean of RUNS draws; those of one tensor depend on each other.
        assert max(shares.values()) <= exceedance(LAM) + 0.03, max(shares, key=lambda n: shares[n])
    output = graph.outputs[-1]
    size = int(np.prod(graph.shape(output)))
    rows = adjoint(traced(graph, [x], rules, LAM), output, np.eye(size).reshape(size, 1, *graph.shape(output)))
    seen = apart[output].reshape(RUNS, size) > rows.bound[:, 0]
    assert seen.mean() <= exceedance(LAM) + 0.03


@pytest.mark.parametrize("number", NETWORKS)
def test_a_large_lambda_is_never_left(number: int) -> None:
    graph, x, name = case(number)
    rules = stochastic(name)
    for affine in (True, False):
        trace = traced(graph, [x], rules, 8.0, affine)
        assert max(exceeded(trace, distances(graph, [x], rules, 100, seed=3)).values()) == 0.0


def frozen(number: int, lam: float, widen: float = 1.0) -> tuple[SketchDomain, Trace, LayerGraph]:
    graph, x, name = case(number)
    rules = stochastic(name)
    domain = SketchDomain(graph, ENOUGH, 1, np.inf, lam=lam, widen=widen)
    return domain, forward(graph, [x], Rounder(rules), domain, chance=Chance.of(rules, lam)), graph


@pytest.mark.parametrize("number", range(24))
def test_sketch_radii_are_confirmed_and_no_less_than_rows(number: int) -> None:
    from boundnet.domains.sketch.rows import exact_radii

    for widen in (1.0, 1.7, 2.9):  # as a proof tries again
        domain, trace, graph = frozen(number, LAM, widen)
        plan, order = domain.plan, graph.topological()
        holds = certify(plan, domain.limits, ENOUGH, 77, (), radii=plan.radius).holds
        if holds and certify_random(plan, domain.random_limits, plan.radius, ENOUGH, 77).holds:
            break
    else:
        raise AssertionError("no try was confirmed")
    for name in domain.random_limits:
        elements = np.flatnonzero(np.isfinite(domain.limits[name]).reshape(-1))
        _, exact, _ = exact_radii(plan, order, name, elements)
        assert np.all(trace.tensors[name].radius.reshape(-1)[elements] >= exact * (1 - 1e-9))


def reached(plan: Plan, node: str) -> bool:
    """Whether any mean-independent symbol with a name reaches ``node``."""
    probes = Probes(plan, 8, 0, 5, measure=True, random=True)
    for name in plan.graph.topological():
        if plan.links.get(name):
            probes.advance(name)
        if name == node:
            break
    return bool(np.any(probes.value(node)))


def test_promised_norms_that_are_too_small_are_noticed() -> None:
    noticed = tried = 0
    for number in range(40):
        domain, _, _ = frozen(number, LAM)
        limits = domain.random_limits
        named = [n for n, r in limits.items() if np.isfinite(r).any()]
        if not named or not certify_random(domain.plan, limits, domain.plan.radius, ENOUGH, 5).holds:
            continue
        if not reached(domain.plan, named[-1]):
            continue  # no promise about nothing is too small
        tried += 1
        smaller = {**limits, named[-1]: limits[named[-1]] / 4.0}
        radii = {**domain.plan.radius, named[-1]: domain.plan.radius[named[-1]] * 0.0}
        noticed += not certify_random(domain.plan, smaller, radii, ENOUGH, 5).holds
    assert tried >= 8
    assert noticed == tried


def test_a_second_run_without_its_coins_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes that are all zero would confirm anything: the exact radii tell."""
    from boundnet.domains.sketch import certify_random as module

    domain, _, _ = next(
        f for f in (frozen(n, LAM) for n in range(24)) if any(np.isfinite(r).any() for r in f[0].random_limits.values())
    )
    tiny = {name: limit * 1e-3 for name, limit in domain.random_limits.items()}
    radii = {name: radius * 0.0 for name, radius in domain.plan.radius.items()}
    assert not certify_random(domain.plan, tiny, radii, ENOUGH, 5).holds
    mutate(monkeypatch, module.certify_random, "totals[name] = root_sum(totals[name], *value)", "pass")
    assert certify_random(domain.plan, tiny, radii, ENOUGH, 5).holds


def test_rounding_of_probes_is_relative_to_all_that_was_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows confirm whole radii: the worst-case part that probes could not confirm bounds nothing any more."""
    from boundnet.domains.sketch import certify_random as module

    domain, _, _ = next(
        f for f in (frozen(n, LAM) for n in range(24)) if any(np.isfinite(r).any() for r in f[0].random_limits.values())
    )
    plan, limits = domain.plan, domain.random_limits
    asked = sum(int(np.isfinite(limit).sum()) for limit in limits.values())
    assert certify_random(plan, limits, plan.radius, ENOUGH, 5).repaired < asked
    # Off by as much as the radii themselves, in every probe: nothing is confirmed but by rows.
    monkeypatch.setattr(module.Probes, "carried_error", property(lambda self: np.ones(self._count)))
    found = certify_random(plan, limits, plan.radius, ENOUGH, 5)
    assert not found.holds or found.repaired == asked


def test_rows_of_a_linear_network_say_what_affine_forms_say() -> None:
    """Private and named roundings of both kinds, joined in the same norms."""
    from boundnet import ops
    from boundnet.domains.sketch.rows import exact_radii

    rng, rules = np.random.default_rng(4), stochastic("pure-binary16")
    graph = LayerGraph("linear")
    node = graph.add("x", ops.Input((6,)))
    for i in range(3):
        kernel = rules.storage.round(rng.normal(size=(6, 6)))
        node = graph.add(f"d{i}", ops.Dense(kernel, rules.storage.round(rng.normal(size=6))), [node])
    graph.set_outputs([node])
    x = rules.storage.round(rng.normal(size=(1, 6)))
    affine = traced(graph, [x], rules, LAM)
    domain = SketchDomain(graph, ENOUGH, 1, np.inf, lam=LAM)
    forward(graph, [x], Rounder(rules), domain, chance=Chance.of(rules, LAM))
    for name in ("d0", "d1", "d2"):
        _, exact, _ = exact_radii(domain.plan, graph.topological(), name, np.arange(6))
        np.testing.assert_allclose(exact, affine.tensors[name].radius[0], rtol=0.02)
        assert np.all(exact >= affine.tensors[name].radius[0] * (1.0 - 1e-3))


def test_a_winner_of_two_windows_counts_twice() -> None:
    """One rounding in two elements that are added: 2 and not sqrt(2) times its half-range."""
    from boundnet import ops
    from boundnet.domains.sketch.rows import exact_radii

    rules = stochastic("binary16")  # sums are nearly exact, and what is left of them is small
    few = 1.5  # of it every rounding alone is worth less than its worst case
    graph = LayerGraph("overlapping")
    graph.add("x", ops.Input((3, 1)))
    graph.add("a", ops.Dense(rules.storage.round(np.array([[1.1]]))), ["x"])
    graph.add("pool", ops.MaxPool((2,), (1,)), ["a"])
    graph.add("flat", ops.Reshape((2,)), ["pool"])
    graph.add("y", ops.Dense(np.ones((2, 1)), np.array([-6.8125])), ["flat"])
    graph.set_outputs(["y"])
    x = rules.storage.round(np.array([[[1.0], [3.1], [2.0]]]))
    affine = traced(graph, [x], rules, few)
    deviation = affine.locals["a"].deviation
    assert deviation is not None
    least = few * 2.0 * deviation[0, 1, 0]
    assert affine.locals["y"].deviation is not None
    assert affine.locals["y"].deviation[0, 0] < deviation[0, 1, 0] / 4
    assert affine.tensors["y"].radius[0, 0] >= least
    assert adjoint(affine, "y", np.ones((1, 1, 1))).bound[0, 0] >= least
    domain = SketchDomain(graph, ENOUGH, 1, np.inf, lam=few)
    forward(graph, [x], Rounder(rules), domain, chance=Chance.of(rules, few))
    _, exact, _ = exact_radii(domain.plan, graph.topological(), "y", np.arange(1))
    assert exact[0] >= least
