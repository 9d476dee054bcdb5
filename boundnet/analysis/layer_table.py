"""Per-layer figures, gathered chunk by chunk: bounds, ranges, overflow and shares of the final error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from boundnet.analysis.instrument import unstored_name
from boundnet.analysis.runs import Runs
from boundnet.arithmetic.formats import BINARY32, Format
from boundnet.domains.adjoint import Adjoint
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops import Activation, Op
from boundnet.results import Layer, Node


@dataclass
class Values:
    """Magnitudes of the float64 centres of a layer's result; NaN and infinity make the largest and the square infinite."""

    largest: float = 0.0
    smallest: float = np.inf
    rms: float = 0.0
    count: int = 0
    nonzero: int = 0
    subnormal: int = 0

    def add(self, centre: Array, smallest_normal: float) -> None:
        size = np.abs(np.where(np.isfinite(centre), centre, np.inf)).ravel()
        positive = size[size > 0.0]
        self.largest = max(self.largest, float(size.max(initial=0.0)))
        self.smallest = min(self.smallest, float(positive.min(initial=np.inf)))
        scaled = size / self.largest if 0.0 < self.largest < np.inf else size
        rms = float(np.sqrt(np.square(scaled).mean())) * self.largest if self.largest < np.inf else np.inf
        self._mix(rms, size.size)
        self.nonzero += positive.size
        self.subnormal += int(np.count_nonzero(positive < smallest_normal))

    def merge(self, other: Values) -> None:
        self.largest, self.smallest = max(self.largest, other.largest), min(self.smallest, other.smallest)
        self._mix(other.rms, other.count)
        self.nonzero += other.nonzero
        self.subnormal += other.subnormal

    def _mix(self, rms: float, count: int) -> None:
        total = self.count + count
        if count:
            self.rms = math.hypot(self.rms * math.sqrt(self.count / total), rms * math.sqrt(count / total))
        self.count = total


@dataclass
class Tally:
    """Figures of one source layer; ``sharper``: a better bound than the forward pass's, where there is one."""

    bound: float = 0.0
    sharper: float | None = None
    low: float = np.inf
    high: float = -np.inf
    overflow: bool = False
    rounding: float = 0.0
    linearisation: float = 0.0
    values: Values = field(default_factory=Values)

    def merge(self, other: Tally) -> None:
        """Take in the same layer's figures over other samples."""
        self.bound = max(self.bound, other.bound if other.sharper is None else other.sharper)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.overflow |= other.overflow
        self.rounding += other.rounding
        self.linearisation += other.linearisation
        self.values.merge(other.values)


@dataclass
class Tallies:
    """What a :class:`LayerTable` has gathered, by layer, without the graph: light enough to be sent and stored.

    Sums are rounded, so that merging in another order may change the last bits of shares; bounds are maxima and do not
    change.
    """

    rows: Mapping[str, Tally]
    samples: int = 0

    def merge(self, other: Tallies) -> None:
        """Take in figures over other samples of the same graph."""
        for name, tally in self.rows.items():
            tally.merge(other.rows[name])
        self.samples += other.samples


