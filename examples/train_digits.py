"""Train the small convolutional network of the examples on scikit-learn's bundled digits.

    uv run python examples/train_digits.py [FOLDER]

Writes ``digits_cnn.h5`` and ``digits_test.npz`` (``inputs``: float32, N x 8 x 8 x 1 in [0, 1]; ``labels``) into FOLDER, by
default the folder of this file.  Both are shipped, so nothing needs to be trained to try BoundNet.  Takes about half a
minute; needs TensorFlow and scikit-learn (the dev dependencies).  Seeded: a run differs from the shipped file only as far as
TensorFlow's version and the CPU do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 20
TEST_IMAGES = 297


def main() -> None:
    """Train, report the accuracy, save."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()

    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(images))
    train, test = order[TEST_IMAGES:], order[:TEST_IMAGES]

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(12, 3, padding="same", activation="relu", name="edges"),
            keras.layers.MaxPooling2D(2, name="pool_1"),
            keras.layers.Conv2D(24, 3, padding="same", activation="relu", name="shapes"),
            keras.layers.MaxPooling2D(2, name="pool_2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dropout(0.2, name="dropout"),
            keras.layers.Dense(32, activation="relu", name="hidden"),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits_cnn",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[train], labels[train], batch_size=32, epochs=40, verbose=0)
    _, accuracy = model.evaluate(images[test], labels[test], verbose=0)
    print(f"accuracy on {len(test)} test images: {accuracy:.3f}")

    model.save(folder / "digits_cnn.h5", include_optimizer=False)
    np.savez_compressed(folder / "digits_test.npz", inputs=images[test], labels=labels[test])


if __name__ == "__main__":
    main()
