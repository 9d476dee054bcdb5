"""How many probes, how wide a safety factor, how small a failure probability."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from boundnet.domains.estimate import log_tau, scatter
from boundnet.graph import LayerGraph

CLAIM = 1e-9
"""Failure probability of a whole claim: all inputs, runs, tries, neurons and outputs."""
TRIES = 3
"""Second runs, each with fresh coins, before a network is given up; fixed beforehand."""
STARTS = 4
"""Times that an input may be begun, each with fresh coins, because a worker died on it; fixed beforehand.

A start that is cut off could be one that would have found a promise wrong, so every start counts.
"""
RUNS = 6
"""Runs of an input: the machine's, the exact network's, one more of that where promises failed; alone and with others."""
DISAGREE = 1e-6
"""Share of promises that the second run may fail to confirm because the two runs' estimates scatter: rows repair them."""
LARGE = 1 << 21
"""Tensors above this size get fewer probes at a time."""
SMALL = 1 << 15
"""Tensors up to this size leave room for many screening probes."""


@dataclass(frozen=True)
class Settings:
    """Settings of one analysis.

    Attributes:
        screening: probes of the first run, all in memory at once.
        checking: probes of the second run, ``chunk`` at a time.
        log_p: log of the failure probability of a single check.
        factor: E' is this times the first run's estimate.
    """

    screening: int
    checking: int
    chunk: int
    log_p: float

    @property
    def log_tau(self) -> float:
        """log of the factor between the geometric mean of the second run's probes and a bound."""
        return log_tau(self.checking, self.log_p)

    @property
    def least(self) -> float:
        """Factor at which most promises are confirmed, two standard deviations up; rows repair the others."""
        return float(np.exp(self.log_tau + np.pi * np.sqrt(1.0 / self.screening + 1.0 / self.checking)))

    @property
    def tight(self) -> float:
        """Factor at which nearly all are, three standard deviations up: promised where a decision stays open anyway."""
        return float(np.exp(self.log_tau + 1.5 * np.pi * np.sqrt(1.0 / self.screening + 1.0 / self.checking)))

    @property
    def factor(self) -> float:
        """tau, times what two estimates may differ by."""
        return float(np.exp(self.log_tau)) * scatter(self.screening, self.checking, DISAGREE)


def smaller(settings: Settings) -> Settings:
    """Few probes for promises that are wide by orders of magnitude."""
    return replace(settings, checking=32, chunk=min(settings.chunk, 32))


def cost_of_node(graph: LayerGraph, name: str) -> float:
    """About how many multiply-adds the node takes of one probe or one row."""
    op, sources = graph.op(name), graph.inputs_of(name)
    size = float(np.prod(graph.shape(name), dtype=np.float64))
    linear = getattr(op, "linear", None)
    return size * (linear(graph.shape(sources[0])).fan_in if linear is not None and sources else 2.0)


def cost_of(graph: LayerGraph) -> float:
    """About how many multiply-adds one probe or one row costs."""
    return sum(cost_of_node(graph, name) for name in graph.topological())


def curved(graph: LayerGraph) -> bool:
    """Whether smooth functions make strips grow with the square of the radius: then more probes pay."""
    return any(
        getattr(getattr(graph.op(name), "function", None), "pieces", 0) is None or graph.op(name).describe() == "Multiply"
        for name in graph.topological()
    )


def settings_for(graph: LayerGraph, inputs: int, precise: bool = False, twice: bool = False) -> Settings:
    """Settings that keep the whole claim's failure probability below ``CLAIM``.

    Args:
        inputs: how many inputs the claim covers.
        precise: whether roundings are so small that hardly a decision is open even with wide radii: fewer probes do.
        twice: whether the machine's promises have two parts, for worst cases and for mean-independent roundings.
    """
    smooth = curved(graph)
    sizes = [int(np.prod(graph.shape(name), dtype=np.int64)) for name in graph.topological()]
    runs = RUNS + 1 if twice else RUNS
    # Four for each output and each logit.
    checks = (sum(sizes) + 8 * sum(int(np.prod(graph.shape(o))) for o in graph.outputs) + 1) * max(inputs, 1)
    checks *= runs * TRIES * STARTS
    largest = max(sizes)
    if precise:
        screening, checking = 16, 64
    else:
        screening, checking = 64, 512 if smooth else 256
    if largest > LARGE:
        screening //= 2
    if smooth and not precise and largest <= SMALL:
        # As wide a factor for less: a screening probe costs no more than a checking one.
        screening, checking = 128, 256
    # Small networks run all probes at once: there is a pass of Python over all nodes for every chunk.
    chunk = min(checking, max(4, min(16, (1 << 25) // largest // 2 * 2), (1 << 21) // largest // 2 * 2))
    return Settings(screening, checking, chunk, float(np.log(CLAIM / checks)))
