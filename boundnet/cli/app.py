"""The command line.  Only options are declared here: what a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from boundnet.cli.box_option import TakesBoxes
from boundnet.cli.choices import Bias, CType, Domain, Engine, Fma, Promise, Rounding, Rule, Subnormals, YesNo
from boundnet.cli.options import (
    Accumulate,
    Compiler,
    Container,
    Csv,
    Direction,
    First,
    Fused,
    HalfWay,
    Html,
    Inputs,
    InputSeed,
    Jobs,
    Json,
    Kept,
    Markdown,
    Model,
    Normalised,
    Preset,
    Quiet,
    Range,
    Samples,
    Seed,
    Shapes,
    Storage,
    SumOrder,
    Timeout,
    Written,
    files_of,
    option,
    value_of,
)
from boundnet.cli.session import INTERRUPTED, session

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Rigorous bounds on the rounding errors of trained Keras networks.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"boundnet {version('boundnet')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=TakesBoxes)
def analyze(
    model: Model,
    inputs: Annotated[list[str] | None, option(
        "--inputs", "What to analyse, exact as given: .npy, .npz or .npz:key, .csv (a sample a row), an image or a folder "
        "of images; NAME=FILE if the model has several inputs. Repeat for more.", "FILE")] = None,
    box: Annotated[list[str] | None, option(
        "--box", "Bound all inputs between two ends, the same for all elements, or of a file with a line lo,hi and one line "
        "for each input element, in C order; NAME=LO HI or NAME=FILE.csv for each of several inputs.",
        "LO HI|FILE.csv")] = None,
    radius: Annotated[float | None, option("--radius", "Bound all inputs this close to those of --inputs.", "R")] = None,
    inputs_exact: Annotated[YesNo | None, option(
        "--inputs-exact", "Boxes: whether inputs are numbers of the storage format already, so that storing them rounds "
        "nothing [no].")] = None,
    splits: Annotated[int | None, option(
        "--splits", "Boxes: halve pieces up to N times, the worst first [0].", "N")] = None,
    time_limit: Annotated[float | None, option(
        "--time-limit", "Boxes: halve pieces for up to S seconds; the result is valid whenever it stops.", "S")] = None,
    input_shape: Shapes = None,
    resize: Annotated[tuple[int, int] | None, option("--resize", "Resize images to this height and width.", "H W")] = None,
    scale: Annotated[str | None, option("--scale", "Images: input = pixel * S + O, such as 1/255.", "S")] = None,
    offset: Annotated[str | None, option("--offset", "Images: see --scale.", "O")] = None,
    samples: Annotated[int | None, option("--samples", "Analyse only the first N inputs, or draw N.", "N")] = None,
    input_range: Annotated[tuple[float, float] | None, option(
        "--input-range", "Range of the random inputs that are drawn without --inputs [0 1].", "LO HI")] = None,
    seed: Annotated[int, option("--seed", "Seed of the random inputs [0].", "N")] = 0,
    arithmetic: Annotated[str | None, option(
        "--arithmetic", "The machine: a preset (see `boundnet formats`) [binary32].", "PRESET")] = None,
    storage: Annotated[str | None, option("--format", "Format of tensors in memory; float(p,e) works too.", "F")] = None,
    accumulate: Annotated[str | None, option("--accumulate", "Format in which sums run.", "F")] = None,
    order: Annotated[str | None, option("--order", "Order of sums: any, sequential, pairwise(n), blocked(n).", "O")] = None,
    fma: Annotated[Fma | None, option("--fma", "Whether multiply-adds are fused.")] = None,
    rounding: Annotated[Rounding | None, option("--rounding", "Of every operation.")] = None,
    subnormals: Annotated[Subnormals | None, option("--subnormals", "Kept or flushed to zero.")] = None,
    bias: Annotated[Bias | None, option("--bias", "Where a bias enters its sum.")] = None,
    normalisation: Normalised = None, forms: Written = None, ties: HalfWay = None, stores: Kept = None,
    domain: Annotated[Domain, option("--domain", "Abstract domain [auto].")] = Domain.auto,
    coins: Annotated[int | None, option(
        "--coins", "Seed of the sketches' proving coins, to repeat a run [from the system].", "N")] = None,
    effort: Annotated[float, option(
        "--effort", "Work that a sketch may spend on open decisions, times the usual [1]: more is sharper and slower.",
        "X")] = 1.0,
    guarantee: Annotated[Promise, option(
        "--guarantee", "Bound every execution, or take rounding errors as mean-independent: likely, with its probability "
        "[worst-case].")] = Promise.worst,
    lam: Annotated[float | None, option(
        "--lambda", "With --guarantee probabilistic: bounds are L times a 2-norm [for a probability of 1e-9].", "L")] = None,
    decision: Annotated[Rule, option("--decision", "What the outputs decide [auto: by the last layer].")] = Rule.auto,
    mca: Annotated[int | None, option(
        "--mca", "Also run every input N times with random rounding (built-in engine) and compare.", "N")] = None,
    jobs: Jobs = 1,
    checkpoint: Annotated[Path | None, option(
        "--checkpoint", "Keep what is done here; the same command goes on after an interruption.", "FILE")] = None,
    reference: Annotated[Engine | None, option("--reference", "Also compute exact outputs to certified digits.")] = None,
    json: Annotated[Path | None, option("--json", "Write all results (docs/reference/results.md).", "OUT")] = None,
    html: Annotated[Path | None, option("--html", "Write a page to read.", "OUT")] = None,
    csv: Annotated[Path | None, option("--csv", "Write a table with a row per output value.", "OUT")] = None,
    markdown: Annotated[Path | None, option("--markdown", "Write a summary for a pull request.", "OUT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:  # fmt: skip
    """Bound the rounding errors of MODEL for given inputs, or for all inputs of a box.

    The first line printed is the verdict. Exit code: 0 every returned class proved (or none to prove and every bound
    finite), 1 not proved (neither are likely classes, nor those that hold on the logits only), 2 wrong use or input, 3
    an execution left its bound (--mca), 4 internal error.
    """
    with session():
        from boundnet.cli.analyze import run
        from boundnet.cli.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": value_of(fma),
                   "rounding": value_of(rounding), "subnormals": value_of(subnormals), "bias": value_of(bias),
                   "normalisation": value_of(normalisation), "forms": value_of(forms), "ties": value_of(ties),
                   "stores": value_of(stores)}  # fmt: skip
        files = files_of(json=json, csv=csv, html=html, markdown=markdown)
        code = run(Request(
            model, inputs or (), input_shape or (), resize, scale, offset, samples, input_range, seed, options, domain.value,
            decision.value, value_of(reference), files, quiet, coins, mca, jobs, checkpoint, box=box or (), radius=radius,
            inputs_exact=value_of(inputs_exact), splits=splits, time_limit=time_limit, guarantee=guarantee.value,
            lam=lam, effort=effort,
        ))  # fmt: skip
    raise typer.Exit(code)


@app.command()
def graph(
    model: Model,
    input_shape: Shapes = None,
    graphml: Annotated[Path | None, option("--graphml", "Write GraphML.", "OUT")] = None,
    dot: Annotated[Path | None, option("--dot", "Write Graphviz DOT.", "OUT")] = None,
    json: Annotated[Path | None, option("--json", "Write node-link JSON.", "OUT")] = None,
) -> None:
    """Show the operations that MODEL is made of."""
    with session():
        from boundnet.cli.graph import run

        run(model, input_shape or (), files_of(graphml=graphml, dot=dot, json=json))


@app.command()
def mca(
    model: Model, inputs: Inputs = None, input_shape: Shapes = None, first: First = None, input_range: Range = None,
    input_seed: InputSeed = 0, arithmetic: Preset = None, storage: Storage = None, accumulate: Accumulate = None,
    order: SumOrder = None, fma: Fused = None, rounding: Direction = None,
    backend: Annotated[str, option("--backend", "What executes: builtin, verificarlo, ... [builtin].", "NAME")] = "builtin",
    mode: Annotated[str, option("--mode", "Noise: rr, pb, mca, stochastic (rounding) or none [rr].", "MODE")] = "rr",
    precision: Annotated[int, option("--precision", "Virtual precision of rr, pb and mca in bits [24].", "T")] = 24,
    samples: Samples = 10, seed: Seed = 0,
    base: Annotated[int, option("--base", "Significant digits in base 2 or 10 [2].", "B")] = 2,
    reference: Annotated[str, option("--against", "Count digits against float64 or the mean [float64].", "R")] = "float64",
    keep: Annotated[bool, typer.Option("--keep-samples", help="Write every sample's outputs to --json.")] = False,
    decision: Annotated[Rule, option("--decision", "What the outputs decide [auto].")] = Rule.auto,
    verificarlo: Compiler = None, container: Container = None, timeout: Timeout = None,
    json: Json = None, csv: Csv = None, html: Html = None, markdown: Markdown = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Run MODEL many times with random rounding (Monte Carlo Arithmetic): significant digits, stability of decisions.

    Nothing is proved by it. Exit code: 0 sampled, 2 wrong use or input, 4 internal error.
    """
    with session():
        from boundnet.cli.experiment import Noise
        from boundnet.cli.mca import run
        from boundnet.cli.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": value_of(fma),
                   "rounding": value_of(rounding)}  # fmt: skip
        request = Request(
            model, inputs or (), input_shape or (), samples=first, input_range=input_range, seed=input_seed,
            arithmetic=options, decision=decision.value,
            files=files_of(json=json, csv=csv, html=html, markdown=markdown), quiet=quiet,
        )  # fmt: skip
        tools = {"verificarlo": verificarlo, "container": container, "timeout": timeout}
        noise = Noise(backend, mode, str(precision), samples, seed, tools)
        code = run(request, noise, base, reference, keep)
    raise typer.Exit(code)


