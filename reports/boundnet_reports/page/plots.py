"""Plots over the layers of a network, magnitudes on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundnet_reports.page.axes import LogAxis, log_axis
from boundnet_reports.page.svg import element, join, percent

Numbers = Sequence[float | None]
"""One for each layer; None where there is none.  Infinity and 0 have places of their own above and below the axis."""

_LANE = 24.0
"""Height of the places for infinity and 0."""
_STRETCH = 1000.0
_NAMED = 26
"""So many layers have room for their names."""


@dataclass(frozen=True)
class Series:
    """A line with points, or points only."""

    label: str
    style: str
    values: Numbers
    line: bool = True


@dataclass(frozen=True)
class Band:
    """A filled band between two numbers a layer."""

    label: str
    style: str
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class Level:
    """A number that holds for all layers."""

    label: str
    value: float


def magnitudes(
    names: Sequence[str], titles: Sequence[str], series: Sequence[Series], band: Band | None = None,
    levels: Sequence[Level] = (), height: float = 260.0, whole: bool = False,
) -> Markup | None:  # fmt: skip
    """The plot, or None where no number is positive and finite and so nothing can be drawn to scale.

    Args:
        names: of the layers, under the axis where they fit.
        titles: what hovering over each layer shows.
        levels: drawn where they lie within the numbers, or always if ``whole``.
    """
    found = [value for one in series for value in one.values if value is not None]
    if band is not None:
        found += [value for value in band.high if value is not None]
    axis = log_axis([*found, *(level.value for level in levels if whole)], most=700 if whole else 60)
    if axis is None:
        return None
    infinite = any(math.isinf(value) for value in found)
    zero = any(value == 0.0 for one in series for value in one.values if value is not None)
    top = _LANE if infinite else 4.0
    bottom = height - (_LANE if zero else 0.0)
    frame = _Frame(axis, top, bottom, height, len(names))
    parts = [_grid(frame, infinite, zero)]
    if band is not None:
        parts.append(_band(frame, band))
    parts += [_level(frame, level) for level in levels if axis.low <= math.log10(level.value) <= axis.high]
    parts += [_line(frame, one) for one in series if one.line]
    parts += [_points(frame, one) for one in series]
    parts += [_hit(frame, n, title) for n, title in enumerate(titles)]
    named = len(names) <= _NAMED
    below = 26.0 + 4.1 * min(17, max(map(len, names), default=0)) if named else 24.0
    parts.append(_names(frame, names) if named else _numbers(frame))
    svg = element(
        "svg", *parts, width="100%", height=height + below, role="img", aria_label="; ".join(s.label for s in series)
    )
    return element("div", svg, class_="plot named" if named else "plot")


@dataclass(frozen=True)
class _Frame:
    axis: LogAxis
    top: float
    bottom: float
    height: float
    count: int

    def x(self, layer: int) -> float:
        return (layer + 0.5) / self.count

    def y(self, value: float) -> float:
        if math.isinf(value):
            return self.top - _LANE + 6.0
        if value == 0.0:
            return self.height - 5.0
        return self.bottom - self.axis.at(value) * (self.bottom - self.top)


def _grid(frame: _Frame, infinite: bool, zero: bool) -> Markup:
    ticks = [(frame.bottom - at * (frame.bottom - frame.top), text) for at, text in frame.axis.ticks()]
    if infinite:
        ticks.append((frame.top - _LANE + 6.0, "infinite"))
    if zero:
        ticks.append((frame.height - 5.0, "0"))
    lines = [element("line", x1="0", x2="100%", y1=y, y2=y) for y, _ in ticks]
    texts = [element("text", text, x=-8, y=y + 4) for y, text in ticks]
    return element("g", *lines, *texts, class_="grid")


def _stretched(frame: _Frame, *parts: Markup) -> Markup:
    """Shapes whose x runs from 0 to 1000 over the whole width."""
    return element("svg", *parts, width="100%", height=frame.height, viewBox=f"0 0 {_STRETCH:.0f} {frame.height:.0f}",
                   preserveAspectRatio="none")  # fmt: skip


def _runs(frame: _Frame, values: Numbers) -> list[list[tuple[float, float]]]:
    """Points of unbroken stretches of positive finite numbers."""
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(values):
        if value is not None and 0.0 < value < math.inf:
            runs[-1].append((_STRETCH * frame.x(n), frame.y(value)))
        elif runs[-1]:
            runs.append([])
    # A point alone becomes a dot: a line needs two.
    return [run if len(run) > 1 else [run[0], (run[0][0] + 0.5, run[0][1])] for run in runs if run]


def _line(frame: _Frame, one: Series) -> Markup:
    drawn = (element("polyline", points=_text(run), class_=f"line {one.style}") for run in _runs(frame, one.values))
    return _stretched(frame, *drawn)


def _band(frame: _Frame, band: Band) -> Markup:
    shapes = []
    run: list[tuple[float, float, float]] = []
    pairs = [*zip(band.low, band.high, strict=True), (None, None)]
    for n, (low, high) in enumerate(pairs):
        if high is not None and high > 0.0:
            x, y = frame.x(n), frame.y(high)
            run.append((x, y, frame.bottom if not low or low > high else frame.y(low)))
        elif run:
            half = 0.25 / frame.count
            run = [(run[0][0] - half, *run[0][1:]), *run, (run[-1][0] + half, *run[-1][1:])]
            outline = [(_STRETCH * x, y) for x, y, _ in run] + [(_STRETCH * x, y) for x, _, y in reversed(run)]
            shapes.append(element("polygon", points=_text(outline), class_=f"band {band.style}"))
            run = []
    return _stretched(frame, *shapes)


def _points(frame: _Frame, one: Series) -> Markup:
    drawn = []
    small = frame.count > 80
    for n, value in enumerate(one.values):
        if value is None or math.isnan(value) or (one.line and small and 0.0 < value < math.inf):
            continue
        radius = 2.0 if small else 3.5
        drawn.append(element("circle", cx=percent(frame.x(n)), cy=frame.y(value), r=radius))
    return element("g", *drawn, class_=f"points {one.style}")


def _level(frame: _Frame, level: Level) -> Markup:
    y = frame.y(level.value)
    return element(
        "g", element("line", x1="0", x2="100%", y1=y, y2=y), element("text", level.label, x="100%", y=y - 4), class_="level"
    )


def _hit(frame: _Frame, layer: int, title: str) -> Markup:
    return element("rect", element("title", title), x=percent(layer / frame.count), width=percent(1 / frame.count), y=0,
                   height=frame.height, class_="hit")  # fmt: skip


def _names(frame: _Frame, names: Sequence[str]) -> Markup:
    texts = (
        element("svg", element("text", name if len(name) < 17 else f"{name[:15]}…", transform="rotate(-40)"),
                x=percent(frame.x(n)), y=frame.height + 14)
        for n, name in enumerate(names)
    )  # fmt: skip
    return element("g", join(texts), class_="names")


def _numbers(frame: _Frame) -> Markup:
    step = next(s for s in (5, 10, 20, 25, 50, 100, 200, 500, 10**9) if frame.count / s <= 12)
    shown = [0, *range(step - 1, frame.count, step)]
    texts = (element("text", str(n + 1), x=percent(frame.x(n)), y=frame.height + 15) for n in shown)
    return element("g", join(texts), class_="numbers")


def _text(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


__all__ = ["Band", "Level", "Series", "magnitudes"]
