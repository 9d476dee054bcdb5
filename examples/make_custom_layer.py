"""Train the network of custom_layer.py: three cultivars of wine by 13 measurements, through two layers of our own.

Needs Keras (with TensorFlow) and scikit-learn, whose copy of the Wine data (UCI) is used: python make_custom_layer.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


@keras.saving.register_keras_serializable(package="examples")
class Gate(keras.layers.Layer):
    """y = x * sigmoid(w * x + b), feature by feature."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.slope = self.add_weight(name="slope", shape=(input_shape[-1],), initializer="ones")
        self.offset = self.add_weight(name="offset", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x: Any) -> Any:
        return x * keras.ops.sigmoid(x * self.slope + self.offset)


@keras.saving.register_keras_serializable(package="examples")
class Cube(keras.layers.Layer):
    """y = x * x * x."""

    def call(self, x: Any) -> Any:
        return x * x * x


def main() -> None:
    keras.utils.set_random_seed(1)
    wine = load_wine()
    scaled = ((wine.data - wine.data.mean(axis=0)) / wine.data.std(axis=0)).astype(np.float32)
    x, x_test, y, y_test = train_test_split(scaled, wine.target, test_size=40, random_state=1, stratify=wine.target)
    model = keras.Sequential([
        keras.Input((13,)), keras.layers.Dense(12, name="mix"), Gate(name="gate"), keras.layers.Dense(8, name="features"),
        Cube(name="cube"), keras.layers.Dense(3, activation="softmax", name="cultivar"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=60, verbose=0)
    print("accuracy", model.evaluate(x_test, y_test, verbose=0)[1])
    model.save(HERE / "custom_layer.keras")
    np.savez_compressed(HERE / "custom_layer_test.npz", inputs=x_test, labels=y_test)


if __name__ == "__main__":
    main()
