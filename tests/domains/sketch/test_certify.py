"""The second run: no wrong promise passes, whatever was tampered with after freezing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.sketch_networks import BINARY32, ENOUGH, FEW, Frozen, random_network, screened

from boundnet import ops
from boundnet.domains import AffineDomain
from boundnet.domains.forward import forward
from boundnet.domains.sketch import certify as module
from boundnet.domains.sketch.certify import Certificate, _beside, certify
from boundnet.domains.sketch.settings import Settings
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.roundoff.rounder import Rounder


def confirm(frozen: Frozen, settings: Settings = ENOUGH, seed: int = 4242) -> Certificate:
    return certify(frozen.domain.plan, frozen.domain.limits, settings, seed, frozen.graph.outputs)


def broken(frozen: Frozen) -> int:
    """How many radii below what intervals say are below what rows say, too: wrong promises, noted as such or not."""
    plan = frozen.domain.plan
    return sum(
        int(np.sum((r < frozen.intervals[name]).reshape(-1) & (r.reshape(-1) < frozen.exact(name) * (1 - 1e-12))))
        for name, r in plan.radius.items()
        if plan.links.get(name)
    )


@pytest.mark.parametrize("number", range(30))
def test_confirmed_radii_are_no_less_than_exact_ones(number: int) -> None:
    """Four screening probes and no safety factor: many promises are wrong, and no run with a wrong one is confirmed."""
    graph, x = random_network(number, 3)
    frozen = screened(
        graph, x, FEW, budget=1e6, change=lambda d: setattr(d, "_factors", replace(d._factors, loose=(2.0, 0.0)))
    )
    if confirm(frozen).holds:
        assert broken(frozen) == 0
    safe = screened(graph, x, ENOUGH)
    found = confirm(safe)
    if found.holds:
        assert broken(safe) == 0
        for name, sketch in found.sketches.items():
            assert np.all(sketch.radii() >= safe.exact(name) * (1 - 1e-9))


def test_affine_radii_of_a_linear_network_are_not_above() -> None:
    graph, x = random_network(7)
    frozen = screened(graph, x, ENOUGH)
    consumers = {name: graph.consumers(name) for name in graph.topological()}
    affine = forward(graph, [x], Rounder(BINARY32), AffineDomain(consumers))
    first = graph.topological()[1]
    assert np.all(frozen.trace.tensors[first].radius >= affine.tensors[first].radius * (1 - 1e-6))


def promised(number: int = 6) -> tuple[Frozen, str]:
    """A run that holds, and a node with promises."""
    for tried in range(number, 100):
        frozen = screened(*random_network(tried), ENOUGH)
        nodes = [n for n, r in frozen.domain.limits.items() if np.isfinite(r).any()]
        if nodes and confirm(frozen).holds:
            return frozen, nodes[-1]
    raise AssertionError("no network with promises")


def test_a_promise_divided_by_100_is_caught() -> None:
    frozen, node = promised()
    frozen.domain.limits[node] = frozen.domain.limits[node] / 100.0
    assert not confirm(frozen).holds


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_noise_is_caught(bad: float) -> None:
    frozen, node = promised()
    plan = frozen.domain.plan
    source = next(n for n in plan.named if n in frozen.graph.topological()[: frozen.graph.topological().index(node)])
    plan.named[source] = np.full(plan.named[source].shape, bad)
    assert not confirm(frozen).holds


def test_too_much_rounding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, _ = promised()
    monkeypatch.setattr(module.Probes, "kappa", property(lambda self: np.full(self._count, 1e6)))
    found = confirm(frozen)  # rows may stand in for every single one
    asked = sum(int(np.isfinite(limit).sum()) for limit in frozen.domain.limits.values())
    assert not found.holds or found.repaired == asked > 0
    monkeypatch.setattr(module.Probes, "kappa", property(lambda self: np.full(self._count, np.inf)))
    assert not confirm(frozen).holds


def test_a_mutated_check_lets_wrong_promises_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above would notice: with the comparison gone a divided promise passes."""
    frozen, node = promised()
    frozen.domain.limits[node] = frozen.domain.limits[node] / 100.0
    assert not confirm(frozen).holds
    mutate(
        monkeypatch,
        certify,
        "failed = {name: np.flatnonzero(~(total < needed))",
        "failed = {name: np.flatnonzero(total > np.inf)",
    )
    assert confirm(replace(frozen)).holds


