"""How large networks fare: cost, bounds and what Keras really does, in one table; fails where a bound is violated.

    uv run python -m benchmarks.networks --out NETS
    uv run python -m benchmarks.networks_table --nets NETS [NAME ...] [--images N] [--arithmetic LABEL ...]
                                               [--effort X] [--json FILE] [--render] [--markdown docs/evidence/benchmarks.md]

For each network and arithmetic, in a process of its own: parameters, multiply-accumulate operations of the lowered graph,
float64 inference of the same graph, analysis time and its ratio to inference, peak memory, the largest bound of any logit,
classes that rounding keeps.  Keras runs the same images in float32 in another process, one by one, as a batch and
compiled; the table shows its largest error and bound/error.  **A Keras run outside its bound in binary32 and any order ends
the command with exit code 1**: run it with ``--images 10`` before a release.

FILE keeps the figures of networks that are not measured this time, so that a table can be made in several runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, find_cases
from benchmarks.document import replace_section
from benchmarks.keras_runs import RUNS
from benchmarks.measure import ARITHMETICS
from benchmarks.store import read_rows, write_text
from boundnet.results.text import bound_text

KERAS_CONFORMS = "binary32, any order"
"""The arithmetic that covers Keras in float32 on a CPU."""
COMPARED = (KERAS_CONFORMS, f"{KERAS_CONFORMS}, probabilistic")
"""Rows that Keras is compared with: a model of rounding errors may fail, only the first is a claim about every run."""
Row = dict[str, Any]


def measured(
    case: Case, nets: Path, label: str, count: int, folder: Path, timeout: float, effort: float
) -> Row:  # fmt: skip
    """Figures of one analysis, or an ``error``."""
    out = folder / "bounds.npz"
    command = [sys.executable, "-m", "benchmarks.measure", str(nets), case.name, label, str(count), str(out), str(effort)]
    row: Row = {"network": case.name, "arithmetic": label, "images": count}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {**row, "error": f"not done after {timeout:.0f} s"}
    if done.returncode:
        return {**row, "error": (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


def keras_results(case: Case, count: int, folder: Path) -> Mapping[str, np.ndarray] | str:
    """What Keras computes in float32, or why it doesn't."""
    images, out = folder / "images.npy", folder / "keras.npz"
    np.save(images, case.images(count).astype(np.float32))
    command = [sys.executable, "-m", "benchmarks.keras_runs", str(case.model), str(images), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"Keras can't run it: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    with np.load(out) as data:
        return dict(data)


def compared(bounds: Mapping[str, np.ndarray], keras: Mapping[str, np.ndarray]) -> Row:
    """Largest errors of Keras's logits, how many results have a bound, and how many of these lie outside it.

    Logits: |Keras - float64 value| <= bound, as the bound counts the float64 value's own error too.  Outputs, such as
    probabilities: |Keras - value of the cast network| <= rounding bound.  No tolerance; a NaN is outside.
    """
    outside, errors, total = 0, [], 0
    for kind in ("logits", "outputs"):
        value, bound = (bounds[key].reshape(len(bounds[key]), -1) for key in (kind, f"{kind}_bound"))
        for run in RUNS:
            apart = np.abs(keras[f"{kind}_{run}"].astype(np.float64).reshape(value.shape) - value)
            outside += int(np.count_nonzero(~(apart <= bound)))
            total += int(np.isfinite(bound).sum())
            if kind == "logits":
                errors.append(apart)
    error = np.max(errors, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = bounds["logits_bound"].reshape(error.shape).max(axis=1) / error.max(axis=1)
    return {
        "keras_error": float(error.max()),
        "bound_over_error": float(np.median(ratio)),
        "least_bound_over_error": float(ratio.min()),
        "compared": total,
        "outside": outside,
    }


def rows_of(
    case: Case, nets: Path, labels: Sequence[str], count: int, timeout: float, effort: float
) -> list[Row]:  # fmt: skip
    """All rows of one network."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label in labels:
            row = measured(case, nets, label, count, folder, timeout, effort)
            if label in COMPARED and "error" not in row:
                with np.load(folder / "bounds.npz") as bounds:
                    found = keras_results(case, count, folder)
                    row |= {"keras": found} if isinstance(found, str) else compared(bounds, found)
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


TITLE = "Networks of ImageNet size"
HEADER = """\
Written by `uv run python -m benchmarks.networks_table --nets NETS --markdown docs/evidence/benchmarks.md` on a \
machine with {cores} cores, with one BLAS thread; `uv run python -m benchmarks.networks --out NETS` builds the \
networks of keras.applications, with random weights and with batch normalisation calibrated on photos, or on synthetic \
images where there are none.
mini_xception, resnet8 and digits are trained networks of the developers' collection.

*Inference* is float64 evaluation of the same graph, *analysis* that of one image: processor time of all threads, \
which other work on the machine disturbs less than wall-clock times.
Bounds are the largest of any logit of any image.
*Keras* is the largest float32 error of any logit that Keras made on the same images: one by one, as a batch and \
compiled.
Errors are measured against the float64 evaluation, whose own error the bound includes.
*bound/Keras* is the median over images.
*class kept*: rounding provably keeps the class, or is likely to under `probabilistic`, which is a model of rounding \
errors here and fails with a probability of at most p where the model holds.
*effort*: share of the usual work on open decisions, where it was less.
*says nothing from*: the layer from which on the bound outgrows the values, where no digit of the outputs is certain.

| network | parameters | MACs | arithmetic | images | inference | analysis | ratio | ns per MAC | peak memory \
| bound | of range | Keras | bound/Keras | outside | class kept | guarantee, domain | says nothing from |
| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
"""


def markdown(rows: Iterable[Row]) -> str:
    """The section of docs/evidence/benchmarks.md."""
    return HEADER.format(cores=os.cpu_count()) + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Row) -> tuple[str, ...]:
    if "error" in row:
        return (row["network"], "", "", row["arithmetic"], str(row["images"]), *[""] * 11, row["error"], "")
    analysis, inference, products = row["analysis_cpu_seconds"], row["inference_cpu_seconds"], row["macs"]
    seen = "keras_error" in row
    return (
        row["network"], f"{row['parameters']:,}", _products(products), row["arithmetic"], str(row["images"]),
        f"{inference:.2g} s", f"{analysis:.3g} s", f"{analysis / inference:,.0f}", _number(analysis / products * 1e9),
        f"{row['peak_megabytes']:,.0f} MB", _number(row["largest_bound"]), f"{row['logit_range']:.3g}",
        _number(row["keras_error"]) if seen else "", _number(row["bound_over_error"]) if seen else "",
        f"{row['outside']} of {row['compared']:,}" if seen else row.get("keras", ""),
        f"{row['proved']} of {row['decisions']}", _guarantee(row), row["vague_from"] or "",
    )  # fmt: skip


def _products(count: float) -> str:
    return f"{count / 1e6:.3g} M" if count < 999.5e6 else f"{count / 1e9:.3g} G"


def _guarantee(row: Row) -> str:
    details = [] if row["model"] is None else [f"a {row['model']}"]
    if row["failure_probability"] is not None:
        details.append(f"p <= {bound_text(row['failure_probability'], 1)}")
    if row.get("effort", 1.0) != 1.0:
        details.append(f"effort {row['effort']:g}")
    return ", ".join([row["guarantee"], *details, row["domain"]])


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "no bound"
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def main() -> None:
    """Measure, print, write; exit code 1 where a bound was violated."""
    parser = argparse.ArgumentParser(description="Cost and sharpness of analyses of large networks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all that are found)")
    parser.add_argument("--nets", type=Path, default=Path("nets"), help="folder written by benchmarks.networks")
    parser.add_argument("--images", type=int, default=1, help="images of each network (default: 1)")
    parser.add_argument("--arithmetic", nargs="+", choices=list(ARITHMETICS), default=[KERAS_CONFORMS], metavar="LABEL")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one analysis (default: 1800)")
    parser.add_argument("--effort", type=float, default=1.0, help="work on open decisions, times the usual (default: 1)")
    parser.add_argument("--json", type=Path, help="read earlier figures from here and write all")
    parser.add_argument("--render", action="store_true", help="measure nothing: write what --json holds")
    parser.add_argument("--markdown", type=Path, help="replace the section in this document")
    chosen = parser.parse_args()
    cases = find_cases(chosen.nets)
    unknown = [name for name in chosen.names if name not in cases]
    if unknown:
        parser.error(f"{unknown[0]!r} isn't in {chosen.nets}: build it with python -m benchmarks.networks {unknown[0]}")
    known = {_key(row): row for row in read_rows(chosen.json, "networks")}
    outside = 0
    for name in [] if chosen.render else chosen.names or list(cases):
        for row in rows_of(cases[name], chosen.nets, chosen.arithmetic, chosen.images, chosen.timeout, chosen.effort):
            known[_key(row)] = row
            outside += row.get("outside", 0) if row["arithmetic"] == KERAS_CONFORMS else 0
        if chosen.json is not None:
            write_text(chosen.json, json.dumps({"cores": os.cpu_count(), "networks": list(known.values())}, indent=1) + "\n")
    order = list(cases)
    kinds = list(ARITHMETICS)
    rows = sorted(
        known.values(),
        key=lambda row: (
            order.index(row["network"]) if row["network"] in order else len(order),
            kinds.index(row["arithmetic"]) if row["arithmetic"] in kinds else len(kinds),
        ),
    )
    if chosen.markdown is not None:
        document = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown.exists() else "# Benchmarks\n"
        write_text(chosen.markdown, replace_section(document, TITLE, markdown(rows)))
    print(markdown(rows))
    if outside:
        raise SystemExit(f"{outside} results of Keras lie outside their bounds")


def _key(row: Row) -> str:
    return f"{row['network']}, {row['arithmetic']}"


if __name__ == "__main__":
    main()
