"""Decisions over the samples: how far bounds stay below margins, and why some decisions are not proved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundnet.figures import bound_text, count_text, floor_text
from boundnet.results import Analysis, Decision, Sample
from boundnet_reports.page.axes import log_axis
from boundnet_reports.page.svg import element, join, percent

_BINS = 36
_HEIGHT = 120.0


def ratio(found: Decision) -> float:
    """Bound of the margin / margin, rounded up: below 1 rounding can't close the margin; NaN where it is undefined."""
    if math.isnan(found.margin) or math.isnan(found.margin_bound):
        return math.nan
    if found.margin_bound == 0.0 and found.margin > 0.0:
        return 0.0
    if found.margin <= 0.0 or math.isinf(found.margin_bound):
        return math.inf
    if math.isinf(found.margin):
        return math.nan
    return math.nextafter(found.margin_bound / found.margin, math.inf)


def urgency(sample: Sample) -> tuple[int, float, int]:
    """Sorts samples: first those not proved, and those with the largest ratio; samples without decision by their bound."""
    found = sample.decision
    if found is None:
        bounds = [float(output.absolute_bound.max(initial=0.0)) for output in sample.outputs]
        worst = max(bounds, default=0.0)
        return (1, -math.inf if math.isnan(worst) else -worst, sample.index)
    part = ratio(found)
    return (int(found.proved), -math.inf if math.isnan(part) else -part, sample.index)


def why_not(found: Decision, analysis: Analysis) -> str:
    """Why a decision is not proved, in words."""
    if math.isnan(found.margin) or math.isnan(found.margin_bound):
        return "the margin is undefined: the exact network itself gives no finite values"
    if math.isinf(found.margin_bound):
        return f"the margin has no finite bound{_lost(analysis)}"
    if found.margin <= 0.0:
        return "the exact network itself does not separate the two classes"
    times = ratio(found)
    if times >= 1.0:
        return (
            f"the bound is {bound_text(times, 2)} times the margin: a bound smaller by more than that factor would prove it"
        )
    if analysis.inputs.box:
        return "the ranges of the classes over the box overlap"
    return "the bound is below this margin, but casting weights or inputs, or another class, takes up what is left"


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
    if not decided:
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
    return Spread(_histogram(ratios, word), words.strip())


def _histogram(ratios: Sequence[tuple[float, Sample]], word: str) -> Markup | None:
    axis = log_axis([*(part for part, _ in ratios), 1.0])
    if axis is None:
        return None
    axis = type(axis)(axis.low, max(axis.high, 1))
    bins: dict[tuple[int, bool], list[int]] = {}
    for part, sample in ratios:
        proved = sample.decision is not None and sample.decision.proved
        place = _BINS if not part < math.inf else min(_BINS - 1, int(axis.at(part) * _BINS))
        bins.setdefault((place, proved), []).append(sample.index)
    tallest = max(sum(len(bins.get((n, p), [])) for p in (True, False)) for n in range(_BINS + 1))
    wide = 1.0 / (_BINS + 2)
    parts = []
    for n in range(_BINS + 1):
        y = _HEIGHT
        for proved in (True, False):
            found = bins.get((n, proved), [])
            if not found:
                continue
            tall = max(3.0, (_HEIGHT - 16) * len(found) / tallest)
            y -= tall
            shown = ", ".join(map(str, found[:12])) + (", ..." if len(found) > 12 else "")
            text = f"{count_text(len(found), 'sample')} {word if proved else f'not {word}'}: {shown}"
            x = (n + 1 if n == _BINS else n) * wide
            parts.append(element("rect", element("title", text), x=percent(x + 0.001), width=percent(wide - 0.002), y=y,
                                 height=tall, class_="good" if proved else "bad"))  # fmt: skip
    ticks = [(at * _BINS * wide, text) for at, text in axis.ticks()]
    lines = [element("line", x1=percent(x), x2=percent(x), y1=_HEIGHT, y2=_HEIGHT + 4) for x, _ in ticks]
    texts = [element("text", text, x=percent(x), y=_HEIGHT + 17) for x, text in ticks]
    if any(place == _BINS for place, _ in bins):
        texts.append(element("text", "none", x=percent((_BINS + 1.5) * wide), y=_HEIGHT + 17))
    one = axis.at(1.0) * _BINS * wide
    mark = element(
        "g", element("line", x1=percent(one), x2=percent(one), y1=0, y2=_HEIGHT),
        element("text", "bound = margin", x=percent(one), y=10, dx=-5), class_="level",
    )  # fmt: skip
    count = element("text", f"{tallest}", x=-8, y=20)
    base = element("line", x1="0", x2="100%", y1=_HEIGHT, y2=_HEIGHT)
    svg = element("svg", element("g", base, *lines, class_="grid"), element("g", *texts, class_="numbers"),
                  element("g", count, class_="grid"), join(parts), mark, width="100%", height=_HEIGHT + 24, role="img",
                  aria_label="How many samples have which ratio of bound to margin")  # fmt: skip
    return element("div", svg, class_="plot")


__all__ = ["Spread", "floor_text", "ratio", "spread", "urgency", "why_not"]
