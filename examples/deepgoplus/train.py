"""Train a small network of DeepGOPlus's architecture on synthetic sequences.

    uv run python examples/deepgoplus/train.py [FOLDER]

Writes ``deepgoplus_small.h5`` and ``sequences_test.npz`` (``letters``, ``labels``) into FOLDER, by default the folder of
this file; both are shipped.  Takes a minute or two; needs TensorFlow.

The published network (Kulmanov & Hoehndorf, Bioinformatics 36(2), 2020) reads 2000 amino acids as one-hot vectors of 21; 16
convolutions of 512 filters side by side, kernels of 8, 16, ..., 128, valid padding, no activation; each is max-pooled over
the whole length, flattened and concatenated to 8192 values; one dense sigmoid layer gives a probability for each of some
5000 functions.  ``build`` makes it in any size.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sequences import LETTERS, motifs, one_hot, sequences

SEED = 5
LENGTH, CLASSES, FILTERS, KERNELS = 120, 12, 8, tuple(range(8, 65, 8))
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
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    keras.utils.set_random_seed(SEED)
    planted = motifs(CLASSES, SEED)
    letters, labels = sequences(6000, LENGTH, planted, SEED)
    test_letters, test_labels = sequences(60, LENGTH, planted, SEED + 1)
    model = build(LENGTH, CLASSES, FILTERS, KERNELS)
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(one_hot(letters).astype(np.float32), labels, batch_size=64, epochs=14, verbose=0)
    _, accuracy = model.evaluate(one_hot(test_letters).astype(np.float32), test_labels, verbose=0)
    print(f"labels right on {len(test_letters)} test sequences: {accuracy:.3f}")
    model.save(folder / "deepgoplus_small.h5", include_optimizer=False)
    test = {"letters": test_letters.astype(np.uint8), "labels": test_labels.astype(np.uint8)}
    np.savez_compressed(folder / "sequences_test.npz", **test)


if __name__ == "__main__":
    main()
