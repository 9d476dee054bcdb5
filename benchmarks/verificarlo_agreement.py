"""The built-in engine and Verificarlo on the same network: counts, bounds, bits and distributions.

The outcome is in docs/evidence/verificarlo.md.

    uv run python -m benchmarks.verificarlo_agreement MODEL INPUTS.npz [--inputs N] [--samples S] [--modes rr,mca]

One row for each way of running: values outside their interval bound, whether the bits are the built-in engine's (without
noise), and the smallest p-value, times the number of tests, of Welch's test of means and the Brown-Forsythe test of
deviations over every output and every value before the last activation (with noise).  Needs verificarlo-c on PATH (or
--verificarlo).
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import boundnet
from boundnet.analysis.heads import find_head
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import build
from boundnet.domains.forward import forward
from boundnet.domains.interval import IntervalDomain
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling, backend
from boundnet.roundoff.rounder import Rounder

COLUMNS = ("execution", "operations", "values", "violations", "closest", "same bits", "tests", "smallest p", "seconds")


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path, help=".npz with the array `inputs` or `x`")
    parser.add_argument("--inputs", dest="count", type=int, default=2, help="how many [2]")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--modes", default="rr,mca,pb")
    parser.add_argument("--precisions", default="24,11")
    parser.add_argument("--verificarlo", help="path of verificarlo-c")
    parser.add_argument("--out", type=Path, help="append the rows as CSV")
    options = parser.parse_args()
    graph = boundnet.load(options.model)
    with np.load(options.inputs) as data:
        x = np.asarray(data["inputs" if "inputs" in data else "x"][: options.count], np.float32).astype(np.float64)
    noisy = [
        Sampling(options.samples, mode, int(t), seed=11)
        for mode in options.modes.split(",") if mode
        for t in options.precisions.split(",")
    ]  # fmt: skip
    noisy.append(Sampling(options.samples, "stochastic", seed=11))
    narrow = [build("c-binary32", storage=fmt, accumulate=fmt) for fmt in ("float(8,8)", "float(11,5)")]
    jobs: list[tuple[Arithmetic, list[Sampling]]] = [(build("c-binary32"), [Sampling(1, "none"), *noisy])]
    jobs += [(rules, [Sampling(1, "none")]) for rules in narrow]
    print(" | ".join(COLUMNS), flush=True)
    for rules, samplings in jobs:
        for row in rows(graph, x, rules, samplings, {"verificarlo": options.verificarlo, "timeout": 3600.0}):
            print(" | ".join(str(row.get(column, "")) for column in COLUMNS), flush=True)
            if options.out:
                new = not options.out.exists()
                with options.out.open("a", newline="") as stream:
                    writer = csv.DictWriter(stream, ("model", *COLUMNS))
                    if new:
                        writer.writeheader()
                    writer.writerow({"model": options.model.name, **row})


def rows(
    graph: LayerGraph, x: np.ndarray, rules: Arithmetic, samplings: list[Sampling], options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """One row for each sampling, by both engines."""
    job = Job(graph, None, rules, samplings, options)
    head = find_head(graph, graph.outputs[0], "auto")
    watched = {graph.outputs[0], *([head.logits] if head.logits else [])}
    ours = backend("builtin").executions(job)
    theirs = backend("verificarlo").executions(job)
    try:
        for execution, own in zip(theirs, ours, strict=True):
            started = time.perf_counter()
            row: dict[str, Any] = {
                "execution": execution.title,
                "operations": sum(execution.shared.build.counted.values()),  # type: ignore[attr-defined]
                "values": 0, "violations": 0, "closest": np.inf, "same bits": "" if execution.random else "yes",
            }  # fmt: skip
            trace = forward(graph, [x], Rounder(execution.arithmetic), IntervalDomain())
            kept: dict[str, list[np.ndarray]] = {}
            for (node, values), (again, other) in zip(execution.run([x], 0), own.run([x], 0), strict=True):
                assert node == again
                check(row, trace.tensors[node], values)
                if node in watched:
                    kept[node] = [values, other]
                stored = execution.arithmetic.storage.round(values)
                if not execution.random and not np.array_equal(stored, other, equal_nan=True):
                    before = "" if row["same bits"] == "yes" else row["same bits"] + ", "
                    row["same bits"] = f"{before}not {node} ({np.abs(stored - other).max():.1g} apart)"
            if execution.random and len(execution.rows) > 1:
                row["tests"], row["smallest p"] = agreement(list(kept.values()))
            row["seconds"] = round(time.perf_counter() - started, 1)
            yield row
    finally:
        for execution in theirs:
            execution.close()


def check(row: dict[str, Any], tensor: Any, values: np.ndarray) -> None:
    """Count values outside the interval about the centre."""
    distance = np.abs(values - tensor.centre)
    finite = np.broadcast_to(np.isfinite(tensor.radius), values.shape)
    row["values"] += int(finite.sum())
    row["violations"] += int((finite & ~(distance <= tensor.radius)).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(finite & (distance > 0.0), tensor.radius / distance, np.inf)
    row["closest"] = min(row["closest"], round(float(ratio.min(initial=np.inf)), 3))


def agreement(pairs: list[list[np.ndarray]]) -> tuple[int, float]:
    """Number of tests, and the smallest p-value times that number (1 at most)."""
    from scipy import stats

    found = []
    for theirs, ours in pairs:
        for u, v in zip(theirs.reshape(len(theirs), -1).T, ours.reshape(len(ours), -1).T, strict=True):
            if np.ptp(u) == 0.0 and np.ptp(v) == 0.0:
                assert u[0] == v[0]
                continue
            found += [stats.ttest_ind(u, v, equal_var=False).pvalue, stats.levene(u, v, center="median").pvalue]
    return len(found), round(min(1.0, float(np.min(found)) * len(found)), 4)


if __name__ == "__main__":
    main()
