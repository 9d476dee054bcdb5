"""What ``boundnet mca`` finds: samples' spread, significant digits and decision stability (docs/reference/mca.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boundnet.errors import InputError
from boundnet.numerics.outward import Array
from boundnet.results import InputInfo, ModelInfo
from boundnet.results.io import build
from boundnet.results.text import count_text
from boundnet.results.to_json import plain

SAMPLED_VERSION = "1.1"
SCHEMA = Path(__file__).parents[1] / "results" / "schema" / "sampled-1.1.json"
"""JSON Schema (2020-12) of these results."""


@dataclass(frozen=True)
class SamplingInfo:
    """How the samples were drawn: Sampling's fields, the backend and the execution's title."""

    backend: str
    title: str
    mode: str
    precision: int
    samples: int
    seed: int


@dataclass(frozen=True)
class DigitsRule:
    """How significant digits were computed: by the package ``significantdigits``.

    Attributes:
        base: 2 for bits, 10 for decimal digits.
        reference: what samples are compared with: ``float64`` evaluation of the network, or the samples' ``mean``.
        probability, confidence: of the statement "so many digits are significant" by cnh.
        version: of the package.
        general_probability: that a further run keeps the digits of method general, at least, with the same confidence: it
            follows from the number of samples alone.
    """

    base: int
    reference: str
    probability: float
    confidence: float
    version: str
    general_probability: float | None = None


@dataclass(frozen=True)
class Digits:
    """Significant digits of many values (elements and inputs): ``method`` cnh or general, ``error`` relative or absolute.

    Values with a sample that is not finite have 0 digits.
    """

    method: str
    error: str
    least: float
    median: float
    mean: float


@dataclass(frozen=True)
class LayerSpread:
    """One source layer's result over all inputs and samples.

    Attributes:
        low, high: smallest and largest finite value met.
        deviation: largest standard deviation of an element; ``median_deviation`` the median.
        distance: largest distance of a sample from the float64 evaluation.
        non_finite: how many values were infinite or NaN.
        digits: one entry for each method and kind of error.
        biased: share of the elements whose samples have a mean farther from the float64 evaluation than their spread
            explains; 0.001 is chance; None for a single sample.
    """

    name: str
    kind: str
    node: str
    shape: tuple[int, ...]
    low: float
    high: float
    deviation: float
    median_deviation: float
    distance: float
    non_finite: int
    digits: tuple[Digits, ...]
    biased: float | None = None


@dataclass(frozen=True)
class OutputSpread:
    """One output of one input; arrays have the output's shape.

    Attributes:
        value: float64 evaluation of the network.
        mean, deviation: of the samples.
        low, high: smallest and largest sample.
        digits: significant digits by name: ``cnh_relative``, ``cnh_absolute``, ``general_relative``, ``general_absolute``.
        samples: (samples, *shape) where they were asked for, else None.
    """

    index: int
    name: str
    value: Array
    mean: Array
    deviation: Array
    low: Array
    high: Array
    digits: Mapping[str, Array]
    samples: Array | None = None


@dataclass(frozen=True)
class Stability:
    """How often sampling changes the decision on one input.

    Attributes:
        class_index: class of the float64 evaluation (JSON key ``class``).
        changed: share of samples with another class (NaN logits count as another).
        classes: class -> number of samples, as text keys.
    """

    index: int
    class_index: int
    changed: float
    classes: Mapping[str, int]


@dataclass(frozen=True)
class Sampled:
    """The result of sampling one network.  ``guarantee`` is always ``empirical``."""

    model: ModelInfo
    arithmetic: Mapping[str, Any]
    sampling: SamplingInfo
    digits: DigitsRule
    inputs: InputInfo
    layers: tuple[LayerSpread, ...]
    outputs: tuple[OutputSpread, ...]
    stability: tuple[Stability, ...]
    notes: tuple[str, ...]
    timings: Mapping[str, float]
    verdict: str
    guarantee: str = "empirical"
    versions: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    schema_version: str = SAMPLED_VERSION
    kind: str = "sampled"

    def to_json(self) -> str:
        """Strict JSON text; non-finite numbers become "inf", "-inf" and "nan"."""
        return json.dumps(plain(self), indent=1, allow_nan=False)


def reference_words(rule: DigitsRule) -> str:
    """What digits are counted against."""
    return {"float64": "float64 evaluation", "mean": "samples' mean"}.get(rule.reference, rule.reference)


def kept_words(found: Sampled) -> str:
    """How much the number of samples alone says (:func:`boundnet.mca.digits.repeated`); empty where nothing was sampled."""
    rule = found.digits
    if found.sampling.mode == "none" or rule.general_probability is None:
        return ""
    least = math.floor(100.0 * rule.general_probability)
    return (
        f"{least} % at least of further runs keep a value's general digits, and a class that no sample changed: so much "
        f"{count_text(found.sampling.samples, 'sample')} say with confidence {rule.confidence:g}"
    )


def sampled_from_json(text: str) -> Sampled:
    """The inverse of :meth:`Sampled.to_json`.

    Raises:
        InputError: it holds something else.
    """
    return read_result(Sampled, text, "sampled", SAMPLED_VERSION)  # type: ignore[no-any-return]


def read_result(kind: Any, text: str, name: str, version: str) -> Any:
    """The result of dataclass ``kind`` that ``text`` holds; raises InputError where it holds something else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a BoundNet result: no JSON ({error})") from None
    if not isinstance(data, Mapping) or data.get("kind") != name:
        raise InputError(f"not a BoundNet result of kind {name!r}")
    if str(data.get("schema_version")).split(".")[0] != version.partition(".")[0]:
        raise InputError(f"results of schema version {data.get('schema_version')}; this BoundNet reads version {version}")
    return build(kind, data, "result")
