"""The network as a picture: boxes coloured by their share of the final error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from boundnet.results import Analysis, Layer
from boundnet.results.text import bound_text, count_text, printable, share_text
from boundnet_reports.page.condense import Box, Picture, picture
from boundnet_reports.page.layer_words import details, has_shares, limits, share
from boundnet_reports.page.layout import Size, arrange
from boundnet_reports.page.svg import element, join

STEPS = (0.001, 0.01, 0.05, 0.15, 0.35)
"""Shares at which the colour changes."""
LEGEND = ("< 0.1 %", "0.1 to 1 %", "1 to 5 %", "5 to 15 %", "15 to 35 %", "> 35 %")

WIDE, NARROW = 1060.0, 350.0
_MANY = 48
"""With more boxes than these they are drawn smaller."""


@dataclass(frozen=True)
class Drawing:
    """A picture for wide and for narrow pages; ``title`` and ``anchor`` are empty for the whole network."""

    title: str
    anchor: str
    wide: Markup
    narrow: Markup
    opened: bool = False


def draw(analysis: Analysis, prefix: str) -> list[Drawing]:
    """The network and then each nested model; nothing where the result has no network.

    Args:
        prefix: of element ids, so that several results fit one page.
    """
    whole = picture(analysis)
    if whole is None:
        return []
    pen = _Pen(analysis, prefix)
    drawings: list[Drawing] = []
    pen.collect(whole, "", drawings)
    return drawings


def colour(part: float) -> str:
    """CSS class of a share of the error."""
    return f"s{sum(part >= step for step in STEPS)}"


def anchor(prefix: str, index: int) -> str:
    """Id of a layer's section."""
    return f"{prefix}layer-{index}"


