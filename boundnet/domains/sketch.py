"""The first run: Cauchy probes screen, exact rows decide.

Nothing here proves anything: radii that rest on probes are promises, written down in ``limits``, that
:mod:`boundnet.sketches.certify` redeems with fresh coins.  Radii by intervals and by rows hold if the promises do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from boundnet.domains.base import capped
from boundnet.forward import Trace
from boundnet.graph import LayerGraph
from boundnet.ops.base import Local, Tensor
from boundnet.rounding import TINY, Array, Mask, up
from boundnet.sketches.allotment import Allotment
from boundnet.sketches.estimate import estimate
from boundnet.sketches.plan import Plan
from boundnet.sketches.probes import Probes
from boundnet.sketches.rows import exact_radii
from boundnet.sketches.settings import Settings

FRACTION = 2.0**-5
"""Least part of a promised radius that is left to the probes."""

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
    """

    def __init__(
        self, graph: LayerGraph, settings: Settings, key: int, budget: float, within: Mapping[str, Array] | None = None,
        widen: float = 1.0, shrink: float | None = None,
    ) -> None:  # fmt: skip
        self.plan = Plan(graph)
        self.limits: dict[str, Array] = {}
        self.effort = Effort()
        self._graph = graph
        self._settings = settings
        self._allotment = Allotment(graph, budget)
        self._within = within
        self._factor, self._tight, self._least = settings.factor * widen, settings.tight * widen, settings.least
        self._shrink = shrink
        self._spread: dict[str, Array] = {}
        self._probes = Probes(self.plan, settings.screening, SCREENING, key)
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
        radius = interval = _settled(plan.push(name, inputs, local), local)
        carried = bool(plan.links[name])
        if carried:
            known = self._within
            if known is None:
                radius = self._screen(name, interval, Tensor(centre, interval, local.zero))
            else:
                radius = np.minimum(interval, known[name] * (self._shrink or 1.0))
        radius = _settled(np.where(np.isfinite(centre), radius, np.inf), local)
        plan.radius[name] = promised = radius
        if carried and np.isfinite(plan.known(name)).all():
            radius, promised = self._decide(name, local, centre, radius)
        plan.radius[name] = radius
        if self._within is None or self._shrink is not None:
            by_probes = (radius < interval) & (radius == promised)
            if by_probes.any():
                self.limits[name] = np.where(by_probes, radius, np.inf)
        if self._within is None:
            self._probes.forget(name)
        return radius

    def _screen(self, name: str, interval: Array, here: Tensor) -> Array:
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
        loose, least = self._promise(name, self._factor), self._promise(name, self._least)
        # A chain is as sharp as what entered, but for promises that decide.
        radius = interval if name in plan.chained else np.minimum(loose, interval)
        for clear in self._clearances(name, here):
            radius = np.where((radius > clear) & (clear >= least), clear, radius)
        return radius

    def _promise(self, name: str, factor: float) -> Array:
        """``factor`` times what probes see, and what they leave out.

        Not below a fraction of what is known anyway: the probes' own rounding is measured against that too.
        """
        known = self.plan.known(name)
        return up(known + np.maximum(factor * self._spread[name], FRACTION * known), 4)

    def _clearances(self, name: str, here: Tensor) -> list[Array]:
        found = []
        for reader in self._graph.readers(name):
            sources = self._graph.inputs_of(reader)
            if len(sources) == 1:
                (clear,) = self._graph.op(reader).clearance(here)
                if clear is not None:
                    found.append(clear)
        return found

    def _decide(self, name: str, local: Local, centre: Array, radius: Array) -> tuple[Array, Array]:
        """Exact radii where a reader's decision is open, and what is promised where the budget ends before."""
        open_ = self._open(name, local, centre, radius)
        budget = self._allotment.for_node(name, self.effort.work)
        if open_ is None:
            return radius, radius
        elements = np.flatnonzero(open_.reshape(-1))
        self.effort.undecided += len(elements)
        # The widest strips first: they inject most.
        slack = (radius - np.abs(centre)).reshape(-1)[elements]
        elements = elements[np.argsort(-slack, kind="stable")]
        elements, exact, work = exact_radii(self.plan, self._order, name, elements, budget)
        self.effort.work += work
        self.effort.rows += len(elements)
        self.effort.skipped += int(open_.sum()) - len(elements)
        promised = radius
        if self._within is None:
            promised = _settled(np.where(open_, np.minimum(radius, self._promise(name, self._tight)), radius), local)
        flat = promised.reshape(-1).copy()
        flat[elements] = np.minimum(flat[elements], exact)
        return _settled(flat.reshape(radius.shape), local), promised

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


def _settled(radius: Array, local: Local) -> Array:
    radius = capped(radius, local)
    return np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
