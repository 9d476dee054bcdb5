"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from boundnet.cli.choices import Fma, Forms, Normalisation, Rounding, Stores, Ties


def files_of(**given: Path | None) -> dict[str, Path]:
    """Where each kind of report goes, of those that were asked for."""
    return {kind: path for kind, path in given.items() if path is not None}


def value_of(choice: Enum | None) -> str | None:
    """What a choice stands for, None where none was made."""
    return None if choice is None else str(choice.value)


def option(name: str, text: str, metavar: str | None = None) -> typer.models.OptionInfo:
    """An option whose help text says its default, if any."""
    info: typer.models.OptionInfo = typer.Option(name, help=text, metavar=metavar, show_default=False)
    return info


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A Keras file: .h5, .hdf5 or .keras.", show_default=False)]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--input-shape", metavar="NAME=SIZES", help="Sizes that model and inputs leave open: image=28,28,1."),
]
Jobs = Annotated[int, option("--jobs", "Processes that share the inputs [1].", "N")]
Inputs = Annotated[list[str] | None, option("--inputs", "What to run, as for analyze. Repeat for more.", "FILE")]
First = Annotated[int | None, option("--first", "Run only the first N inputs, or draw N.", "N")]
Range = Annotated[tuple[float, float] | None, option("--input-range", "Range of random inputs [0 1].", "LO HI")]
InputSeed = Annotated[int, option("--input-seed", "Seed of random inputs [0].", "N")]
Preset = Annotated[str | None, option("--arithmetic", "The machine: a preset (`boundnet formats`) [binary32].", "PRESET")]
Storage = Annotated[str | None, option("--format", "Format of tensors in memory; float(p,e) works too.", "F")]
Accumulate = Annotated[str | None, option("--accumulate", "Format in which sums run.", "F")]
SumOrder = Annotated[str | None, option("--order", "Order of sums, as for analyze.", "O")]
Fused = Annotated[Fma | None, option("--fma", "Whether multiply-adds are fused.")]
Direction = Annotated[Rounding | None, option("--rounding", "Of every operation.")]
Normalised = Annotated[Normalisation | None, option(
    "--normalisation", "Normalisation layers under a wider accumulator: every operation stores its result, only the last "
    "one does, or the layer's weights are held wide, too [kept].")]  # fmt: skip
HalfWay = Annotated[
    Ties | None, option("--ties", "Where values half-way between two numbers go when they are stored [even].")
]
Kept = Annotated[Stores | None, option(
    "--stores", "Whether every operation's result is really stored, or fused code may keep any of them in the accumulator "
    "[any].")]  # fmt: skip
Written = Annotated[Forms | None, option(
    "--forms", "How elementwise formulas are evaluated: in any way that libraries and compilers use, or as documented [any]."
)]  # fmt: skip
Samples = Annotated[int, option("--samples", "Runs of every input [10].", "N")]
Seed = Annotated[int, option("--seed", "Seed of the noise [0].", "N")]
Compiler = Annotated[Path | None, option("--verificarlo", "The program verificarlo-c, if it is not on PATH.", "PATH")]
Container = Annotated[str | None, option("--container", "Image to run Verificarlo in, by docker or podman.", "IMAGE")]
Timeout = Annotated[float | None, option("--timeout", "Seconds that one process of Verificarlo may take [600].", "S")]
Json = Annotated[Path | None, option("--json", "Write all results (docs/reference/mca.md).", "OUT")]
Csv = Annotated[Path | None, option("--csv", "Write a table.", "OUT")]
Html = Annotated[Path | None, option("--html", "Write a page to read.", "OUT")]
Markdown = Annotated[Path | None, option("--markdown", "Write a summary for a pull request.", "OUT")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")]
