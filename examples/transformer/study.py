"""How far may float32 lead a Transformer encoder astray, and how far does it?

    uv run python examples/transformer/study.py [--samples N] [--jobs N]

Proves the classes of the test images in binary32 (sums in any order), bounds the attention weights (the softmax inside of
each attention layer) and the logits, and compares the bounds with what Keras computes in float32, against certified exact
values.  Without Keras the comparison is left out.
"""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
from digits import tokens

import boundnet
from boundnet.reference import reference

HERE = Path(__file__).parent
MODEL = HERE / "encoder.keras"
WEIGHTS = ("attention_1/softmax", "attention_2/softmax")
"""Nodes of the attention weights, (heads, queries, keys)."""

Values = npt.NDArray[np.float64]


def data(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The first test images, as tokens, and their labels."""
    with np.load(HERE / "digits_test.npz") as file:
        return tokens(file["images"][:count]), file["labels"][:count]


def bounds(x: npt.NDArray[np.float32], executor: Any = None) -> tuple[boundnet.Analysis, dict[str, Values]]:
    """The analysis, with the attention weights as further outputs, and their bounds (N, heads, 8, 8)."""
    graph = boundnet.load(MODEL)
    graph.set_outputs([*graph.outputs, *WEIGHTS], [*graph.output_labels, *WEIGHTS])
    analysis = boundnet.analyze(graph, x, "binary32", executor=executor)
    named = {name: np.stack([s.outputs[n + 1].absolute_bound for s in analysis.samples]) for n, name in enumerate(WEIGHTS)}
    return analysis, named


def exact(x: npt.NDArray[np.float32]) -> dict[str, Values]:
    """Attention weights of the exact network, certified to 30 digits and rounded once; Arb."""
    graph = boundnet.load(MODEL)
    rows = [reference(graph, [x[n : n + 1].astype(np.float64)], nodes=WEIGHTS) for n in range(len(x))]
    return {name: np.concatenate([row[name][0] for row in rows]) for name in WEIGHTS}


def computed(x: npt.NDArray[np.float32]) -> dict[str, list[Values]]:
    """Attention weights as Keras computes them in float32: in one batch and one by one."""
    import keras

    model = keras.models.load_model(MODEL)
    found: dict[str, list[Values]] = {}
    for n, name in enumerate(WEIGHTS, start=1):
        before = keras.Model(model.input, model.get_layer(f"norm_{n}a").output)
        attention = model.get_layer(f"attention_{n}")

        def weights(y: Any, attention: Any = attention) -> npt.NDArray[np.float32]:
            return np.asarray(attention(y, y, return_attention_scores=True)[1])

        batch = weights(before.predict(x, verbose=0))
        single = np.concatenate([weights(before(x[i : i + 1])) for i in range(len(x))])
        found[name] = [batch.astype(np.float64), single.astype(np.float64)]
    return found


def main() -> None:
    """Print what was proved and how tight the bounds are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100, help="test images [100, all that are shipped]")
    parser.add_argument("--jobs", type=int, default=1, help="processes [1]")
    options = parser.parse_args()
    x, labels = data(options.samples)
    with nullcontext() if options.jobs == 1 else boundnet.processes(options.jobs) as executor:
        analysis, limits = bounds(x, executor)
    right = sum(s.decision.class_index == label for s, label in zip(analysis.samples, labels, strict=True))
    found = analysis.summary
    print(f"binary32, any order: class proved for {found.proved} of {found.total} images; {right} classes are right")
    print(f"logits within {found.max_logit_bound:.2e}, median {found.median_logit_bound:.2e}")
    try:
        runs = computed(x)
    except ImportError:
        print("Keras isn't installed: no comparison")
        return
    truth = exact(x)
    for name in WEIGHTS:
        error = np.max([np.abs(run - truth[name]) for run in runs[name]], axis=0)
        if np.any(error > limits[name]):
            raise SystemExit(f"{name}: Keras left its bound; please report it")
        bound, most = limits[name].max(), error.max()
        each = np.median(limits[name].max(axis=(1, 2, 3)) / error.max(axis=(1, 2, 3)))
        print(f"{name}: bound {bound:.2e}, largest error of Keras {most:.2e}: {bound / most:.0f} times; "
              f"median over images {each:.0f} times")  # fmt: skip


if __name__ == "__main__":
    main()