def chain(bias: float, small: float = 1.0) -> tuple[Frozen, str, Array, Array]:
    """Two dense layers and a ReLU about 0: a first run, the node of the ReLU, its known part and its named part's scale."""
    rng = np.random.default_rng(5)
    graph = LayerGraph()
    graph.add("x", ops.Input((6,)))
    first, second = (rng.normal(size=(6, n)).astype(np.float32).astype(np.float64) for n in (6, 200))
    graph.add("a", ops.Dense(first), ["x"])
    x = rng.normal(size=(1, 6)).astype(np.float32).astype(np.float64)
    offset = -(x @ first @ second)[0] if bias == 0.0 else np.full(200, bias)
    graph.add("b", ops.Dense(second * small, offset.astype(np.float32).astype(np.float64)), ["a"])
    graph.add("r", ops.Activation(make("relu")), ["b"])
    graph.add("y", ops.Dense(np.ones((200, 1))), ["r"])
    graph.set_outputs(["y"])
    frozen = screened(graph, x, ENOUGH)
    assert "r" in frozen.domain.plan.chained
    plan = frozen.domain.plan
    known = (_beside(plan, "r") + np.abs(plan.shift.get("r", 0.0))).reshape(-1)
    return frozen, "r", known, frozen.exact("r") - known


MANY = Settings(screening=4, checking=1024, chunk=64, log_p=float(np.log(1e-14)))


@pytest.mark.parametrize(("factor", "confirmed"), [(0.6, False), (1.6, True)])
def test_a_promise_needs_the_whole_factor(factor: float, confirmed: bool) -> None:
    """True promises, but below tau times the scale: rows have to say so.  Above it, probes do."""
    frozen, node, known, scale = chain(0.0)
    promise = {node: (known + scale * np.exp(factor * ENOUGH.log_tau) * (1.0 + 1e-9))[None]}
    found = certify(frozen.domain.plan, promise, ENOUGH, 3, ["y"])
    assert found.holds
    assert (found.repaired <= 10) if confirmed else (found.repaired >= 190)


def test_a_promise_has_to_cover_the_shift() -> None:
    frozen, node, known, scale = chain(0.0)
    plan = frozen.domain.plan
    shift = np.abs(plan.shift[node]).reshape(-1)
    enough = np.exp(1.5 * MANY.log_tau) * scale
    chosen = shift > enough - scale * 0.99
    assert chosen.sum() >= 20
    short = np.where(chosen, known - shift + enough, np.inf)[None]  # below the radius by a little
    assert not certify(plan, {node: short}, MANY, 3, ["y"]).holds
    assert certify(plan, {node: np.where(chosen, known + enough, np.inf)[None]}, MANY, 3, ["y"]).repaired <= 2


def test_rounding_of_probes_is_relative_to_all_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a node's own noise is 1000 times its named part, 1 % of it may be more than all that the probes show."""
    frozen, node, known, scale = chain(1000.0, 2.0**-10)
    assert np.all(known > 1000.0 * scale)
    promise = {node: (known + 20.0 * scale)[None]}
    assert certify(frozen.domain.plan, promise, ENOUGH, 3, ["y"]).repaired == 0
    monkeypatch.setattr(module.Probes, "kappa", property(lambda self: np.full(self._count, 0.1)))
    assert certify(frozen.domain.plan, promise, ENOUGH, 3, ["y"]).repaired == 200
