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
        rows: adjoint rows spent on them.
        skipped: those left with their screened radius because the budget was used up.
    """

    undecided: int = 0
    rows: int = 0
    skipped: int = 0


class SketchDomain:
    """Radii for one input (batch axis of length 1) of a network of any size.

    Args:
        key: seed of the first run's coins.
        budget: most adjoint rows.
        within: radii that are known to hold already, by node: then no probes are needed.
    """

    def __init__(
        self, graph: LayerGraph, settings: Settings, key: int, budget: int, within: Mapping[str, Array] | None = None,
        widen: float = 1.0,
    ) -> None:  # fmt: skip
        self.plan = Plan(graph)
        self.limits: dict[str, Array] = {}
        self.effort = Effort()
        self._graph = graph
        self._settings = settings
        self._budget = budget
        self._within = within
        self._factor = settings.factor * widen
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
            radius = self._screen(name, interval) if known is None else np.minimum(interval, known[name])
        radius = _settled(np.where(np.isfinite(centre), radius, np.inf), local)
        plan.radius[name] = radius
        screened = radius
        if carried and np.isfinite(plan.known(name)).all():
            radius = self._decide(name, local, centre, radius)
        plan.radius[name] = radius
        if self._within is None:
            by_probes = (radius < interval) & (radius == screened)
            if by_probes.any():
                self.limits[name] = np.where(by_probes, radius, np.inf)
            self._probes.forget(name)
        return radius

    def _screen(self, name: str, interval: Array) -> Array:
        """A promise: the estimate times a factor, where that is below the interval."""
        self._probes.advance(name)
        if name in self.plan.chained:
            return interval  # as sharp as what entered
        spread = estimate(self._probes.value(name))
        known = self.plan.known(name)
        # Not below a fraction of what is known anyway: the probes' own rounding is measured against that too.
        loose = up(known + np.maximum(self._factor * spread, FRACTION * known), 4)
        return np.where(loose < interval, loose, interval)

    def _decide(self, name: str, local: Local, centre: Array, radius: Array) -> Array:
        """Exact radii where a reader's decision is open."""
        open_ = self._open(name, local, centre, radius)
        if open_ is None:
            return radius
        elements = np.flatnonzero(open_.reshape(-1))
        self.effort.undecided += len(elements)
        allowed = max(0, self._budget - self.effort.rows)
        if len(elements) > allowed:
            self.effort.skipped += len(elements) - allowed
            # The widest strips first: they inject most.
            slack = (radius - np.abs(centre)).reshape(-1)[elements]
            elements = np.sort(elements[np.argsort(-slack)[:allowed]])
        if len(elements) == 0:
            return radius
        self.effort.rows += len(elements)
        exact = exact_radii(self.plan, self._order, name, elements)
        flat = radius.reshape(-1).copy()
        flat[elements] = np.minimum(flat[elements], exact)
        return _settled(flat.reshape(radius.shape), local)

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