class LayerTable:
    """Accumulates results over chunks; nodes of one source layer form one row."""

    def __init__(self, graph: LayerGraph, storage: Format = BINARY32) -> None:
        self.graph = graph
        self._smallest_normal = storage.smallest_normal
        self._nodes: dict[str, list[str]] = {}
        for name in graph.topological():
            self._nodes.setdefault(graph.layer_of(name), []).append(name)
        self.tallies = Tallies({layer: Tally() for layer in self._nodes})

    def add(self, runs: Runs) -> None:
        """Take in the bounds and ranges of a chunk."""
        for layer, tally in self.tallies.rows.items():
            last = self._nodes[layer][-1]
            machine, exact = runs.machine.tensors[last], runs.exact.tensors[last]
            with np.errstate(invalid="ignore"):
                total = machine.radius + exact.radius + np.abs(machine.centre - exact.centre)
                total = np.where(np.isnan(total), np.inf, total) * (1.0 + 2.0**-50)
                low = np.minimum(machine.centre - machine.radius, exact.centre - exact.radius)
                high = np.maximum(machine.centre + machine.radius, exact.centre + exact.radius)
            if _never_negative(self.graph.op(last)):
                low = np.maximum(low, 0.0)
            tally.bound = max(tally.bound, float(total.max(initial=0.0)))
            tally.low = min(tally.low, float(np.where(np.isnan(low), -np.inf, low).min(initial=np.inf)))
            tally.high = max(tally.high, float(np.where(np.isnan(high), np.inf, high).max(initial=-np.inf)))
            tally.values.add(exact.centre, self._smallest_normal)
            tally.overflow |= any(runs.machine.overflow.get(node, False) for node in self._parts(layer))

    def _parts(self, layer: str) -> list[str]:
        """Names that the machine's run gives to the layer's nodes: values before they are stored have their own."""
        return [part for node in self._nodes[layer] for part in (unstored_name(node), node)]

    def attribute(self, source: Adjoint, best: npt.NDArray[np.int64]) -> None:
        """Take in where the bound of row ``best[n]`` of each sample comes from."""
        at = (best, np.arange(len(best)))
        total = np.zeros(len(best))
        for part in (source.rounding, source.linearisation):
            for rows in part.values():
                total = total + rows[at]
        usable = np.isfinite(total) & (total > 0)
        self.tallies.samples += int(usable.sum())
        scale = np.where(usable, total, 1.0)
        for layer, tally in self.tallies.rows.items():
            for node in self._parts(layer):
                for part, key in ((source.rounding, "rounding"), (source.linearisation, "linearisation")):
                    if node in part:
                        share = np.where(usable, part[node][at] / scale, 0.0)
                        setattr(tally, key, getattr(tally, key) + float(share.sum()))

    def override(self, node: str, bound: float) -> None:
        """A sharper bound of ``node``'s layer over one chunk, where ``node`` ends it; replaces the forward pass's."""
        layer = self.graph.layer_of(node)
        tally = self.tallies.rows[layer]
        if self._nodes[layer][-1] == node:
            tally.sharper = max(tally.sharper or 0.0, bound)

    def narrow(self, node: str, low: float, high: float) -> None:
        """A sharper range of ``node``'s layer than the forward passes', where ``node`` ends it."""
        layer = self.graph.layer_of(node)
        tally = self.tallies.rows[layer]
        if self._nodes[layer][-1] == node:
            tally.low, tally.high = max(tally.low, low), min(tally.high, high)

    def rows(self) -> tuple[Layer, ...]:
        """One row for each source layer, in order of appearance."""
        count = max(self.tallies.samples, 1)
        layers = []
        for name, tally in self.tallies.rows.items():
            nodes = self._nodes[name]
            last = nodes[-1]
            bound = tally.bound if tally.sharper is None else tally.sharper
            rounding, linear = tally.rounding / count, tally.linearisation / count
            seen = tally.values
            layers.append(
                Layer(name, self.graph.kind_of(nodes[0]), self.graph.shape(last), bound, rounding + linear,
                      tally.overflow, rounding, linear, tally.low, tally.high, tuple(nodes), seen.largest,
                      seen.rms, seen.smallest if seen.nonzero else None,
                      seen.subnormal / max(seen.nonzero, 1))
            )  # fmt: skip
        return tuple(layers)


def describe_nodes(graph: LayerGraph) -> tuple[Node, ...]:
    """The graph as results keep it, each node after its inputs."""
    labels = dict(zip(graph.outputs, graph.output_labels, strict=True))
    return tuple(
        Node(name, type(graph.op(name)).__name__, graph.op(name).describe(), graph.layer_of(name), graph.inputs_of(name),
             graph.shape(name), labels.get(name))
        for name in graph.topological()
    )  # fmt: skip


def _never_negative(op: Op) -> bool:
    """Whether the op picks its result from values >= 0, in every execution: relu without a negative part."""
    pieces = op.function.pieces if isinstance(op, Activation) else None
    return pieces is not None and isinstance(op, Activation) and op.function.name == "relu" and pieces.zero[0]
