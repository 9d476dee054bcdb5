"""Pictures of a study: SVG files that need nothing to be seen.

    uv run python examples/deepgoplus/plots.py STUDY.json FOLDER

STUDY.json is what ``study.py --json`` writes.  Makes ``errors.svg`` (error of every probability, sampled and proved),
``formats.svg`` (largest change of a probability over mantissa bits) and ``fmax.svg`` (Fmax and what is proved of it).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

WIDTH, FONT = 760, "font-family='Helvetica, Arial, sans-serif'"
COLOURS = ("#1b6ca8", "#d1495b", "#8d8d8d", "#2e933c")
Point = tuple[float, float]


class Axes:
    """A rectangle with a logarithmic or linear scale on either axis; draws into ``parts``."""

    def __init__(self, left: float, top: float, width: float, height: float, x: Point, y: Point, log: str = "") -> None:
        self.box, self.log = (left, top, width, height), log
        self.x, self.y = (
            (self._scaled(x[0], "x"), self._scaled(x[1], "x")),
            (self._scaled(y[0], "y"), self._scaled(y[1], "y")),
        )
        self.parts = [f"<rect x='{left}' y='{top}' width='{width}' height='{height}' fill='none' stroke='#555'/>"]

    def _scaled(self, value: float, axis: str) -> float:
        return math.log10(value) if axis in self.log else value

    def at(self, x: float, y: float) -> Point:
        """Where a point is drawn; values outside are drawn on the edge."""
        left, top, width, height = self.box
        share_x = (self._scaled(x, "x") - self.x[0]) / (self.x[1] - self.x[0])
        share_y = (self._scaled(y, "y") - self.y[0]) / (self.y[1] - self.y[0])
        return left + width * min(max(share_x, 0.0), 1.0), top + height * (1.0 - min(max(share_y, 0.0), 1.0))

    def ticks(self, xs: Sequence[float], ys: Sequence[float], label_x: str, label_y: str) -> None:
        """Labelled ticks and the axes' names."""
        left, top, width, height = self.box
        for value in xs:
            x, _ = self.at(value, 10.0 ** self.y[0] if "y" in self.log else self.y[0])
            self.parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{top + height}' y2='{top + height + 5}' stroke='#555'/>")
            self.parts.append(text(x, top + height + 18, number(value), "middle"))
        for value in ys:
            _, y = self.at(10.0 ** self.x[0] if "x" in self.log else self.x[0], value)
            self.parts.append(f"<line x1='{left}' x2='{left + width}' y1='{y:.1f}' y2='{y:.1f}' stroke='#e3e3e3'/>")
            self.parts.append(text(left - 6, y + 4, number(value), "end"))
        self.parts.append(text(left + width / 2, top + height + 36, label_x, "middle"))
        self.parts.append(text(left, top - 8, label_y, "start"))

    def dots(self, points: Sequence[Point], colour: str, radius: float = 1.6) -> None:
        """Small discs, all in one path."""
        places = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in (self.at(*point) for point in points))
        style = f"fill='none' stroke='{colour}' stroke-width='{2.0 * radius}' stroke-linecap='round' stroke-opacity='0.55'"
        self.parts.append(f"<path d='{places}' {style}/>")

    def line(self, points: Sequence[Point], colour: str, dashes: str = "") -> None:
        """A polyline with its points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        self.parts.append(f"<polyline points='{places}' fill='none' stroke='{colour}' stroke-dasharray='{dashes}'/>")
        self.dots(points, colour, 2.4)


def number(value: float) -> str:
    """A tick's label: powers of ten as 1e-5."""
    return (
        f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e") if 0.0 < abs(value) < 0.01 or value >= 1e4 else f"{value:g}"
    )


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 12, fill: str = "#222") -> str:
    """Words at a place."""
    style = f"{FONT} font-size='{size}' text-anchor='{anchor}' fill='{fill}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"


def legend(entries: Sequence[tuple[str, str]], x: float, y: float) -> list[str]:
    """Coloured words below each other."""
    return [text(x, y + 16 * i, words, fill=colour) for i, (words, colour) in enumerate(entries)]


