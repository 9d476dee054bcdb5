"""Which layers hand on the mask of their input: our table against what the installed Keras does with each class."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from boundnet_keras.layers import TABLE
from boundnet_keras.layers.identity import ATTENTION, JOINS_MASKS, TAKES_MASK, WRAPPERS, passes_mask

keras = pytest.importorskip("keras", reason="Keras is not installed")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "relu"}, "AdaptiveAveragePooling1D": {"output_size": 2}, "AdaptiveMaxPooling1D": {"output_size": 2},
    "AdaptiveAveragePooling2D": {"output_size": 2}, "AdaptiveMaxPooling2D": {"output_size": 2},
    "AdaptiveAveragePooling3D": {"output_size": 2}, "AdaptiveMaxPooling3D": {"output_size": 2},
    "AlphaDropout": {"rate": 0.1}, "AveragePooling1D": {"pool_size": 2}, "AveragePooling2D": {"pool_size": 2},
    "AveragePooling3D": {"pool_size": 2}, "CategoryEncoding": {"num_tokens": 4}, "CenterCrop": {"height": 2, "width": 2},
    "Dense": {"units": 3}, "Discretization": {"bin_boundaries": [0.0, 1.0]}, "Dropout": {"rate": 0.1},
    "EinsumDense": {"equation": "abc,cd->abd", "output_shape": (None, 3)}, "GaussianDropout": {"rate": 0.1},
    "GaussianNoise": {"stddev": 0.1}, "GroupNormalization": {"groups": 2}, "Normalization": {"mean": 0.0, "variance": 1.0},
    "Permute": {"dims": (2, 1)}, "RepeatVector": {"n": 2}, "Rescaling": {"scale": 0.5}, "Reshape": {"target_shape": (24,)},
    "Resizing": {"height": 2, "width": 2}, "SpatialDropout1D": {"rate": 0.1}, "SpatialDropout2D": {"rate": 0.1},
    "SpatialDropout3D": {"rate": 0.1}, "ZeroPadding3D": {},
}  # fmt: skip
_CONVOLUTION = ("Conv", "SeparableConv")
_FACTORS = ("factor", "height_factor", "width_factor")
# What has more than a plain input, or is told about elsewhere: its masks have tests of their own.
_APART = {
    *ATTENTION,
    *JOINS_MASKS,
    *TAKES_MASK,
    *WRAPPERS,
    "Dot",
    "Embedding",
    "InputLayer",
    "Masking",
    "Softmax",
    "ReversibleEmbedding",
}


def _rank(kind: str) -> int:
    """Axes of a tensor that the class takes, the batch included."""
    for rank, ends in ((3, "1D"), (4, "2D"), (5, "3D")):
        if kind.endswith((ends, f"{ends}Transpose")):
            return rank
    return 2 if kind == "RepeatVector" else 3


def _made(kind: str) -> Any:
    arguments = ARGUMENTS.get(kind, {})
    if kind.startswith("DepthwiseConv"):
        arguments = {"kernel_size": 2}
    elif kind == "RandomPosterization":
        arguments = {"factor": 4}
    elif kind.startswith(_CONVOLUTION):
        arguments = {"filters": 2, "kernel_size": 2}
    elif kind.startswith("Random"):
        arguments = {name: 0.1 for name in signature(getattr(keras.layers, kind)).parameters if name in _FACTORS}
    return getattr(keras.layers, kind)(**arguments)


def _image_layer(kind: str) -> bool:
    base = keras.src.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer.BaseImagePreprocessingLayer
    return issubclass(getattr(keras.layers, kind), base)


KINDS = sorted(kind for kind in TABLE if hasattr(keras.layers, kind) and kind not in _APART)


def test_the_classes_compared_are_most_of_the_table() -> None:
    assert len(KINDS) > 70


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_of_the_input(kind: str) -> None:
    """Keras decides by ``supports_masking`` and ``compute_mask``; a table of our own could miss a class."""
    layer = _made(kind)
    rank = 4 if _image_layer(kind) else _rank(kind)
    x = keras.KerasTensor((None, *(6,) * (rank - 2), 3 if kind == "RandomColorDegeneration" else 4))
    x._keras_mask = keras.KerasTensor((None, *(6,) * (rank - 2)), dtype="bool")
    y = layer(x)
    seen = getattr(y, "_keras_mask", None) is not None
    assert seen == passes_mask(kind, 3), f"Keras {keras.__version__} {'hands on' if seen else 'ends'} the mask"
