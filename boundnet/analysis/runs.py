"""The two runs behind every bound: the machine's and the exact network's, each about its own float64 centre."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boundnet.analysis.coins_claim import Claim, seed_of
from boundnet.analysis.instrument import instrumented
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.domains import AffineDomain, Domain, IntervalDomain
from boundnet.domains.affine import TooManySymbols
from boundnet.domains.chance import Chance
from boundnet.domains.forward import Tick, Trace, forward
from boundnet.domains.sketch.prove import Note, prove
from boundnet.domains.sketch.settings import Settings, cost_of, settings_for, smaller
from boundnet.domains.steps import SteppedIntervals
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op, Tensor
from boundnet.roundoff.rounder import Rounder

AUTO_LIMIT = 1 << 26
"""Most affine coefficients that ``auto`` keeps at a time, in float64 values."""
EXPLICIT_LIMIT = 1 << 28
"""The same when affine forms are asked for."""
DEEP = 1 << 21
"""Values in all tensors together from which ``auto`` goes to sketches at once."""
SHRINK = 2.0**-10
"""Share of a machine's radii, in binary32 or narrower, that the float64 centre's own error is promised to keep to."""
LARGE = 1e8
"""Multiply-adds from which a wide format's exact network has no run of its own, where the machine's radii hold for it."""
ROW_WORK = 6e11
"""Multiply-adds that a run may spend on adjoint rows for open decisions, times the effort asked for."""
EXACT_WORK = 2e10
"""The same for the exact network, where hardly a decision is open."""
_CHUNK_VALUES = 1 << 22
_SKETCH_VALUES = 1 << 21
_MANY = 50


@dataclass(frozen=True)
class Runs:
    """Traces of a chunk of samples.

    Attributes:
        machine: about the centre of the network with cast weights and inputs.
        exact: about the centre of the network as stored; the same centre where casting changes nothing.
    """

    machine: Trace
    exact: Trace


class Runner:
    """Analyses inputs of one graph in one Arithmetic.

    Args:
        domain: ``auto``, ``interval``, ``affine`` or ``sketch``.
        seed: of the sketches' proving coins; None draws them from the operating system.
        inputs: how many inputs the claim will cover.
        effort: factor on the work that sketches may spend on open decisions.
        chance: for the probabilistic guarantee, None where roundings are worst cases.
    """

    def __init__(
        self, graph: LayerGraph, arithmetic: Arithmetic, domain: str = "auto", seed: int | None = None, inputs: int = 1,
        effort: float = 1.0, chance: Chance | None = None,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.arithmetic = arithmetic
        self.requested = domain
        self.effort = effort
        self.chance = chance
        self._lam = 0.0 if chance is None else chance.lam
        self._seed, self._inputs = seed, inputs
        self._settings: Settings | None = None
        self._consumers = {name: graph.consumers(name) for name in graph.topological()}
        self._machine = Rounder(arithmetic)
        self._exact = Rounder(None)
        # Under the probabilistic guarantee stored numbers are cast to nearest, whatever operations do: once, and known.
        self.casts = arithmetic.nearest or chance is not None
        cast = self.casts and _casts_weights(graph, arithmetic)
        self.cast_graph = cast_weights(graph, arithmetic) if cast else graph
        stepped = instrumented(self.cast_graph, arithmetic) if chance is None else None
        self.stepped = stepped is not None
        self.machine_graph = self.cast_graph if stepped is None else stepped
        self._machine_consumers = {name: self.machine_graph.consumers(name) for name in self.machine_graph.topological()}

    def chunk(self) -> int:
        """How many samples to analyse together with intervals; follows from the graph alone."""
        values = sum(int(np.prod(self.graph.shape(name))) for name in self.graph.topological())
        return max(1, min(32, _CHUNK_VALUES // values))

    def intervals(self, inputs: Sequence[Array], tick: Tick | None = None) -> Runs:
        """Both traces for a chunk, radii by intervals: (N, *shape) float64 arrays, one for each Input node."""
        return Runs(
            self._forward(inputs, SteppedIntervals() if self.stepped else IntervalDomain(self._lam), tick),
            forward(self.graph, inputs, self._exact, IntervalDomain(), tick=tick),
        )

    def affine(self, inputs: Sequence[Array], tick: Tick | None = None) -> Runs | None:
        """Both traces for one sample, radii by affine forms; None where they do not fit the memory budget.

        The exact run of a narrow format stays with intervals where these are a small share of the machine's radii: they
        begin as 2**-53 / u of them, and grow exponentially with depth.
        """
        limit = AUTO_LIMIT if self.requested == "auto" else EXPLICIT_LIMIT
        precise = self.arithmetic.storage.precision > 40

        try:
            machine = self._forward(inputs, AffineDomain(self._machine_consumers, limit, self._lam), tick)
            exact = None if precise else forward(self.graph, inputs, self._exact, IntervalDomain(), tick=tick)
            if exact is None or not _negligible(exact, machine):
                exact = forward(self.graph, inputs, self._exact, AffineDomain(self._consumers, limit), tick=tick)
        except TooManySymbols:
            return None
        return Runs(machine, exact)

    def _forward(self, inputs: Sequence[Array], domain: Domain, tick: Tick | None) -> Trace:
        """The machine's run."""
        return forward(self.machine_graph, self._cast(inputs), self._machine, domain, tick=tick, chance=self.chance)

    def together(self) -> int:
        """How many samples a sketch takes at once: several where there are many nodes and each is little work."""
        sizes = [int(np.prod(self.graph.shape(name))) for name in self.graph.topological()]
        return max(1, min(16, _SKETCH_VALUES // sum(sizes))) if len(sizes) >= _MANY else 1

    @property
    def deep(self) -> bool:
        """Whether ``auto`` need not try intervals first: too large for affine forms, too deep for intervals."""
        sizes = [int(np.prod(self.graph.shape(name))) for name in self.graph.topological()]
        return sum(sizes) >= DEEP

    def sketch(
        self, inputs: Sequence[Array], wanted: Collection[str], claim: Claim, index: int, note: Note | None = None
    ) -> Runs | None:
        """Both traces, radii by sketch and rows; None where no second run confirmed the first.

        Args:
            inputs: one, or up to :meth:`together`.
            wanted: nodes of which probes are kept, those of a single input.
            claim: takes in what is asked of coins.
            index: of the first input among all that the claim covers: each has coins of its own.
        """
        alone = len(inputs[0]) == 1
        wanted, run = (wanted, 0) if alone else ((), 3)
        if self._settings is None:
            precise = self.arithmetic.accumulate.precision > 40
            self._settings = settings_for(self.graph, self._inputs, precise, twice=self.chance is not None)
        settings = replace(self._settings, chunk=max(4, self._settings.chunk // len(inputs[0]) // 2 * 2))
        cast = self._cast(inputs)
        budget = ROW_WORK * self.effort
        seed = seed_of(self._seed, index, run)
        machine = prove(
            self.machine_graph, cast, self._machine, settings, wanted, budget, seed, note=note, chance=self.chance
        )  # fmt: skip
        claim.add(machine, settings)
        if machine.trace is None:
            return None
        same = self.machine_graph is self.graph and all(map(np.array_equal, cast, inputs))
        # The exact network is a conforming run in which nothing is rounded: where its centre is the machine's, the
        # machine's radii hold for it.  About another centre they are promises like any others.
        if same and self.arithmetic.storage.precision > 24 and cost_of(self.graph) >= LARGE:
            # Its own bound would be a third of the sum at best, for as much work again.
            return Runs(machine.trace, machine.trace)
        radii = {name: t.radius for name, t in machine.trace.tensors.items()}
        seed = seed_of(self._seed, index, run + 1)
        within, shrink = radii if same else None, None
        if self.arithmetic.storage.precision <= 24:
            # 2**-53 / u as much: few probes can check wide promises.
            within = radii if same else {name: _usable(t) for name, t in machine.trace.tensors.items()}
            settings, shrink = smaller(settings), SHRINK
        lost = machine.lost
        exact = prove(self.graph, inputs, self._exact, settings, wanted, EXACT_WORK, seed, within, shrink, note, lost=lost)
        claim.add(exact, settings)
        if exact.trace is None and same and shrink is not None:
            # Radii that hold need no promise: what is left to check are the outputs.
            seed = seed_of(self._seed, index, run + 2)
            exact = prove(self.graph, inputs, self._exact, settings, wanted, 0.0, seed, radii, None, note, lost=lost)
            claim.add(exact, settings)
        return None if exact.trace is None else Runs(machine.trace, exact.trace)

    def _cast(self, inputs: Sequence[Array]) -> list[Array]:
        whole = [self.graph.holds_integers(name) for name in self.graph.inputs]
        return [
            x if exact or not self.casts else cast_to(self.arithmetic, x) for x, exact in zip(inputs, whole, strict=True)
        ]


def _usable(tensor: Tensor) -> Array:
    """Radii to hold the exact network against, which has errors of its own where a machine's rounding is decided."""
    size = np.where(np.isfinite(tensor.centre), np.abs(tensor.centre), 0.0).max(initial=0.0)
    return np.where(tensor.radius > size * 2.0**-35, tensor.radius, np.inf)


def _negligible(exact: Trace, machine: Trace) -> bool:
    """Whether the exact run's radii hardly count beside the machine's."""
    pairs = ((exact.tensors[name].radius, machine.tensors[name].radius) for name in exact.tensors)
    return all(bool(np.all(small <= SHRINK * large)) for small, large in pairs if np.isfinite(large).all())


def _casts_weights(graph: LayerGraph, arithmetic: Arithmetic) -> bool:
    """Whether casting changes some weight, in the same way in every execution.

    Only for casts to nearest: another rounding may cast a weight either way, and casting is noise, not a known change.
    """
    return any(
        not np.array_equal(arithmetic.weights(op.normalises).round(weight), weight)
        for op in map(graph.op, graph.topological())
        for weight in op.parameters()
    )


def cast_weights(graph: LayerGraph, arithmetic: Arithmetic) -> LayerGraph:
    """The network with its weights as the machine stores them."""

    def change(op: Op) -> Op:
        fmt = arithmetic.weights(op.normalises)
        return op.cast(lambda weight: cast_to(arithmetic, weight, fmt))

    return graph.replaced(change)


def cast_to(arithmetic: Arithmetic, value: Array, storage: Format | None = None) -> Array:
    """``value`` rounded to the storage format, where that is what every conforming cast gives.

    A value that does not fit stays as it is, and storing it is reported as overflow.  One that a cast may either round
    or flush to zero stays as well: casting it is noise (:meth:`boundnet.roundoff.rounder.Rounder.stored_error`).
    """
    storage = arithmetic.storage if storage is None else storage
    rounded = storage.round(value)
    known = (np.abs(value) >= arithmetic.flush()) | (rounded == 0.0)
    return np.where(known & (np.abs(value) <= storage.largest), rounded, value)
