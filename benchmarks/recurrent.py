"""How a trained recurrent network fares on labelled images, row by row of pixels: classes, bounds, cost.

    uv run python -m benchmarks.recurrent MODEL IMAGES LABELS [--rows N] [--order any|sequential] [--json FILE] [--keras]

MODEL reads an image as a sequence of rows, scaled to 0 .. 1; IMAGES and LABELS are gzipped idx files as MNIST has them.
Prints accuracy, how many bounds are finite, how many classes are proved, the median and largest bounds, and processor time
for a row.  **A bound that is not finite, or is exceeded, ends the command with exit code 1.**  FILE keeps finished rows: a
run that was interrupted goes on from there.  ``--keras`` runs the same rows by Keras in float32, which must lie within the
bounds (by Keras 2, where the package tf_keras is installed, for files that Keras 3 does not open).
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import boundnet
from boundnet.frontends import load
from boundnet.mca.backend import Job, backend

STEP = 28
"""Rows analysed and kept together."""
Row = dict[str, Any]


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file of bytes: magic number 0x0000080r for r axes, their lengths, values."""
    with gzip.open(path) as stream:
        data = stream.read()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        sys.exit(f"{path}: no gzipped idx file of bytes")
    rank = data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", rank, 4))
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def rows_of(model: Path, images: np.ndarray, labels: np.ndarray, order: Any, first: int) -> list[Row]:
    """What is kept of each row; ``first`` is the number of the first one."""
    started = time.process_time()
    result = boundnet.analyze(str(model), images, boundnet.build("binary32", order=order))
    seconds = (time.process_time() - started) / len(images)
    rows = []
    for n, sample in enumerate(result.samples):
        decision, logits = sample.decision, sample.logits
        if decision is None or logits is None:
            sys.exit(f"{model}: its outputs decide no class")
        bound = float(sample.outputs[0].absolute_bound.max())
        rows.append({
            "row": first + n, "label": int(labels[n]), "class": decision.class_index, "proved": bool(decision.proved),
            "bound": bound, "logits": float(logits.absolute_bound.max()), "seconds": seconds, "domain": result.domain.used,
        })  # fmt: skip
    return rows


def summary(rows: list[Row]) -> str:
    """The figures as lines of text."""
    logits = np.array([row["logits"] for row in rows])
    bounds = np.array([row["bound"] for row in rows])
    right = sum(row["class"] == row["label"] for row in rows)
    lines = [
        f"{len(rows)} rows, {', '.join(sorted({row['domain'] for row in rows}))}",
        f"accuracy {right / len(rows):.3f}",
        f"finite bounds {int(np.isfinite(bounds).sum())}, classes proved {sum(row['proved'] for row in rows)}",
        f"logits: median {np.median(logits):.3g}, largest {logits.max():.3g}",
        f"outputs: median {np.median(bounds):.3g}, largest {bounds.max():.3g}",
        f"{np.mean([row['seconds'] for row in rows]):.2f} s of processor time a row",
    ]
    return "\n".join(lines)


def run_by_keras(model: Path, images: np.ndarray, rows: list[Row]) -> tuple[list[str], bool]:
    """How far float32 outputs of Keras are from the float64 evaluation, for each way of running it, and whether none is
    outside of its bound."""
    graph = load(str(model))
    executions = backend("keras").executions(Job(graph, str(model), boundnet.preset("binary32")))
    (execution,) = (found for found in executions if "layers" not in found.title)
    centre = graph.evaluate([images])[graph.outputs[0]]
    bounds, classes = np.array([row["bound"] for row in rows]), np.array([row["class"] for row in rows])
    lines, inside = list(execution.notes), True
    for name, computed in zip(execution.rows, next(execution.run([images], 0))[1], strict=True):
        away = np.abs(computed - centre).max(axis=-1)
        inside = inside and bool(np.all(away <= bounds))
        same, outside = int((computed.argmax(axis=-1) == classes).sum()), int((away > bounds).sum())
        lines.append(
            f"Keras, {name}: {same} of {len(rows)} in the same class, largest error {away.max():.3g}, {outside} outside, "
            f"closest bound / error {np.min(bounds / away):.3g}"
        )
    return lines, inside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--order", choices=("any", "sequential"), default="any")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keras", action="store_true")
    options = parser.parse_args()
    images, labels = read_idx(options.images)[: options.rows] / 255.0, read_idx(options.labels)[: options.rows]
    done: list[Row] = json.loads(options.json.read_text()) if options.json and options.json.exists() else []
    while len(done) < len(images):
        at = len(done)
        done += rows_of(options.model, images[at : at + STEP], labels[at : at + STEP], options.order, at)
        if options.json:
            partial = options.json.with_suffix(".part")
            partial.write_text(json.dumps(done))
            partial.replace(options.json)
        print(f"{len(done)} of {len(images)}", file=sys.stderr)
    print(summary(done))
    lines, inside = run_by_keras(options.model, images, done) if options.keras else ([], True)
    print("\n".join(lines))
    if not inside or not all(np.isfinite(row["bound"]) for row in done):
        sys.exit(1)


if __name__ == "__main__":
    main()
