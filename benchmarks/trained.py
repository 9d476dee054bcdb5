"""A trained MobileNetV1-0.25 of 27 convolutions, for the tables: digits of scikit-learn at 32 x 32.

    uv run python -m benchmarks.trained --out DIR

Nothing is downloaded: the images come with scikit-learn.  Writes mobilenet_025_trained.keras, .h5, _input.npy and
_images.npy as :mod:`benchmarks.networks` does, in a minute or two.  The images are test images, of ten classes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

NAME = "mobilenet_025_trained"
SIZE = 32
TESTED = 297
"""The last images are not trained on."""
BATCH = 64


def data() -> tuple[np.ndarray, np.ndarray]:
    """All images as (N, 32, 32, 3) in [-1, 1], bilinear, and their classes."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    large = [
        Image.fromarray(image.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BILINEAR) for image in digits.images
    ]
    x = np.stack([np.asarray(image) for image in large])[..., None].repeat(3, axis=-1) / np.float32(8.0) - np.float32(1.0)
    return x.astype(np.float32), digits.target


def train(epochs: int, seed: int = 0) -> tuple[Any, float, np.ndarray]:
    """The model, its accuracy on the test images, and ten of these."""
    import keras

    keras.utils.set_random_seed(seed)
    x, classes = data()
    model = keras.applications.MobileNet(weights=None, input_shape=(SIZE, SIZE, 3), alpha=0.25, classes=10)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.9
    steps = epochs * -(-(len(x) - TESTED) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:-TESTED], classes[:-TESTED], batch_size=BATCH, epochs=epochs, verbose=0)
    _, accuracy = model.evaluate(x[-TESTED:], classes[-TESTED:], verbose=0)
    first = [int(np.flatnonzero(classes[-TESTED:] == digit)[0]) for digit in range(10)]
    return model, float(accuracy), x[-TESTED:][first]


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description="Train and write a MobileNetV1-0.25.")
    parser.add_argument("--out", type=Path, default=Path("nets"), help="folder for the files (default: nets)")
    parser.add_argument("--epochs", type=int, default=60)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    model, accuracy, images = train(chosen.epochs)
    np.save(chosen.out / f"{NAME}_input.npy", images[:1])
    np.save(chosen.out / f"{NAME}_images.npy", images)
    for suffix in ("keras", "h5"):
        unfinished = chosen.out / f".{NAME}.{os.getpid()}.{suffix}"
        model.save(unfinished)
        unfinished.replace(chosen.out / f"{NAME}.{suffix}")
    print(f"{NAME}: {model.count_params():,} parameters, {accuracy:.3f} of {TESTED} test images right")


if __name__ == "__main__":
    main()
