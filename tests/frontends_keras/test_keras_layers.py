"""Every layer and option against Keras itself, in float64, from .h5, .keras and the live model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.keras_models import check, load, outputs_of, randomise, run, samples

Case = tuple[str, tuple[int, ...], str, dict[str, Any]]


def _cases() -> list[Case]:
    """(test id, input shape, layer class, arguments)."""
    found: list[Case] = []

    def add(kind: str, shape: tuple[int, ...], **arguments: Any) -> None:
        label = ",".join(f"{key}={value}" for key, value in arguments.items())
        found.append((f"{kind}{shape}{label}".replace(" ", ""), shape, kind, arguments))

    def convolutions() -> None:
        for padding in ("valid", "same", "causal"):
            for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2)):
                add(
                    "Conv1D",
                    (8, 3),
                    filters=2,
                    kernel_size=4,
                    strides=stride,
                    dilation_rate=dilation,
                    padding=padding,
                )
        for padding in ("valid", "same"):
            add("Conv2D", (7, 8, 2), filters=3, kernel_size=3, strides=2, padding=padding)
            add(
                "Conv2D",
                (8, 7, 2),
                filters=3,
                kernel_size=(4, 2),
                strides=(3, 2),
                padding=padding,
                activation="tanh",
            )
            add("Conv2D", (9, 9, 2), filters=3, kernel_size=(2, 3), dilation_rate=(2, 3), padding=padding)
            add("Conv2D", (6, 6, 4), filters=6, kernel_size=3, groups=2, padding=padding, use_bias=False)
            add("Conv3D", (5, 6, 4, 2), filters=2, kernel_size=(3, 2, 2), strides=(2, 2, 1), padding=padding)
            add("DepthwiseConv1D", (9, 3), kernel_size=3, strides=2, depth_multiplier=2, padding=padding)
            add(
                "DepthwiseConv2D",
                (7, 8, 3),
                kernel_size=(3, 2),
                strides=2,
                depth_multiplier=2,
                padding=padding,
            )
            add(
                "DepthwiseConv2D",
                (8, 8, 2),
                kernel_size=3,
                dilation_rate=2,
                padding=padding,
                activation="relu",
            )
            add(
                "SeparableConv1D",
                (9, 3),
                filters=4,
                kernel_size=4,
                strides=2,
                depth_multiplier=2,
                padding=padding,
            )
            add(
                "SeparableConv2D",
                (8, 7, 3),
                filters=4,
                kernel_size=3,
                strides=2,
                padding=padding,
                activation="elu",
            )
            add(
                "SeparableConv2D",
                (8, 7, 3),
                filters=4,
                kernel_size=3,
                dilation_rate=2,
                padding=padding,
                use_bias=False,
            )

    def transposed() -> None:
        for padding in ("valid", "same"):
            for kernel, stride in ((1, 3), (2, 3), (3, 1), (3, 2), (4, 2), (5, 3)):
                add("Conv1DTranspose", (5, 2), filters=3, kernel_size=kernel, strides=stride, padding=padding)
            for extra in (0, 1):
                more = {"strides": 2, "output_padding": extra, "padding": padding}
                add("Conv2DTranspose", (4, 5, 2), filters=3, kernel_size=3, **more)
            add(
                "Conv2DTranspose",
                (4, 5, 2),
                filters=3,
                kernel_size=4,
                strides=2,
                output_padding=1,
                padding=padding,
            )
            add("Conv2DTranspose", (4, 3, 2), filters=2, kernel_size=(2, 3), strides=(2, 1), padding=padding)
            add("Conv3DTranspose", (3, 2, 4, 2), filters=2, kernel_size=3, strides=(2, 1, 2), padding=padding)

    def pooling() -> None:
        for kind in ("Average", "Max"):
            add(f"Adaptive{kind}Pooling1D", (7, 2), output_size=3)
            add(f"Adaptive{kind}Pooling2D", (8, 5, 2), output_size=(4, 3))
            add(f"Adaptive{kind}Pooling2D", (3, 3, 1), output_size=(5, 1))
        for family in ("MaxPooling", "AveragePooling"):
            for padding in ("valid", "same"):
                add(f"{family}1D", (8, 2), pool_size=3, strides=2, padding=padding)
                add(f"{family}2D", (7, 8, 2), pool_size=(3, 2), padding=padding)
                add(f"{family}2D", (7, 8, 2), pool_size=3, strides=1, padding=padding)
                add(f"{family}3D", (5, 4, 5, 2), pool_size=2, padding=padding, dtype="float32")
        for family in ("GlobalMaxPooling", "GlobalAveragePooling"):
            for keepdims in (False, True):
                add(f"{family}1D", (5, 3), keepdims=keepdims)
                add(f"{family}2D", (4, 5, 3), keepdims=keepdims)
            add(f"{family}3D", (2, 3, 4, 2))

    def moving() -> None:
        add("ZeroPadding1D", (4, 2), padding=(1, 2))
        add("ZeroPadding2D", (4, 3, 2), padding=((1, 2), (0, 3)))
        add("ZeroPadding2D", (4, 3, 2), padding=(1, 2))
        add("ZeroPadding3D", (3, 2, 3, 2), padding=(1, 0, 2))
        add("Cropping1D", (6, 2), cropping=(1, 2))
        add("Cropping2D", (6, 5, 2), cropping=((1, 2), (0, 3)))
        add("Cropping3D", (4, 5, 4, 2), cropping=1)
        add("UpSampling1D", (3, 2), size=3)
        add("UpSampling2D", (3, 2, 2), size=(2, 3))
        add("UpSampling2D", (3, 2, 2), size=1)
        add("UpSampling3D", (2, 3, 2, 2), size=(1, 2, 3))
        add("Flatten", (3, 4, 2))
        add("Flatten", (3, 4, 2), data_format="channels_first")
        add("Flatten", (5,))
        add("Reshape", (3, 4), target_shape=(2, -1, 3))
        add("Reshape", (3, 4), target_shape=(12,))
        add("Permute", (3, 4, 2), dims=(3, 1, 2))
        add("RepeatVector", (4,), n=3)

    def dense() -> None:
        add("Dense", (5,), units=3, activation="softmax")
        add("Dense", (4, 2, 5), units=3, use_bias=False)
        for equation, shape, output, bias in (
            ("ab,bc->ac", (4,), (3,), "c"),
            ("abc,cd->abd", (3, 4), (3, 5), "d"),
            ("...x,xy->...y", (3, 2, 4), (5,), "y"),
            ("...xy,xyz->...z", (3, 2, 4), (5,), None),
            ("abc,bcd->abd", (3, 4), (3, 5), "bd"),
            ("abc,bcd->abd", (3, 4), (3, 5), "d"),
            ("abc,bcd->adb", (3, 4), (5, 3), "b"),
            ("abc,cde->abde", (3, 4), (3, 2, 5), "de"),
            ("abc,cde->aebd", (3, 4), (5, 3, 2), "e"),
            ("abcd,cde->abe", (3, 2, 4), (3, 5), "be"),
            ("ab...,bc->ac...", (4, 3, 2), (5,), "c"),
            ("abc,cb->ab", (3, 4), (3,), None),
        ):
            add("EinsumDense", shape, equation=equation, output_shape=output, bias_axes=bias)

    def scaling() -> None:
        add("BatchNormalization", (4, 5, 3))
        add("BatchNormalization", (4, 5, 3), axis=1, epsilon=0.1)
        add("BatchNormalization", (5,), scale=False)
        add("BatchNormalization", (5,), center=False)
        add("BatchNormalization", (5,), center=False, scale=False)
        add("Rescaling", (3, 2), scale=1 / 127.5, offset=-1.0)
        add("Rescaling", (3, 2), scale=[0.5, 0.25], offset=[0.1, 0.2])
        add("Normalization", (3, 2), mean=[0.5, 1.0], variance=[2.0, 3.0])
        add("Normalization", (3, 2), mean=0.5, variance=2.0, axis=None)
        add("Normalization", (3, 2), mean=[0.5, 1.0, 2.0], variance=[2.0, 3.0, 0.5], axis=1, invert=True)
        add("Normalization", (3, 2))
        add("Normalization", (3, 2), axis=(1, 2), invert=True)

    def activations() -> None:
        add("ReLU", (6,))
        add("ReLU", (6,), max_value=1.0, negative_slope=0.1, threshold=0.25)
        add("LeakyReLU", (6,))
        add("LeakyReLU", (6,), negative_slope=0.2)
        add("PReLU", (4, 3))
        add("PReLU", (4, 5, 3), shared_axes=[1, 2])
        add("ELU", (6,), alpha=0.7)
        add("Softmax", (4, 3))
        add("Softmax", (4, 3), axis=1)
        add("Softmax", (4, 3), axis=[2])
        add("Softmax", (4, 3), axis=[1, 2])
        add("Softmax", (2, 3, 4), axis=[-1, 1])

    for family in (convolutions, transposed, pooling, moving, dense, scaling, activations):
        family()
    for identity in ("Dropout", "SpatialDropout1D", "GaussianDropout", "AlphaDropout"):
        add(identity, (4, 3), rate=0.5)
    add("GaussianNoise", (4, 3), stddev=1.0)
    add("ActivityRegularization", (4, 3), l1=0.1)
    add("Identity", (4, 3))
    return found


@pytest.mark.parametrize(("shape", "kind", "arguments"), [pytest.param(*case[1:], id=case[0]) for case in _cases()])
def test_layer(keras: ModuleType, tmp_path: Path, shape: tuple[int, ...], kind: str, arguments: dict[str, Any]) -> None:
    layer = getattr(keras.layers, kind)(**arguments)
    check(keras.Sequential([keras.Input(shape), layer]), tmp_path, rtol=_tolerance(kind, arguments))


def _tolerance(kind: str, arguments: dict[str, Any]) -> float:
    """Keras's TensorFlow backend rounds these layers' constants to float32 even in float64 models."""
    return 1e-6 if kind in ("Rescaling", "LeakyReLU") or "dtype" in arguments else 1e-11


AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomContrast": {"factor": 0.2},
    "RandomBrightness": {"factor": 0.2},
    "RandomErasing": {},
    "RandomShear": {"x_factor": 0.2},
    "RandomGrayscale": {},
    "RandomSaturation": {"factor": 0.2},
    "RandomHue": {"factor": 0.2},
    "RandomSharpness": {"factor": 0.2},
    "RandomInvert": {},
    "RandomGaussianBlur": {},
    "RandomPosterization": {"factor": 4},
    "RandomColorDegeneration": {"factor": 0.2},
    "RandomPerspective": {},
}


def test_augmentation_layers_are_identities(keras: ModuleType, tmp_path: Path) -> None:
    """Keras's own result shows that each of them returns its input at inference."""
    layers = [getattr(keras.layers, kind)(**more) for kind, more in AUGMENTATIONS.items() if hasattr(keras.layers, kind)]
    graph = check(keras.Sequential([keras.Input((8, 8, 3)), *layers]), tmp_path, kinds=("keras",))
    assert list(graph.outputs) == list(graph.inputs)


