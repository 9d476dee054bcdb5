"""Whether the front end reads networks as Keras computes them; exit code 1 where it doesn't.

    uv run python -m benchmarks.agreement --nets NETS [NAME ...] [--images N] [--float64]

For each network of ``benchmarks.networks``, from its .keras and its .h5 file: the largest distance of the graph's float64
logits from Keras's float32 ones, relative to the largest logit; with --float64 also from a float64 copy of the Keras model
(slow for grouped convolutions).  A constant, an epsilon or an axis misread shows in the latter at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import boundnet
from benchmarks.cases import find_cases
from benchmarks.keras_runs import RUNS
from benchmarks.networks import FAMILIES
from boundnet.analysis.heads import find_head

LIMITS = {"float32": 1e-3, "float64": 1e-11}
"""Largest relative distance; random networks amplify float32 errors a hundredfold."""


def distances(nets: Path, name: str, count: int, float64: bool) -> dict[str, float]:
    """Relative distances by file and kind of run."""
    x = find_cases(nets)[name].images(count)
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder, "images.npy"), Path(folder, "keras.npz")
        np.save(images, x.astype(np.float32))
        command = [sys.executable, "-m", "benchmarks.keras_runs", str(nets / f"{name}.keras"), str(images), str(out)]
        done = subprocess.run([*command, *["--float64"] * float64], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: Keras can't run it\n{done.stderr}")
        with np.load(out) as data:
            keras = {key: value.reshape(len(x), -1) for key, value in data.items()}
    found = {}
    for suffix in ("keras", "h5"):
        graph = boundnet.load(nets / f"{name}.{suffix}")
        head = find_head(graph, graph.outputs[0], "auto")
        ours = graph.evaluate([x])[head.logits or head.output].reshape(len(x), -1)
        size = np.abs(ours).max()
        found[f"{suffix}, float32"] = max(float(np.abs(keras[f"logits_{run}"] - ours).max() / size) for run in RUNS)
        if float64:
            found[f"{suffix}, float64"] = float(np.abs(keras["logits64"] - ours).max() / size)
    return found


def main() -> None:
    """Compare and print; exit code 1 beyond a limit."""
    parser = argparse.ArgumentParser(description="Compare loaded graphs with Keras.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all that are found)")
    parser.add_argument("--nets", type=Path, default=Path("nets"), help="folder written by benchmarks.networks")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--float64", action="store_true", help="also compare with a float64 copy of the Keras model")
    chosen = parser.parse_args()
    names = chosen.names or [name for name in find_cases(chosen.nets) if name in FAMILIES]
    wrong = 0
    for name in names:
        found = distances(chosen.nets, name, chosen.images, chosen.float64)
        bad = [kind for kind, value in found.items() if not value <= LIMITS[kind.split(", ")[1]]]
        wrong += len(bad)
        print(
            f"{name}: {'; '.join(f'{kind} {value:.1e}' for kind, value in found.items())}{'  WRONG' * bool(bad)}", flush=True
        )
    if wrong:
        raise SystemExit(f"{wrong} comparisons differ by more than rounding explains")


if __name__ == "__main__":
    main()
