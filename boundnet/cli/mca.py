"""``boundnet mca``: sample, count significant digits, write, print."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import boundnet
from boundnet.arithmetic import Arithmetic
from boundnet.cli.experiment import PAGES, Noise, command
from boundnet.cli.opening import open_model
from boundnet.cli.progress import Meter
from boundnet.cli.reports import find
from boundnet.cli.request import Request
from boundnet.cli.session import silence, width
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.inputs.files import Loaded
from boundnet.mca.backend import Job, backend
from boundnet.mca.digits import CHANCE
from boundnet.mca.results import LayerSpread, Sampled, kept_words, reference_words
from boundnet.mca.sample import sample
from boundnet.results import Analysis
from boundnet.results.files import replacing
from boundnet.results.text import printable, share_text


def run(request: Request, noise: Noise, base: int, reference: str, keep: bool) -> int:
    """Do what is asked; the exit code is 0.

    Raises:
        BoundNetError: something is wrong with the request; nothing has been written.
    """
    request.check()
    names, samplings = noise.names(), noise.samplings()
    reports = {kind: find(kind) for kind in request.files if kind in PAGES}
    if len(names) != 1 or len(samplings) != 1:
        raise InputError("boundnet mca takes one backend, mode and precision; boundnet crosscheck takes several")
    rules = boundnet.build(request.arithmetic.get("name"), **{k: v for k, v in request.arithmetic.items() if k != "name"})
    with Meter(request.quiet) as meter:
        graph, loaded = open_model(request)
        found = sample(
            graph, loaded.inputs if loaded else None, rules, samplings[0], backend_name=names[0], base=base,
            reference=reference, options=noise.options, first=request.samples, input_range=request.input_range or (0.0, 1.0),
            seed=request.seed, decision=request.decision, keep_samples=keep or bool(reports),
            source=loaded.source if loaded else None, progress=meter,
        )  # fmt: skip
        bounds = _bounds(graph, loaded, rules, request, noise, meter) if reports else None
    inputs = dataclasses.replace(found.inputs, notes=loaded.notes if loaded else ())
    more = ["--base", str(base), "--against", reference, *(["--keep-samples"] if keep else [])]
    found = dataclasses.replace(found, inputs=inputs, command=command(request, noise, "mca", more))
    for kind, path in request.files.items():
        if kind in reports:
            reports[kind]([found, bounds], path)
        else:
            write(found if keep else without_samples(found), kind, path)
    show(found, request)
    return 0


def _bounds(
    graph: LayerGraph, loaded: Loaded | None, rules: Arithmetic, request: Request, noise: Noise, meter: Meter
) -> Analysis:
    """Bounds of the same inputs for the arithmetic of the execution, to show the samples within."""
    job = Job(graph, graph.metadata.get("path"), rules, noise.samplings(), noise.options)
    executions = backend(noise.names()[0]).executions(job)
    try:
        found = boundnet.analyze(
            executions[0].graph, loaded.inputs if loaded else None, executions[0].arithmetic, samples=request.samples,
            input_range=request.input_range or (0.0, 1.0), seed=request.seed, decision=request.decision,
            source=loaded.source if loaded else None, progress=meter,
        )  # fmt: skip
    finally:
        for execution in executions:
            execution.close()
    notes = loaded.notes if loaded else ()
    return dataclasses.replace(found, inputs=dataclasses.replace(found.inputs, notes=notes))


def without_samples(found: Sampled) -> Sampled:
    """The result without the outputs of single samples."""
    return dataclasses.replace(found, outputs=tuple(dataclasses.replace(spread, samples=None) for spread in found.outputs))


def write(found: Sampled, kind: str, path: Path) -> None:
    """JSON, or CSV with a row for every output value."""
    with replacing(path) as stream:
        if kind == "json":
            stream.write(found.to_json() + "\n")
            return
        names = sorted(found.outputs[0].digits)
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["index", "output", "element", "value", "mean", "deviation", "low", "high", *names])
        for spread in found.outputs:
            columns = (
                spread.value,
                spread.mean,
                spread.deviation,
                spread.low,
                spread.high,
                *(spread.digits[n] for n in names),
            )
            for at in np.ndindex(spread.value.shape):
                numbers = [repr(float(part[at])) for part in columns]
                writer.writerow([spread.index, spread.name, " ".join(map(str, at)), *numbers])


def show(found: Sampled, request: Request) -> None:
    """The verdict and a table of layers."""
    try:
        print(printable(found.verdict), flush=True)
        if request.quiet:
            return
        console = Console(width=width(), highlight=False)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        unit = "bits" if found.digits.base == 2 else "digits"
        entries = found.layers[0].digits
        headings = [f"{d.method} {d.error}" for d in entries]
        shared = any((layer.biased or 0.0) >= 10.0 * CHANCE for layer in found.layers)
        more = ["biased"] if shared else []
        for heading in (
            "layer",
            "class",
            "largest deviation",
            *more,
            *(f"{unit} {text}, median (least)" for text in headings),
        ):
            table.add_column(heading, overflow="fold")
        for layer in found.layers:
            table.add_row(*map(Text, _row(layer, shared)))
        console.print(table)
        how = f"{found.sampling.title}, {found.sampling.samples} samples, seed {found.sampling.seed}"
        rule = f"digits against the {reference_words(found.digits)}, significantdigits {found.digits.version}"
        console.print(Text(f"{how}; {rule}"), soft_wrap=True)
        for line in filter(None, (kept_words(found), *(f"note: {note}" for note in found.notes))):
            console.print(Text(printable(line)), soft_wrap=True)
        for kind, path in request.files.items():
            print(f"{kind.upper()} written to {path}", flush=True)
    except (BrokenPipeError, SystemExit):
        silence()


def _row(layer: LayerSpread, shared: bool) -> list[str]:
    lost = f", {layer.non_finite} not finite" if layer.non_finite else ""
    digits = [f"{d.median:.1f} ({d.least:.1f})" for d in layer.digits]
    biased = [share_text(layer.biased or 0.0)] if shared else []
    return [printable(layer.name), layer.kind, f"{layer.deviation:.3g}{lost}", *biased, *digits]
