"""Tables of the page: cells with the numbers to sort them by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boundnet.results import Analysis, Decision, Layer, Sample
from boundnet.results.text import bound_text, floor_text, printable, shape_text, share_text
from boundnet_reports.page.decisions import ratio, urgency, why_not
from boundnet_reports.page.depth import Observed
from boundnet_reports.page.layer_words import (
    Limits,
    details,
    has_shares,
    headroom,
    limits,
    range_text,
    reach,
    relative_text,
    seen_text,
    share,
)
from boundnet_reports.page.network import anchor
from boundnet_reports.rows import compared, decision_text, margin_headings, values_text, word

MOST_SAMPLES = 500


@dataclass(frozen=True)
class Cell:
    """What a cell shows.

    Attributes:
        key: number to sort by; None sorts by the text.
        bar: width of a bar below the text, or None.
        more: (what, value) pairs that open on demand.
        tone: good, bad or nothing.
    """

    text: str
    key: str | None = None
    bar: str | None = None
    more: tuple[tuple[str, str], ...] = ()
    tone: str = ""


@dataclass(frozen=True)
class Row:
    """Cells, one for each heading, and the row's id."""

    cells: tuple[Cell, ...]
    id: str | None = None
    tone: str = ""


@dataclass(frozen=True)
class Heading:
    """A column's heading, whether it holds numbers, and what it means."""

    text: str
    number: bool = False
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Headings and rows; ``left``: rows that were left out."""

    name: str
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    left: int = 0


def number(text: str, value: float) -> Cell:
    """A cell that sorts by ``value``."""
    return Cell(text, "NaN" if math.isnan(value) else repr(value).replace("inf", "Infinity"))


def layer_table(analysis: Analysis, prefix: str, observed: Sequence[Observed] = ()) -> Table:
    """One row a layer."""
    shares = has_shares(analysis)
    known = limits(analysis)
    headings = [
        Heading("#", True, "position in the network"), Heading("layer"), Heading("kind"),
        Heading("shape", True, "of its result"),
        Heading("range", True, "of its values in every execution"),
        Heading("error bound", True, "of any element, in any sample: |computed - exact| is at most this"),
        Heading("relative", True, "error bound / largest value seen"),
    ]  # fmt: skip
    if shares:
        headings.append(Heading("share", True, "of the final error bound that arises here"))
    headings += [Heading(one.label, True, "largest error seen at this layer in executions") for one in observed]
    headings.append(Heading("headroom", True, "factor between its values and overflow"))
    rows = tuple(_layer(analysis, n, prefix, known, shares, observed) for n in range(len(analysis.layers)))
    return Table("layers", tuple(headings), rows)


def _layer(analysis: Analysis, n: int, prefix: str, known: Limits | None, shares: bool, observed: Sequence[Observed]) -> Row:
    layer = analysis.layers[n]
    relative = relative_text(layer)
    cells = [
        number(str(n + 1), n), Cell(printable(layer.name), more=tuple(details(analysis, layer, known))),
        Cell(printable(layer.kind)), number(shape_text(layer.shape), math.prod(layer.shape)),
        number(range_text(layer), layer.high), _bound(layer.absolute_bound),
        number(relative or "-", _relative(layer)),
    ]  # fmt: skip
    if shares:
        part = share(layer)
        cells.append(Cell(share_text(layer.error_share), repr(part), bar=f"{100 * part:.2f}%" if part else None))
    for one in observed:
        error = one.errors.get(layer.name)
        cells.append(number("-", -1.0) if error is None else number(seen_text(error), error))
    tone = "bad" if layer.may_overflow else ""
    room = headroom(layer, known)
    size = reach(layer)
    key = 0.0 if layer.may_overflow or known is None else known.largest / size if size else math.inf
    cells.append(Cell(room, number("", key).key, tone=tone))
    return Row(tuple(cells), anchor(prefix, n))


def _relative(layer: Layer) -> float:
    largest = layer.largest_value
    return layer.absolute_bound / largest if largest is not None and 0.0 < largest < math.inf else math.inf


def _bound(value: float) -> Cell:
    cell = number(bound_text(value), value)
    return cell if math.isfinite(value) else Cell(cell.text, cell.key, tone="bad")


def sample_table(analysis: Analysis) -> Table:
    """One row a sample, at most :data:`MOST_SAMPLES`: those that need looking at first."""
    chosen = sorted(analysis.samples, key=urgency)[:MOST_SAMPLES]
    decided = any(sample.decision for sample in chosen)
    referenced = any(sample.reference for sample in chosen)
    headings = [Heading("sample", True)]
    if decided:
        headings += [
            Heading("class", True), *(Heading(text, True, _MARGINS[text]) for text in margin_headings(analysis)),
            Heading("bound / margin", True, "below 1, rounding can't close the margin"), Heading(word(analysis)),
        ]  # fmt: skip
    headings += [Heading("output"), Heading("error bound", True, "largest of any value of the outputs")]
    if referenced:
        headings.append(Heading("float64 centre off by", True, "by certified evaluation"))
    rows = tuple(_sample(sample, analysis, decided, referenced) for sample in chosen)
    return Table("samples", tuple(headings), rows, len(analysis.samples) - len(chosen))


_MARGINS = {
    "margin": "by how much the class leads in the exact network, evaluated in float64",
    "float64 bound": "by how much that evaluation may be off: the margin has to exceed it",
    "cast margin": "by how much the class leads in the network with weights and inputs cast to the storage format",
    "rounding bound": "by how much rounding can change the cast margin, which has to exceed it",
    "margin's bound": "by how much rounding can change the margin",
}


def _margins(found: Decision, columns: int) -> list[Cell]:
    """Margins and the bounds they have to exceed, in turn."""
    cells = []
    for margin, bound in compared(found) or ((found.margin, found.margin_bound),):
        cells += [number(floor_text(margin), margin), number(bound_text(bound), bound)]
    return [*cells, *[Cell("")] * (columns - len(cells))]


def _sample(sample: Sample, analysis: Analysis, decided: bool, referenced: bool) -> Row:
    cells = [number(str(sample.index), sample.index)]
    found = sample.decision
    if decided and found is not None:
        part = ratio(found)
        cells += [
            number(str(found.class_index), found.class_index), *_margins(found, len(margin_headings(analysis))),
            number(bound_text(part, 2), part),
            Cell(decision_text(found), tone="good" if found.holds else "bad",
                 more=() if found.holds else (("why", why_not(found, analysis)),)),
        ]  # fmt: skip
    elif decided:
        cells += [Cell("")] * (3 + len(margin_headings(analysis)))
    worst = max((float(np.max(output.absolute_bound, initial=0.0)) for output in sample.outputs), default=0.0)
    cells += [Cell(values_text(sample)), _bound(worst)]
    if referenced:
        cells.append(
            number(bound_text(sample.reference.centre_error), sample.reference.centre_error)
            if sample.reference
            else Cell("")
        )
    return Row(tuple(cells))
