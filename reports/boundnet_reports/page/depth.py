"""The error along the depth: bounds, observed errors and values of each layer, headroom, and where the error comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundnet.results import Analysis, Layer
from boundnet.results.text import bound_text, count_text, floor_text, printable, share_text
from boundnet_reports.page.layer_words import (
    Limits,
    has_shares,
    headroom,
    limits,
    range_text,
    reach,
    relative_text,
    seen_text,
    share,
)
from boundnet_reports.page.plots import Band, Level, Series, magnitudes

MOST_BARS = 12
SMALLEST_BAR = 0.001
"""Shares below are drawn together."""


@dataclass(frozen=True)
class Observed:
    """Largest error seen in executions, by layer name."""

    label: str
    errors: Mapping[str, float]


@dataclass(frozen=True)
class Bar:
    """A layer's share of the error in two parts (CSS widths relative to the longest bar), and where its section is."""

    name: str
    index: int | None
    rounding: str | None
    linearisation: str | None
    text: str
    title: str


@dataclass(frozen=True)
class Legend:
    """CSS class of a mark, and what it stands for."""

    style: str
    label: str


@dataclass(frozen=True)
class Plot:
    """A drawing with its legend."""

    drawing: Markup
    legend: tuple[Legend, ...]


_SEEN = ("seen-1", "seen-2", "seen-3")


def error_plot(analysis: Analysis, observed: Sequence[Observed] = ()) -> Plot | None:
    """Bounds over the range of values; None where there is nothing positive to draw."""
    layers = analysis.layers
    known = limits(analysis)
    titles = [_title(layer, n, known, observed) for n, layer in enumerate(layers)]
    names = [printable(layer.name) for layer in layers]
    bounds = Series("error bound", "bound", [layer.absolute_bound for layer in layers])
    seen = [
        Series(one.label, _SEEN[n % len(_SEEN)], [one.errors.get(layer.name) for layer in layers], line=False)
        for n, one in enumerate(observed)
    ]
    band = None
    if any(layer.largest_value is not None for layer in layers):
        label = "values: root mean square to largest"
        band = Band(label, "values", [layer.rms_value for layer in layers], [layer.largest_value for layer in layers])
    levels = []
    if known is not None and known.smallest_normal > 0.0:
        levels = [
            Level(f"largest {known.name}", known.largest),
            Level(f"smallest normal {known.name}", known.smallest_normal),
        ]
    drawing = magnitudes(names, titles, [bounds, *seen], band, levels)
    if drawing is None:
        return None
    marks = [Legend(s.style, s.label) for s in (bounds, *seen)]
    return Plot(drawing, (*marks, *([Legend("values", band.label)] if band else [])))


def headroom_plot(analysis: Analysis) -> Plot | None:
    """Magnitudes of each layer's result within the storage format; None where format or values are unknown."""
    known = limits(analysis)
    layers = analysis.layers
    if known is None or all(layer.largest_value is None for layer in layers):
        return None
    low = known.smallest_normal or known.smallest_subnormal
    levels = [Level(f"largest {known.name}: {floor_text(known.largest)}", known.largest)]
    smallest = "smallest normal" if known.smallest_normal else "spacing of"
    levels.append(Level(f"{smallest} {known.name}: {bound_text(low)}", low))
    band = Band(
        "values seen, zeros apart",
        "values",
        [layer.smallest_value for layer in layers],
        [layer.largest_value for layer in layers],
    )
    reached = Series("largest in every execution", "reach", [reach(layer) for layer in layers])
    titles = [_title(layer, n, known, ()) for n, layer in enumerate(layers)]
    names = [printable(layer.name) for layer in layers]
    drawing = magnitudes(names, titles, [reached], band, levels, height=200.0, whole=True)
    if drawing is None:
        return None
    return Plot(drawing, (Legend("reach", reached.label), Legend("values", band.label)))


def share_bars(analysis: Analysis) -> list[Bar]:
    """The layers that cause most of the error, largest first, and what all others cause together."""
    if not has_shares(analysis):
        return []
    order = sorted(range(len(analysis.layers)), key=lambda n: -share(analysis.layers[n]))
    order = [n for n in order if share(analysis.layers[n]) > 0]
    longest = share(analysis.layers[order[0]])
    shown = [n for n in order[:MOST_BARS] if share(analysis.layers[n]) >= SMALLEST_BAR or n == order[0]]
    bars = [_bar(analysis.layers[n], n, longest) for n in shown]
    rest = [analysis.layers[n] for n in order[len(shown) :]]
    if rest:
        rounding, linear = sum(map(_rounding, rest)), sum(map(_linearisation, rest))
        text = share_text(rounding + linear)
        bars.append(Bar(count_text(len(rest), "other"), None, _width(rounding, longest), _width(linear, longest), text, ""))
    return bars


def _bar(layer: Layer, index: int, longest: float) -> Bar:
    rounding, linear = _rounding(layer), _linearisation(layer)
    title = f"rounding {share_text(rounding)}, linearisation {share_text(linear)}"
    name = printable(layer.name)
    return Bar(name, index, _width(rounding, longest), _width(linear, longest), share_text(layer.error_share), title)


def _rounding(layer: Layer) -> float:
    return layer.rounding_share if math.isfinite(layer.rounding_share) else 0.0


def _linearisation(layer: Layer) -> float:
    return layer.linearisation_share if math.isfinite(layer.linearisation_share) else 0.0


def _width(part: float, longest: float) -> str | None:
    return None if part <= 0.0 else f"{100.0 * min(1.0, max(0.0, part / longest)):.2f}%"


def _title(layer: Layer, number: int, known: Limits | None, observed: Sequence[Observed]) -> str:
    lines = [
        f"{number + 1}. {printable(layer.name)} ({printable(layer.kind)})",
        f"error bound: {bound_text(layer.absolute_bound)}",
    ]
    relative = relative_text(layer)
    if relative:
        lines.append(f"bound / largest value: {relative}")
    for one in observed:
        if layer.name in one.errors:
            lines.append(f"{one.label}: {seen_text(one.errors[layer.name])}")
    lines.append(f"range in every execution: {range_text(layer)}")
    lines.append(f"headroom to overflow: {headroom(layer, known)}")
    return "\n".join(lines)
