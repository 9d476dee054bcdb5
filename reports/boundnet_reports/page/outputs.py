"""The outputs of one sample: every value with its bound on one axis, those that decide first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from boundnet.numerics.outward import Array
from boundnet.results import Analysis, Sample
from boundnet.results.text import bound_text, floor_text, printable, value_text
from boundnet_reports.page.axes import LinearAxis, linear_axis
from boundnet_reports.page.decisions import ratio, urgency, why_not
from boundnet_reports.page.svg import element, join, percent
from boundnet_reports.rows import compared

MOST_SHOWN = 40
"""Samples with a drawing of their own."""
MOST_ROWS = 12
"""Values drawn for one sample."""
_ROW = 22.0


@dataclass(frozen=True)
class Panel:
    """One sample: its drawing, and what to say of it."""

    index: int
    title: str
    lines: tuple[str, ...]
    drawing: Markup | None
    left: int


@dataclass(frozen=True)
class _Row:
    label: str
    value: float
    low: float
    high: float
    bound: float
    mark: str


def panels(analysis: Analysis, word: str) -> list[Panel]:
    """Drawings for the samples that need looking at first, at most :data:`MOST_SHOWN`.

    Args:
        word: what the guarantee calls a decision that holds.
    """
    chosen = sorted(analysis.samples, key=urgency)[:MOST_SHOWN]
    return [_panel(analysis, sample, word) for sample in chosen]


def _panel(analysis: Analysis, sample: Sample, word: str) -> Panel:
    found = sample.decision
    lines = []
    if found is not None:
        state = word if found.holds else f"not {word}"
        title = f"Sample {sample.index}: class {found.class_index}, {state}"
        rival = "" if found.runner_up is None else f" over class {found.runner_up}"
        where = " at the box's centre" if analysis.inputs.box else ""
        line = f"Class {found.class_index}: the margin is undefined"
        if not math.isnan(found.margin):
            line = f"Class {found.class_index} leads by {floor_text(found.margin)}{rival}{where}; "
            line += f"casting and rounding change that by at most {bound_text(found.margin_bound)}"
            pairs = compared(found)
            if pairs is not None and pairs[1][0] != found.margin:
                line += (
                    f"; with cast weights and inputs it leads by {floor_text(pairs[1][0])}, and rounding changes that by at "
                    f"most {bound_text(pairs[1][1])}"
                )
        times = ratio(found)
        if found.holds and 0.0 < times < 1.0 and not analysis.inputs.box:
            line += (
                f", {bound_text(100 * times, 2)} % of the margin"
                if times > 1e-4
                else f", {bound_text(times, 2)} of the margin"
            )
        lines.append(line + ".")
        if not found.holds:
            lines.append(f"Not {word}: {why_not(found, analysis)}.")
        elif found.probabilities_separated is False:  # in results older than schema 1.2
            lines.append("The computed probabilities may tie all the same.")
    else:
        worst = max((float(np.max(output.absolute_bound, initial=0.0)) for output in sample.outputs), default=0.0)
        title = f"Sample {sample.index}: outputs within {bound_text(worst)}"
    rows, what, left = _rows(sample)
    if what:
        lines.append(what)
    return Panel(sample.index, title, tuple(lines), _draw(rows), left)


def _rows(sample: Sample) -> tuple[list[_Row], str, int]:
    """What to draw, what it is, and how many values are left out."""
    found = sample.decision
    if sample.logits is not None:
        value, bound = sample.logits.value.ravel(), sample.logits.absolute_bound.ravel()
        rows = [_point(n, value, bound, sample) for n in range(value.size)]
        what = "Logits: a mark is the exact value (to float64), a bar what any conforming execution may give."
        return *_most(rows, what), max(0, len(rows) - MOST_ROWS)
    rows = []
    several = len(sample.outputs) > 1
    for output in sample.outputs:
        value, bound = output.value.ravel(), output.absolute_bound.ravel()
        name = f"{printable(output.name)} " if several else ""
        for n in range(value.size):
            low, high = (float(end.ravel()[n]) if end is not None else math.nan for end in (output.low, output.high))
            label = name + ("" if value.size == 1 else str(n))
            mark = _mark(n, sample) if found is not None and not several else ""
            rows.append(_Row(label or "value", float(value[n]), low, high, float(bound[n]), mark))
    box = any(output.low is not None for output in sample.outputs)
    what = (
        "Outputs: the bar is the range of exact values over the box, whiskers add the error."
        if box
        else ("Outputs: a mark is the exact value (to float64), a bar what any conforming execution may give.")
    )
    return *_most(rows, what), max(0, len(rows) - MOST_ROWS)


def _most(rows: list[_Row], what: str) -> tuple[list[_Row], str]:
    """The rows that matter: the class, its runner-up, then the largest values."""
    first = [row for row in rows if row.mark]
    rest = [row for row in rows if not row.mark]
    if first:
        first.sort(key=lambda row: row.mark != "class")
        rest.sort(key=lambda row: math.inf if math.isnan(row.value) else -row.value)
    elif len(rows) > MOST_ROWS:
        rest.sort(key=lambda row: 0.0 if math.isnan(row.bound) else -row.bound)
        what += f" Shown are the {MOST_ROWS} with the largest bounds."
    return (first + rest)[:MOST_ROWS], what


def _point(n: int, value: Array, bound: Array, sample: Sample) -> _Row:
    return _Row(str(n), float(value[n]), math.nan, math.nan, float(bound[n]), _mark(n, sample))


def _mark(n: int, sample: Sample) -> str:
    found = sample.decision
    if found is None or found.runner_up is None:
        return ""
    return "class" if n == found.class_index else "runner-up" if n == found.runner_up else ""


def _draw(rows: list[_Row]) -> Markup | None:
    ends = [end for row in rows for end in _ends(row)]
    axis = linear_axis(ends)
    if not rows or axis is None:
        return None
    height = _ROW * len(rows)
    parts = [_row(n, row, axis) for n, row in enumerate(rows)]
    ticks = axis.ticks()
    lines = [element("line", x1=percent(x), x2=percent(x), y1=0, y2=height) for x, _ in ticks]
    texts = [element("text", text, x=percent(x), y=height + 15) for x, text in ticks]
    svg = element("svg", element("g", *lines, class_="grid"), element("g", *texts, class_="numbers"), join(parts),
                  width="100%", height=height + 22, role="img", aria_label="values and their bounds")  # fmt: skip
    return element("div", svg, class_="plot values")


def _ends(row: _Row) -> tuple[float, ...]:
    spread = row.bound if math.isfinite(row.bound) else 0.0
    low = row.low if math.isfinite(row.low) else row.value
    high = row.high if math.isfinite(row.high) else row.value
    return (low - spread, high + spread)


def _row(n: int, row: _Row, axis: LinearAxis) -> Markup:
    y = _ROW * (n + 0.5)
    style = {"class": "chosen", "runner-up": "rival"}.get(row.mark, "")
    label = f"{row.label} {'◀' if row.mark == 'class' else ''}".strip()
    shown = value_text(row.value, row.bound)
    bound = bound_text(row.bound, 2)
    size = f"± {bound}" if math.isfinite(row.bound) else f"bound {bound}"
    if math.isfinite(row.low) and math.isfinite(row.high):
        shown = f"{floor_text(row.low)} .. {bound_text(row.high)}"
    text = f"{row.label}: {shown}, error at most {bound_text(row.bound)}" + (f" ({row.mark})" if row.mark else "")
    parts = [element("title", text), element("rect", x=0, y=y - _ROW / 2, width="100%", height=_ROW, class_="hit")]
    if math.isnan(row.value):
        parts.append(element("text", "undefined", x=4, y=y + 4, class_="size"))
    else:
        low, high = (axis.at(end) for end in _ends(row))
        if math.isinf(row.bound) or math.isnan(row.bound):
            low, high = 0.0, 1.0
        parts.append(element("rect", x=percent(low), width=percent(max(high - low, 0.0)), y=y - 4, height=8,
                             class_="whisker" if math.isfinite(row.bound) else "whisker lost"))  # fmt: skip
        if math.isfinite(row.low) and math.isfinite(row.high):
            a, b = axis.at(row.low), axis.at(row.high)
            parts.append(element("rect", x=percent(a), width=percent(max(b - a, 0.0)), y=y - 6, height=12, class_="span"))
        else:
            x = percent(axis.at(row.value))
            parts.append(element("line", x1=x, x2=x, y1=y - 8, y2=y + 8, class_="exact"))
    parts.append(element("text", label, x=-8, y=y + 4, class_="label"))
    parts.append(
        element(
            "svg",
            element("text", f"{shown} {size}" if row.low != row.low else f"{shown}, {size}", x=8, y=y + 4, class_="size"),
            x="100%",
            y=0,
            overflow="visible",
        )
    )
    return element("g", *parts, class_=style or None)
