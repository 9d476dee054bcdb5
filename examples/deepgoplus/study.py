"""How many bits does DeepGOPlus need?  Sampling as published, and beside it what is proved without sampling.

    uv run python examples/deepgoplus/study.py [--sequences N] [--samples N] [--json OUT]
    uv run python examples/deepgoplus/study.py --model FILE.h5 --data FILE.npz --json OUT

The protocol is that of numerical-uncertainty studies of the network: ten samples with random rounding at full precision and
the significant decimal digits of every probability (general method, absolute error); then mixes of mantissa and exponent
bits without noise, and what they do to Fmax and the area under the precision-recall curve.  Both run on the built-in engine
in document order.  Beside each figure stands the bound that holds for every conforming execution, and the interval in which
Fmax lies for all of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from metrics import aupr, fmax, fmax_enclosure
from sequences import one_hot
from significantdigits import Error, Method, significant_digits

import boundnet
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import build
from boundnet.errors import BoundNetError
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling, backend

FOLDER = Path(__file__).parent
MANTISSA = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 23)
"""Explicit bits of the significand: 7 and 8 exponent bits are bfloat16's, 10 and 5 binary16's, 23 and 8 binary32's."""
EXPONENT = (3, 4, 5, 8)
LINE = "{mantissa:8d} {exponent:8d} {fmax:8.4f} {aupr:8.4f} {change:10.3g} {proved:10.3g}   {low:.3f} .. {high:.3f}"


def machine(precision: int, exponent: int) -> Arithmetic:
    """Every operation in float(precision, exponent), in document order, without fused multiply-add."""
    fmt = f"float({precision},{exponent})"
    return build("c-binary32", storage=fmt, accumulate=fmt)


def execute(graph: LayerGraph, x: np.ndarray, rules: Arithmetic, sampling: Sampling) -> tuple[np.ndarray, Arithmetic]:
    """Probabilities (runs, N, classes), and the arithmetic that the runs conform to."""
    (execution,) = backend("builtin").executions(Job(graph, None, rules, (sampling,)))
    try:
        parts = []
        # Alone, a sequence's zeros are zeros in all runs, which the engine leaves out; single runs are better run together.
        step = 1 if sampling.random else 16
        for at in range(0, len(x), step):
            parts.append(next(v for node, v in execution.run([x[at : at + step]], at) if node == graph.outputs[0]))
        return np.concatenate(parts, axis=1), execution.arithmetic
    finally:
        execution.close()


def proved(graph: LayerGraph, x: np.ndarray, rules: Arithmetic) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bound of the error of every probability, and the interval in which every execution's lies: (N, classes) each."""
    analysis = boundnet.analyze(graph, x, rules, decision="none")
    outputs = [sample.outputs[0] for sample in analysis.samples]
    bound, centre, radius = (
        np.stack(values)
        for values in (
            [output.absolute_bound for output in outputs],
            [output.value + output.representation_error for output in outputs],
            [output.rounding_bound for output in outputs],
        )
    )
    low, high = np.nextafter(centre - radius, -np.inf), np.nextafter(centre + radius, np.inf)
    return bound, np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def random_rounding(graph: LayerGraph, x: np.ndarray, labels: np.ndarray, samples: int) -> dict[str, Any]:
    """Significant decimal digits of sampled probabilities, and those that the bounds prove."""
    drawn, noise = execute(graph, x, build("c-binary32"), Sampling(samples, "rr", 24, seed=1))
    reference = graph.evaluate([x])[graph.outputs[0]]
    noisy, _, _ = proved(graph, x, noise)
    sequential, low, high = proved(graph, x, build("c-binary32"))
    any_order, any_low, any_high = proved(graph, x, build("binary32"))
    distance = np.abs(drawn - reference)
    if (distance > noisy).any():
        raise SystemExit("a sample left its bound: please report it")
    return {
        "samples": samples,
        "fmax": [fmax(run, labels) for run in drawn],
        "distance": summary(distance.max(axis=0)),
        "sampled_digits": summary(digits(drawn, reference)),
        "bound": {"rr(24)": summary(noisy), "document order": summary(sequential), "any order": summary(any_order)},
        "sampled_places": summary(-np.log10(np.maximum(distance.max(axis=0), 1e-17))),
        "proved_places": summary(-np.log10(noisy)),
        "fmax_proved": {
            "document order": fmax_enclosure(low, high, labels), "any order": fmax_enclosure(any_low, any_high, labels)
        },
        "labels_proved": float((np.abs(reference - 0.5) > any_order).mean()),
        "points": {
            "probability": reference.reshape(-1).tolist(), "sampled": distance.max(axis=0).reshape(-1).tolist(),
            "rr(24)": noisy.reshape(-1).tolist(), "any order": any_order.reshape(-1).tolist(),
        },
    }  # fmt: skip