class _Pen:
    def __init__(self, analysis: Analysis, prefix: str) -> None:
        self.analysis = analysis
        self.prefix = prefix
        self.layers: Mapping[str, Layer] = {layer.name: layer for layer in analysis.layers}
        self.index = {layer.name: n for n, layer in enumerate(analysis.layers)}
        self.limits = limits(analysis)
        self.shares = has_shares(analysis)
        self.outputs = {node.name for node in analysis.nodes if node.output is not None}
        self.inputs = {node.name for node in analysis.nodes if not node.inputs}
        self.folds = 0

    def collect(self, drawn: Picture, title: str, into: list[Drawing], anchor: str = "", opened: bool = True) -> None:
        """Append the drawing of ``drawn`` and of what is folded in it."""
        anchors = {}
        for key in drawn.folded:
            self.folds += 1
            anchors[key] = f"{self.prefix}nested-{self.folds}"
        many = len(drawn.boxes) > _MANY
        sizes = (
            Size(96, 24, 16, 12, WIDE) if many else Size(107, 40, 18, 18, WIDE),
            Size(88, 24, 14, 12, NARROW) if many else Size(124, 40, 22, 18, NARROW),
        )
        pictures = [self._svg(drawn, size, anchors) for size in sizes]
        into.append(Drawing(title, anchor, pictures[0], pictures[1], opened))
        small = drawn.size <= _MANY or len(drawn.boxes) <= 8
        for key, inner in drawn.folded.items():
            box = drawn.boxes[key]
            text = f"{printable(box.label)}: {count_text(len(box.layers), 'layer')}"
            self.collect(inner, text, into, anchors[key], small)

    def _svg(self, drawn: Picture, size: Size, anchors: Mapping[str, str]) -> Markup:
        layout = arrange(drawn.graph, size)
        strokes = Markup("").join(
            element("path", d=_path(stroke), class_="last" if n == len(edge) - 1 else None)
            for edge in layout.edges.values()
            for n, stroke in enumerate(edge)
        )
        boxes = join(self._box(drawn.boxes[key], size, at, anchors.get(key)) for key, at in layout.boxes.items())
        return element(
            "svg", element("g", strokes, class_="edges"), boxes,
            viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}", width=layout.width, height=layout.height,
            class_="small" if size.height < 30 else None, role="group",
            aria_label=f"Network drawn as boxes and arrows: {len(drawn.boxes)} boxes",
        )  # fmt: skip

    def _box(self, box: Box, size: Size, at: tuple[float, float], nested: str | None) -> Markup:
        layers = [self.layers[name] for name in box.layers if name in self.layers]
        total = min(1.0, sum(share(layer) for layer in layers))
        overflow = any(layer.may_overflow for layer in layers)
        lost = any(not math.isfinite(layer.absolute_bound) for layer in layers)
        flags = {"over": overflow, "lost": lost and not overflow, "fold": box.fold is not None,
                 "end": bool(self.outputs.intersection(box.nodes) or self.inputs.intersection(box.nodes))}  # fmt: skip
        classes = ["box", colour(total) if self.shares else "s0", *(name for name, holds in flags.items() if holds)]
        tall = size.height > 30
        room = (size.width - 8) / (11 if tall else 10) - (1 if overflow else 0)
        label = ("⚠" if overflow else "") + shorten(printable(box.label), room)
        parts = [element("title", self._title(box, layers))]
        if box.fold is not None:
            parts.append(element("rect", x=-3, y=-3, width=size.width + 6, height=size.height + 6, rx=7, class_="outer"))
        parts.append(element("rect", width=size.width, height=size.height, rx=5))
        parts.append(element("text", label, x=size.width / 2, y=16 if tall else 14, class_="name"))
        if tall:
            kind = count_text(len(box.layers), "layer") if box.fold else printable(layers[0].kind) if layers else ""
            parts.append(element("text", shorten(kind, room), x=size.width / 2, y=29, class_="kind"))
        if self.shares and total >= STEPS[0]:
            parts.append(
                element("rect", class_="amount", x=6, y=size.height - 6, height=3, width=max(1.5, total * (size.width - 12)))
            )
        target = nested or (anchor(self.prefix, self.index[layers[0].name]) if layers else None)
        return element("a", *parts, href=f"#{target}" if target else None, class_=" ".join(classes),
                       transform=f"translate({at[0]:.0f} {at[1]:.1f})")  # fmt: skip

    def _title(self, box: Box, layers: list[Layer]) -> str:
        lines = [printable(box.label)]
        if box.fold is not None:
            lines.append(f"nested model of {count_text(len(layers), 'layer')}")
            if layers:
                lines.append(f"error bound of its last layer: {bound_text(layers[-1].absolute_bound)}")
            if self.shares:
                lines.append(f"share of the error: {share_text(sum(share(layer) for layer in layers))}")
        elif layers:
            lines += [f"{what}: {value}" for what, value in details(self.analysis, layers[0], self.limits)]
        if any(not math.isfinite(layer.absolute_bound) for layer in layers):
            lines.append("no finite bound from here on")
        return "\n".join(lines)


def shorten(text: str, room: float) -> str:
    """``text`` where it fits ``room`` (in units of the type size), else without its middle: names end in numbers."""
    if _width(text) <= room:
        return text
    keep = max(2, len(text) - 2)
    while keep > 2 and _width(text[: keep - keep // 2] + "…" + text[-(keep // 2) :]) > room:
        keep -= 1
    return f"{text[: keep - keep // 2]}…{text[-(keep // 2) :]}"


def _width(text: str) -> float:
    """About how wide bold type is, in units of its size."""
    return sum(0.9 if c in "mwMW@" or ord(c) > 0x2E80 else 0.35 if c in "fijlrtI.,:;|!'()[] " else 0.62 for c in text)


def _path(points: list[tuple[float, float]]) -> str:
    start, *rest = points
    words = [f"M{start[0]:.0f} {start[1]:.1f}"]
    x, y = start
    for right, down in rest:
        if right > x and abs(down - y) > 0.5 and right - x < 80:
            middle = (x + right) / 2
            words.append(f"C{middle:.0f} {y:.1f} {middle:.0f} {down:.1f} {right:.0f} {down:.1f}")
        else:
            words.append(f"L{right:.0f} {down:.1f}")
        x, y = right, down
    return "".join(words)
