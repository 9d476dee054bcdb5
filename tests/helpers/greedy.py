"""Whole analyses against executions chosen greedily: every free choice goes where it moves one output furthest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet import ops
from boundnet.analysis.heads import find_head
from boundnet.analysis.layer_table import LayerTable
from boundnet.analysis.outputs import results_of
from boundnet.analysis.runs import Runner, Runs
from boundnet.arithmetic import Arithmetic
from boundnet.domains.forward import Trace
from boundnet.graph import LayerGraph
from boundnet.machines.emulated import ADVERSARIES, EmulatedMachine
from boundnet.numerics.outward import Array
from boundnet.oracles.runs import BITS, BoundViolation, describe, emulate
from boundnet.reference.apply import broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.reference.evaluate import evaluate
from boundnet.reference.objects import Objects
from boundnet.results import Sample

PRIVATE = (
    ops.Dense,
    ops.Conv,
    ops.Activation,
    ops.Add,
    ops.Subtract,
    ops.Multiply,
    ops.AveragePool,
    ops.Average,
    ops.MaxPool,
)
"""Ops whose elements are computed each for itself: of several executions every element may come from another."""


def coefficients(trace: Trace, node: str, row: Array) -> dict[str, Array]:
    """Of one row (N, *shape) of ``node``: how every tensor's deviation enters it, to first order."""
    graph = trace.graph
    found: dict[str, Array] = {}
    pending = {node: row[None]}
    for name in reversed(graph.topological()):
        if name not in pending:
            continue
        found[name] = pending[name][0]
        local = trace.locals.get(name)
        if local is None:
            continue
        for source, linear in zip(graph.inputs_of(name), local.maps, strict=True):
            back = linear.transpose(pending[name])
            pending[source] = pending[source] + back if source in pending else back
    return found


def leaning(emulator: EmulatedMachine, towards: Array | None) -> None:
    """Make free choices of values as large as the node's go the way of ``towards``."""
    plain = type(emulator)._leaning

    def lean(value: Array) -> Array:
        if towards is not None:
            try:
                return np.broadcast_to(np.where(towards >= 0.0, 1.0, -1.0), np.shape(value))
            except ValueError:
                pass
        return plain(emulator, value)

    emulator._leaning = lean  # type: ignore[method-assign]


def greedy(
    graph: LayerGraph, inputs: Sequence[Array], emulator: EmulatedMachine, towards: dict[str, Array], tries: int
) -> dict[str, Array]:
    """One execution: each node is computed ``tries`` times, and what moves furthest is kept."""
    values = {n: x if graph.holds_integers(n) else emulator.cast(x) for n, x in zip(graph.inputs, inputs, strict=True)}
    for name in graph.topological():
        if name in values:
            continue
        op, forms = graph.op(name), graph.op(name).forms()
        way = towards.get(name)
        leaning(emulator, way)
        found = []
        for _ in range(tries if way is not None else 1):
            form = forms[int(emulator.rng.integers(len(forms)))]
            found.append(np.asarray(form(emulator, *(values[s] for s in graph.inputs_of(name)))))
        if len(found) == 1:
            values[name] = found[0]
            continue
        assert way is not None
        table = np.stack(found)
        gain = np.where(np.isfinite(table), table, 0.0) * way
        if type(op) in PRIVATE:
            values[name] = np.take_along_axis(table, np.argmax(gain, axis=0)[None], axis=0)[0]
        else:
            best = np.argmax(gain.reshape(*gain.shape[:2], -1).sum(axis=2), axis=0)
            values[name] = table[best, np.arange(table.shape[1])]
    leaning(emulator, None)
    return values


def check_runs(
    runs: Runs, runner: Runner, inputs: Sequence[Array], number: int, random_trials: int = 5, greedy_trials: int = 4
) -> float:
    """Try to refute everything that ``runs`` and the results made of them say of ``inputs``.

    Returns:
        The largest error / bound met at an output.

    Raises:
        BoundViolation: an execution left its bound.
    """
    graph, rules = runner.graph, runner.arithmetic
    rng = np.random.default_rng(number)
    machine = ArbMachine(BITS)
    heads = [find_head(graph, name) for name in graph.outputs]
    count = len(inputs[0])
    with np.errstate(all="ignore"):
        samples, _ = results_of(runs, heads, runner, np.arange(count), LayerTable(graph, rules.storage))
        exact = evaluate(graph, inputs, machine)
        for name in graph.topological():
            tensor = runs.exact.tensors[name]
            _refute(exceeds(exact[name] - machine.parameter(tensor.centre), tensor.radius), name, runner, number, "exact")
            _refute(exceeds(exact[name], np.where(tensor.zero, 0.0, np.inf)), name, runner, number, "exact zero")
        largest = 0.0
        for trial in range(random_trials + greedy_trials):
            adversary = ADVERSARIES[trial % len(ADVERSARIES)]
            skip = float(rng.choice([0.0, 0.0, 0.3])) if trial < random_trials else 0.0
            emulator = emulate(rules, rng, machine, adversary, skip)
            towards: dict[str, Array] = {}
            if trial >= random_trials:
                emulator.adversary = "up"  # ties and library errors by ``leaning``
                node = graph.outputs[int(rng.integers(len(graph.outputs)))]
                head = heads[graph.outputs.index(node)]
                node = head.logits if head.logits is not None and rng.random() < 0.5 else node
                row = np.zeros((count, int(np.prod(graph.shape(node)))))
                row[:, int(rng.integers(row.shape[1]))] = rng.choice([-1.0, 1.0])
                towards = coefficients(runs.machine, node, row.reshape(count, *graph.shape(node)))
            cast = runner._cast(inputs)
            values = greedy(runner.cast_graph, cast, emulator, towards, 6)
            largest = max(largest, _compare(runs, runner, values, exact, samples, machine, number, trial))
    return largest


