"""``boundnet crosscheck``: bounds beside what executions did; exit code 3 where one left its bound."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import boundnet
from boundnet.cli.experiment import PAGES, Noise, command
from boundnet.cli.jobs import pool
from boundnet.cli.opening import open_model
from boundnet.cli.progress import Meter
from boundnet.cli.reports import find
from boundnet.cli.request import Request
from boundnet.cli.session import VIOLATED, silence, width
from boundnet.crosscheck.results import Check, Compared, CrossCheck
from boundnet.crosscheck.run import crosscheck
from boundnet.results.files import replacing
from boundnet.results.text import bound_text, printable

COLUMNS = ("layer", "class", "bound", "observed", "ratio", "closest", "violations", "may overflow", "not finite")
SHOWN = 5
"""Violations that are printed in full; results hold the first of every node."""


def run(request: Request, noise: Noise) -> int:
    """Do what is asked: 0 if every run lies within its bound, 3 if not.

    Raises:
        BoundNetError: something is wrong with the request; nothing has been written.
    """
    request.check()
    names, samplings = noise.names(), noise.samplings()
    reports = {kind: find(kind) for kind in request.files if kind in PAGES}
    rules = boundnet.build(request.arithmetic.get("name"), **{k: v for k, v in request.arithmetic.items() if k != "name"})
    with Meter(request.quiet) as meter:
        graph, loaded = open_model(request)
        with pool(request.jobs) as executor:
            found = crosscheck(
                graph, loaded.inputs if loaded else None, rules, backends=names, samplings=samplings, options=noise.options,
                domain=request.domain, first=request.samples, input_range=request.input_range or (0.0, 1.0),
                seed=request.seed, source=loaded.source if loaded else None, progress=meter, executor=executor,
            )  # fmt: skip
    inputs = dataclasses.replace(found.inputs, notes=loaded.notes if loaded else ())
    found = dataclasses.replace(found, inputs=inputs, command=command(request, noise, "crosscheck"))
    for kind, path in request.files.items():
        if kind in reports:
            reports[kind](found, path)
        else:
            write(found, kind, path)
    try:
        show(found, request.quiet)
        for kind, path in request.files.items():
            print(f"{kind.upper()} written to {path}", flush=True)
    except (BrokenPipeError, SystemExit):
        silence()
    return VIOLATED if found.violation_count else 0


def write(found: CrossCheck, kind: str, path: Path) -> None:
    """JSON, or CSV with a row for every layer and output of every execution."""
    with replacing(path) as stream:
        if kind == "json":
            stream.write(found.to_json() + "\n")
            return
        writer = csv.writer(stream, lineterminator="\n")
        columns = [field.name for field in dataclasses.fields(Compared)]
        writer.writerow(["backend", "execution", "what", *columns])
        for check in found.checks:
            for what, rows in (("layer", check.layers), ("output", check.outputs)):
                for row in rows:
                    values = (getattr(row, name) for name in columns)
                    texts = ("" if v is None else repr(v) if isinstance(v, float) else str(v) for v in values)
                    writer.writerow([check.backend, check.title, what, *texts])


def show(found: CrossCheck, quiet: bool) -> None:
    """The verdict, violations with all that repeats them, and a table for each execution."""
    print(printable(found.verdict), flush=True)
    for check in found.checks:
        for violation in check.violations[:SHOWN]:
            where = f"{violation.layer} (node {violation.node}, element {list(violation.at)}), input {violation.index}"
            print(printable(f"  {check.title}, {violation.what} {where}, {violation.run}:"))
            print(printable(f"    computed {violation.value!r}, {violation.centre!r} +- {violation.bound!r} expected"))
            print(printable(f"    {' '.join(found.command)}\n    {violation.reproduce}"))
            print(printable(f"    arithmetic {check.arithmetic}"), flush=True)
    if quiet:
        return
    console = Console(width=width(), highlight=False)
    if len(found.checks) > 1:
        _overview(found, console)
    for check in found.checks:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(printable(_title(check))), title_justify="left")
        for heading in COLUMNS:
            table.add_column(heading, overflow="fold")
        for row in check.layers + check.outputs:
            table.add_row(*map(Text, _row(row)))
        console.print(table)


def _overview(found: CrossCheck, console: Console) -> None:
    """One row for each execution."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("backend", "execution", "runs of each input", "values compared", "violations", "closest", "not finite"):
        table.add_column(heading, overflow="fold")
    for check in found.checks:
        rows = check.layers + check.outputs
        closest = min((row.tightest for row in rows if row.tightest is not None), default=None)
        seen = sum(row.non_finite for row in check.layers)
        figures = (check.rows, sum(row.compared for row in rows), check.violation_count, _times(closest), seen)
        table.add_row(*(Text(printable(str(cell))) for cell in (check.backend, check.title, *figures)))
    console.print(table)


def _title(check: Check) -> str:
    return f"{check.title}: {check.rows} runs of each input, {check.violation_count} violations"


def _row(row: Compared) -> Sequence[str]:
    return (
        printable(row.name), row.kind, bound_text(row.bound), f"{row.observed:.3g}", _times(row.ratio), _times(row.tightest),
        str(row.violations), "yes" if row.may_overflow else "no", str(row.non_finite),
    )  # fmt: skip


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}x"
