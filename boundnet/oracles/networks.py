"""The oracle for whole networks: :func:`check_graph`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from boundnet.analysis.runs import SHRINK
from boundnet.arithmetic import Arithmetic
from boundnet.domains import AffineDomain, Domain, IntervalDomain
from boundnet.domains.adjoint import adjoint
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch.prove import prove
from boundnet.domains.sketch.settings import Settings
from boundnet.graph import LayerGraph
from boundnet.machines.emulated import ADVERSARIES, EmulatedMachine
from boundnet.numerics.outward import Array, Mask
from boundnet.oracles.runs import BITS, SKIPS, BoundViolation, describe, emulate, forms_of
from boundnet.reference.apply import broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.reference.evaluate import evaluate
from boundnet.reference.objects import Objects
from boundnet.roundoff.rounder import Rounder

Maker = Callable[[dict[str, int]], Domain]
"""Makes a fresh domain for one forward pass, from the number of readers of each node."""

FEW = Settings(screening=8, checking=64, chunk=16, log_p=float(np.log(1e-14)))
"""So few screening probes that rows, repairs and further tries have work to do."""


def check_graph(
    graph: LayerGraph, inputs: Sequence[Array], arithmetic: Arithmetic, *, trials: int = 12, seed: int = 0,
    domains: Sequence[str | Maker] = ("interval", "affine"),
) -> dict[str, Array]:  # fmt: skip
    """Try to refute the bounds of a whole network at one sample (batch axes of length 1).

    At every node |computed - centre| <= radius in ``arithmetic``, |exact - centre| <= radius of the exact network, and
    |computed - exact| <= their sum; at the outputs the same for adjoint rows and probes.

    Args:
        domains: ``interval``, ``affine`` and ``sketch`` in any number; a sketch that nothing confirms counts as intervals.
            A domain of your own as a function: called with the number of readers of each node before each forward pass,
            it returns a fresh :class:`boundnet.domains.Domain`.

    Returns:
        node -> bound of |computed - exact| by the last of ``domains``.

    Raises:
        BoundViolation: an execution left the bound.
    """
    rng = np.random.default_rng(seed)
    machine = ArbMachine(BITS)
    traces = {_title(domain): _traces(graph, inputs, arithmetic, domain, seed) for domain in domains}
    exact = evaluate(graph, inputs, machine)
    with np.errstate(all="ignore"):
        for name, (_, own) in traces.items():
            _compare(graph, own, exact, machine, f"{name} domain, exact network, seed {seed}", rng)
        for trial in range(trials):
            adversary, skip = ADVERSARIES[trial % len(ADVERSARIES)], float(rng.choice(SKIPS))
            emulator = emulate(arithmetic, rng, machine, adversary, skip)
            values = run(graph, inputs, emulator)
            computed = {k: machine.parameter(v) for k, v in values.items()}
            for name, (trace, own) in traces.items():
                note = (
                    f"{name} domain, {describe(arithmetic)}, seed {seed}, trial {trial}, adversary {adversary}, skip {skip}"
                )
                for node, value in values.items():
                    radius = trace.tensors[node].radius
                    _fail(broken(value, radius), node, graph, computed[node], exact[node], radius, note)
                _compare(graph, trace, computed, machine, note, rng)
                for node in graph.topological():
                    bound = trace.tensors[node].radius + own.tensors[node].radius
                    violated = exceeds(computed[node] - exact[node], bound * (1.0 + 2.0**-52))
                    _fail(violated, node, graph, computed[node], exact[node], bound, note)
    trace, own = traces[_title(domains[-1])]
    return {node: trace.tensors[node].radius + own.tensors[node].radius for node in graph.topological()}


def run(graph: LayerGraph, inputs: Sequence[Array], emulator: EmulatedMachine) -> dict[str, Array]:
    """One emulated execution of a whole network: every node's stored value."""
    given = zip(graph.inputs, inputs, strict=True)
    values = {name: x if graph.holds_integers(name) else emulator.cast(x) for name, x in given}
    for name in graph.topological():
        if name not in values:
            forms = forms_of(graph.op(name), emulator.arithmetic)
            form = forms[int(emulator.rng.integers(len(forms)))]
            values[name] = form(emulator, *(values[source] for source in graph.inputs_of(name)))
    return values


