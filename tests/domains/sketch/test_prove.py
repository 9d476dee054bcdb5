"""Tries, shrunk promises and the claim about coins; heads that read probes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.sketch_networks import BINARY32, ENOUGH, FEW, random_network, screened

import boundnet
from boundnet.analysis import heads
from boundnet.analysis.coins_claim import Claim, seed_of
from boundnet.analysis.heads import bound_rows
from boundnet.analysis.runs import Runner
from boundnet.arithmetic.presets import preset
from boundnet.domains import AffineDomain
from boundnet.domains.estimate import log_tau
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch import prove as module
from boundnet.domains.sketch.certify import Certificate
from boundnet.domains.sketch.domain import SCREENING, Effort
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes
from boundnet.domains.sketch.prove import Proof, prove
from boundnet.domains.sketch.settings import CLAIM, STARTS, TRIES, Settings, settings_for, smaller
from boundnet.numerics.outward import Array
from boundnet.reference.apply import exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.reference.evaluate import evaluate
from boundnet.roundoff.rounder import Rounder


def machine_trace(number: int) -> tuple[Trace, Array]:
    graph, x = random_network(number)
    trace = prove(graph, [x], Rounder(BINARY32), ENOUGH, graph.outputs, np.inf, seed=number).trace
    assert trace is not None
    return trace, x


HUNDREDS = [*range(30), *(pytest.param(n, marks=pytest.mark.slow) for n in range(30, 400))]


@pytest.mark.parametrize("number", HUNDREDS)
def test_no_radius_is_below_that_of_affine_forms(number: int) -> None:
    """The same forms, but for slack: with rows for every open decision, strips are the same or wider."""
    graph, x = random_network(number)
    rules = (BINARY32, preset("bfloat16"), None)[number % 3]
    trace = prove(graph, [x], Rounder(rules), FEW, (), np.inf, number).trace
    if trace is None:
        return  # nothing is claimed
    consumers = {name: graph.consumers(name) for name in graph.topological()}
    affine = forward(graph, [x], Rounder(rules), AffineDomain(consumers))
    for name, tensor in trace.tensors.items():
        assert np.all(tensor.radius >= affine.tensors[name].radius * (1.0 - 1e-4)), name


def test_a_share_that_is_too_small_is_not_confirmed() -> None:
    """2**-50 of the machine's radii is far below what the float64 centre may be off by."""
    arb, refused = ArbMachine(200), 0
    for number in range(10):
        machine, x = machine_trace(number)
        within = {name: t.radius for name, t in machine.tensors.items()}
        proof = prove(machine.graph, [x], Rounder(None), smaller(ENOUGH), (), np.inf, number, within, 2.0**-50)
        refused += proof.trace is None or proof.tries > 1
        if proof.trace is not None:  # rows stood in, or a wider share held
            certain = evaluate(machine.graph, [x], arb)
            for name, tensor in proof.trace.tensors.items():
                assert not np.any(exceeds(certain[name] - arb.parameter(tensor.centre), tensor.radius)), name
    assert refused


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The first ``times`` second runs fail; returns the list that their seeds go to."""
    asked: list[int] = []
    original = module.certify

    def certify(plan: Plan, limits: dict[str, Array], settings: Settings, seed: int, *rest: Any) -> Certificate:
        asked.append(seed)
        found = original(plan, limits, settings, seed, *rest)
        return found if len(asked) > times else replace(found, holds=False)

    monkeypatch.setattr(module, "certify", certify)
    return asked


@pytest.mark.parametrize("times", [0, 1, TRIES])
def test_every_try_has_coins_of_its_own_and_counts(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = random_network(6)
    asked = failing(monkeypatch, times)
    for seed in (None, 77):
        asked.clear()
        proof = prove(graph, [x], Rounder(BINARY32), ENOUGH, graph.outputs, 0.0, seed)
        assert (proof.trace is None) == (times == TRIES)
        assert proof.tries == len(asked) == min(times + 1, TRIES)
        assert len(set(asked)) == len(asked)
        if seed is None:
            continue
        claim = Claim()
        claim.add(proof, ENOUGH)
        assert claim.failed == (times == TRIES)
        assert claim.probability >= proof.checks * proof.tries * math.exp(ENOUGH.log_p)
        if proof.trace is not None:
            assert proof.seed == asked[-1]
            assert proof.checks >= 4 * sum(len(s.shift) for s in proof.trace.sketches.values()) > 0


def test_no_coins_are_shared_by_the_proofs_of_an_analysis() -> None:
    seen: set[int] = set()
    for index in range(30):
        for run in (0, 1):
            first = seed_of(2**64 - 5, index, run)
            assert first is not None
            tried = {(first + attempt) % 2**64 for attempt in range(TRIES)}
            assert not tried & seen
            seen |= tried
    assert seed_of(None, 3, 1) is None
    assert SCREENING % 2 == 0
    assert ENOUGH.checking <= SCREENING


@pytest.mark.parametrize("inputs", [1, 7])
def test_the_whole_claim_is_below_its_probability(inputs: int) -> None:
    """All elements promised, all tries needed, all outputs read: the union is what was asked for."""
    for number in range(6):
        graph, _ = random_network(number)
        for precise in (False, True):
            settings = settings_for(graph, inputs, precise)
            elements = sum(int(np.prod(graph.shape(name))) for name in graph.topological())
            outputs = sum(4 * int(np.prod(graph.shape(name))) for name in graph.outputs)
            claim = Claim()
            for _ in range(2 * inputs):
                claim.add(Proof(None, Effort(), elements + outputs, TRIES, 1, 0.0), settings)
            assert claim.probability <= CLAIM
            assert smaller(settings).log_p == settings.log_p


def test_a_runner_counts_both_runs() -> None:
    graph, x = random_network(6)
    runner = Runner(graph, BINARY32, "sketch", 3, 1)
    claim = Claim()
    runs = runner.sketch([x], set(graph.outputs), claim, 0)
    assert runs is not None
    assert claim.checks >= 8 * sum(len(s.shift) for s in runs.machine.sketches.values())
    assert 0.0 < claim.probability <= CLAIM
    assert len(set(claim.seeds)) == 2


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("order", ["any", "sequential"])
def test_the_exact_network_is_inside_a_wide_machines_radii(number: int, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In binary64 it has no run of its own where that is dear; it must lie within what the machine's run claims."""
    monkeypatch.setattr("boundnet.analysis.runs.LARGE", 0.0)
    graph, x = random_network(number)
    runs = Runner(graph, boundnet.build("binary64", order=order), "sketch", 3, 1).sketch([x], graph.outputs, Claim(), 0)
    assert runs is not None
    assert runs.exact is runs.machine
    arb = ArbMachine(400)
    exact = evaluate(graph, [x], arb)
    for name, tensor in runs.exact.tensors.items():
        assert not np.any(exceeds(exact[name] - arb.parameter(tensor.centre), tensor.radius)), name
    # A narrower format's exact network has radii of its own, as small as 2**-10 of the machine's.
    narrow = Runner(graph, BINARY32, "sketch", 3, 1).sketch([x], graph.outputs, Claim(), 0)
    assert narrow is not None
    assert narrow.exact is not narrow.machine


