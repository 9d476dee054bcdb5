"""Describe your own machine: number formats, order of sums, rounding.

    uv run --no-dev python examples/custom_arithmetic.py

The narrower the description, the smaller the bound; it holds for every execution that conforms to the description.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import boundnet

HERE = Path(__file__).parent
IMAGES = 20

MACHINES = {
    "float32, any order of sums": boundnet.build("binary32"),
    "float32, sums in document order": boundnet.build("binary32", order="sequential"),
    "float32, plain C loops": boundnet.build("c-binary32"),
    "float32, blocks of 16": boundnet.build("binary32", order="blocked(16)"),
    "float32, any rounding direction": boundnet.build("binary32", rounding="any"),
    "12 significant bits, sums in float32": boundnet.build(storage="float(12,8)", accumulate="binary32"),
    "fixed point, 20 fraction bits": boundnet.build(storage="fixed(7,20)"),
}


def main() -> None:
    """Print the median bound of the logits for each machine."""
    with np.load(HERE / "digits_test.npz") as data:
        images = data["inputs"][:IMAGES]
    model = boundnet.load(HERE / "digits_cnn.h5")
    for name, machine in MACHINES.items():
        summary = boundnet.analyze(model, images, machine).summary
        bound, proved = summary.median_logit_bound, f"{summary.proved} of {summary.total} proved"
        print(f"{name:38}  logits within {bound:.2e} (median), {proved}")


if __name__ == "__main__":
    main()
