"""Train a network of DeepGOPlus's architecture on synthetic sequences.

    uv run python examples/deepgoplus/train.py [--out FOLDER] [--length N --classes N --filters N --longest N ...]

Writes ``deepgoplus_small.h5`` and ``sequences_test.npz`` (``letters``, ``labels``) into FOLDER, by default the folder of
this file; both are shipped as the defaults make them.  Takes a minute or two; needs TensorFlow.

The published network (Kulmanov & Hoehndorf, Bioinformatics 36(2), 2020) reads 2000 amino acids as one-hot vectors of 21; 16
convolutions of 512 filters side by side, kernels of 8, 16, ..., 128, valid padding, no activation; each is max-pooled over
the whole length, flattened and concatenated to 8192 values; one dense sigmoid layer gives a probability for each of some
5000 functions.  ``build`` makes it in any size.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sequences import LETTERS, motifs, one_hot, sequences

SEED = 5
PUBLISHED: dict[str, Any] = {"length": 2000, "classes": 5220, "filters": 512, "kernels": tuple(range(8, 129, 8))}


def build(length: int, classes: int, filters: int, kernels: Sequence[int]) -> keras.Model:
    """The architecture in any size; ``build(**PUBLISHED)`` is the published one."""
    sequence = keras.Input((length, LETTERS), name="sequence")
    branches = []
    for size in kernels:
        x = keras.layers.Conv1D(filters, size, padding="valid", name=f"conv_{size}")(sequence)
        x = keras.layers.MaxPooling1D(length - size + 1, name=f"pool_{size}")(x)
        branches.append(keras.layers.Flatten(name=f"flat_{size}")(x))
    joined = keras.layers.Concatenate(name="features")(branches)
    functions = keras.layers.Dense(classes, activation="sigmoid", name="functions")(joined)
    return keras.Model(sequence, functions, name="deepgoplus")


def main() -> None:
    """Train, report the share of labels that are right, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--length", type=int, default=120)
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--longest", type=int, default=64, help="kernels are 8, 16, ... up to this [64]")
    parser.add_argument("--sequences", type=int, default=6000, help="for training [6000]")
    parser.add_argument("--tests", type=int, default=60, help="test sequences to keep [60]")
    parser.add_argument("--epochs", type=int, default=14)
    options = parser.parse_args()
    keras.utils.set_random_seed(SEED)
    planted = motifs(options.classes, SEED)
    letters, labels = sequences(options.sequences, options.length, planted, SEED)
    test_letters, test_labels = sequences(options.tests, options.length, planted, SEED + 1)
    model = build(options.length, options.classes, options.filters, tuple(range(8, options.longest + 1, 8)))
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(one_hot(letters).astype(np.float32), labels, batch_size=64, epochs=options.epochs, verbose=0)
    _, accuracy = model.evaluate(one_hot(test_letters).astype(np.float32), test_labels, verbose=0)
    print(f"{model.count_params():,} parameters; labels right on {len(test_letters)} test sequences: {accuracy:.3f}")
    model.save(options.out / "deepgoplus_small.h5", include_optimizer=False)
    test = {"letters": test_letters.astype(np.uint8), "labels": test_labels.astype(np.uint8)}
    np.savez_compressed(options.out / "sequences_test.npz", **test)


if __name__ == "__main__":
    main()