def save(path: Path, parts: Sequence[str], height: float) -> None:
    """One picture on white."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>"
    path.write_text("\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>"]) + "\n")


def errors(study: dict[str, Any], path: Path) -> None:
    """Error of every probability over the probability."""
    points = study["random_rounding"]["points"]
    least = min(points["probability"])
    axes = Axes(80, 60, 640, 360, (10.0 ** math.floor(math.log10(least)), 1.0), (1e-12, 1e-2), "xy")
    axes.ticks([10.0**-k for k in range(-math.floor(math.log10(least)) + 1)], [10.0**-k for k in range(2, 13, 2)],
               "probability", "error (absolute)")  # fmt: skip
    samples = study["random_rounding"]["samples"]
    names = [
        ("any order", f"proved, IEEE binary32, any order: {largest(points['any order'])}", COLOURS[2]),
        ("rr(24)", f"proved for every random rounding run: {largest(points['rr(24)'])}", COLOURS[1]),
        ("sampled", f"largest of {samples} samples: {largest(points['sampled'])}", COLOURS[0]),
    ]
    for key, _, colour in names:
        pairs = zip(points["probability"], points[key], strict=True)
        axes.dots([(x, max(y, 1e-12)) for x, y in pairs], colour)
    save(path, [*axes.parts, *legend([(words, colour) for _, words, colour in names], 95, 80)], 470)


def largest(values: Sequence[float]) -> str:
    """As a legend has it."""
    return f"at most {max(values):.2g}"


def formats(study: dict[str, Any], path: Path) -> None:
    """Observed and proved changes over mantissa bits, a panel for each number of exponent bits."""
    rows = study["formats"]
    exponents = sorted({row["exponent"] for row in rows}, reverse=True)[:3]
    parts: list[str] = []
    for k, exponent in enumerate(exponents):
        axes = Axes(70 + 235 * k, 60, 205, 300, (0.0, 24.0), (1e-7, 10.0), "y")
        ys = [10.0**-p for p in range(-1, 8)]
        axes.ticks([2, 5, 8, 11, 14, 17, 20, 23], ys if k == 0 else [], "mantissa bits", f"{exponent} exponent bits")
        mine = [row for row in rows if row["exponent"] == exponent]
        axes.line([(row["mantissa"], max(row["change"], 1e-7)) for row in mine], COLOURS[0])
        axes.line([(row["mantissa"], row["proved"]) for row in mine if row["proved"] <= 10.0], COLOURS[1], "4 3")
        parts += axes.parts
    words = [("largest change of a probability, observed", COLOURS[0]), ("proved (sequences that were bounded)", COLOURS[1])]
    save(path, [*parts, *legend(words, 70, 20)], 420)


def fmax(study: dict[str, Any], path: Path) -> None:
    """Fmax of every format, and how wide the interval is that is proved to hold it."""
    rows = {(row["mantissa"], row["exponent"]): row for row in study["formats"]}
    bits, exponents = sorted({key[0] for key in rows}), sorted({key[1] for key in rows})
    parts: list[str] = []
    for k, title in enumerate((f"Fmax observed, {study['sequences']} sequences (binary64: {study['fmax']:.3f})",
                               f"width of the interval proved to hold Fmax, {study['bounded']} sequences")):  # fmt: skip
        top = 50 + (34 * len(exponents) + 80) * k
        parts.append(text(60, top - 14, title))
        for i, exponent in enumerate(exponents):
            parts.append(text(54, top + 34 * i + 21, f"{exponent}", "end"))
            for j, mantissa in enumerate(bits):
                row = rows[mantissa, exponent]
                low, high = row["fmax_proved"]
                value = row["fmax"] if k == 0 else high - low
                loss = min(abs(row["fmax"] - study["fmax"]) / 0.2, 1.0) if k == 0 else min(high - low, 1.0)
                x, y = 60 + 48 * j, top + 34 * i
                parts.append(f"<rect x='{x}' y='{y}' width='47' height='33' fill='{shade(loss)}'/>")
                parts.append(
                    text(x + 23.5, y + 21, f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.0f}", "middle")
                )
        for j, mantissa in enumerate(bits):
            parts.append(text(60 + 48 * j + 23.5, top + 34 * len(exponents) + 15, f"{mantissa}", "middle"))
        parts.append(text(60, top + 34 * len(exponents) + 31, "mantissa bits to the right, exponent bits down"))
    save(path, parts, 100 + 2 * (34 * len(exponents) + 50))


def shade(loss: float) -> str:
    """White for no loss to red for all."""
    return f"rgb({255 - int(46 * loss)},{255 - int(182 * loss)},{255 - int(164 * loss)})"


def main() -> None:
    """Write all pictures."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    study, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (errors, formats, fmax):
        make(study, folder / f"{make.__name__}.svg")


if __name__ == "__main__":
    main()
