"""How many bits does DeepGOPlus need?  Sampling as published, and beside it what is proved without sampling.

    uv run python examples/deepgoplus/study.py [--sequences N] [--samples N] [--json OUT]

The protocol is that of numerical-uncertainty studies of the network: ten samples with random rounding at full precision and
the significant decimal digits of every probability (general method, absolute error); then mixes of mantissa and exponent
bits without noise, and what they do to Fmax.  Both run on the built-in engine in document order.  Beside each figure stands
the bound that holds for every conforming execution.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sequences import one_hot
from significantdigits import Error, Method, significant_digits

import boundnet
from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling, backend
from boundnet.presets import build

FOLDER = Path(__file__).parent
MANTISSA = (3, 5, 7, 10, 13, 23)
"""Explicit bits of the significand: 7 and 8 exponent bits are bfloat16's, 10 and 5 binary16's, 23 and 8 binary32's."""
EXPONENT = (4, 5, 8)


def machine(precision: int, exponent: int) -> Arithmetic:
    """Every operation in float(precision, exponent), in document order, without fused multiply-add."""
    fmt = f"float({precision},{exponent})"
    return build("c-binary32", storage=fmt, accumulate=fmt)


def execute(graph: LayerGraph, x: np.ndarray, rules: Arithmetic, sampling: Sampling) -> np.ndarray:
    """Probabilities (runs, N, classes)."""
    (execution,) = backend("builtin").executions(Job(graph, None, rules, (sampling,)))
    try:
        return next(values for node, values in execution.run([x], 0) if node == graph.outputs[0])
    finally:
        execution.close()


def fmax(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Largest F1 of mean precision and mean recall over thresholds 0.01 .. 1.00 (CAFA's protein-centric measure)."""
    best = 0.0
    for threshold in np.arange(1, 101) / 100.0:
        chosen = probabilities >= threshold
        right = (chosen & (labels == 1)).sum(axis=1)
        some = chosen.any(axis=1)
        if not some.any():
            continue
        precision = float((right[some] / chosen[some].sum(axis=1)).mean())
        recall = float((right / labels.sum(axis=1)).mean())
        if precision + recall > 0.0:
            best = max(best, 2.0 * precision * recall / (precision + recall))
    return best


def proved(graph: LayerGraph, x: np.ndarray, rules: Arithmetic) -> np.ndarray:
    """Bound of the error of every probability, (N, classes)."""
    analysis = boundnet.analyze(graph, x, rules, decision="none")
    return np.stack([sample.outputs[0].absolute_bound for sample in analysis.samples])


def random_rounding(graph: LayerGraph, x: np.ndarray, samples: int) -> dict[str, Any]:
    """Significant decimal digits of sampled probabilities, and those that the bound proves."""
    drawn = execute(graph, x, build("c-binary32"), Sampling(samples, "rr", 24, seed=1))
    reference = graph.evaluate([x])[graph.outputs[0]]
    digits = significant_digits(
        drawn, reference, axis=0, basis=10, error=Error.Absolute, method=Method.General, probability=0.95, confidence=0.95
    )
    bound = proved(graph, x, build("c-binary32", order="sequential"))
    any_order = proved(graph, x, build("binary32"))
    return {
        "samples": samples,
        "largest_distance": float(np.abs(drawn - reference).max()),
        "sampled_digits": {"least": float(np.min(digits)), "median": float(np.median(digits))},
        "proved_bound": {"document_order": float(bound.max()), "any_order": float(any_order.max())},
        "proved_digits": {"least": float(-np.log10(bound.max())), "median": float(np.median(-np.log10(bound)))},
        "labels_proved": float((np.abs(reference - 0.5) > any_order).mean()),
    }


def one_hot_matters(graph: LayerGraph, x: np.ndarray) -> dict[str, float]:
    """The bound in any order, and what it were if zeros of the input were not known to be zeros."""
    rules = build("binary32")
    known = proved(graph, x, rules).max()
    unknown = proved(graph, np.where(x == 0.0, 2.0**-100, x), rules).max()
    return {"known_zeros": float(known), "unknown_zeros": float(unknown), "ratio": float(unknown / known)}


def sweep(graph: LayerGraph, x: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """One row for each format: Fmax, largest change of a probability, and what is proved of that change."""
    reference = graph.evaluate([x])[graph.outputs[0]]
    rows = []
    for exponent in EXPONENT:
        for bits in MANTISSA:
            rules = machine(bits + 1, exponent)
            probabilities = execute(graph, x, rules, Sampling(1, "none"))[0]
            bound = proved(graph, x[:3], rules)
            row = {
                "mantissa": bits,
                "exponent": exponent,
                "fmax": fmax(probabilities, labels),
                "change": float(np.abs(probabilities - reference).max()),
                "proved": float(np.minimum(bound, 1.0).max()),
            }
            rows.append(row)
            print(f"{bits:8d} {exponent:8d} {row['fmax']:8.4f} {row['change']:12.3g} {row['proved']:12.3g}", flush=True)
    return rows


def main() -> None:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=20, help="how many test sequences [20]")
    parser.add_argument("--samples", type=int, default=10, help="samples of random rounding [10]")
    parser.add_argument("--json", type=Path, help="write the figures")
    options = parser.parse_args()
    graph = boundnet.load(FOLDER / "deepgoplus_small.h5")
    with np.load(FOLDER / "sequences_test.npz") as data:
        letters, labels = data["letters"][: options.sequences], data["labels"][: options.sequences]
    x = one_hot(letters)
    reference = graph.evaluate([x])[graph.outputs[0]]
    found: dict[str, Any] = {"sequences": len(x), "fmax": fmax(reference, labels)}
    print(f"{len(x)} sequences, Fmax in binary64 {found['fmax']:.4f}")

    rr = found["random_rounding"] = random_rounding(graph, x, options.samples)
    sampled = rr["sampled_digits"]
    print(f"\nbinary32, {rr['samples']} samples of random rounding: probabilities at most {rr['largest_distance']:.3g} off,")
    print(f"  significant decimal digits {sampled['least']:.1f} at least, {sampled['median']:.1f} median")
    print(f"proved for every execution: {rr['proved_bound']['document_order']:.3g} in document order, "
          f"{rr['proved_bound']['any_order']:.3g} in any order;")  # fmt: skip
    print(f"  digits {rr['proved_digits']['least']:.1f} at least, {rr['proved_digits']['median']:.1f} median; "
          f"{100 * rr['labels_proved']:.1f}% of labels can't change")  # fmt: skip

    hot = found["one_hot"] = one_hot_matters(graph, x[:3])
    print(f"known zeros of one-hot inputs: the bound is {hot['ratio']:.1f} times smaller")

    print(f"\n{'mantissa':>8} {'exponent':>8} {'Fmax':>8} {'change':>12} {'proved':>12}")
    found["formats"] = sweep(graph, x, labels)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
