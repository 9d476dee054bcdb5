"""Executions under stochastic rounding beside the probabilistic bounds of one input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.domains import AffineDomain, IntervalDomain
from boundnet.domains.chance import Chance
from boundnet.domains.forward import Trace, forward
from boundnet.graph import LayerGraph
from boundnet.mca.engine.run import execute
from boundnet.mca.engine.settle import settled
from boundnet.numerics.outward import Array
from boundnet.ops import Input
from boundnet.ops.base import Op
from boundnet.roundoff.rounder import Rounder


def stochastic(name: str, **changes: str) -> Arithmetic:
    """A preset under stochastic rounding, nothing left open."""
    return settled(replace(preset(name), rounding="stochastic", fma="no", subnormals="gradual", **changes))  # type: ignore[arg-type]


def single(op: Op, *shapes: tuple[int, ...]) -> LayerGraph:
    """A graph of one op."""
    graph = LayerGraph("one op")
    sources = [graph.add(f"x{i}", Input(shape)) for i, shape in enumerate(shapes)]
    graph.add("y", op, sources)
    graph.set_outputs(["y"])
    return graph


def traced(
    graph: LayerGraph, inputs: list[Array], rules: Arithmetic, lam: float, affine: bool = True
) -> Trace:  # fmt: skip
    """The machine's run about its centre, radii with lambda."""
    consumers = {name: graph.consumers(name) for name in graph.topological()}
    domain = AffineDomain(consumers, lam=lam) if affine else IntervalDomain(lam)
    return forward(graph, inputs, Rounder(rules), domain, chance=Chance.of(rules, lam))


def distances(graph: LayerGraph, inputs: list[Array], rules: Arithmetic, runs: int, seed: int = 1) -> dict[str, Array]:
    """|computed - centre| of every node: (runs, *shape)."""
    centres = graph.evaluate(inputs)
    found = {}
    for name, computed in execute(graph, inputs, rules, runs, seed):
        found[name] = np.abs(computed[:, 0] - centres[name][0])
    return found


def exceeded(trace: Trace, apart: dict[str, Array]) -> dict[str, float]:
    """How often an element leaves its radius, node by node: a share of all elements and runs."""
    return {name: float(np.mean(seen > trace.tensors[name].radius[0])) for name, seen in apart.items()}
