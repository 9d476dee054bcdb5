"""How long analyses take and how sharp they are, all measured in one run.

    uv run python -m benchmarks.run [--models NAME ...] [--json OUT] [--markdown docs/evidence/benchmarks.md]

For each network and arithmetic: the time of an analysis per input, as it is and as a multiple of plain float64 inference of
the same graph; peak memory; median bounds in u of the storage format; how many classes are proved.  For each network the
command line as a whole, start-up included.  The shipped example is always there; ``digits`` is the collection's network if
../shared/models exists.  Ratios carry over between machines, times do not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# On two cores a second BLAS thread costs more than it gives on networks of this size.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import boundnet
from benchmarks.document import replace_section

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"
MODELS = {
    "example": (ROOT / "examples" / "digits_cnn.h5", ROOT / "examples" / "digits_test.npz"),
    "digits": (SHARED / "digits" / "digits.h5", SHARED / "digits" / "digits_test.npz"),
}
ARITHMETICS: dict[str, dict[str, str]] = {
    "binary32, any order": {"name": "binary32"},
    "binary32, sequential": {"name": "binary32", "order": "sequential"},
    "bfloat16 tensors, binary32 sums": {"name": "bfloat16"},
}


@dataclass(frozen=True)
class Figures:
    """One analysis.  Seconds are wall-clock times per input; bounds in u, medians over the inputs of the largest of each."""

    model: str
    arithmetic: str
    inputs: int
    analysis_seconds: float
    inference_seconds: float
    ratio: float
    peak_megabytes: float
    logit_bound_in_u: float
    output_bound_in_u: float
    proved: int
    domain: str


@dataclass(frozen=True)
class CommandLine:
    """The whole command in binary32, any order: start-up, reading, analysis, JSON."""

    model: str
    inputs: int
    seconds: float
    help_seconds: float


def measure(task: tuple[str, str]) -> Figures:
    """Analyse one network in one arithmetic; meant for a process of its own, so that peak memory is its own."""
    model, label = task
    path, inputs = MODELS[model]
    with np.load(inputs) as data:
        x = data["inputs"].astype(np.float64)
    graph = boundnet.load(path)
    rules = boundnet.build(**ARITHMETICS[label])
    boundnet.analyze(graph, x[:2], rules)  # imports and caches
    started = time.perf_counter()
    analysis = boundnet.analyze(graph, x, rules)
    taken = time.perf_counter() - started
    inference = _inference_seconds(graph, x)
    u = rules.storage.unit_roundoff
    summary = analysis.summary
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return Figures(
        model, label, len(x), taken / len(x), inference / len(x), taken / inference, memory,
        (summary.median_logit_bound or float("nan")) / u, summary.median_absolute_bound / u, summary.proved,
        analysis.domain.used,
    )  # fmt: skip


def _inference_seconds(graph: boundnet.LayerGraph, x: Any) -> float:
    """Best of a few float64 evaluations of all inputs, in chunks as the analysis takes them."""
    chunks = [x[i : i + 64] for i in range(0, len(x), 64)]
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        for chunk in chunks:
            graph.evaluate([chunk])
        best = min(best, time.perf_counter() - started)
    return best


def command_line(model: str) -> CommandLine:
    """Time ``boundnet --help`` and ``boundnet analyze`` as a user starts them."""
    path, inputs = MODELS[model]
    program = [sys.executable, "-c", "from boundnet.cli import main; main()"]
    with tempfile.TemporaryDirectory() as folder:
        command = [*program, "analyze", str(path), "--inputs", f"{inputs}:inputs", "--quiet", "--json", f"{folder}/out.json"]
        seconds = _timed(command)
        count = json.loads(Path(folder, "out.json").read_text(encoding="utf-8"))["inputs"]["count"]
    return CommandLine(model, count, seconds, min(_timed([*program, "--help"]) for _ in range(3)))


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - started


TITLE = "Small networks"
HEADER = """\
Written by `uv run python -m benchmarks.run --markdown docs/evidence/benchmarks.md`, all in one run on a machine with \
{cores} cores, with one BLAS thread (OPENBLAS_NUM_THREADS=1).

`example` is examples/digits_cnn.h5 on its test images, `digits` a network of the same kind from the developers' \
collection.
*Inference* is plain float64 evaluation of the same graph in NumPy, in the same chunks; its ratio to the analysis \
carries over to other machines better than times do.
Bounds are medians over the inputs of the largest bound of each, in units of u of the storage format.

| network | arithmetic | inputs | analysis, per input | inference | ratio | peak memory | logits | outputs | class proved |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
COMMANDS = """
The whole command, `boundnet analyze MODEL --inputs FILE --json OUT --quiet` in binary32 and any order, start-up included:

| network | inputs | seconds | `boundnet --help` alone |
| --- | ---: | ---: | ---: |
"""


def markdown(figures: list[Figures], commands: list[CommandLine]) -> str:
    """Both tables as docs/evidence/benchmarks.md shows them."""
    rows = [
        (
            f.model, f.arithmetic, str(f.inputs),
            f"{f.analysis_seconds * 1e3:.3g} ms", f"{f.inference_seconds * 1e3:.2g} ms",
            f"{f.ratio:,.0f}", f"{f.peak_megabytes:.0f} MB", f"{f.logit_bound_in_u:,.0f} u", f"{f.output_bound_in_u:.3g} u",
            f"{f.proved} ({f.proved / f.inputs:.1%})",
        )
        for f in figures
    ]  # fmt: skip
    whole = [(c.model, str(c.inputs), f"{c.seconds:.1f}", f"{c.help_seconds:.2f}") for c in commands]
    return HEADER.format(cores=os.cpu_count()) + _table(rows) + COMMANDS + _table(whole)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Time and sharpness of analyses.")
    parser.add_argument(
        "--models", nargs="+", choices=list(MODELS), default=[m for m, (p, _) in MODELS.items() if p.exists()]
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--markdown", type=Path, help="replace the section in this document")
    chosen = parser.parse_args()
    tasks = [(model, label) for model in chosen.models for label in ARITHMETICS]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        figures = list(pool.imap(measure, tasks))
    commands = [command_line(model) for model in chosen.models]
    text = markdown(figures, commands)
    print(text)
    if chosen.markdown is not None:
        document = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown.exists() else "# Benchmarks\n"
        chosen.markdown.write_text(replace_section(document, TITLE, text), encoding="utf-8")
    if chosen.json is not None:
        plain = {
            "cores": os.cpu_count(),
            "analyses": [asdict(f) for f in figures],
            "commands": [asdict(c) for c in commands],
        }
        chosen.json.write_text(json.dumps(plain, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