def _title(domain: str | Maker) -> str:
    return domain if isinstance(domain, str) else getattr(domain, "__qualname__", repr(domain))


def _traces(
    graph: LayerGraph, inputs: Sequence[Array], arithmetic: Arithmetic, domain: str | Maker, seed: int
) -> tuple[Trace, Trace]:
    """Of the machine and of the exact network."""
    if domain == "sketch":
        return _sketches(graph, inputs, arithmetic, seed)

    def trace(rules: Arithmetic | None) -> Trace:
        consumers = {name: graph.consumers(name) for name in graph.topological()}
        if callable(domain):
            return forward(graph, inputs, Rounder(rules), domain(consumers))
        made: Domain = IntervalDomain() if domain == "interval" else AffineDomain(consumers)
        return forward(graph, inputs, Rounder(rules), made)

    return trace(arithmetic), trace(None)


def _sketches(graph: LayerGraph, inputs: Sequence[Array], arithmetic: Arithmetic, seed: int) -> tuple[Trace, Trace]:
    """As :class:`boundnet.analysis.runs.Runner` makes them, one in two without rows for open decisions."""
    budget = np.inf if seed % 2 else 0.0
    machine = prove(graph, inputs, Rounder(arithmetic), FEW, graph.outputs, budget, seed).trace
    within = None if machine is None else {name: t.radius for name, t in machine.tensors.items()}
    shrink = SHRINK if within is not None and arithmetic.storage.precision <= 24 else None
    exact = prove(graph, inputs, Rounder(None), FEW, graph.outputs, budget, seed + 99, within, shrink).trace
    plain = [forward(graph, inputs, Rounder(rules), IntervalDomain()) for rules in (arithmetic, None)]
    return machine or plain[0], exact or plain[1]


def _compare(
    graph: LayerGraph, trace: Trace, values: dict[str, Objects], machine: ArbMachine, note: str, rng: np.random.Generator
) -> None:
    for node in graph.topological():
        tensor = trace.tensors[node]
        centre = machine.parameter(tensor.centre)
        _fail(exceeds(values[node] - centre, tensor.radius), node, graph, values[node], centre, tensor.radius, note)
        blank = np.where(tensor.zero, 0.0, np.inf)
        _fail(exceeds(values[node], blank), node, graph, values[node], centre, blank, note + ", zero mask")
    for node in graph.outputs:
        size = values[node].size
        rows = np.concatenate([np.eye(size)[rng.integers(size)][None], rng.choice([-1.0, 0.0, 1.0, 0.37], size=(2, size))])
        claim = adjoint(trace, node, rows.reshape(len(rows), 1, *graph.shape(node)))
        deviation = (values[node] - machine.parameter(trace.tensors[node].centre)).ravel()
        met = np.array(
            [[sum((d * float(r) for d, r in zip(deviation, row, strict=True)), machine.number(0.0))] for row in rows]
        )
        _fail(exceeds(met, claim.bound), node, graph, met, met, claim.bound, note + ", adjoint row")
        sketch = trace.sketches.get(node)
        if sketch is None:
            continue
        _fail(exceeds(deviation, sketch.radii()), node, graph, deviation, deviation, sketch.radii(), note + ", probes")
        best = int(rng.integers(size))
        low, high = sketch.below(best)
        middle = np.where(np.isfinite(low + high), 0.5 * low + 0.5 * high, 0.0)
        half = np.nextafter(np.maximum(high - middle, middle - low), np.inf)
        apart = deviation[best] - deviation - machine.parameter(middle)
        _fail(exceeds(apart, half), node, graph, apart, apart, half, note + f", probes of differences with {best}")


def _fail(violated: Mask, node: str, graph: LayerGraph, value: Objects, centre: Objects, bound: Array, note: str) -> None:
    if np.any(violated):
        at = tuple(int(i) for i in np.argwhere(violated)[0])
        raise BoundViolation(
            f"node {node!r} ({graph.op(node).describe()}) left its bound in {int(np.count_nonzero(violated))} "
            f"elements, first {at}: "
            f"value {value[at].str(20)}, reference {centre[at].str(20)}, "
            f"bound {float(np.broadcast_to(bound, violated.shape)[at])!r}\n  {note}"
        )
