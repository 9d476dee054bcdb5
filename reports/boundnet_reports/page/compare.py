"""Several results side by side: formats, models, orders."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from boundnet.results import Analysis
from boundnet.results.digits import certain_digits
from boundnet.results.text import bound_text, printable, seconds_text
from boundnet_reports.page.axes import log_axis
from boundnet_reports.page.depth import Legend, Plot
from boundnet_reports.page.headline import digits_text, split_verdict, tiles, tone
from boundnet_reports.page.plots import Series, magnitudes
from boundnet_reports.page.svg import element, join, percent
from boundnet_reports.page.tables import Cell, Heading, Row, Table, number
from boundnet_reports.rows import word

_ROW = 30.0
_STYLES = ("c1", "c2", "c3", "c4", "c5", "c6")


@dataclass(frozen=True)
class Chart:
    """One figure of all results, drawn."""

    name: str
    note: str
    drawing: Markup


def labels(results: Sequence[Analysis]) -> list[str]:
    """Short names that tell the results apart: what differs between them, else a number."""
    facts: tuple[Callable[[Analysis], str], ...] = (
        lambda a: Path(a.model.path).name if a.model.path else a.model.name,
        lambda a: str(a.arithmetic["name"]),
        lambda a: f"order {a.arithmetic['order']}",
        lambda a: f"accumulate {a.arithmetic['accumulate']}",
        lambda a: f"rounding {a.arithmetic['rounding']}",
        lambda a: f"fma {a.arithmetic['fma']}",
        lambda a: f"subnormals {a.arithmetic['subnormals']}",
        lambda a: f"bias {a.arithmetic['bias']}",
        lambda a: f"normalisation {a.arithmetic.get('normalisation', 'stored')}",
        lambda a: a.guarantee,
        lambda a: f"domain {a.domain.used}",
        lambda a: a.inputs.source,
    )
    parts: list[list[str]] = [[] for _ in results]
    for fact in facts:
        if len({tuple(part) for part in parts}) == len(results) > 1:
            break
        values = [fact(result) for result in results]
        if len(set(values)) > 1:
            for part, value in zip(parts, values, strict=True):
                part.append(value)
    texts = [printable(", ".join(part)) for part in parts]
    repeated = len(set(texts)) < len(texts)
    return [f"{text or 'result'} #{n + 1}" if repeated else text for n, text in enumerate(texts)]


def comparison_table(results: Sequence[Analysis], names: Sequence[str]) -> Table:
    """One row a result."""
    headings = (
        Heading("result"), Heading("verdict"), Heading("guarantee"), Heading("decisions", True),
        Heading("outputs within", True),
        Heading("in u", True, "unit roundoff of the storage format"),
        Heading("certain digits", True, "decimal, worst sample"),
        Heading("most costly layer"), Heading("time", True),
    )  # fmt: skip
    return Table(
        "results",
        headings,
        tuple(_row(result, name, n) for n, (result, name) in enumerate(zip(results, names, strict=True))),
    )


def _row(result: Analysis, name: str, n: int) -> Row:
    summary = result.summary
    head, _ = split_verdict(result.verdict)
    decisions = f"{summary.holding} of {summary.total} {word(result)}" if summary.total else "none"
    in_u = summary.max_absolute_bound_in_u if result.samples else None
    bound = summary.max_absolute_bound if result.samples else math.inf
    seconds = result.timings.get("total", math.nan)
    return Row((
        Cell(name), Cell(head or "see below", tone=tone(result)), Cell(printable(result.guarantee)),
        number(decisions, summary.holding / summary.total if summary.total else -1.0),
        number(bound_text(bound) if result.samples else "none known", bound),
        number("-" if in_u is None else bound_text(in_u), math.nan if in_u is None else in_u),
        number(digits_text(result), _digits(result)), Cell(tiles(result)[-1].figure),
        number("-" if math.isnan(seconds) else seconds_text(seconds), seconds),
    ), f"compared-{n + 1}")  # fmt: skip


def _digits(result: Analysis) -> float:
    found = certain_digits(result.samples)
    return math.inf if found is None else float(found) if result.samples else -1.0


def charts(results: Sequence[Analysis], names: Sequence[str]) -> list[Chart]:
    """Bounds, proved shares and digits, where there is something to draw."""
    found = []
    bounds = [result.summary.max_absolute_bound for result in results if result.samples]
    axis = log_axis([*bounds, *(result.summary.median_absolute_bound for result in results)])
    if axis is not None:
        marks = []
        for result in results:
            parts = []
            for value, style, what in (
                (result.summary.median_absolute_bound, "median", "median"),
                (result.summary.max_absolute_bound, "worst", "largest")
            ):  # fmt: skip
                if value > 0.0 and not math.isnan(value):
                    title = element("title", f"{what} bound over the samples: {bound_text(value)}")
                    at = 1.0 if math.isinf(value) else axis.at(value)
                    parts.append(element("circle", title, cx=percent(at), cy=_ROW / 2, r=6, class_=style))
            marks.append((join(parts), bound_text(result.summary.max_absolute_bound) if result.samples else "none known"))
        found.append(
            Chart("Bound of the outputs", "● largest, ○ median over the samples", _rows(names, marks, axis.ticks(5)))
        )
    if any(result.summary.total for result in results):
        bars = [
            (result.summary.holding / result.summary.total, f"{result.summary.holding} of {result.summary.total}")
            if result.summary.total else (0.0, "none to decide")
            for result in results
        ]  # fmt: skip
        called = " or ".join(sorted({word(result) for result in results if result.summary.total}))
        found.append(Chart(f"Decisions {called}", "", _bars(names, bars, [(x / 4, f"{25 * x} %") for x in range(5)])))
    digits = [certain_digits(result.samples) if result.samples else 0 for result in results]
    most = max(5, *(d for d in digits if d is not None), 0)
    texts = [digits_text(result) for result in results]
    bars = [((most if d is None else d) / most, text) for d, text in zip(digits, texts, strict=True)]
    step = 1 if most <= 8 else 4
    found.append(Chart("Certain decimal digits", "of each sample's largest output, worst sample",
                       _bars(names, bars, [(x / most, str(x)) for x in range(0, most + 1, step)])))  # fmt: skip
    return found


def depth(results: Sequence[Analysis], names: Sequence[str]) -> Plot | None:
    """The bounds along the depth, where all results have the same layers; at most six."""
    first = [layer.name for layer in results[0].layers]
    shown = [(r, name) for r, name in zip(results, names, strict=True) if [layer.name for layer in r.layers] == first]
    shown = shown[: len(_STYLES)]
    if len(shown) < 2 or not first:
        return None
    series = [
        Series(name, style, [layer.absolute_bound for layer in result.layers])
        for (result, name), style in zip(shown, _STYLES, strict=False)
    ]
    titles = [
        "\n".join([f"{n + 1}. {printable(layer)}", *(f"{one.label}: {bound_text(_value(one, n))}" for one in series)])
        for n, layer in enumerate(first)
    ]
    drawing = magnitudes([printable(name) for name in first], titles, series)
    return None if drawing is None else Plot(drawing, tuple(Legend(one.style, one.label) for one in series))


def _value(one: Series, n: int) -> float:
    value = one.values[n]
    return math.nan if value is None else value


def _bars(names: Sequence[str], bars: Sequence[tuple[float, str]], ticks: Sequence[tuple[float, str]]) -> Markup:
    drawn = [
        (element("rect", x=0, y=7, width=percent(part), height=_ROW - 14, class_="amount"), text) for part, text in bars
    ]
    return _rows(names, drawn, ticks)


def _rows(names: Sequence[str], drawn: Sequence[tuple[Markup, str]], ticks: Sequence[tuple[float, str]]) -> Markup:
    height = _ROW * len(names)
    lines = [element("line", x1=percent(x), x2=percent(x), y1=0, y2=height) for x, _ in ticks]
    texts = [element("text", text, x=percent(x), y=height + 15) for x, text in ticks]
    plot = element("svg", element("g", *lines, class_="grid"), element("g", *texts, class_="numbers"), *(
        element("svg", mark, y=n * _ROW, width="100%", height=_ROW, overflow="visible") for n, (mark, _) in enumerate(drawn)
    ), width="100%", height=height + 22, overflow="visible")  # fmt: skip
    rows = [element("div", name, class_="name") for name in names]
    sizes = [element("div", text, class_="size") for _, text in drawn]
    return element("div", element("div", *rows), element("div", plot, class_="area"), element("div", *sizes), class_="chart")


__all__ = ["Chart", "Sequence", "charts", "comparison_table", "depth", "labels"]
