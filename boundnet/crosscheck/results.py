"""What ``boundnet crosscheck`` finds (docs/reference/mca.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boundnet.mca.results import read_result
from boundnet.results import InputInfo, ModelInfo
from boundnet.results.to_json import plain

CROSSCHECK_VERSION = "1.0"
SCHEMA = Path(__file__).parents[1] / "results" / "schema" / "crosscheck-1.0.json"
"""JSON Schema (2020-12) of these results."""


@dataclass(frozen=True)
class Compared:
    """One layer's result, or one output, over all inputs and runs.

    Attributes:
        bound: largest static bound of an element.
        observed: largest distance seen (from the centre that the bound is about; NaN and infinity count as infinite).
        tightest: smallest ratio bound / distance of any element with a distance > 0; None where nothing differed.
        ratio: bound / observed, None where nothing differed.
        compared: values compared with a finite bound; ``unbounded``: values whose bound is infinite.
        violations: values outside their bound.
        low, high: smallest and largest finite value seen.
        may_overflow: the static flag; ``non_finite``: how many infinite or NaN values execution produced.
    """

    name: str
    kind: str
    node: str
    bound: float
    observed: float
    ratio: float | None
    tightest: float | None
    compared: int
    unbounded: int
    violations: int
    low: float
    high: float
    may_overflow: bool
    non_finite: int


@dataclass(frozen=True)
class Violation:
    """One value outside its bound, with all that is needed to see it again.

    Attributes:
        what: ``layer``, ``output``, ``range`` (outside the static range) or ``overflow`` (not finite, and not flagged).
        at: index of the element within the node's shape.
        value, centre: the computed value and what the bound is about.
        bound: of their distance.
        run: which of the execution's runs; ``reproduce``: how to repeat it.
    """

    what: str
    node: str
    layer: str
    index: int
    at: tuple[int, ...]
    value: float
    centre: float
    bound: float
    run: str
    reproduce: str


@dataclass(frozen=True)
class Check:
    """One execution against the bounds for its Arithmetic.

    Attributes:
        rows: number of runs of each input.
        layers: one row for each source layer that the execution shows.
        outputs: the model's outputs, by the sharper bounds of the whole analysis.
        violations: the first of each node; ``violation_count`` counts all.
    """

    backend: str
    title: str
    arithmetic: Mapping[str, Any]
    rows: int
    layers: tuple[Compared, ...]
    outputs: tuple[Compared, ...]
    violations: tuple[Violation, ...]
    violation_count: int
    notes: tuple[str, ...]
    timings: Mapping[str, float]


@dataclass(frozen=True)
class CrossCheck:
    """All executions of one network."""

    model: ModelInfo
    inputs: InputInfo
    reference: str
    checks: tuple[Check, ...]
    violation_count: int
    verdict: str
    versions: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    schema_version: str = CROSSCHECK_VERSION
    kind: str = "crosscheck"

    def to_json(self) -> str:
        """Strict JSON text; non-finite numbers become "inf", "-inf" and "nan"."""
        return json.dumps(plain(self), indent=1, allow_nan=False)


def crosscheck_from_json(text: str) -> CrossCheck:
    """The inverse of :meth:`CrossCheck.to_json`.

    Raises:
        InputError: it holds something else.
    """
    return read_result(CrossCheck, text, "crosscheck", CROSSCHECK_VERSION)  # type: ignore[no-any-return]
