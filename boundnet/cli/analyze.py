"""``boundnet analyze``: check everything that can be wrong, bound, write the files, print."""

from __future__ import annotations

import dataclasses
import time

from rich.console import Console

import boundnet
from boundnet.analysis.execution.pool import ProcessPool
from boundnet.arithmetic import Arithmetic
from boundnet.cli.experiment import PAGES
from boundnet.cli.jobs import pool
from boundnet.cli.load_box import LoadedBox, load_box
from boundnet.cli.opening import open_model
from boundnet.cli.progress import Meter
from boundnet.cli.reports import Report, find, write
from boundnet.cli.request import Request
from boundnet.cli.session import NOT_PROVED, VIOLATED, silence, width
from boundnet.crosscheck.results import CrossCheck
from boundnet.graph import LayerGraph
from boundnet.inputs.files import Loaded
from boundnet.results import Analysis
from boundnet.results.text import printable


def run(request: Request) -> int:
    """Do what ``request`` asks and return the exit code.

    Raises:
        BoundNetError: something is wrong with the request, the model or the inputs; nothing has been written.
    """
    started = time.perf_counter()
    request.check()
    rules = boundnet.build(request.arithmetic.get("name"), **{k: v for k, v in request.arithmetic.items() if k != "name"})
    reports = {kind: find(kind) for kind in ("console", *request.files)}
    with Meter(request.quiet) as meter, pool(request.jobs) as executor:
        graph, loaded = open_model(request)
        box = load_box(graph, request.box) if request.box else None
        opened = time.perf_counter() - started
        analysis = _analyze(graph, loaded, box, rules, request, meter, executor)
        checked = _crosscheck(graph, loaded, rules, request, meter, executor) if request.mca else None
    timings = {**analysis.timings, "load": opened, "total": time.perf_counter() - started}
    inputs = dataclasses.replace(analysis.inputs, notes=loaded.notes if loaded else ())
    analysis = dataclasses.replace(analysis, timings=timings, inputs=inputs, command=request.command())
    pages = {kind: path for kind, path in request.files.items() if kind in PAGES and checked is not None}
    written = write(analysis, {kind: path for kind, path in request.files.items() if kind not in pages}, reports)
    written += write([analysis, checked], pages, reports)
    _print(analysis, reports["console"], request.quiet, written)
    if checked is not None:
        from boundnet.cli.crosscheck import show

        show(dataclasses.replace(checked, command=analysis.command), request.quiet)
        if checked.violation_count:
            return VIOLATED
    return 0 if analysis.proved else NOT_PROVED


def _analyze(
    graph: LayerGraph, loaded: Loaded | None, box: LoadedBox | None, rules: Arithmetic, request: Request, meter: Meter,
    executor: ProcessPool | None,
) -> Analysis:  # fmt: skip
    try:
        return boundnet.analyze(
            graph, loaded.inputs if loaded else None, rules,
            domain=request.domain, samples=request.samples, input_range=request.input_range or (0.0, 1.0),
            seed=request.seed, reference=request.reference, decision=request.decision,
            source=_source(loaded, box, request.radius), progress=meter, coins=request.coins, executor=executor,
            checkpoint=request.checkpoint, box=(box.low, box.high) if box else None, radius=request.radius,
            inputs_exact=request.inputs_exact == "yes", splits=request.splits, time_limit=request.time_limit,
            guarantee=request.guarantee, lam=request.lam, effort=request.effort,
        )  # fmt: skip
    except KeyboardInterrupt as error:
        if request.checkpoint is None:
            raise
        kept = f"{request.checkpoint} keeps what is done; the same command goes on from there"
        raise type(error)(f"interrupted; {kept}") from None


def _source(loaded: Loaded | None, box: LoadedBox | None, radius: float | None) -> str | None:
    if box is not None:
        return box.source
    if loaded is None or radius is None:
        return loaded.source if loaded else None
    return f"{loaded.source}, radius {radius:g}"


def _crosscheck(
    graph: LayerGraph, loaded: Loaded | None, rules: Arithmetic, request: Request, meter: Meter, executor: ProcessPool | None
) -> CrossCheck:  # fmt: skip
    """The same inputs on the built-in engine: once as it is, and ``request.mca`` times with random rounding."""
    # Numba takes its time to load; only those who ask for executions pay.
    from boundnet.crosscheck.run import crosscheck
    from boundnet.mca.backend import Sampling

    samplings = (Sampling(1, "none"), Sampling(request.mca or 1, "rr", min(rules.accumulate.precision, 24)))
    return crosscheck(
        graph, loaded.inputs if loaded else None, rules, samplings=samplings, domain=request.domain, first=request.samples,
        input_range=request.input_range or (0.0, 1.0), seed=request.seed, progress=meter,
        source=loaded.source if loaded else None, executor=executor,
    )  # fmt: skip


def _print(analysis: Analysis, report: Report, quiet: bool, written: list[str]) -> None:
    """The console report; a reader who leaves early changes neither files nor exit code."""
    try:
        if quiet:
            print(printable(analysis.verdict), flush=True)
            return
        report(analysis, Console(width=width(), highlight=False))
        for line in written:
            print(line, flush=True)
    except (BrokenPipeError, SystemExit):  # the latter is how rich reports a broken pipe
        silence()