def digits(samples: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Significant decimal digits, general method on absolute errors, counted from the reference's leading digit."""
    found = significant_digits(
        samples, reference, axis=0, basis=10, error=Error.Absolute, method=Method.General, probability=0.95, confidence=0.95
    )
    return np.asarray(found, dtype=np.float64)


def summary(values: np.ndarray) -> dict[str, float]:
    """Least, median and largest."""
    return {"least": float(values.min()), "median": float(np.median(values)), "largest": float(values.max())}


def one_hot_matters(graph: LayerGraph, x: np.ndarray) -> dict[str, Any]:
    """Leaves and rounded products of one sum of each convolution, and what bounds were without knowing of zeros and ones."""
    rows, last = [], graph.outputs[0]
    for name in graph.topological():
        kernel = getattr(graph.op(name), "kernel", None)
        if kernel is not None and kernel.ndim == 3:
            products = int(np.prod(kernel.shape[:2]))
            hits = graph.op(name).linear(graph.shape(graph.inputs_of(name)[0])).count(x != 0.0)
            rows.append({"layer": name, "products": products, "leaves": int(np.max(hits))})
    found: dict[str, Any] = {"convolutions": rows}
    # 2**-100 is as good as 0 and 1 - 2**-24 as good as 1, but neither is known to be.
    variants = {"known": x, "zeros not known": np.where(x == 0.0, 2.0**-100, x), "ones not known": x * (1.0 - 2.0**-24)}
    for order, preset in (("any order", "binary32"), ("document order", "c-binary32")):
        features = next(s for s in graph.inputs_of(last_dense(graph, last)))
        for key, value in variants.items():
            part = cut(graph, features)
            found[f"{order}, {key}"] = float(np.max([s.outputs[0].absolute_bound.max() for s in boundnet.analyze(
                part, value, build(preset), decision="none", domain="interval").samples]))  # fmt: skip
    return found


def last_dense(graph: LayerGraph, node: str) -> str:
    """The last sum of products before ``node``."""
    while getattr(graph.op(node), "kernel", None) is None:
        (node,) = graph.inputs_of(node)
    return node


def cut(graph: LayerGraph, node: str) -> LayerGraph:
    """The network up to ``node``."""
    part = LayerGraph(f"{graph.name} up to {node}")
    for name in graph.topological():
        part.add(name, graph.op(name), list(graph.inputs_of(name)))
        if name == node:
            break
    part.set_outputs([node])
    return part


def sweep(
    graph: LayerGraph, x: np.ndarray, labels: np.ndarray, bounded: int, mantissa: Sequence[int], exponents: Sequence[int]
) -> list[dict[str, Any]]:
    """One row for each format: Fmax, area, largest change of a probability, and what is proved for ``bounded`` sequences."""
    reference = graph.evaluate([x])[graph.outputs[0]]
    rows = []
    for exponent in exponents:
        for bits in mantissa:
            rules = machine(bits + 1, exponent)
            probabilities = execute(graph, x, rules, Sampling(1, "none"))[0][0]
            bound, low, high = proved(graph, x[:bounded], rules)
            change = np.abs(probabilities - reference)
            if (change[:bounded] > bound).any():
                raise SystemExit(f"float({bits + 1},{exponent}) left its bound: please report it")
            ranked = np.nan_to_num(probabilities, nan=0.0)
            row = {
                "mantissa": bits, "exponent": exponent, "fmax": fmax(ranked, labels), "aupr": aupr(ranked, labels),
                "change": float(change.max()), "not_finite": int((~np.isfinite(probabilities)).sum()),
                "proved": float(bound.max()),
                "fmax_proved": fmax_enclosure(low, high, labels[:bounded]),
            }  # fmt: skip
            rows.append(row)
            print(LINE.format(**{**row, "low": row["fmax_proved"][0], "high": row["fmax_proved"][1]}), flush=True)
    return rows


def report(rr: dict[str, Any], hot: dict[str, Any]) -> None:
    """Print what was sampled and what was proved."""
    sampled, bound, places = rr["sampled_digits"], rr["bound"], (rr["sampled_places"], rr["proved_places"])
    print(f"\nbinary32, {rr['samples']} samples of random rounding: at most {rr['distance']['largest']:.3g} off;")
    print(f"  significant decimal digits {sampled['least']:.1f} at least, {sampled['median']:.1f} median;")
    print(f"  decimal places {places[0]['least']:.1f} at least, {places[0]['median']:.1f} median")
    print(f"proved for every such sample: at most {bound['rr(24)']['largest']:.3g} off;")
    print(f"  decimal places {places[1]['least']:.1f} at least, {places[1]['median']:.1f} median")
    print(f"proved for IEEE binary32: {bound['document order']['largest']:.3g} in document order,", end=" ")
    print(f"{bound['any order']['largest']:.3g} in any order;")
    print(f"  {100 * rr['labels_proved']:.1f}% of labels can't change in any order")
    low, high = rr["fmax_proved"]["any order"]
    print(f"  Fmax between {low:.4f} and {high:.4f} for every execution in any order")
    for order in ("any order", "document order"):
        known = hot[f"{order}, known"]
        zeros, ones = (hot[f"{order}, {what} not known"] / known for what in ("zeros", "ones"))
        print(
            f"features, {order}: within {known:.3g}; {zeros:.1f} times that without knowing zeros, {ones:.2f} without ones"
        )


def main() -> None:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=FOLDER / "deepgoplus_small.h5")
    parser.add_argument("--data", type=Path, default=FOLDER / "sequences_test.npz")
    parser.add_argument("--sequences", type=int, default=20, help="how many test sequences [20]")
    parser.add_argument("--bounded", type=int, default=3, help="for how many of them every format is bounded [3]")
    parser.add_argument("--samples", type=int, default=10, help="samples of random rounding [10]")
    parser.add_argument("--mantissa", type=int, nargs="+", default=MANTISSA, help="explicit bits of the formats")
    parser.add_argument("--exponent", type=int, nargs="+", default=EXPONENT, help="exponent bits of the formats")
    parser.add_argument("--json", type=Path, help="write the figures")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        graph = boundnet.load(options.model)
    except BoundNetError as error:
        raise SystemExit(str(error)) from None
    with np.load(options.data) as data:
        letters, labels = data["letters"][: options.sequences], data["labels"][: options.sequences]
    x = one_hot(letters)
    reference = graph.evaluate([x])[graph.outputs[0]]
    found: dict[str, Any] = {
        "network": {
            "parameters": graph.parameters, "length": x.shape[1], "classes": labels.shape[1],
            "features": int(np.prod(graph.shape(graph.inputs_of(last_dense(graph, graph.outputs[0]))[0]))),
        },
        "sequences": len(x), "bounded": min(options.bounded, len(x)), "fmax": fmax(reference, labels),
        "aupr": aupr(reference, labels),
    }  # fmt: skip
    print(f"{len(x)} sequences, in binary64 Fmax {found['fmax']:.4f}, AUPR {found['aupr']:.4f}")

    rr = found["random_rounding"] = random_rounding(graph, x, labels, options.samples)
    hot = found["one_hot"] = one_hot_matters(graph, x[:2])
    report(rr, hot)
    heading = f"{'mantissa':>8} {'exponent':>8} {'Fmax':>8} {'AUPR':>8} {'change':>10} {'proved':>10}"
    print(f"\n{heading}   Fmax proved ({found['bounded']} sequences)")
    found["formats"] = sweep(graph, x, labels, options.bounded, options.mantissa, options.exponent)
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
