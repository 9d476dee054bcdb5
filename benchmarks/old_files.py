"""What the front end makes of every model file in a folder, and whether Keras stays in its bounds.

The outcome is in docs/evidence/old-files.md.

    uv run python -m benchmarks.old_files ../shared/models/dl4j_keras_zoo --out old_files.csv [--minutes 20]
    uv run python -m benchmarks.old_files --table old_files.csv

Each file: lowered, or refused and why.  A lowered one is run in float32 by Keras 2 (the package tf_keras, where it is
installed) or else by Keras 3, one input at a time, both together, and compiled, and each result compared with the bound for
binary32 in any order.  Rows are appended file by file; an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import boundnet
from benchmarks.crosscheck_models import opened
from benchmarks.old_files_keras import Installed, framework_runs, installed
from boundnet.errors import BoundNetError, UnsupportedLayerError
from boundnet.inputs.arrays import random_inputs

SUFFIXES = (".h5", ".hdf5", ".keras")
COLUMNS = ("model", "outcome", "reason", "framework", "runs", "values", "outside", "unbounded", "closest", "seconds")
PATIENCE = 240  # seconds for one file


class Slow(Exception):
    """A file took longer than PATIENCE."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("old_files.csv"))
    parser.add_argument("--table", type=Path, help="print the tables of a finished run")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no file after so many")
    parser.add_argument("--again", default="", help="do rows once more whose framework column matches this pattern")
    options = parser.parse_args()
    if options.table:
        table(options.table)
        return
    done = _rows(options.out) if options.out.exists() else []
    if options.again:
        done = [row for row in done if not re.search(options.again, row["framework"])]
    frameworks, until = installed(), time.time() + 60 * options.minutes
    files = sorted(path for path in options.folder.rglob("*") if path.suffix in SUFFIXES)
    with options.out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(done)
        for path in files:
            name = str(path.relative_to(options.folder))
            if name in {row["model"] for row in done} or time.time() > until:
                continue
            started = time.time()
            row = {"model": name, **outcome(path, frameworks)}
            writer.writerow({**row, "seconds": f"{time.time() - started:.2f}"})
            stream.flush()
            if row["outcome"] not in ("lowered", "refused") or int(row.get("outside", 0)):
                print(row, file=sys.stderr, flush=True)


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raises Slow after so many seconds."""

    def ring(*_: object) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(path: Path, frameworks: Sequence[Installed]) -> dict[str, Any]:
    """One row: what becomes of the file.  Anything but an error of BoundNet's own is a defect, and shown as one."""
    try:
        with patience(PATIENCE):
            graph = opened(path)
    except UnsupportedLayerError as error:
        kinds = sorted({layer.kind for layer in error.layers})
        return {"outcome": "refused", "reason": f"layers: {', '.join(kinds)}"}
    except BoundNetError as error:
        return {"outcome": "refused", "reason": _reason(str(error), path)}
    except Slow:
        return {"outcome": "HANGS"}
    except Exception as error:
        return {"outcome": "CRASHES", "reason": f"{type(error).__name__}: {error}"[:150]}
    try:
        with patience(PATIENCE):
            return {"outcome": "lowered", **compared(graph, path, frameworks)}
    except Slow:
        return {"outcome": "lowered", "framework": f"none: more than {PATIENCE} s"}


def _reason(message: str, path: Path) -> str:
    """The message without the file's name."""
    first = message.splitlines()[0].replace(str(path), "").strip(" :")
    return "no model in the file, weights only" if "weights" in first else first


def compared(graph: boundnet.LayerGraph, path: Path, frameworks: Sequence[Installed]) -> dict[str, Any]:
    """Framework outputs against the bounds."""
    inputs = random_inputs(graph, 2, 0.0, 1.0, 1)
    stored = [np.asarray(x, dtype=np.float32).astype(np.float64) for x in inputs]
    framework, runs = framework_runs(graph, path, stored, frameworks)
    if not runs:
        return {"framework": framework}
    analysis = boundnet.analyze(graph, stored if len(stored) > 1 else stored[0], boundnet.build("binary32"))
    found = {"framework": framework, "runs": len(runs) * 2, "values": 0, "outside": 0, "unbounded": 0}
    closest = np.inf
    for outputs in runs.values():
        for sample in analysis.samples:
            for output, theirs in zip(sample.outputs, outputs, strict=True):
                away = np.abs(output.value - theirs[sample.index].reshape(output.value.shape))
                finite = np.isfinite(output.absolute_bound)
                found["values"] += int(finite.sum())
                found["unbounded"] += int((~finite).sum())
                found["outside"] += int((finite & ~(away <= output.absolute_bound)).sum())
                some = finite & (away > 0)
                closest = min(closest, float((output.absolute_bound[some] / away[some]).min(initial=np.inf)))
    return {**found, "closest": f"{closest:.4g}"}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def table(path: Path) -> None:
    """Markdown: outcomes of files, then of comparisons."""
    rows = _rows(path)
    print("| Outcome | Files |\n| --- | ---: |")
    for (kind, reason), count in Counter((row["outcome"], row["reason"]) for row in rows).most_common():
        print(f"| {kind}{': ' if reason else ''}{reason} | {count} |")
    lowered = [row for row in rows if row["outcome"] == "lowered"]
    print("\n| Run in float32 by | Files | Runs | Values | Outside | Without a bound | Closest |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for framework, count in Counter(row["framework"] for row in lowered).most_common():
        members = [row for row in lowered if row["framework"] == framework]
        figures = [sum(int(row[key] or 0) for row in members) for key in ("runs", "values", "outside", "unbounded")]
        closest = [float(row["closest"]) for row in members if row["closest"]]
        print(f"| {framework} | {count} | {' | '.join(map(str, figures))} | {min(closest, default=np.inf):.3g} |")


if __name__ == "__main__":
    main()
