"""Cross-checks: bounds confronted with executions.  Violations come first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from boundnet.crosscheck.results import Check, Compared, CrossCheck, Violation
from boundnet.results import Analysis
from boundnet.results.text import bound_text, count_text, floor_text, printable, value_text
from boundnet_reports.page.depth import Legend, Observed, Plot
from boundnet_reports.page.headline import Tile
from boundnet_reports.page.layer_words import seen_text
from boundnet_reports.page.plots import Series, magnitudes
from boundnet_reports.page.tables import Cell, Heading, Row, Table, number

MOST_VIOLATIONS = 200
MOST_OBSERVED = 3


@dataclass(frozen=True)
class CheckShown:
    """One execution: what ran, tables of outputs and layers, and both along the depth."""

    title: str
    facts: dict[str, str]
    notes: tuple[str, ...]
    violation_count: int
    outputs: Table
    layers: Table
    plot: Plot | None


def tone(result: CrossCheck) -> str:
    """Good where values were compared and none left its bound, bad where one did, else neither."""
    if result.violation_count:
        return "bad"
    return "good" if _compared(result) else "likely"


def tiles(result: CrossCheck) -> list[Tile]:
    """The figures that matter."""
    compared = _compared(result)
    outputs = [row for check in result.checks for row in check.outputs]
    ratios = [row.tightest for row in outputs if row.tightest is not None]
    runs = sum(check.rows for check in result.checks)
    tight = floor_text(min(ratios)) if ratios else "unknown"
    unbounded = sum(row.unbounded for row in _rows(result))
    note = f"{unbounded:,} more have no finite bound" if unbounded else "all with a finite bound"
    return [
        Tile("violations", f"{result.violation_count:,}", "values outside their bound", tone(result)),
        Tile("values compared", f"{compared:,}", note),
        Tile(
            "executions", str(len(result.checks)), f"{count_text(runs, 'run')} of {count_text(result.inputs.count, 'input')}"
        ),
        Tile("closest approach of an output", tight, "smallest bound / distance from exact; below 1 is a violation"),
    ]


def _rows(result: CrossCheck) -> list[Compared]:
    return [row for check in result.checks for row in (*check.layers, *check.outputs)]


def _compared(result: CrossCheck) -> int:
    return sum(row.compared for row in _rows(result))


def violations(result: CrossCheck) -> Table:
    """Every violation kept in the result, at most :data:`MOST_VIOLATIONS`."""
    kept = [(check, found) for check in result.checks for found in check.violations]
    headings = (
        Heading("what"), Heading("where"), Heading("execution"), Heading("input", True), Heading("element", True),
        Heading("computed", True), Heading("centre", True, "what the bound is about"), Heading("distance", True),
        Heading("bound", True),
    )  # fmt: skip
    rows = tuple(_violation(check, found) for check, found in kept[:MOST_VIOLATIONS])
    return Table("violations", headings, rows, len(kept) - len(rows))


def _violation(check: Check, found: Violation) -> Row:
    distance = abs(found.value - found.centre) if math.isfinite(found.value) else math.inf
    at = ", ".join(map(str, found.at)) or "scalar"
    more = (("node", printable(found.node)), ("run", printable(found.run)), ("to repeat", printable(found.reproduce)))
    return Row((
        Cell(printable(found.what)), Cell(printable(found.layer), more=more), Cell(printable(check.title)),
        number(str(found.index), found.index), Cell(f"[{at}]"), number(value_text(found.value), found.value),
        number(value_text(found.centre), found.centre), number(value_text(distance), distance),
        number(value_text(found.bound), found.bound),
    ), tone="bad")  # fmt: skip


def checks(result: CrossCheck) -> list[CheckShown]:
    """Every execution, those with violations first."""
    order = sorted(result.checks, key=lambda check: -check.violation_count)
    return [
        CheckShown(
            printable(check.title),
            {
                "backend": printable(check.backend),
                "arithmetic": printable(str(check.arithmetic.get("name", ""))),
                "runs of each input": str(check.rows),
            },
            tuple(map(printable, check.notes)), check.violation_count, _table(check.outputs, "outputs"),
            _table(check.layers, "layers"), _plot(check),
        )
        for check in order
    ]  # fmt: skip


def _table(rows: Sequence[Compared], name: str) -> Table:
    headings = (
        Heading(name.removesuffix("s")), Heading("kind"), Heading("error bound", True, "largest static bound of an element"),
        Heading("largest distance seen", True), Heading("tightness", True, "largest bound / largest distance"),
        Heading("closest", True, "smallest bound / distance of one element"), Heading("compared", True),
        Heading("no bound", True, "values whose bound is infinite"), Heading("violations", True),
        Heading("range seen", True), Heading("overflow"),
    )  # fmt: skip
    return Table(name, headings, tuple(map(_compare, rows)))


def _compare(row: Compared) -> Row:
    overflow = "may" if row.may_overflow else "proved absent"
    if row.non_finite:
        overflow += f", {row.non_finite:,} values not finite"
    bad = row.violations > 0 or (row.non_finite > 0 and not row.may_overflow)
    return Row((
        Cell(printable(row.name)), Cell(printable(row.kind)), number(bound_text(row.bound), row.bound),
        number(seen_text(row.observed), row.observed), _ratio(row.ratio), _ratio(row.tightest),
        number(f"{row.compared:,}", row.compared), number(f"{row.unbounded:,}", row.unbounded),
        Cell(f"{row.violations:,}", repr(row.violations), tone="bad" if row.violations else ""),
        number(f"{seen_text(row.low)} .. {seen_text(row.high)}", row.high),
        Cell(overflow, tone="bad" if row.non_finite and not row.may_overflow else ""),
    ), tone="bad" if bad else "")  # fmt: skip


def _ratio(value: float | None) -> Cell:
    return number("no distance", math.nan) if value is None else number(floor_text(value), value)


def _plot(check: Check) -> Plot | None:
    names = [printable(row.name) for row in check.layers]
    bound = Series("static error bound", "bound", [row.bound for row in check.layers])
    seen = Series("largest distance seen", "seen-1", [row.observed for row in check.layers])
    titles = [
        f"{n + 1}. {name}\nbound: {bound_text(row.bound)}\nseen: {seen_text(row.observed)}\n"
        f"tightness: {'no distance' if row.ratio is None else floor_text(row.ratio)}\nviolations: {row.violations}"
        for n, (name, row) in enumerate(zip(names, check.layers, strict=True))
    ]
    drawing = magnitudes(names, titles, [bound, seen]) if names else None
    return None if drawing is None else Plot(drawing, tuple(Legend(s.style, s.label) for s in (bound, seen)))


def same_model(one: Any, other: Any) -> bool:
    """Whether two results are about the same network, as far as they tell."""
    if one.model.sha256 or other.model.sha256:
        return bool(one.model.sha256 == other.model.sha256)
    return bool(one.model.name == other.model.name)


def observed(analysis: Analysis, results: Sequence[CrossCheck]) -> list[Observed]:
    """Largest errors seen at each layer of the same network, for at most :data:`MOST_OBSERVED` executions."""
    found = []
    for result in results:
        if same_model(analysis, result) and result.inputs.source == analysis.inputs.source:
            for check in result.checks:
                name = str(check.arithmetic.get("name", ""))
                other = "" if check.arithmetic == analysis.arithmetic else f" (in {name})"
                errors = {row.name: row.observed for row in check.layers if row.compared or row.unbounded}
                found.append(Observed(printable(f"seen: {check.title}{other}"), errors))
    return found[:MOST_OBSERVED]


__all__ = ["CheckShown", "checks", "observed", "same_model", "tiles", "tone", "violations"]
