"""Cross-check every model file below a folder and write a table (docs/evidence/crosscheck.md).

    uv run python benchmarks/crosscheck_models.py ../shared/models --out crosscheck.csv [--keras]
    uv run python benchmarks/crosscheck_models.py --table crosscheck.csv

Rows are appended model by model, and models that have some are left out, so an interrupted run (``--minutes``) can go on.
Sizes that a model leaves open, such as the steps of a recurrent network, are set to 6.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

import boundnet
from boundnet.crosscheck.run import crosscheck
from boundnet.errors import BoundNetError
from boundnet.inputs.arrays import random_inputs
from boundnet.mca.backend import Sampling

RR = tuple(Sampling(5, "rr", t) for t in (24, 16, 11))
ONCE = (Sampling(1, "none"),)
JOBS = [("binary32", ONCE + RR, ("builtin",)), ("bfloat16", ONCE, ("builtin",)), ("pure-bfloat16", ONCE, ("builtin",)),
        ("fp8_e4m3fn", ONCE, ("builtin",)), ("fp8_e5m2", ONCE, ("builtin",))]  # fmt: skip
STEPS = 6
KERAS = [("binary32", ONCE, ("keras",))]
COLUMNS = ("model", "execution", "runs", "values", "unbounded", "violations", "closest", "output_ratio", "seconds", "note")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("crosscheck.csv"))
    parser.add_argument("--table", type=Path, help="print the table of a finished run")
    parser.add_argument("--keras", action="store_true", help="run the files themselves with the installed Keras")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no model after so many")
    options = parser.parse_args()
    if options.table:
        table(options.table)
        return
    done = set()
    if options.out.exists():
        with options.out.open() as stream:
            done = {row["model"] for row in csv.DictReader(stream)}
    files = sorted(path for path in options.folder.rglob("*") if path.suffix in (".h5", ".hdf5", ".keras"))
    until = time.time() + 60 * options.minutes
    with options.out.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if stream.tell() == 0:
            writer.writeheader()
        for path in files:
            name = str(path.relative_to(options.folder))
            if name not in done and time.time() < until:
                print(name, file=sys.stderr, flush=True)
                found = rows(path, KERAS if options.keras else JOBS)
                writer.writerows([{"model": name, **row} for row in found])
                stream.flush()


def opened(path: Path) -> boundnet.LayerGraph:
    """The model, open sizes set to :data:`STEPS`."""
    shapes: dict[str, tuple[int, ...]] = {}
    while True:
        try:
            return boundnet.load(path, shapes)
        except BoundNetError as error:
            left = re.search(r"input '(.+?)' has the shape \((.*?)\), with sizes left open", str(error))
            if left is None or left[1] in shapes:
                raise
            sizes = [size.strip() for size in left[2].split(",") if size.strip()]
            shapes[left[1]] = tuple(STEPS if size == "None" else int(size) for size in sizes)


def rows(path: Path, jobs: list) -> list[dict[str, object]]:
    """One row for each execution of one model, or one that says why there is none."""
    try:
        graph = opened(path)
    except BoundNetError as error:
        return [{"note": "not opened: " + str(error).splitlines()[0][-80:]}]
    except Exception as error:  # a defect of the front end is not this script's business, and not to be hidden
        return [{"note": f"front end failed: {type(error).__name__}: {error}"[:120]}]
    found: list[dict[str, object]] = []
    for arithmetic, samplings, backends in jobs:
        started = time.time()
        inputs = random_inputs(graph, 2, 0.0, 1.0, 1)
        try:
            result = crosscheck(graph, inputs if len(inputs) > 1 else inputs[0], arithmetic, backends=backends,
                                samplings=samplings, domain="interval")  # fmt: skip
        except BoundNetError as error:
            found.append({"execution": arithmetic, "note": str(error).splitlines()[0][-120:]})
            continue
        except Exception as error:  # a defect: shown in the table, and no reason to stop
            found.append({"execution": arithmetic, "note": f"FAILED: {type(error).__name__}: {error}"[:120]})
            continue
        for check in result.checks:
            parts = check.layers + check.outputs
            closest = min((p.tightest for p in parts if p.tightest is not None), default=None)
            ratio = min((p.ratio for p in check.outputs if p.ratio is not None), default=None)
            found.append({
                "execution": check.title, "runs": check.rows * 2, "values": sum(p.compared for p in parts),
                "unbounded": sum(p.unbounded for p in parts), "violations": check.violation_count, "closest": closest,
                "output_ratio": ratio, "seconds": round((time.time() - started) / len(result.checks), 2),
            })  # fmt: skip
            if check.violation_count:
                print(path, check.title, check.violations[:2], file=sys.stderr)
    return found


def table(path: Path) -> None:
    """Markdown: one row for each folder and execution."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with path.open() as stream:
        for row in csv.DictReader(stream):
            groups[(row["model"].split("/")[0], row["execution"])].append(row)
    headings = ["models", "execution", "networks", "runs", "values", "no finite bound", "violations", "closest"]
    headings.append("outputs, median")
    print(f"| {' | '.join(headings)} |")
    print(f"| {' | '.join('---' for _ in headings)} |")
    for (folder, execution), members in sorted(groups.items()):
        run = [row for row in members if row["runs"]]
        if not run:
            continue
        total = {key: sum(int(row[key]) for row in run) for key in ("runs", "values", "unbounded", "violations")}
        closest = [float(row["closest"]) for row in run if row["closest"]]
        ratios = [float(row["output_ratio"]) for row in run if row["output_ratio"] not in ("", "inf")]
        figures = (f"{min(closest):.4g}x" if closest else "-", f"{np.median(ratios):.3g}x" if ratios else "-")
        print(f"| {folder} | {execution} | {len(run)} | {total['runs']} | {total['values']} | {total['unbounded']} | "
              f"{total['violations']} | {figures[0]} | {figures[1]} |")  # fmt: skip


if __name__ == "__main__":
    main()