@pytest.mark.parametrize("number", [0, 1, *range(3, 12)])
def test_heads_read_no_less_from_probes_than_rows_say(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements, and differences of all pairs: probes bound the same affine forms as rows, with slack on top."""
    trace, _ = machine_trace(number)
    node = trace.graph.outputs[-1]
    assert node in trace.sketches
    best = np.argmax(trace.tensors[node].centre.reshape(1, -1), axis=1)
    by_rows = bound_rows(trace, node, True, best)
    monkeypatch.setattr(heads, "ROW_WORK", 0.0)
    plain = bound_rows(trace, node, True, best, sharpen=False)
    sharp = bound_rows(trace, node, True, best)
    less = 1.0 - 1e-6
    assert by_rows.pairs is not None
    assert plain.pairs is not None
    assert sharp.pairs is not None
    radius = trace.tensors[node].radius.reshape(1, -1)
    assert np.all(plain.each >= np.minimum(by_rows.each, radius) * less)
    assert np.all(sharp.each >= by_rows.each * less)
    assert np.all(plain.pairs <= by_rows.pairs + 1e-6 * np.abs(by_rows.pairs))
    assert np.all(sharp.pairs <= by_rows.pairs + 1e-6 * np.abs(by_rows.pairs))
    assert np.all(sharp.pairs >= plain.pairs)


def test_probes_of_a_pair_do_not_share_their_coins() -> None:
    """Each probe of a run is another combination: else K of them would say no more than a few."""
    graph, x = random_network(2)
    plan = screened(graph, x).domain.plan
    probes = Probes(plan, 16, 0, 9)
    for name in graph.topological():
        if plan.links.get(name):
            probes.advance(name)
            value = probes.value(name).reshape(16, -1)
            live = np.abs(value).min(axis=0) > 0.0
            for k in range(15):
                assert not np.any((value[k] == value[k + 1])[live]), name
        probes.forget(name)


def test_settings_ask_for_the_whole_factor_and_claims_count_every_start() -> None:
    for settings in (FEW, ENOUGH, smaller(ENOUGH)):
        assert settings.log_tau == log_tau(settings.checking, settings.log_p)
    claim = Claim()
    claim.add(Proof(None, Effort(), 10, TRIES, 1, 0.0), ENOUGH)
    assert claim.probability >= 10 * TRIES * STARTS * math.exp(ENOUGH.log_p)


def test_every_kind_of_rounding_is_measured() -> None:
    """Links, coins and chains of slopes round: each has its part in kappa."""
    met: set[str] = set()
    for number in range(6):
        graph, x = random_network(number)
        plan = screened(graph, x).domain.plan
        probes = Probes(plan, 4, 0, 9, measure=True)
        for name in graph.topological():
            if plan.links.get(name):
                probes.advance(name)
                probes.value(name)
            probes.forget(name)
        met |= {kind for kind, kappa in probes._kappas.items() if np.all(kappa > 0.0)}
    assert met == {"coins", "links", "slopes", "named slopes"}
