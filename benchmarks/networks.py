"""Networks of keras.applications with random weights and realistic activations, as files to analyse.

    uv run python -m benchmarks.networks --out DIR [NAME ...] [--list]

Nothing is downloaded.  Weights are drawn from a seed.  Every batch normalisation is then calibrated: its mean and variance
are those of its own input for a few images, layer by layer, as if it had been trained on them.  Its offsets are drawn about
``OFFSET``: about 0, random networks are chaotic: a relative change of the input reaches the logits 200 times as large in
MobileNetV1-0.25, where trained networks (mini-XCEPTION, ResNet-8) multiply it by 2 to 5; about 1, by 3.  Those without batch
normalisation have their kernels scaled so that the root mean square of each layer's result is 1.  The classifier is scaled
so that the logits of the first image scatter by ``LOGIT_SPREAD``, and its class leads by as much, as trained networks' do.
Written for each NAME:

    NAME.keras, NAME.h5     the model
    NAME_input.npy          one preprocessed image, (1, height, width, 3) float32
    NAME_images.npy         ten, the first of which is the same
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.images import images

LOGIT_SPREAD = 2.5
OFFSET = 1.0
CALIBRATION = 4
"""Images that batch normalisation is calibrated on."""
COUNT = 10
IMAGENET_MEAN, IMAGENET_VARIANCE = (0.485, 0.456, 0.406), (0.229**2, 0.224**2, 0.225**2)


@dataclass(frozen=True)
class Family:
    """``constructor``: in keras.applications; ``module``: whose ``preprocess_input`` belongs to it."""

    constructor: str
    module: str
    size: int
    options: Mapping[str, Any] = field(default_factory=dict)
    spread: float = LOGIT_SPREAD


FAMILIES: Mapping[str, Family] = {
    "mobilenet": Family("MobileNet", "mobilenet", 224),
    "resnet50": Family("ResNet50", "resnet", 224),
    "vgg16": Family("VGG16", "vgg16", 224),
    # 27 convolutions; logits within a range of about 1.
    "mobilenet_025": Family("MobileNet", "mobilenet", 96, {"alpha": 0.25, "classes": 10}, spread=0.33),
    "mobilenet_v2": Family("MobileNetV2", "mobilenet_v2", 224),
    "mobilenet_v3_small": Family("MobileNetV3Small", "mobilenet_v3", 224),
    "mobilenet_v3_large": Family("MobileNetV3Large", "mobilenet_v3", 224),
    "resnet50_v2": Family("ResNet50V2", "resnet_v2", 224),
    "efficientnet_b0": Family("EfficientNetB0", "efficientnet", 224),
    "efficientnet_v2_b0": Family("EfficientNetV2B0", "efficientnet_v2", 224),
    "densenet121": Family("DenseNet121", "densenet", 224),
    "inception_v3": Family("InceptionV3", "inception_v3", 299),
    "xception": Family("Xception", "xception", 299),
    "nasnet_mobile": Family("NASNetMobile", "nasnet", 224),
    "convnext_tiny": Family("ConvNeXtTiny", "convnext", 224),
    "inception_resnet_v2": Family("InceptionResNetV2", "inception_resnet_v2", 299),
}


def build(name: str, seed: int = 0) -> tuple[Any, np.ndarray]:
    """The calibrated Keras model and ``COUNT`` preprocessed images for it."""
    import keras

    family = FAMILIES[name]
    keras.utils.set_random_seed(seed)
    shape = (family.size, family.size, 3)
    model = getattr(keras.applications, family.constructor)(weights=None, input_shape=shape, **family.options)
    preprocess = getattr(keras.applications, family.module).preprocess_input
    x = np.asarray(preprocess(images(COUNT, family.size)), dtype=np.float32)
    randomise(model, np.random.default_rng(seed))
    calibrate(model, x[:CALIBRATION])
    scale_classifier(model, x[:1], family.spread)
    return model, x


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Scales, offsets and biases away from the 1 and 0 they start at."""
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Normalization" and layer.weights:
            for weight in layer.weights:
                value = {"mean": IMAGENET_MEAN, "variance": IMAGENET_VARIANCE}.get(weight.name)
                if value is not None:
                    weight.assign(np.asarray(value, dtype=np.float32))
            layer.finalize_state()
            continue
        for weight in layer.weights:
            if weight.name == "gamma":
                low, high = (0.05, 0.5) if kind == "LayerScale" else (0.5, 1.5)
                weight.assign(rng.uniform(low, high, weight.shape).astype(np.float32))
            elif weight.name in ("beta", "bias"):
                offset = OFFSET if kind == "BatchNormalization" and weight.name == "beta" else 0.0
                size = 0.2 if weight.name == "beta" else 0.05
                weight.assign(rng.normal(offset, size, weight.shape).astype(np.float32))


