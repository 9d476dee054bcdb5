"""The command line.  Only options are declared here: what a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from boundnet.commands.box_option import TakesBoxes
from boundnet.commands.choices import Bias, CType, Domain, Engine, Fma, Promise, Rounding, Rule, Subnormals, YesNo
from boundnet.commands.session import INTERRUPTED, session

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Rigorous bounds on the rounding errors of trained Keras networks.",
)


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A Keras file: .h5, .hdf5 or .keras.", show_default=False)]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--input-shape", metavar="NAME=SIZES", help="Sizes that the model leaves open, such as image=28,28,1."),
]


def _option(name: str, text: str, metavar: str | None = None) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, metavar=metavar, show_default=False)
    return info


Jobs = Annotated[int, _option("--jobs", "Processes that share the inputs [1].", "N")]


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
    inputs: Annotated[list[str] | None, _option(
        "--inputs", "What to analyse, exact as given: .npy, .npz or .npz:key, .csv (a sample a row), an image or a folder "
        "of images; NAME=FILE if the model has several inputs. Repeat for more.", "FILE")] = None,
    box: Annotated[list[str] | None, _option(
        "--box", "Bound all inputs between two ends, the same for all elements, or of a file with a line lo,hi and one line "
        "for each input element, in C order; NAME=LO HI or NAME=FILE.csv for each of several inputs.",
        "LO HI|FILE.csv")] = None,
    radius: Annotated[float | None, _option("--radius", "Bound all inputs this close to those of --inputs.", "R")] = None,
    inputs_exact: Annotated[YesNo | None, _option(
        "--inputs-exact", "Boxes: whether inputs are numbers of the storage format already, so that storing them rounds "
        "nothing [no].")] = None,
    splits: Annotated[int | None, _option(
        "--splits", "Boxes: halve pieces up to N times, the worst first [0].", "N")] = None,
    time_limit: Annotated[float | None, _option(
        "--time-limit", "Boxes: halve pieces for up to S seconds; the result is valid whenever it stops.", "S")] = None,
    input_shape: Shapes = None,
    resize: Annotated[tuple[int, int] | None, _option("--resize", "Resize images to this height and width.", "H W")] = None,
    scale: Annotated[str | None, _option("--scale", "Images: input = pixel * S + O, such as 1/255.", "S")] = None,
    offset: Annotated[str | None, _option("--offset", "Images: see --scale.", "O")] = None,
    samples: Annotated[int | None, _option("--samples", "Analyse only the first N inputs, or draw N.", "N")] = None,
    input_range: Annotated[tuple[float, float] | None, _option(
        "--input-range", "Range of the random inputs that are drawn without --inputs [0 1].", "LO HI")] = None,
    seed: Annotated[int, _option("--seed", "Seed of the random inputs [0].", "N")] = 0,
    arithmetic: Annotated[str | None, _option(
        "--arithmetic", "The machine: a preset (see `boundnet formats`) [binary32].", "PRESET")] = None,
    storage: Annotated[str | None, _option("--format", "Format of tensors in memory; float(p,e) works too.", "F")] = None,
    accumulate: Annotated[str | None, _option("--accumulate", "Format in which sums run.", "F")] = None,
    order: Annotated[str | None, _option("--order", "Order of sums: any, sequential, pairwise(n), blocked(n).", "O")] = None,
    fma: Annotated[Fma | None, _option("--fma", "Whether multiply-adds are fused.")] = None,
    rounding: Annotated[Rounding | None, _option("--rounding", "Of every operation.")] = None,
    subnormals: Annotated[Subnormals | None, _option("--subnormals", "Kept or flushed to zero.")] = None,
    bias: Annotated[Bias | None, _option("--bias", "Where a bias enters its sum.")] = None,
    domain: Annotated[Domain, _option("--domain", "Abstract domain [auto].")] = Domain.auto,
    coins: Annotated[int | None, _option(
        "--coins", "Seed of the sketches' proving coins, to repeat a run [from the system].", "N")] = None,
    guarantee: Annotated[Promise, _option(
        "--guarantee", "Bound every execution, or take rounding errors as mean-independent: likely, with its probability "
        "[worst-case].")] = Promise.worst,
    lam: Annotated[float | None, _option(
        "--lambda", "With --guarantee probabilistic: bounds are L times a 2-norm [for a probability of 1e-9].", "L")] = None,
    decision: Annotated[Rule, _option("--decision", "What the outputs decide [auto: by the last layer].")] = Rule.auto,
    mca: Annotated[int | None, _option(
        "--mca", "Also run every input N times with random rounding (built-in engine) and compare.", "N")] = None,
    jobs: Jobs = 1,
    checkpoint: Annotated[Path | None, _option(
        "--checkpoint", "Keep what is done here; the same command goes on after an interruption.", "FILE")] = None,
    reference: Annotated[Engine | None, _option("--reference", "Also compute exact outputs to certified digits.")] = None,
    json: Annotated[Path | None, _option("--json", "Write all results (docs/results.md).", "OUT")] = None,
    html: Annotated[Path | None, _option("--html", "Write a page to read.", "OUT")] = None,
    csv: Annotated[Path | None, _option("--csv", "Write a table with a row per output value.", "OUT")] = None,
    markdown: Annotated[Path | None, _option("--markdown", "Write a summary for a pull request.", "OUT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:  # fmt: skip
    """Bound the rounding errors of MODEL for given inputs, or for all inputs of a box.

    The first line printed is the verdict. Exit code: 0 all predictions proved (or none to prove and every bound finite),
    1 not proved (likely is not proved), 2 wrong use or input, 3 an execution left its bound (--mca), 4 internal error.
    """
    with session():
        from boundnet.commands.analyze import run
        from boundnet.commands.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": _value(fma),
                   "rounding": _value(rounding), "subnormals": _value(subnormals), "bias": _value(bias)}  # fmt: skip
        files = {
            kind: path
            for kind, path in (("json", json), ("csv", csv), ("html", html), ("markdown", markdown))
            if path is not None
        }
        code = run(Request(
            model, inputs or (), input_shape or (), resize, scale, offset, samples, input_range, seed, options, domain.value,
            decision.value, _value(reference), files, quiet, coins, mca, jobs, checkpoint, box=box or (), radius=radius,
            inputs_exact=_value(inputs_exact), splits=splits, time_limit=time_limit, guarantee=guarantee.value,
            lam=lam,
        ))  # fmt: skip
    raise typer.Exit(code)


@app.command()
def graph(
    model: Model,
    input_shape: Shapes = None,
    graphml: Annotated[Path | None, _option("--graphml", "Write GraphML.", "OUT")] = None,
    dot: Annotated[Path | None, _option("--dot", "Write Graphviz DOT.", "OUT")] = None,
    json: Annotated[Path | None, _option("--json", "Write node-link JSON.", "OUT")] = None,
) -> None:
    """Show the operations that MODEL is made of."""
    with session():
        from boundnet.commands.graph import run

        files = {kind: path for kind, path in (("graphml", graphml), ("dot", dot), ("json", json)) if path is not None}
        run(model, input_shape or (), files)


Inputs = Annotated[list[str] | None, _option("--inputs", "What to run, as for analyze. Repeat for more.", "FILE")]
First = Annotated[int | None, _option("--first", "Run only the first N inputs, or draw N.", "N")]
Range = Annotated[tuple[float, float] | None, _option("--input-range", "Range of random inputs [0 1].", "LO HI")]
InputSeed = Annotated[int, _option("--input-seed", "Seed of random inputs [0].", "N")]
Preset = Annotated[str | None, _option("--arithmetic", "The machine: a preset (`boundnet formats`) [binary32].", "PRESET")]
Storage = Annotated[str | None, _option("--format", "Format of tensors in memory; float(p,e) works too.", "F")]
Accumulate = Annotated[str | None, _option("--accumulate", "Format in which sums run.", "F")]
SumOrder = Annotated[str | None, _option("--order", "Order of sums, as for analyze.", "O")]
Fused = Annotated[Fma | None, _option("--fma", "Whether multiply-adds are fused.")]
Direction = Annotated[Rounding | None, _option("--rounding", "Of every operation.")]
Samples = Annotated[int, _option("--samples", "Runs of every input [10].", "N")]
Seed = Annotated[int, _option("--seed", "Seed of the noise [0].", "N")]
Compiler = Annotated[Path | None, _option("--verificarlo", "The program verificarlo-c, if it is not on PATH.", "PATH")]
Container = Annotated[str | None, _option("--container", "Image to run Verificarlo in, by docker or podman.", "IMAGE")]
Timeout = Annotated[float | None, _option("--timeout", "Seconds that one process of Verificarlo may take [600].", "S")]
Json = Annotated[Path | None, _option("--json", "Write all results (docs/mca.md).", "OUT")]
Csv = Annotated[Path | None, _option("--csv", "Write a table.", "OUT")]
Html = Annotated[Path | None, _option("--html", "Write a page to read.", "OUT")]
Markdown = Annotated[Path | None, _option("--markdown", "Write a summary for a pull request.", "OUT")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")]


@app.command()
def mca(
    model: Model, inputs: Inputs = None, input_shape: Shapes = None, first: First = None, input_range: Range = None,
    input_seed: InputSeed = 0, arithmetic: Preset = None, storage: Storage = None, accumulate: Accumulate = None,
    order: SumOrder = None, fma: Fused = None, rounding: Direction = None,
    backend: Annotated[str, _option("--backend", "What executes: builtin, verificarlo, ... [builtin].", "NAME")] = "builtin",
    mode: Annotated[str, _option("--mode", "Noise: rr, pb, mca, stochastic (rounding) or none [rr].", "MODE")] = "rr",
    precision: Annotated[int, _option("--precision", "Virtual precision of rr, pb and mca in bits [24].", "T")] = 24,
    samples: Samples = 10, seed: Seed = 0,
    base: Annotated[int, _option("--base", "Significant digits in base 2 or 10 [2].", "B")] = 2,
    reference: Annotated[str, _option("--against", "Count digits against float64 or the mean [float64].", "R")] = "float64",
    keep: Annotated[bool, typer.Option("--keep-samples", help="Write every sample's outputs to --json.")] = False,
    decision: Annotated[Rule, _option("--decision", "What the outputs decide [auto].")] = Rule.auto,
    verificarlo: Compiler = None, container: Container = None, timeout: Timeout = None,
    json: Json = None, csv: Csv = None, html: Html = None, markdown: Markdown = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Run MODEL many times with random rounding (Monte Carlo Arithmetic): significant digits, stability of decisions.

    Nothing is proved by it. Exit code: 0 sampled, 2 wrong use or input, 4 internal error.
    """
    with session():
        from boundnet.commands.experiment import Noise
        from boundnet.commands.mca import run
        from boundnet.commands.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": _value(fma),
                   "rounding": _value(rounding)}  # fmt: skip
        request = Request(
            model, inputs or (), input_shape or (), samples=first, input_range=input_range, seed=input_seed,
            arithmetic=options, decision=decision.value,
            files=_files(json=json, csv=csv, html=html, markdown=markdown), quiet=quiet,
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
    backend: Annotated[str, _option("--backend", "What executes, separated by commas [builtin].", "NAMES")] = "builtin",
    mode: Annotated[str, _option("--mode", "none (as it is), rr, pb, mca, stochastic; several by commas.", "M")] = "none,rr",
    precision: Annotated[str, _option("--precision", "Virtual precisions, separated by commas [24].", "T")] = "24",
    samples: Samples = 10, seed: Seed = 0,
    domain: Annotated[Domain, _option("--domain", "Abstract domain of the outputs' bounds [auto].")] = Domain.auto,
    verificarlo: Compiler = None, container: Container = None, timeout: Timeout = None,
    json: Json = None, csv: Csv = None, html: Html = None, markdown: Markdown = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Compare executions of MODEL with the bounds for the arithmetic that they run under.

    Exit code: 0 every run lies within its bound, 2 wrong use or input, 3 one does not, 4 internal error.
    """
    with session():
        from boundnet.commands.crosscheck import run
        from boundnet.commands.experiment import Noise
        from boundnet.commands.request import Request

        options = {"name": arithmetic, "storage": storage, "accumulate": accumulate, "order": order, "fma": _value(fma),
                   "rounding": _value(rounding)}  # fmt: skip
        request = Request(
            model, inputs or (), input_shape or (), samples=first, input_range=input_range, seed=input_seed,
            arithmetic=options, domain=domain.value,
            files=_files(json=json, csv=csv, html=html, markdown=markdown), quiet=quiet,
        )  # fmt: skip
        tools = {"verificarlo": verificarlo, "container": container, "timeout": timeout}
        noise = Noise(backend, mode, precision, samples, seed, tools)
        code = run(request, noise)
    raise typer.Exit(code)


@app.command("emit-c")
def emit_c(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.", show_default=False)],
    real: Annotated[CType, _option("--type", "Type of every value and operation [float].")] = CType.float,
    input_shape: Shapes = None,
) -> None:
    """Write MODEL as readable C99: one function for each operation, in a documented order, weights in a binary file."""
    with session():
        from boundnet.commands.emit_c import run

        run(model, folder, real.value, input_shape or ())


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Files written by --json.", show_default=False)],
    html: Annotated[Path | None, _option("--html", "Write a page to read.", "OUT")] = None,
    markdown: Annotated[Path | None, _option("--markdown", "Write a summary for a pull request.", "OUT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Render saved results; several are compared.

    Exit code: 0 if everything was rendered, whatever it says; 2 wrong use or input.
    """
    with session():
        from boundnet.commands.report import run

        files = {kind: path for kind, path in (("html", html), ("markdown", markdown)) if path is not None}
        run(results, files, quiet)


@app.command()
def formats() -> None:
    """List number formats, arithmetic presets and function accuracies."""
    with session():
        from boundnet.commands.formats import run

        run()


def _files(**given: Path | None) -> dict[str, Path]:
    return {kind: path for kind, path in given.items() if path is not None}


def _value(choice: Enum | None) -> str | None:
    return None if choice is None else str(choice.value)


def main() -> None:
    """Entry point of the ``boundnet`` command."""
    # Many small products: a second BLAS thread costs more than it gives (docs/benchmarks.md).  Must precede NumPy's import.
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
