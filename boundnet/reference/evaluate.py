"""The exact network, certified: enclosures of every node from an independent engine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from boundnet.errors import BoundNetError, InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.reference.objects import ObjectMachine, Objects, mapped

ENGINES = {
    "arb": ("boundnet.reference.arb", "ArbMachine"),
    "mpmath": ("boundnet.reference.mpmath_intervals", "MpmathMachine"),
    "pyinterval": ("boundnet.reference.pyinterval", "PyintervalMachine"),
    "exact": ("boundnet.reference.exact", "ExactMachine"),
}
"""Engine -> where its machine lives.  ``pyinterval`` works in binary64; ``exact`` has no elementary functions."""

MOST_BITS = 8192

Enclosures = dict[str, tuple[Array, Array]]


def reference(
    graph: LayerGraph, inputs: Sequence[Array], engine: str = "arb", digits: int = 30, nodes: Iterable[str] | None = None,
    tick: Callable[[str], None] | None = None,
) -> Enclosures:  # fmt: skip
    """Certified enclosures of the exact network's values.

    Args:
        inputs: one (N, *shape) float64 array for each Input node, taken as exact.
        engine: one of :data:`ENGINES` but ``exact``.
        digits: decimal digits that every wanted value is certified to before it is rounded outwards to float64 (values
            a million times smaller than their tensor's largest count absolutely).  ``pyinterval`` can't: it gives what
            binary64 gives.
        nodes: wanted nodes, the outputs by default.
        tick: called with each node's name, for progress; once a node and precision.

    Returns:
        node -> (lo, hi), float64 arrays of (N, *shape).

    Raises:
        BoundNetError: unknown or missing engine, or the digits can't be certified (an undecided comparison of a
            discontinuous function).
    """
    wanted = list(graph.outputs if nodes is None else nodes)
    bits = int(digits * 3.33) + 64
    while True:
        machine = make_machine(engine, bits)
        values = evaluate(graph, inputs, machine, tick)
        if all(_certified(machine, values[name], digits) for name in wanted):
            return {name: _enclosures(machine, values[name]) for name in wanted}
        bits *= 2
        if bits > MOST_BITS:
            raise BoundNetError(
                f"the {engine} engine can't certify {digits} digits with {MOST_BITS} bits: an input may "
                "sit exactly on a jump"
            )


def make_machine(engine: str, bits: int) -> Any:
    """The machine of ``engine`` at ``bits`` bits.

    Raises:
        BoundNetError: there is no such engine, or its package is not installed.
    """
    if engine not in ENGINES:
        raise BoundNetError(f"unknown reference engine {engine!r}: use one of {', '.join(ENGINES)}")
    module, name = ENGINES[engine]
    try:
        machine = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise BoundNetError(f"the {engine} engine is not installed: {error}") from None
    return machine() if engine == "exact" else machine(bits)


def evaluate(
    graph: LayerGraph, inputs: Sequence[Array], machine: ObjectMachine, tick: Callable[[str], None] | None = None
) -> dict[str, Objects]:
    """All nodes on a reference machine, as object arrays."""
    if len(inputs) != len(graph.inputs):
        raise InputError(f"model {graph.name!r} has {len(graph.inputs)} inputs, {len(inputs)} arrays were given")
    values: dict[str, Objects] = {name: machine.parameter(x) for name, x in zip(graph.inputs, inputs, strict=True)}
    for name in graph.topological():
        if tick is not None:
            tick(name)
        if name not in values:
            values[name] = graph.op(name).evaluate(machine, *(values[source] for source in graph.inputs_of(name)))
    return values


def _enclosures(machine: Any, values: Objects) -> tuple[Array, Array]:
    lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(values)
    return np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)


def _certified(machine: Any, values: Objects, digits: int) -> bool:
    lo, hi = _enclosures(machine, values)
    scale = float(np.max(np.maximum(np.abs(lo), np.abs(hi)), initial=0.0))
    if not np.isfinite(scale):
        return bool(machine.bits == 53)
    return all(mapped(lambda v: machine.certified(v, scale, digits), values).ravel())