CHANNELS_FIRST = [
    (
        "Conv1D",
        (3, 8),
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"},
    ),
    (
        "Conv2D",
        (2, 8, 7),
        {"filters": 4, "kernel_size": (3, 2), "strides": 2, "padding": "same", "groups": 2},
    ),
    ("DepthwiseConv2D", (2, 8, 7), {"kernel_size": 3, "depth_multiplier": 2}),
    ("SeparableConv2D", (2, 8, 7), {"filters": 3, "kernel_size": 3}),
    ("Conv2DTranspose", (2, 4, 5), {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("MaxPooling2D", (2, 6, 7), {"pool_size": 2, "padding": "same"}),
    ("AveragePooling1D", (2, 7), {"pool_size": 2}),
    ("GlobalAveragePooling2D", (2, 6, 7), {}),
    ("GlobalMaxPooling2D", (2, 6, 7), {"keepdims": True}),
    ("ZeroPadding2D", (2, 3, 4), {"padding": ((1, 2), (3, 0))}),
    ("Cropping2D", (2, 6, 7), {"cropping": ((1, 2), (3, 0))}),
    ("UpSampling2D", (2, 3, 4), {"size": (2, 3)}),
]


@pytest.mark.parametrize(("kind", "shape", "arguments"), CHANNELS_FIRST, ids=[case[0] for case in CHANNELS_FIRST])
def test_channels_first(
    keras: ModuleType, tmp_path: Path, kind: str, shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    """Against the same layer with channels last between transpositions: TensorFlow can't run all of these on a CPU."""
    layer = getattr(keras.layers, kind)
    rank = len(shape)
    x = keras.Input((*shape[1:], shape[0]))
    y = layer(**arguments, name="layer")(x)
    last = keras.Model(x, y)
    first = keras.Sequential([keras.Input(shape), layer(**arguments, data_format="channels_first", name="layer")])
    randomise(last)
    first.set_weights(last.get_weights())
    (inputs,) = samples(first)
    (expected,) = outputs_of(last, [inputs.transpose(0, *range(2, rank + 1), 1)])
    if expected.ndim > 2:
        expected = expected.transpose(0, expected.ndim - 1, *range(1, expected.ndim - 1))
    for file in ("h5", "keras"):
        (actual,) = run(load(first, file, tmp_path), inputs)
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ["AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D"])
def test_adaptive_pooling_of_volumes(keras: ModuleType, kind: str) -> None:
    """In float32: TensorFlow has no other kernels for it."""
    layer = getattr(keras.layers, kind)((3, 2, 3), dtype="float32")
    model = keras.Sequential([keras.Input((4, 5, 3, 2), dtype="float32"), layer])
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(run(load(model, "live", Path()), x)[0], outputs_of(model, [x])[0], rtol=1e-6, atol=1e-6)
