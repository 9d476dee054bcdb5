"""Bounds as they come from workers, put together to chunks of neighbouring inputs that are executed together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from boundnet.analysis.assumptions import coins_line
from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.node_bounds import Nodes
from boundnet.analysis.units import Part
from boundnet.crosscheck.tally import Describe, Tally
from boundnet.numerics.outward import Array
from boundnet.results import Sample


@dataclass(frozen=True)
class _Input:
    """Bounds of one input: row ``row`` of ``nodes``."""

    sample: Sample
    nodes: Nodes
    row: int


@dataclass(frozen=True)
class Chunk:
    """Bounds of ``inputs`` number ``start`` and following."""

    start: int
    inputs: Sequence[_Input]

    @property
    def stop(self) -> int:
        """Number of the input after the last."""
        return self.start + len(self.inputs)

    def compare(
        self, name: str, computed: Array, tally: Tally, ends: Sequence[tuple[int, Tally]], describe: Describe
    ) -> None:
        """Take in what runs computed at a node.

        Args:
            computed: (R, N, *shape).
            ends: (number, tally) of the outputs that the node is.
        """
        centre = np.stack([x.nodes.centre[name][x.row] for x in self.inputs])
        radius = np.stack([x.nodes.radius[name][x.row] for x in self.inputs])
        overflow = any(x.nodes.overflow[name] for x in self.inputs)
        tally.add(computed, centre, radius, 0.0, overflow, self.start, describe)
        for number, end in ends:
            exact = np.stack([x.nodes.exact[name][x.row] for x in self.inputs])
            slack = np.stack([x.nodes.exact_radius[name][x.row] for x in self.inputs])
            bound = np.stack([x.sample.outputs[number].absolute_bound for x in self.inputs])
            end.add(computed, exact, bound, slack, overflow, self.start, describe)


class Gathered:
    """Chunks of ``step`` inputs, each as soon as all of it is there; knows how its bounds were found."""

    def __init__(self, count: int, step: int) -> None:
        self._count, self._step = count, step
        self._claim = Claim()
        self._used: dict[str, int] = {}

    def chunks(self, parts: Iterable[Part]) -> Iterator[Chunk]:
        """In the order in which they are complete."""
        waiting: dict[int, dict[int, _Input]] = {}
        for part in parts:
            self._claim.merge(part.claim)
            self._used[part.domain] = self._used.get(part.domain, 0) + len(part.samples)
            assert part.nodes is not None
            touched = set()
            for row, sample in enumerate(part.samples):
                start = sample.index // self._step * self._step
                waiting.setdefault(start, {})[sample.index] = _Input(sample, part.nodes, row)
                touched.add(start)
            for start in sorted(touched):
                if len(waiting[start]) == min(self._step, self._count - start):
                    yield Chunk(start, [found for _, found in sorted(waiting.pop(start).items())])

    def notes(self) -> tuple[str, ...]:
        """What the bounds rest on."""
        how = ", ".join(f"{name} for {number} of {self._count} inputs" for name, number in sorted(self._used.items()))
        coins = (coins_line(self._claim, None),) if self._claim.checks else ()
        return (f"bounds of layers and outputs: {how}", *coins)
