"""Boxes of inputs: bounds of controllers and of problems other tools were measured on, confronted with executions.

    uv run python -m benchmarks.boxes --shared ../shared [--points 1000000] [--splits 8000] [--only NAME ...]
                                      [--keep FOLDER] [--markdown docs/evidence/boxes.md]

Each network is bounded by ``boundnet analyze`` in a process of its own, start-up included, with sums in document order, no
FMA, gradual underflow and inputs that are numbers of the storage format; then the built-in engine executes it in the same
arithmetic at random points of the box, a tenth of them in the piece with the largest bound.  **An error outside its bound
ends the command with exit code 1.**

``--keep``: bounds are kept in FOLDER and not measured again, so that they can be measured while nothing else runs
(``--points 0``) and confronted with executions later.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boundnet
from benchmarks.document import replace_section
from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.mca.engine.run import execute
from boundnet.mca.engine.settle import settled
from boundnet.numerics.outward import Array

TITLE = "Figures"
CHUNK = 50_000
LOW = 8
"""Inputs up to which boxes are cut."""
MACHINE = {"order": "sequential", "fma": "no", "subnormals": "gradual", "bias": "last"}
FORMATS: dict[str, dict[str, str]] = {
    "binary32": {"storage": "binary32", "accumulate": "binary32"},
    "bfloat16, sums in binary32": {"storage": "bfloat16", "accumulate": "binary32"},
}


@dataclass(frozen=True)
class Case:
    """A network and its box; ``known``: the best bound of another tool and the largest error found before."""

    name: str
    model: Path
    low: Sequence[float]
    high: Sequence[float]
    formats: Sequence[str] = tuple(FORMATS)
    known: str = ""


def cases(shared: Path) -> list[Case]:
    """Those whose files are there."""
    problems, control = shared / "problems", shared / "models" / "archcomp_control"
    single, double, state = control / "Single_Pendulum", control / "Double_Pendulum", ([1.0, 0.0], [1.2, 0.2])
    vcas = control / "VCAS" / "h5_networks"
    narrow = ("binary32",)
    found = [
        Case("dense64x10", problems / "dense64x10.h5", [0.0] * 64, [1.0] * 64, narrow, "8.467e-6 in 20 s; 2.51e-6"),
        Case("mlp288_relu", problems / "mlp288_relu.h5", *state, narrow, "1.830e-8 in 12.8 s; 7.97e-9"),
        Case("single pendulum", single / "controller_single_pendulum.h5", *state, known="none in 420 s; 3.12e-7"),
    ]  # fmt: skip
    for kind in ("less", "more"):
        file = double / f"controller_double_pendulum_{kind}_robust.h5"
        found.append(Case(f"double pendulum, {kind} robust", file, [1.0] * 4, [1.3] * 4))
    for n in range(1, 6):
        file = vcas / f"VertCAS_noResp_pra0{n}_v9_20HU_200.nnet.h5"
        found.append(Case(f"VerticalCAS {n}", file, [-0.5] * 3, [0.5] * 3))
    return [case for case in found if case.model.exists()]


def bounded(case: Case, label: str, splits: int, folder: Path) -> dict[str, Any]:
    """The result of ``boundnet analyze``, kept in ``folder``, with the command's wall and CPU time (seconds, cpu)."""
    kept = folder / f"{case.name}, {label}.json"
    if not kept.exists():
        allowed = splits if len(case.low) <= LOW else 0
        formats, ends, out = FORMATS[label], folder / "box.csv", folder / "out.json"
        ends.write_text("lo,hi\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(case.low, case.high, strict=True)))
        options = {"--format": formats["storage"], "--accumulate": formats["accumulate"], "--box": str(ends),
                   "--inputs-exact": "yes", "--splits": str(allowed), "--json": str(out), "--decision": "none",
                   **{f"--{key}": value for key, value in MACHINE.items()}}  # fmt: skip
        words = [word for pair in options.items() for word in pair]
        command = [sys.executable, "-c", "from boundnet.cli import main; main()", "analyze", str(case.model), *words, "-q"]
        started, spent = time.perf_counter(), _children()
        subprocess.run(command, check=True, capture_output=True)
        times = {"seconds": time.perf_counter() - started, "cpu": _children() - spent}
        kept.write_text(json.dumps(json.loads(out.read_text()) | times))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _children() -> float:
    """CPU seconds of all processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def drawn(low: Array, high: Array, rules: Arithmetic, count: int, rng: np.random.Generator) -> Array:
    """Random numbers of the storage format in the box, (count, n)."""
    x = rules.storage.round(rng.uniform(low, high, (count, len(low))))
    x = np.where(x < low, rules.storage.round(x + (high - low) * 1e-9, "up"), x)
    x = np.where(x > high, rules.storage.round(high + np.zeros(x.shape), "down"), x)
    x = np.where(x < low, rules.storage.round(low + np.zeros(x.shape), "up"), x)
    return x[((x >= low) & (x <= high)).all(axis=1)]


def executed(graph: LayerGraph, rules: Arithmetic, points: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    """Chunks of (computed, float64 value), (count, K) each."""
    (output,) = graph.outputs
    machine = settled(rules)
    for start in range(0, len(points), CHUNK):
        x = points[start : start + CHUNK]
        computed = next(value for name, value in execute(graph, [x], machine, 1, seed) if name == output)
        yield computed[0].reshape(len(x), -1), graph.evaluate([x])[output].reshape(len(x), -1)


def confronted(case: Case, label: str, result: Mapping[str, Any], count: int, folder: Path) -> dict[str, Any]:
    """Largest error and largest output of ``count`` executions, and whether all kept to their bound; kept, too."""
    kept = folder / f"{case.name}, {label}, {count} points.json"
    if not kept.exists():
        (sample,) = result["samples"]
        bound = np.array(sample["outputs"][0]["absolute_bound"], dtype=np.float64).ravel()
        rules, graph = boundnet.build(**FORMATS[label], **MACHINE), boundnet.load(str(case.model))
        box, low, high = sample["box"], np.array(case.low), np.array(case.high)
        # The float64 evaluation is itself an execution, in binary64.
        own = boundnet.analyze(graph, arithmetic="binary64", box=(low[None], high[None]), inputs_exact=True, decision="none")
        allowed = (bound + own.samples[0].outputs[0].absolute_bound.ravel()) * (1.0 + 2.0**-50)
        rng = np.random.default_rng(1)
        where = [drawn(low, high, rules, count - count // 10, rng)]
        where.append(drawn(np.array(box["worst_low"]), np.array(box["worst_high"]), rules, count // 10, rng))
        found = {"error": 0.0, "output": 0.0, "inside": True, "points": sum(map(len, where))}
        for computed, exact in executed(graph, rules, np.concatenate(where), 1):
            error = np.abs(computed - exact)
            found["error"] = max(found["error"], float(error.max()))
            found["output"] = max(found["output"], float(np.abs(exact).max()))
            found["inside"] = found["inside"] and bool(np.all(error <= allowed))
        kept.write_text(json.dumps(found))
    found = json.loads(kept.read_text())
    return found


def row(case: Case, label: str, splits: int, count: int, folder: Path) -> tuple[list[str], bool]:
    """A line of the table, and whether every execution kept to the bound."""
    formats = FORMATS[label]
    result = bounded(case, label, splits, folder)
    (sample,) = result["samples"]
    box, bound = sample["box"], np.array(sample["outputs"][0]["absolute_bound"], dtype=np.float64).ravel()
    rules = boundnet.build(**formats, **MACHINE)
    graph = boundnet.load(str(case.model))
    ends = np.array([case.low]), np.array([case.high])
    plain = boundnet.analyze(graph, arithmetic=rules, box=ends, inputs_exact=True, domain="interval", decision="none")
    one = plain.summary.max_absolute_bound
    total, whole = float(bound.max()), float(box["whole_bound"])
    spent = f"{result['seconds']:.1f} s ({result['cpu']:.1f} s)"
    pieces = f"{box['pieces']} ({box['stopped']})"
    if not count:
        print(" | ".join([case.name, label, f"{one:.3g}", f"{whole:.3g}", f"{total:.4g}", pieces, spent]), flush=True)
        return [], True
    found = confronted(case, label, result, count, folder)
    largest, output, kept = found["error"], found["output"], found["inside"]
    in_u = total / (rules.storage.unit_roundoff * output)
    cells = [
        case.name, label, f"{one:.3g}", f"{whole:.3g}", f"{total:.4g}", f"{one / total:.1f}x", f"{whole / total:.1f}x",
        pieces, spent, f"{largest:.3g}", f"{total / largest:.1f}",
        f"{in_u:.1f}", case.known if label == "binary32" else "",
    ]  # fmt: skip
    print(" | ".join(cells), "" if kept else "OUTSIDE ITS BOUND", flush=True)
    return cells, kept


HEAD = [
    "network", "arithmetic", "intervals, one piece", "affine, one piece", "bound", "over intervals", "over affine",
    "pieces", "time", "largest error found", "bound / found", "bound / (u largest output)", "others; error known",
]  # fmt: skip


def main() -> int:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--splits", type=int, default=8_000)
    parser.add_argument("--only", nargs="*", help="names of networks")
    parser.add_argument("--keep", type=Path, help="folder for bounds that are not measured again")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    chosen = [case for case in cases(options.shared) if not options.only or case.name in options.only]
    rows, good = [], True
    folder = options.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for case in chosen:
        for label in case.formats:
            cells, kept = row(case, label, options.splits, options.points, folder)
            rows.append(cells)
            good = good and kept
    if options.markdown is not None and options.points:
        lines = [HEAD, ["---"] * len(HEAD), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        note = (
            f"`uv run python -m benchmarks.boxes --shared ... --points {options.points} --splits "
            f"{options.splits}`: sums in document order, no FMA, gradual underflow, inputs that are numbers of the "
            "storage format; time is that of the command, start-up included, wall and CPU."
        )
        document = options.markdown.read_text(encoding="utf-8")
        options.markdown.write_text(replace_section(document, TITLE, f"{note}\n\n{table}"), encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