def _compare(
    runs: Runs, runner: Runner, values: dict[str, Array], exact: dict[str, Objects], samples: list[Sample], machine: ArbMachine,
    number: int, trial: int,
) -> float:  # fmt: skip
    graph = runner.graph
    note = f"trial {trial}"
    for name in graph.topological():
        tensor, own = runs.machine.tensors[name], runs.exact.tensors[name]
        computed = machine.parameter(values[name])
        away = exceeds(computed - machine.parameter(tensor.centre), tensor.radius) | broken(values[name], tensor.radius)
        _refute(away, name, runner, number, f"{note}: machine's radius")
        _refute(exceeds(computed, np.where(tensor.zero, 0.0, np.inf)), name, runner, number, f"{note}: zero mask")
        moved = np.abs(tensor.centre - own.centre)
        bound = (tensor.radius + own.radius + moved) * (1.0 + 2.0**-50)
        _refute(exceeds(computed - exact[name], bound), name, runner, number, f"{note}: both radii")
    largest = 0.0
    for index, sample in enumerate(samples):
        for name, output in zip(graph.outputs, sample.outputs, strict=True):
            apart = machine.parameter(values[name][index]) - exact[name][index]
            bound = output.absolute_bound
            _refute(exceeds(apart, bound) | broken(values[name][index], bound), name, runner, number, f"{note}: output")
            with np.errstate(all="ignore"):
                share = np.array([float(abs(a).mid()) if a.is_finite() else 0.0 for a in apart.ravel()]) / bound.ravel()
            largest = max(largest, float(np.nanmax(np.where(np.isfinite(share), share, 0.0), initial=0.0)))
        head = find_head(graph, graph.outputs[0])
        if sample.logits is not None and head.logits is not None:
            apart = machine.parameter(values[head.logits][index]) - exact[head.logits][index]
            _refute(exceeds(apart, sample.logits.absolute_bound), head.logits, runner, number, f"{note}: logits")
        if sample.decision is not None and sample.decision.proved and head.logits is not None:
            chosen = values[head.logits][index].ravel()
            others = np.delete(chosen, sample.decision.class_index)
            if not chosen[sample.decision.class_index] > others.max():
                raise BoundViolation(f"network {number}: a proved class lost, {note}")
    return largest


def _refute(bad: Array, name: str, runner: Runner, number: int, what: str) -> None:
    if np.any(bad):
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        op = runner.graph.op(name).describe()
        raise BoundViolation(f"network {number}, node {name!r} ({op}) at {at}: {what}; {describe(runner.arithmetic)}")


def draw_rules(number: int) -> Arithmetic:
    """Any execution model that :mod:`cases` can draw, with a generator's choices."""
    from boundnet.arithmetic import Order
    from boundnet.numerics.accuracy import CORRECT, GLIBC_FLOAT64, X86_FLOAT32
    from helpers.cases import FORMATS

    rng = np.random.default_rng([77, number])

    def pick(*choices: object) -> object:
        return choices[int(rng.integers(len(choices)))]

    storage, accumulate = FORMATS[int(rng.integers(len(FORMATS)))]
    orders = (
        Order(),
        Order("sequential"),
        Order("pairwise", 1),
        Order("pairwise", 3),
        Order("blocked", 2),
        Order("blocked", 4),
    )
    tables = (X86_FLOAT32, CORRECT) if accumulate.precision < 40 or accumulate.is_fixed else (GLIBC_FLOAT64,)
    return Arithmetic(
        "drawn", storage, accumulate, pick(*orders), pick("yes", "no", "either"),
        pick("nearest", "nearest", "nearest", "stochastic", "toward_zero", "any"),
        pick("gradual", "ftz", "ftz+daz", "either"), pick(*tables), pick("any", "first", "last", "separate"), None, pick("stored", "kept", "wide"),
    )  # type: ignore[arg-type]  # fmt: skip