@app.command()
def crosscheck(
    model: Model, inputs: Inputs = None, input_shape: Shapes = None, first: First = None, input_range: Range = None,
    input_seed: InputSeed = 0, arithmetic: Preset = None, storage: Storage = None, accumulate: Accumulate = None,
    order: SumOrder = None, fma: Fused = None, rounding: Direction = None,
    backend: Annotated[str, option("--backend", "What executes, separated by commas [builtin].", "NAMES")] = "builtin",
    mode: Annotated[str, option("--mode", "none (as it is), rr, pb, mca, stochastic; several by commas.", "M")] = "none,rr",
    precision: Annotated[str, option("--precision", "Virtual precisions, separated by commas [24].", "T")] = "24",
    samples: Samples = 10, seed: Seed = 0,
    domain: Annotated[Domain, option("--domain", "Abstract domain of the bounds [auto].")] = Domain.auto,
    jobs: Jobs = 1,
    verificarlo: Compiler = None, container: Container = None, timeout: Timeout = None,
    json: Json = None, csv: Csv = None, html: Html = None, markdown: Markdown = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Compare executions of MODEL with the bounds for the arithmetic that they run under.

    Exit code: 0 every run lies within its bound, 2 wrong use or input, 3 one does not, 4 internal error.
    """
    with session():
        from boundnet.cli.crosscheck import run
        from boundnet.cli.experiment import Noise
        from boundnet.cli.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": value_of(fma),
                   "rounding": value_of(rounding)}  # fmt: skip
        request = Request(
            model, inputs or (), input_shape or (), samples=first, input_range=input_range, seed=input_seed,
            arithmetic=options, domain=domain.value,
            files=files_of(json=json, csv=csv, html=html, markdown=markdown), quiet=quiet, jobs=jobs,
        )  # fmt: skip
        tools = {"verificarlo": verificarlo, "container": container, "timeout": timeout}
        noise = Noise(backend, mode, precision, samples, seed, tools)
        code = run(request, noise)
    raise typer.Exit(code)


@app.command("emit-c")
def emit_c(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.", show_default=False)],
    real: Annotated[CType, option("--type", "Type of every value and operation [float].")] = CType.float,
    input_shape: Shapes = None,
) -> None:
    """Write MODEL as readable C99: one function for each operation, in a documented order, weights in a binary file."""
    with session():
        from boundnet.cli.emit_c import run

        run(model, folder, real.value, input_shape or ())


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Files written by --json.", show_default=False)],
    html: Annotated[Path | None, option("--html", "Write a page to read.", "OUT")] = None,
    markdown: Annotated[Path | None, option("--markdown", "Write a summary for a pull request.", "OUT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Render saved results; several are compared.

    Exit code: 0 if everything was rendered, whatever it says; 2 wrong use or input.
    """
    with session():
        from boundnet.cli.report import run

        run(results, files_of(html=html, markdown=markdown), quiet)


@app.command()
def formats() -> None:
    """List number formats, arithmetic presets and function accuracies."""
    with session():
        from boundnet.cli.formats import run

        run()


def main() -> None:
    """Entry point of the ``boundnet`` command."""
    # Many small products: a second BLAS thread costs more than it gives.  Must precede NumPy's import.
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
