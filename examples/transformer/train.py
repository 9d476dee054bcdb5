"""Train a Transformer encoder of two blocks on scikit-learn's images of digits.

    uv run python examples/transformer/train.py [--out FOLDER]

Writes ``encoder.keras`` and ``digits_test.npz`` (``images``, ``labels``) into FOLDER, by default the folder of this file;
both are shipped as the defaults make them.  Takes a minute or two; needs Keras with TensorFlow and scikit-learn.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from digits import ROWS, tokens
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 8
WIDTH, HEADS, HIDDEN, BLOCKS = 16, 2, 32, 2


def build() -> keras.Model:
    """Tokens (8, 16) -> probabilities of ten digits: blocks of attention and a dense pair, each behind a LayerNormalization
    and beside a shortcut (pre-norm, as in GPT-2 and ViT), mean over the tokens."""
    x = inputs = keras.Input((ROWS, 2 * ROWS), name="tokens")
    x = keras.layers.Dense(WIDTH, name="embed")(x)
    for n in range(1, BLOCKS + 1):
        y = keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{n}a")(x)
        y = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{n}")(y, y)
        x = keras.layers.Add(name=f"add_{n}a")([x, y])
        y = keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{n}b")(x)
        y = keras.layers.Dense(HIDDEN, activation="gelu", name=f"hidden_{n}")(y)
        y = keras.layers.Dense(WIDTH, name=f"project_{n}")(y)
        x = keras.layers.Add(name=f"add_{n}b")([x, y])
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="digit")(x), name="encoder")


def main() -> None:
    """Train, print the accuracy, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--tests", type=int, default=100, help="test images to keep [100]")
    options = parser.parse_args()
    keras.utils.set_random_seed(SEED)
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)
    x, x_test, y, y_test = train_test_split(images, digits.target, test_size=360, random_state=SEED, stratify=digits.target)
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(4e-3, options.epochs * (len(x) // 64 + 1))
    trained = keras.Model(model.inputs, model.outputs)
    trained.compile(keras.optimizers.AdamW(rate, weight_decay=1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    trained.fit(tokens(x), y, batch_size=64, epochs=options.epochs, verbose=0)
    print("accuracy", trained.evaluate(tokens(x_test), y_test, verbose=0)[1])
    model.save(options.out / "encoder.keras")
    np.savez_compressed(options.out / "digits_test.npz", images=x_test[: options.tests], labels=y_test[: options.tests])


if __name__ == "__main__":
    main()
