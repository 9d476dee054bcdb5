"""The one result model.  Everything that people see is rendered from it.

Its JSON form is versioned (docs/reference/results.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boundnet.numerics.outward import Array
from boundnet.results.cast_loss import CastLoss
from boundnet.results.chance_info import ChanceInfo
from boundnet.results.decision import Decision
from boundnet.results.to_json import plain

SCHEMA_VERSION = "1.2"


@dataclass(frozen=True)
class ModelInfo:
    """Where the network came from.  ``parameters``: number of stored weights."""

    name: str
    path: str | None
    sha256: str | None
    parameters: int
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class InputInfo:
    """What was analysed.

    ``synthetic``: inputs drawn at random because none were given; ``box``: ranges, one a sample; ``notes``: choices made in
    reading them.
    """

    source: str
    count: int
    synthetic: bool = False
    box: bool = False
    seed: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputBound:
    """One model output of one sample; arrays have the output's shape.

    Attributes:
        value: float64 centre of the network with its stored weights.
        absolute_bound: |computed - exact| for every conforming execution.
        relative_bound: the same divided by the smallest |exact value| it allows; inf where that may be 0.
        representation_error: signed change of the value by casting weights and inputs to the storage format.
        rounding_bound: |computed - value of the cast network|.
        low, high: range of the exact and the computed values over a box, None for a point.
    """

    name: str
    value: Array
    absolute_bound: Array
    relative_bound: Array
    representation_error: Array
    rounding_bound: Array
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class LogitBound:
    """Values that decide, with their bounds; arrays have the logits' shape."""

    value: Array
    absolute_bound: Array


@dataclass(frozen=True)
class SampleReference:
    """Certified evaluation of one sample: largest distance of the float64 centre from the exact outputs."""

    engine: str
    digits: int
    centre_error: float


@dataclass(frozen=True)
class InputBox:
    """The box of inputs that one sample stands for, and how it was analysed.

    Attributes:
        low, high: ends, all elements of all inputs side by side in C order; None where there are more than 4096.
        inputs_exact: inputs are numbers of the storage format already: storing them rounds nothing.
        pieces: boxes that cover it, each with a bound of its own.
        stopped: why there are not more: ``whole`` (none asked for), ``splits``, ``time`` or ``memory`` used up,
            ``converged`` (more could gain 1 % of the bound at most), ``points`` (nothing left to halve), ``interrupted``.
        seconds: spent on it.
        whole_bound: largest |computed - exact| of any output for the box in one piece.
        reach: the largest bound found at a single point: no subdivision gets below it.
        worst_low, worst_high: ends of the piece with the largest bound.
        proved_share: part of the box's volume in which rounding can't change the class; None without a decision.
    """

    low: Array | None
    high: Array | None
    inputs_exact: bool
    pieces: int
    stopped: str
    seconds: float
    whole_bound: float
    reach: float
    worst_low: Array | None
    worst_high: Array | None
    proved_share: float | None = None


@dataclass(frozen=True)
class Sample:
    """One analysed input, or one box of inputs: then values and margins are those at its middle."""

    index: int
    outputs: tuple[OutputBound, ...]
    logits: LogitBound | None
    decision: Decision | None
    reference: SampleReference | None = None
    box: InputBox | None = None


