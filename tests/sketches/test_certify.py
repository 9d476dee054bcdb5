"""The second run: no wrong promise passes, whatever was tampered with after freezing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mutation import mutate
from sketch_networks import BINARY32, ENOUGH, FEW, Frozen, random_network, screened

from boundnet.domains import AffineDomain
from boundnet.forward import forward
from boundnet.rounder import Rounder
from boundnet.sketches import certify as module
from boundnet.sketches.certify import Certificate, certify
from boundnet.sketches.settings import Settings


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
