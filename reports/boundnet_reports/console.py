"""The console report: verdict first, then tables, then what it all rests on."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from boundnet.crosscheck.results import CrossCheck
from boundnet.mca.results import Sampled
from boundnet.results import Analysis
from boundnet.results.text import count_text, printable, seconds_text
from boundnet_reports.page import crosscheck, sampled, tables
from boundnet_reports.page.compare import comparison_table, labels
from boundnet_reports.page.views import Result
from boundnet_reports.rows import Table, facts, layer_rows, sample_rows, summary_lines, word

MOST_SAMPLES = 20
_COLOURS = {"PROVED": "bold green", "LIKELY": "bold yellow", "BOUNDED": "bold green"}


def report(results: Result | Sequence[Result], destination: Console | None = None) -> None:
    """Print one result, or several in turn after a comparison, to ``destination``, by default a console on stdout.

    Names in results are never read as markup.
    """
    console = destination or Console(highlight=False)
    if isinstance(results, Analysis):
        _one(console, results)
        return
    if isinstance(results, CrossCheck | Sampled):
        _executed(console, results)
        return
    analyses = [result for result in results if isinstance(result, Analysis)]
    names = iter(labels(analyses))
    if len(analyses) > 1:
        _table(console, _plain(comparison_table(analyses, labels(analyses))))
    for result in results:
        if isinstance(result, Analysis):
            verdict = printable(result.verdict)
            _line(console, f"{next(names)}: {verdict}", _COLOURS.get(verdict.partition(":")[0], "bold red"))
            for warning in result.warnings:
                _line(console, f"WARNING: {printable(warning)}", "yellow")
        else:
            _executed(console, result)


def _executed(console: Console, result: CrossCheck | Sampled) -> None:
    """A cross-check, violations first, or samples."""
    bad = isinstance(result, CrossCheck) and result.violation_count > 0
    _line(console, printable(result.verdict), "bold red" if bad else "bold")
    if isinstance(result, Sampled):
        _line(console, f"guarantee: {printable(result.guarantee)}")
        _table(console, _plain(sampled.layer_table(result)))
        return
    if bad:
        _table(console, _plain(crosscheck.violations(result)))
    for check in crosscheck.checks(result):
        _line(console, check.title, "bold")
        _table(console, _plain(check.outputs, _CHECKED))
        _table(console, _plain(check.layers, _CHECKED))


_CHECKED = ("layer", "output", "error bound", "largest distance seen", "tightness", "closest", "violations", "overflow")


def _plain(table: tables.Table, columns: Sequence[str] | None = None) -> Table:
    """A table of the page, without what only a page can show or has room for."""
    kept = [n for n, heading in enumerate(table.headings) if columns is None or heading.text in columns]
    rows = tuple(tuple(row.cells[n].text for n in kept) for row in table.rows)
    headings = [table.headings[n] for n in kept]
    return Table(tuple(h.text for h in headings), rows, frozenset(h.text for h in headings if h.number))


def _one(console: Console, analysis: Analysis) -> None:
    verdict = printable(analysis.verdict)
    _line(console, verdict, _COLOURS.get(verdict.partition(":")[0], "bold red"))
    for warning in analysis.warnings:
        _line(console, f"WARNING: {printable(warning)}", "yellow")
    console.print()
    for key, value in facts(analysis).items():
        if key != "domain":
            _line(console, f"{key}: {value}")
    for line in summary_lines(analysis):
        _line(console, line)
    console.print()
    _table(console, layer_rows(analysis))
    table, left = sample_rows(analysis, MOST_SAMPLES)
    _table(console, table)
    if left:
        rest = f", those not {word(analysis)} first" if analysis.summary.total else ""
        _line(console, f"{count_text(left, 'more sample')} left out here{rest}; --json, --csv and --html hold more", "dim")
    console.print()
    _line(console, "This holds if:", "bold")
    for assumption in analysis.assumptions:
        _line(console, f"  - {printable(assumption)}")
    _line(console, f"domain: {facts(analysis)['domain']}")
    times = (f"{printable(key)} {seconds_text(value)}" for key, value in analysis.timings.items())
    _line(console, f"time: {', '.join(times)}")


def _line(console: Console, text: str, style: str = "") -> None:
    """One line of text, wrapped by the terminal only, so that it can be searched for and copied."""
    console.print(Text(text, style=style), soft_wrap=True)


def _table(console: Console, table: Table) -> None:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in table.headings:
        number = heading in table.numeric
        drawn.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    console.print(drawn)