@dataclass(frozen=True)
class Layer:
    """One source layer over all samples.

    Attributes:
        absolute_bound: largest |computed - exact| of any element of its result.
        error_share: part of the final bound that its own rounding and linearisation cause (mean over samples; sums to 1).
        rounding_share, linearisation_share: the two parts of it.
        low, high: range of its values over all samples and executions.
        may_overflow: a value computed here may pass the largest finite one; layers behind it have infinite bounds.
        nodes: names of the operations it was lowered to; the last one is its result.
        largest_value, rms_value, smallest_value: of |value| at the float64 centres of its result, over all samples: the
            largest, the root mean square, the smallest that is not 0 (None where all are 0).  Samples, not bounds.
        subnormal_share: part of those values, zeros apart, that lie below the storage format's smallest normal number.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    absolute_bound: float
    error_share: float
    may_overflow: bool
    rounding_share: float
    linearisation_share: float
    low: float
    high: float
    nodes: tuple[str, ...] = ()
    largest_value: float | None = None
    rms_value: float | None = None
    smallest_value: float | None = None
    subnormal_share: float | None = None


@dataclass(frozen=True)
class Node:
    """One operation of the network as analysed.

    Attributes:
        op: class of the operation.
        text: one line that tells what it does.
        layer: the source layer it belongs to; nested models with "/".
        inputs: names of the nodes it reads, in order.
        shape: of its result, without the batch axis.
        output: name of the model output that this node is, or None.
    """

    name: str
    op: str
    text: str
    layer: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    output: str | None = None


@dataclass(frozen=True)
class Summary:
    """Figures over all samples; bounds in u are multiples of the storage format's unit roundoff (None for fixed point).

    ``proved``, ``likely`` and ``logits_only`` count decisions (:class:`Decision`); no decision is counted twice.
    """

    max_absolute_bound: float
    max_absolute_bound_in_u: float | None
    median_absolute_bound: float
    max_logit_bound: float | None
    median_logit_bound: float | None
    proved: int
    total: int
    decision_rule: str
    likely: int = 0
    logits_only: int = 0

    @property
    def holding(self) -> int:
        """How many decisions hold in the sense of the result's guarantee."""
        return self.proved + self.likely


@dataclass(frozen=True)
class DomainInfo:
    """Which abstract domain gave the radii, and why."""

    requested: str
    used: str
    reason: str


@dataclass(frozen=True)
class Analysis:
    """The result of one analysis.

    Attributes:
        command: the command line that made it, empty where there was none.
        nodes: the network that was analysed, each node after its inputs; empty in results older than schema 1.1.
        failure_probability: the claim may fail with at most this probability, over the analyzer's own coins and, for a
            probabilistic guarantee, over the execution's roundings; None for a guarantee without any.
        chance: what a probabilistic guarantee rests on, None for others.
        cast_losses: inputs and weights that the storage format does not hold; older results have none.
    """

    model: ModelInfo
    arithmetic: Mapping[str, Any]
    guarantee: str
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    inputs: InputInfo
    domain: DomainInfo
    samples: tuple[Sample, ...]
    layers: tuple[Layer, ...]
    summary: Summary
    timings: Mapping[str, float]
    verdict: str
    versions: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    failure_probability: float | None = None
    chance: ChanceInfo | None = None
    cast_losses: tuple[CastLoss, ...] = ()
    schema_version: str = SCHEMA_VERSION

    @property
    def proved(self) -> bool:
        """Whether every decision is proved; True where there is none to prove and every bound is finite."""
        if self.chance is not None:
            return False
        if self.summary.total:
            return self.summary.proved == self.summary.total
        return math.isfinite(self.summary.max_absolute_bound)

    @property
    def holds(self) -> bool:
        """As :attr:`proved`, in the sense of the result's guarantee: a probabilistic one makes decisions likely."""
        return self.proved or (self.summary.likely > 0 and self.summary.holding == self.summary.total)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and strings; non-finite numbers become "inf", "-inf" and "nan"."""
        found = plain(self)
        assert isinstance(found, dict)
        return found

    def to_json(self) -> str:
        """Strict JSON text of :meth:`to_dict`."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


__all__ = [
    "SCHEMA_VERSION",
    "Analysis",
    "CastLoss",
    "Decision",
    "DomainInfo",
    "InputBox",
    "InputInfo",
    "Layer",
    "LogitBound",
    "ModelInfo",
    "Node",
    "OutputBound",
    "Sample",
    "SampleReference",
    "Summary",
]
