"""The first run: Cauchy probes screen, exact rows decide.

Nothing here proves anything: radii that rest on probes are promises, written down in ``limits``, that
:mod:`boundnet.domains.sketch.certify` redeems with fresh coins.  Radii by intervals and by rows hold if the promises do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from boundnet.domains.base import capped
from boundnet.domains.estimate import estimate
from boundnet.domains.forward import Trace
from boundnet.domains.sketch.allotment import Allotment
from boundnet.domains.sketch.gaussian import deviations
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes
from boundnet.domains.sketch.promises import Factors, Promise, between, promise
from boundnet.domains.sketch.rows import exact_radii
from boundnet.domains.sketch.settings import Settings, cost_of
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import TINY, Array, Mask
from boundnet.ops.base import Local, Tensor

DROWNED = 4.0
"""Mean radius over mean magnitude of a tensor above which nothing of it can be told from rounding errors."""
IN_A_ROW = 3
"""So many nodes, one after the other, must have drowned before a run stops to follow symbols."""
LARGE = 1e7
"""Multiply-adds of a probe from which stopping saves anything worth saving."""

MANY = 1 << 14
"""Open elements of a node up to which tight promises are made: of more, too many would have to be repaired."""
SCREENING = 1 << 31
"""Number of the first screening probe: no seed gives both runs the same coins."""


@dataclass
class Effort:
    """What a run has cost and decided.

    Attributes:
        undecided: elements whose screened radius left a decision open.
        rows: adjoint rows spent on them, ``work`` multiply-adds in all.
        skipped: those left with their screened radius because the budget was used up.
    """

    undecided: int = 0
    rows: int = 0
    skipped: int = 0
    work: float = 0.0


class SketchDomain:
    """Radii for one input of a network of any size, or for a few of a small one.

    Args:
        key: seed of the first run's coins.
        budget: multiply-adds that adjoint rows may take.
        within: radii that are known to hold already, by node: then no probes are needed.
        widen: further factor on every promise.
        shrink: promise this share of ``within`` instead of relying on all of it.
        lam: how many times their 2-norm mean-independent roundings may reach: then a promise has a part for their 2-norm,
            in ``random_limits``, beside the part in ``limits`` for worst cases.
        lost: node from which on symbols are not followed; None finds it.

    Attributes:
        lost: node from which on radii are by intervals, because errors had outgrown the values; None where there is none.
    """

    def __init__(
        self, graph: LayerGraph, settings: Settings, key: int, budget: float, within: Mapping[str, Array] | None = None,
        widen: float = 1.0, shrink: float | None = None, lam: float = 0.0, lost: str | None = None,
    ) -> None:  # fmt: skip
        self.lost: str | None = None
        self._lose_at, self._drowned = lost, 0
        self._may_lose = lam == 0.0 and cost_of(graph) >= LARGE
        self.plan = Plan(graph, lam)
        self.limits: dict[str, Array] = {}
        self.random_limits: dict[str, Array] = {}
        self.effort = Effort()
        self._graph = graph
        self._allotment = Allotment(graph, budget)
        self._within = within
        self._factors = Factors.of(settings, widen, lam > 0.0)
        self._shrink = shrink
        self._spread: dict[str, Array] = {}
        self._norm: Array | None = None
        self._probes = Probes(self.plan, settings.screening, SCREENING, key)
        self._random = Probes(self.plan, settings.screening, SCREENING, key, random=True) if lam else None
        self._order = graph.topological()
        self._trace: Trace | None = None

    def begin(self, trace: Trace) -> None:
        """Called with the trace that is being filled."""
        self._trace = trace

    def enter(self, name: str, radius: Array) -> Array:
        self.plan.enter(name, radius)
        return radius

    def push(self, name: str, inputs: tuple[str, ...], local: Local, centre: Array) -> Array:
        plan = self.plan
        lam = plan.lam
        if name == self._lose_at:
            self.lost = name
        plan.severed = self.lost is not None
        radius = interval = _settled(plan.push(name, inputs, local), local, lam)
        carried = bool(plan.links[name])
        promised: Promise | None = None
        if carried:
            known = self._within
            if known is None:
                promised = self._screen(name, interval, Tensor(centre, interval, local.zero))
                radius = promised.radius
            else:
                radius = np.minimum(interval, known[name] * (self._shrink or 1.0))
        radius = _settled(np.where(np.isfinite(centre), radius, np.inf), local, lam)
        plan.radius[name] = from_probes = radius
        promised = (
            Promise(radius, radius) if promised is None or promised.random is None else replace(promised, radius=radius)
        )
        if carried and np.isfinite(plan.known(name)).all():
            radius, promised = self._decide(name, local, centre, promised)
            from_probes = promised.radius
        plan.radius[name] = radius
        if carried and self._within is None and self._may_lose:
            self._watch(name, radius, centre)
        if self._within is None or self._shrink is not None:
            by_probes = (radius < interval) & (radius == from_probes)
            if by_probes.any():
                self.limits[name] = np.where(by_probes, promised.worst, np.inf)
                if promised.random is not None:
                    self.random_limits[name] = np.where(by_probes, promised.random, np.inf)
        if self._within is None:
            self._probes.forget(name)
            if self._random is not None:
                self._random.forget(name)
        return radius

    def _watch(self, name: str, radius: Array, centre: Array) -> None:
        """Give up following symbols where errors have outgrown the values for good."""
        size = float(np.abs(centre).mean()) if centre.size else 0.0
        self._drowned = self._drowned + 1 if size > 0.0 and float(radius.mean()) > DROWNED * size else 0
        if self._drowned == IN_A_ROW:
            self.lost = name

    def _screen(self, name: str, interval: Array, here: Tensor) -> Promise:
        """A promise: the estimate times a factor, where that is below the interval; less where that decides a reader."""
        plan = self.plan
        self._probes.advance(name)
        if name in plan.chained:
            ((source, linear),) = plan.links[name]
            spread = linear.absolute(self._spread[source])
        else:
            spread = estimate(self._probes.value(name))
        self._spread[name] = spread
        for source in plan.graph.inputs_of(name):
            if plan.consumers[source] == 1:
                self._spread.pop(source, None)
        if self._random is not None:
            self._random.advance(name)
            self._norm = deviations(self._random.value(name))
        loose, least = self._promise(name, self._factors.loose), self._promise(name, self._factors.least)
        # A chain is as sharp as what entered, but for promises that decide.
        radius = interval if name in plan.chained else np.minimum(loose.radius, interval)
        for clear in self._clearances(name, here):
            radius = np.where((radius > clear) & (clear >= least.radius), clear, radius)
        return between(plan, name, least, loose, radius)

    def _promise(self, name: str, factors: tuple[float, float]) -> Promise:
        return promise(self.plan, name, self._spread[name], factors[0], self._norm, factors[1])

    def _clearances(self, name: str, here: Tensor) -> list[Array]:
        found = []
        for reader in self._graph.readers(name):
            sources = self._graph.inputs_of(reader)
            if len(sources) == 1:
                (clear,) = self._graph.op(reader).clearance(here)
                if clear is not None:
                    found.append(clear)
        return found

    def _decide(self, name: str, local: Local, centre: Array, promised: Promise) -> tuple[Array, Promise]:
        """Exact radii where a reader's decision is open, and what is promised where the budget ends before."""
        radius = promised.radius
        open_ = self._open(name, local, centre, radius)
        budget = self._allotment.for_node(name, self.effort.work)
        if open_ is None:
            return radius, promised
        elements = np.flatnonzero(open_.reshape(-1))
        self.effort.undecided += len(elements)
        # The widest strips first: they inject most.
        slack = (radius - np.abs(centre)).reshape(-1)[elements]
        elements = elements[np.argsort(-slack, kind="stable")]
        elements, exact, work = exact_radii(self.plan, self._order, name, elements, budget)
        self.effort.work += work
        self.effort.rows += len(elements)
        self.effort.skipped += int(open_.sum()) - len(elements)
        lam = self.plan.lam
        if self._within is None and np.count_nonzero(open_) <= MANY:
            tight = self._promise(name, self._factors.tight)
            promised = promised.where(open_ & (tight.radius < radius), tight)
            promised = replace(promised, radius=_settled(promised.radius, local, lam))
            if promised.random is None:
                promised = Promise(promised.radius, promised.radius)
        flat = promised.radius.reshape(-1).copy()
        flat[elements] = np.minimum(flat[elements], exact)
        return _settled(flat.reshape(radius.shape), local, lam), promised

    def _open(self, name: str, local: Local, centre: Array, radius: Array) -> Mask | None:
        assert self._trace is not None
        here = Tensor(centre, radius, local.zero)
        found: Mask | None = None
        for reader in self._graph.readers(name):
            sources = self._graph.inputs_of(reader)
            if any(s != name and s not in self._trace.tensors for s in sources):
                continue  # its other inputs come later: decided there with what is known here
            xs = [here if s == name else self._trace.tensors[s] for s in sources]
            masks = self._graph.op(reader).undecided(*xs)
            for source, mask in zip(sources, masks, strict=True):
                if source == name and mask is not None and mask.any():
                    found = mask if found is None else found | mask
        return found


def _settled(radius: Array, local: Local, lam: float) -> Array:
    radius = capped(radius, local, lam)
    return np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
