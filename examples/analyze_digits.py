"""How far can float32, bfloat16 and 8-bit executions of a trained network be from the exact one?

    uv run --no-dev python examples/analyze_digits.py

For each arithmetic: for how many test images the class is proved, how far the outputs can be off, which layer causes most of
the error, and the tolerance that a test of an exported model may use without ever failing for rounding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import boundnet

HERE = Path(__file__).parent
IMAGES = 40


def describe(analysis: boundnet.Analysis) -> str:
    """The figures of one analysis, a line each."""
    summary = analysis.summary
    # logits.absolute_bound: of every image and class, |computed - exact| <= it for every conforming execution.
    largest = max(float(sample.logits.absolute_bound.max()) for sample in analysis.samples if sample.logits is not None)
    worst = max(analysis.layers, key=lambda layer: layer.error_share)
    u = float(analysis.arithmetic["unit_roundoff"])
    lines = [
        f"{analysis.arithmetic['name']}:",
        f"  class proved for {summary.proved} of {summary.total} images",
        f"  logits within {largest:.2g} of exact ({largest / u:.2g} u)",
        f"  probabilities within {summary.max_absolute_bound:.2g} of exact",
        f"  {worst.error_share:.0%} of the error arises in layer {worst.name!r}",
    ]
    if summary.max_absolute_bound < 0.5:
        lines.append(f"  tolerance for probabilities in an export test: atol={summary.max_absolute_bound:.2g}, rtol=0")
    else:
        lines.append("  no useful tolerance: the worst case over all executions is as large as the probabilities")
    return "\n".join(lines)


def main() -> None:
    """Analyse the shipped network in three arithmetics."""
    with np.load(HERE / "digits_test.npz") as data:
        images = data["inputs"][:IMAGES]
    model = boundnet.load(HERE / "digits_cnn.h5")
    for name in ("binary32", "bfloat16", "fp8_e4m3fn"):
        print(describe(boundnet.analyze(model, images, name)))


if __name__ == "__main__":
    main()