def calibrate(model: Any, x: np.ndarray) -> None:
    """Realistic activations for the images ``x``: statistics of batch normalisations, else the sizes of kernels."""
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    if not norms:
        if all(type(layer).__name__ != "LayerNormalization" for layer in model.layers):
            _scale_kernels(model, x)
        return
    # A call in training mode with momentum 0 stores the batch's own statistics in one pass, each layer behind
    # normalised ones.  Dropout is off meanwhile.
    dropouts = [layer for layer in model.layers if type(layer).__name__ == "Dropout"]
    kept = [(layer, "momentum", layer.momentum) for layer in norms] + [(layer, "rate", layer.rate) for layer in dropouts]
    for layer, attribute, _ in kept:
        setattr(layer, attribute, 0.0)
    model(x, training=True)
    for layer, attribute, value in kept:
        setattr(layer, attribute, value)


def _scale_kernels(model: Any, x: np.ndarray) -> None:
    """A chain of layers: each kernel scaled so that the layer's result has a root mean square of 1."""
    values: Any = x
    for layer in model.layers[1:-1]:
        if hasattr(layer, "kernel"):
            bias = np.asarray(layer.bias)
            layer.bias.assign(np.zeros_like(bias))
            size = float(np.sqrt(np.mean(np.square(np.asarray(layer(values))))))
            layer.kernel.assign(np.asarray(layer.kernel) / size)
            layer.bias.assign(bias)
        values = layer(values)


def scale_classifier(model: Any, x: np.ndarray, spread: float) -> None:
    """Scale the last kernel so that the logits of the image ``x`` scatter by ``spread``; its class leads by as much."""
    import keras

    last = [layer for layer in model.layers if hasattr(layer, "kernel")][-1]
    features = np.asarray(keras.Model(model.input, last.input)(x, training=False)).reshape(len(x), -1)
    kernel = np.asarray(last.kernel)
    logits = features @ kernel.reshape(features.shape[1], -1)
    last.kernel.assign(kernel * (spread / logits.std()))
    bias = np.array(last.bias)
    logits = (logits * (spread / logits.std()) + bias).ravel()
    second, first = np.argsort(logits)[-2:]
    bias[first] += spread - (logits[first] - logits[second])
    last.bias.assign(bias)


def amplification(model: Any, x: np.ndarray) -> float:
    """Largest change of a log-probability relative to their range, over the relative change of the input that caused it."""
    step = 2.0**-12
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=x.shape)
    both = [
        np.asarray(model(v, training=False), dtype=np.float64) for v in (x, (x * (1.0 + step * signs)).astype(np.float32))
    ]
    before, after = (np.log(np.maximum(value, 1e-38)) for value in both)
    return float(np.abs(after - before).max() / np.ptp(before) / step)


def save(name: str, folder: Path, seed: int = 0) -> str:
    """Build and write one network; returns a line about it."""
    started = time.perf_counter()
    model, x = build(name, seed)
    probabilities = np.asarray(model(x, training=False))
    if not np.isfinite(probabilities).all():
        raise SystemExit(f"{name}: outputs aren't finite")
    np.save(folder / f"{name}_input.npy", x[:1])
    np.save(folder / f"{name}_images.npy", x)
    for suffix in ("keras", "h5"):
        unfinished = folder / f".{name}.{os.getpid()}.{suffix}"
        model.save(unfinished)
        unfinished.replace(folder / f"{name}.{suffix}")
    logits = np.log(np.maximum(probabilities[0], 1e-38))
    first, second = np.sort(logits)[[-1, -2]]
    classes = len(set(probabilities.argmax(axis=1).tolist()))
    grown = amplification(model, x[:1])
    return (
        f"{name}: {model.count_params():,} parameters, logits of the first image over {logits.max() - logits.min():.3g},"
        f" margin {first - second:.3g}, {classes} classes in {len(x)} images, amplification {grown:.1f},"
        f" {time.perf_counter() - started:.0f} s"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """One process for each network, so that memory is given back."""
    parser = argparse.ArgumentParser(description="Write networks of keras.applications with calibrated random weights.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    parser.add_argument("--out", type=Path, default=Path("nets"), help="folder for the files (default: nets)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.names) - set(FAMILIES))
    if unknown:
        parser.error(f"unknown network {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    names = chosen.names or list(FAMILIES)
    if chosen.list:
        print("\n".join(names))
        return
    chosen.out.mkdir(parents=True, exist_ok=True)
    if len(names) == 1:
        print(save(names[0], chosen.out, chosen.seed), flush=True)
        return
    for name in names:
        options = ["--out", str(chosen.out), "--seed", str(chosen.seed)]
        done = subprocess.run([sys.executable, "-m", "benchmarks.networks", name, *options], check=False)
        if done.returncode:
            raise SystemExit(f"{name}: failed")


if __name__ == "__main__":
    main()
