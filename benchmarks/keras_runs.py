"""Run a Keras model on images and store what it computes; meant for a process of its own, TensorFlow is large.

    uv run python -m benchmarks.keras_runs MODEL IMAGES.npy OUT.npz [--float64]

OUT.npz holds ``outputs`` and ``logits`` in three versions: ``each`` (eager, one image at a time), ``batch`` (eager, all at
once) and ``graph`` (compiled, all at once); kernels differ between them.  With --float64, ``outputs64`` and ``logits64``
as well: the same layers and weights with every dtype set to float64.  ``logits`` equal ``outputs`` where the model ends
without softmax or sigmoid.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SQUASHING = ("softmax", "sigmoid")
RUNS = ("each", "batch", "graph")


def in_float64(model: Any) -> Any:
    """The same model with float64 for float32 in every layer, and the same weights."""
    import keras

    twin = keras.models.model_from_json(model.to_json().replace('"float32"', '"float64"'))
    twin.set_weights([weight.astype(np.float64) for weight in model.get_weights()])
    for layer in twin.layers:
        # Keras would take numbers from the configuration through float32.
        if type(layer).__name__ == "Rescaling":
            layer.scale, layer.offset = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
        elif getattr(layer, "input_mean", None) is not None:
            layer.mean = np.asarray(layer.input_mean, np.float64).reshape(layer.mean.shape)
            layer.variance = np.asarray(layer.input_variance, np.float64).reshape(layer.variance.shape)
        elif hasattr(layer, "finalize_state"):  # Normalization keeps copies of its weights
            layer.finalize_state()
    return twin


def logits_of(model: Any) -> Any:
    """The model without its last softmax or sigmoid.  Changes ``model`` where that is an argument of its last layer."""
    import keras

    last = next(layer for layer in reversed(model.layers) if type(layer).__name__ not in ("Flatten", "Reshape"))
    name = getattr(getattr(last, "activation", None), "__name__", "")
    if type(last).__name__ == "Softmax" or (type(last).__name__ == "Activation" and name in SQUASHING):
        return keras.Model(model.input, last.input)
    if name in SQUASHING:
        last.activation = keras.activations.linear
        model.predict_function = None  # compiled with the old activation
    return model


def runs(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Results of the three versions, (images, ...)."""
    each = np.concatenate([np.asarray(model(image[None], training=False)) for image in x])
    batch = np.asarray(model(x, training=False))
    return dict(zip(RUNS, (each, batch, model.predict(x, batch_size=len(x), verbose=0)), strict=True))


def main() -> None:
    """Everything for one model."""
    parser = argparse.ArgumentParser(description="Run a Keras model on images and store what it computes.")
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help=".npy, (N, *input shape)")
    parser.add_argument("out", type=Path, help=".npz to write")
    parser.add_argument("--float64", action="store_true", help="run a float64 copy as well")
    chosen = parser.parse_args()
    import keras

    x = np.load(chosen.images)
    model = keras.models.load_model(chosen.model, compile=False)
    found: dict[str, np.ndarray] = {}
    twin = in_float64(model) if chosen.float64 else None
    if twin is not None:
        found["outputs64"] = np.asarray(twin(x.astype(np.float64), training=False))
        found["logits64"] = np.asarray(logits_of(twin)(x.astype(np.float64), training=False))
    found |= {f"outputs_{key}": value for key, value in runs(model, x.astype(np.float32)).items()}
    found |= {f"logits_{key}": value for key, value in runs(logits_of(model), x.astype(np.float32)).items()}
    unfinished = chosen.out.with_name(f".{chosen.out.name}.{os.getpid()}.npz")
    np.savez(unfinished, **found)  # type: ignore[arg-type]
    unfinished.replace(chosen.out)


if __name__ == "__main__":
    main()
