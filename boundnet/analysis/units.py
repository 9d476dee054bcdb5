"""What an analysis is cut into: units of work that depend on nothing but their own inputs and their place among all.

The cuts follow from the network and the number of inputs alone, so that results do not depend, to the last bit, on who
computes which unit when: matrix products may round differently where a chunk holds other samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.heads import Head
from boundnet.analysis.layer_table import LayerTable, Tallies
from boundnet.analysis.node_bounds import Nodes
from boundnet.analysis.outputs import results_of
from boundnet.analysis.runs import Runner, Runs
from boundnet.arithmetic import Arithmetic
from boundnet.domains.chance import Chance
from boundnet.domains.sketch.prove import Note
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.results import Sample

CURVED = 0.01
"""Affine radii only sharpen what strips cost; below this share of the bound intervals are as good."""
TRIED = 8
"""Samples of a unit that intervals are tried on first: where all of them need more, the others will, too."""


@dataclass(frozen=True)
class Unit:
    """Inputs ``start`` .. ``stop`` - 1.

    Attributes:
        sharper: by affine forms, one input at a time, or by a sketch; otherwise by intervals.
        affine: whether affine forms are worth a try.
    """

    start: int
    stop: int
    sharper: bool = False
    affine: bool = True


@dataclass(frozen=True)
class Part:
    """Results of some inputs, all from one domain; ``nodes`` where the job asks for them."""

    samples: tuple[Sample, ...]
    layers: Tallies
    domain: str
    claim: Claim
    nodes: Nodes | None = None


@dataclass(frozen=True)
class Outcome:
    """What a unit has come to: results, and inputs that need a unit of their own."""

    parts: tuple[Part, ...]
    more: tuple[Unit, ...] = ()


@dataclass(frozen=True)
class Job:
    """Everything that units need beside their inputs.

    Attributes:
        domain: ``auto``, ``interval``, ``affine`` or ``sketch``.
        coins: seed of the sketches' proving coins, None for the operating system's.
        count: how many inputs there are.
        effort: factor on the work that sketches may spend on open decisions.
        lam: of the probabilistic guarantee, None where roundings are worst cases.
        nodes: whether the bounds of all nodes are wanted beside those of outputs.
    """

    graph: LayerGraph
    arithmetic: Arithmetic
    domain: str
    heads: tuple[Head, ...]
    coins: int | None
    count: int
    lam: float | None = None
    effort: float = 1.0
    nodes: bool = False


class Bounder:
    """Computes the units of one job; holds nothing that one unit could change for another."""

    def __init__(self, job: Job) -> None:
        self.job = job
        chance = None if job.lam is None else Chance.of(job.arithmetic, job.lam)
        self.runner = Runner(job.graph, job.arithmetic, job.domain, job.coins, job.count, job.effort, chance)
        self._wanted = {head.output for head in job.heads}
        self._wanted |= {head.logits for head in job.heads if head.logits is not None}
        self._single = job.domain in ("affine", "sketch") or (job.domain == "auto" and self.runner.deep)

    def units(self) -> list[Unit]:
        """The units to begin with: every input is in one."""
        count = self.job.count
        if self._single:
            return self._sharper(range(count), affine=self.job.domain == "affine")
        step = self.runner.chunk()
        return [Unit(i, min(count, i + step)) for i in range(0, count, step)]

    def compute(self, unit: Unit, inputs: Sequence[Array], note: Note | None = None) -> Outcome:
        """Bound the inputs of one unit.

        Args:
            inputs: those inputs alone, (stop - start, *shape) for each Input node.
            note: called with (stage, done, total) while a sketch is under way.
        """
        if unit.sharper:
            return Outcome(self._refine_all(unit, inputs, note))
        parts: list[Part] = []
        hard: list[int] = []
        size = unit.stop - unit.start
        at = 0
        while at < size:
            # In two pieces: what the first shows may spare the second.
            end = min(size, TRIED) if at == 0 and self.job.domain == "auto" else size
            if at and len(hard) == at:
                hard += range(at, size)
                break
            done, open_ = self._by_intervals(unit.start, np.arange(at, end), inputs)
            parts += done
            hard += open_
            at = end
        return self._more(unit, inputs, parts, hard, note)

    def _more(
        self, unit: Unit, inputs: Sequence[Array], parts: list[Part], hard: list[int], note: Note | None
    ) -> Outcome:  # fmt: skip
        """The first input that needs more is refined here: whether affine forms fit it decides whether others try them."""
        if not hard:
            return Outcome(tuple(parts))
        first = hard[0]
        part, fits = self._refine(
            Unit(unit.start + first, unit.start + first + 1), [x[first : first + 1] for x in inputs], note
        )
        return Outcome((*parts, part), tuple(self._sharper([unit.start + i for i in hard[1:]], affine=fits)))

    def _sharper(self, chosen: Sequence[int], affine: bool) -> list[Unit]:
        """Units for the inputs ``chosen``, in order: neighbours share a sketch where the network is small."""
        most = 1 if affine else self.runner.together()
        units: list[Unit] = []
        for i in chosen:
            last = units[-1] if units else None
            if last is not None and last.stop == i and i - last.start < most:
                units[-1] = replace(last, stop=i + 1)
            else:
                units.append(Unit(i, i + 1, sharper=True, affine=affine))
        return units

    def _by_intervals(
        self, start: int, chosen: np.typing.NDArray[np.int64], inputs: Sequence[Array]
    ) -> tuple[list[Part], list[int]]:
        """Bound inputs ``start + chosen`` by intervals; also which of them a sharper domain may serve better."""
        part, curved = self._read(start, chosen, inputs)
        hard = curved > CURVED if self.job.domain == "auto" else np.zeros(len(chosen), dtype=np.bool_)
        if not hard.any():
            return [part], []
        rest = chosen[~hard]
        parts = [self._read(start, rest, inputs)[0]] if len(rest) else []
        return parts, [int(i) for i in chosen[hard]]

    def _read(self, start: int, chosen: np.typing.NDArray[np.int64], inputs: Sequence[Array]) -> tuple[Part, Array]:
        runs = self.runner.intervals([x[chosen] for x in inputs])
        return self._part(runs, start + chosen, "interval", Claim())

    def _refine_all(self, unit: Unit, inputs: Sequence[Array], note: Note | None) -> tuple[Part, ...]:
        """Bound the inputs of a unit together, or each for itself where that fails."""
        count = unit.stop - unit.start
        claim = Claim()
        if count > 1:
            runs = self.runner.sketch(inputs, (), claim, unit.start, note)
            if runs is not None:
                return (self._part(runs, np.arange(unit.start, unit.stop), "sketch", claim)[0],)
        alone = (Unit(unit.start + i, unit.start + i + 1, sharper=True, affine=unit.affine) for i in range(count))
        parts = [self._refine(one, [x[i : i + 1] for x in inputs], note)[0] for i, one in enumerate(alone)]
        parts[0].claim.merge(claim)
        return tuple(parts)

    def _refine(self, unit: Unit, inputs: Sequence[Array], note: Note | None) -> tuple[Part, bool]:
        """Bound one input by affine forms, or by a sketch where they do not fit, or by intervals where that fails."""
        runner, claim = self.runner, Claim()
        runs = runner.affine(inputs) if unit.affine else None
        fits, domain = runs is not None, "affine"
        if runs is None and self.job.domain != "affine":
            runs, domain = runner.sketch(inputs, self._wanted, claim, unit.start, note), "sketch"
        if runs is None:
            runs, domain = runner.intervals(inputs), "interval"
        return self._part(runs, np.array([unit.start]), domain, claim)[0], fits

    def _part(
        self, runs: Runs, which: np.typing.NDArray[np.int64], domain: str, claim: Claim
    ) -> tuple[Part, Array]:  # fmt: skip
        """What both runs come to, and how much nonlinearity costs each sample (:func:`results_of`)."""
        table = LayerTable(self.job.graph, self.job.arithmetic.storage)
        samples, curved = results_of(runs, list(self.job.heads), self.runner, which, table)
        return Part(tuple(samples), table.tallies, domain, claim, Nodes.of(runs) if self.job.nodes else None), curved
