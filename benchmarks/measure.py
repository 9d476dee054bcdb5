"""Analyse one network in one arithmetic; a process of its own, so that peak memory is its own.

    uv run python -m benchmarks.measure NETS NAME ARITHMETIC IMAGES OUT.npz EFFORT

Writes bounds to OUT.npz and prints the figures as one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import boundnet
from benchmarks.cases import find_cases
from benchmarks.macs import macs
from boundnet.analysis.verdict import vague_from
from boundnet.results.digits import certain_digits

LIKELY: Mapping[str, Any] = {"guarantee": "probabilistic"}
ARITHMETICS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "binary32, any order": ({"name": "binary32"}, {}),
    "binary32, sequential": ({"name": "binary32", "order": "sequential"}, {}),
    "binary64, any order": ({"name": "binary64"}, {}),
    "binary32, any order, probabilistic": ({"name": "binary32"}, LIKELY),
    "binary32, sequential, probabilistic": ({"name": "binary32", "order": "sequential"}, LIKELY),
    "float16 tensors, binary32 sums": ({"name": "float16"}, {}),
    "bfloat16 tensors, binary32 sums": ({"name": "bfloat16"}, {}),
}
"""What is measured, by label: an execution model, and how to analyse it."""


@dataclass(frozen=True)
class Figures:
    """One analysis.  Seconds of inference and analysis are per image; ``..._cpu_seconds`` are processor time of all threads,
    which other work on the machine disturbs less.  Bounds are in the outputs' own unit.

    ``largest_bound``: of any logit (or output, where there are no logits) of any image; ``first_bound``: of the first image.
    ``proved``: classes that rounding can't change, or is unlikely to change where the guarantee is ``probabilistic``;
    ``failure_probability``: of the whole claim, None for a deterministic one; ``model``: what a probabilistic one rests on.
    ``vague_from``: layer from which on the bound outgrows the values, where no digit of some output is certain.
    ``effort``: factor on the work that the sketch could spend on open decisions.
    """

    network: str
    arithmetic: str
    images: int
    parameters: int
    macs: int
    load_seconds: float
    inference_seconds: float
    inference_cpu_seconds: float
    analysis_seconds: float
    analysis_cpu_seconds: float
    peak_megabytes: float
    first_bound: float
    largest_bound: float
    logit_range: float
    proved: int
    decisions: int
    guarantee: str
    domain: str
    failure_probability: float | None
    model: str | None
    vague_from: str | None
    effort: float


def measure(nets: Path, name: str, label: str, count: int, out: Path, effort: float = 1.0) -> Figures:
    """Load, evaluate, analyse."""
    case = find_cases(nets)[name]
    settings, options = ARITHMETICS[label]
    rules = boundnet.build(**settings)
    warm = find_cases(nets)["example"]
    boundnet.analyze(boundnet.load(warm.model), warm.images(2), rules)  # imports, compiled kernels
    started = time.perf_counter()
    graph = boundnet.load(case.model)
    loaded = time.perf_counter() - started
    x = case.images(count)
    inference, inference_cpu = _inference_seconds(graph, x[:1])
    started, cpu = time.perf_counter(), time.process_time()
    analysis = boundnet.analyze(graph, x, rules, effort=effort, **options)
    taken, cpu = time.perf_counter() - started, time.process_time() - cpu
    decisive = [sample.logits if sample.logits is not None else sample.outputs[0] for sample in analysis.samples]
    stored = {
        "outputs": np.stack(
            [sample.outputs[0].value + sample.outputs[0].representation_error for sample in analysis.samples]
        ),
        "outputs_bound": np.stack([sample.outputs[0].rounding_bound for sample in analysis.samples]),
        "logits": np.stack([item.value for item in decisive]),
        "logits_bound": np.stack([item.absolute_bound for item in decisive]),
    }
    np.savez(out, **stored)  # type: ignore[arg-type]
    largest = stored["logits_bound"].reshape(len(x), -1).max(axis=1)
    return Figures(
        name, label, len(x), graph.parameters, macs(graph), loaded, inference, inference_cpu, taken / len(x), cpu / len(x),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, float(largest[0]), float(largest.max()),
        float(np.ptp(stored["logits"][0])), analysis.summary.holding, analysis.summary.total, analysis.guarantee,
        analysis.domain.used, analysis.failure_probability, None if analysis.chance is None else analysis.chance.model,
        vague_from(analysis.layers) if certain_digits(analysis.samples) == 0 else None, effort,
    )  # fmt: skip


def _inference_seconds(graph: boundnet.LayerGraph, x: Any) -> tuple[float, float]:
    """Best of a few float64 evaluations of one image: wall-clock and processor time."""
    best, least, spent = float("inf"), float("inf"), 0.0
    for _ in range(7):
        started, cpu = time.perf_counter(), time.process_time()
        graph.evaluate([x])
        taken = time.perf_counter() - started
        best, least, spent = min(best, taken), min(least, time.process_time() - cpu), spent + taken
        if spent > 10.0:
            break
    return best, least


if __name__ == "__main__":
    nets, name, label, count, out, effort = sys.argv[1:]
    print(json.dumps(asdict(measure(Path(nets), name, label, int(count), Path(out), float(effort)))))
