"""How many numbers lie where on a logarithmic axis, and on which side of a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from boundnet.results.text import count_text
from boundnet_reports.page.axes import LogAxis, log_axis
from boundnet_reports.page.svg import element, join, percent

_BINS = 36
_HEIGHT = 120.0
_LISTED = 12


@dataclass(frozen=True)
class Entry:
    """A nonnegative number, what it belongs to, and whether it is as it should be.  0 stands apart on the left, NaN and
    infinity on the right."""

    value: float
    label: str
    good: bool = True


@dataclass(frozen=True)
class Words:
    """What hovering says: ``noun`` counted, then ``good`` or ``bad``; ``limit`` names the line at 1, if there is one;
    ``lost`` what stands apart on the right."""

    noun: str
    good: str
    bad: str
    limit: str | None
    lost: str


def log_histogram(entries: Sequence[Entry], words: Words) -> Markup | None:
    """Bars over a logarithmic axis; None where no number is positive and finite."""
    axis = log_axis([*(entry.value for entry in entries), *([1.0] if words.limit else [])])
    if axis is None or not entries:
        return None
    if words.limit:
        axis = LogAxis(axis.low, max(axis.high, 1))
    bins: dict[tuple[int, bool], list[str]] = {}
    for entry in entries:
        bins.setdefault((_place(entry.value, axis), entry.good), []).append(entry.label)
    zero = any(place == -1 for place, _ in bins)
    first = 1.5 if zero else 0.0
    wide = 1.0 / (_BINS + first + 2.5)
    places = sorted({place for place, _ in bins})
    tallest = max(sum(len(bins.get((place, good), [])) for good in (True, False)) for place in places)
    bars = []
    for place in places:
        y = _HEIGHT
        for good in (True, False):
            found = bins.get((place, good), [])
            if found:
                tall = max(3.0, (_HEIGHT - 16) * len(found) / tallest)
                y -= tall
                x = 0.0 if place == -1 else first + place + (1.2 if place == _BINS else 0.0)
                bars.append(element("rect", element("title", _title(found, words.good if good else words.bad, words)),
                                    x=percent(x * wide + 0.001), width=percent(wide - 0.002), y=y, height=tall,
                                    class_="good" if good else "bad"))  # fmt: skip
    return _frame(axis, bars, first * wide, _BINS * wide, wide, zero, any(p == _BINS for p in places), words, tallest)


def _place(value: float, axis: LogAxis) -> int:
    if not value < math.inf:
        return _BINS
    return -1 if value == 0.0 else min(_BINS - 1, int(axis.at(value) * _BINS))


def _title(found: Sequence[str], state: str, words: Words) -> str:
    listed = list(dict.fromkeys(found))
    more = ", ..." if len(listed) > _LISTED else ""
    return f"{count_text(len(found), words.noun)} {state}\n{', '.join(listed[:_LISTED])}{more}".strip()


def _frame(
    axis: LogAxis, bars: Sequence[Markup], start: float, across: float, wide: float, zero: bool, lost: bool, words: Words,
    tallest: int,
) -> Markup:  # fmt: skip
    ticks = [(start + at * across, text) for at, text in axis.ticks()]
    lines = [element("line", x1=percent(x), x2=percent(x), y1=_HEIGHT, y2=_HEIGHT + 4) for x, _ in ticks]
    texts = [element("text", text, x=percent(x), y=_HEIGHT + 17) for x, text in ticks]
    if zero:
        texts.append(element("text", "0", x=percent(wide / 2), y=_HEIGHT + 17))
    if lost:
        texts.append(element("text", words.lost, x=percent(start + across + 1.7 * wide), y=_HEIGHT + 17))
    mark = Markup("")
    if words.limit:
        one = start + axis.at(1.0) * across
        left = one > 0.2  # room for its name
        mark = element(
            "g", element("line", x1=percent(one), x2=percent(one), y1=0, y2=_HEIGHT),
            element("text", words.limit, x=percent(one), y=10, dx=-5 if left else 5, class_=None if left else "right"),
            class_="level",
        )  # fmt: skip
    base = element("line", x1="0", x2="100%", y1=_HEIGHT, y2=_HEIGHT)
    svg = element("svg", element("g", base, *lines, class_="grid"), element("g", *texts, class_="numbers"),
                  element("g", element("text", str(tallest), x=-8, y=20), class_="grid"), join(bars), mark, width="100%",
                  height=_HEIGHT + 24, role="img", aria_label=f"Histogram of {words.noun}s")  # fmt: skip
    return element("div", svg, class_="plot")
