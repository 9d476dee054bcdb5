"""Decisions over the samples: how far bounds stay below margins, and why some decisions are not proved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from boundnet.results import Analysis, Decision, Sample
from boundnet.results.text import bound_text, count_text
from boundnet_reports.page.histogram import Entry, Words, log_histogram
from boundnet_reports.rows import compared


def ratio(found: Decision) -> float:
    """Bound of the margin / margin, rounded up: below 1 rounding can't close the margin; NaN where it is undefined.

    The larger ratio of the two margins that are compared, the exact network's and that of the network with cast weights.
    """
    pairs = compared(found) or ((found.margin, found.margin_bound),)
    parts = [_part(margin, bound) for margin, bound in pairs]
    return math.nan if any(map(math.isnan, parts)) else max(parts)


def _part(margin: float, bound: float) -> float:
    if math.isnan(margin) or math.isnan(bound):
        return math.nan
    if bound <= 0.0 and margin > 0.0:
        return 0.0
    if margin <= 0.0 or math.isinf(bound):
        return math.inf
    if math.isinf(margin):
        return math.nan
    return math.nextafter(bound / margin, math.inf)


def urgency(sample: Sample) -> tuple[int, float, int]:
    """Sorts samples: first those that do not hold, then by the largest ratio; samples without decision by their bound."""
    found = sample.decision
    if found is None:
        bounds = [float(output.absolute_bound.max(initial=0.0)) for output in sample.outputs]
        worst = max(bounds, default=0.0)
        return (1, -math.inf if math.isnan(worst) else -worst, sample.index)
    part = ratio(found)
    return (int(found.holds), -math.inf if math.isnan(part) else -part, sample.index)


def why_not(found: Decision, analysis: Analysis) -> str:
    """Why a decision does not hold, in words."""
    if math.isnan(found.margin) or math.isnan(found.margin_bound):
        return "the margin is undefined: the exact network itself gives no finite values"
    if math.isinf(found.margin_bound):
        return f"the margin has no finite bound{_lost(analysis)}"
    if found.logits_only:
        return "the logits differ in every execution, but the returned probabilities may tie or have no bound"
    if found.margin <= 0.0:
        return "the exact network itself does not separate the two classes"
    times = ratio(found)
    if times >= 1.0:
        it = "make it likely" if analysis.guarantee == "probabilistic" else "prove it"
        return f"the bound is {bound_text(times, 2)} times the margin: a bound smaller by more than that factor would {it}"
    if analysis.inputs.box:
        return "the ranges of the classes over the box overlap"
    other = "another class" if compared(found) else "casting weights or inputs, or another class,"
    return f"the bound is below this margin, but {other} takes up what is left"


def _lost(analysis: Analysis) -> str:
    for layer in analysis.layers:
        if layer.may_overflow:
            return f": layer {layer.name!r} may overflow"
        if not math.isfinite(layer.absolute_bound):
            return f": it is lost at layer {layer.name!r}"
    return ""


@dataclass(frozen=True)
class Spread:
    """The histogram of ratios, and the same in words."""

    drawing: Markup | None
    words: str


def spread(analysis: Analysis, word: str) -> Spread | None:
    """Over all samples that decide something; ``word`` is what the guarantee calls a decision that holds."""
    decided = [sample for sample in analysis.samples if sample.decision is not None]
    if not decided or analysis.inputs.box:  # a margin at a box's centre says nothing about the box
        return None
    ratios = [(ratio(sample.decision), sample) for sample in decided if sample.decision is not None]
    finite = sorted(part for part, _ in ratios if math.isfinite(part))
    words = ""
    if finite:
        middle = finite[len(finite) // 2]
        words = f"Largest finite bound / margin: {bound_text(finite[-1], 2)}; median {bound_text(middle, 2)}."
    other = len(ratios) - len(finite)
    if other:
        words += f" {count_text(other, 'sample')} without a finite ratio."
    entries = [
        Entry(part, str(sample.index), sample.decision is not None and sample.decision.holds) for part, sample in ratios
    ]
    drawing = log_histogram(entries, Words("sample", word, f"not {word}", "bound = margin", "none"))
    return Spread(drawing, words.strip())


__all__ = ["Spread", "ratio", "spread", "urgency", "why_not"]
