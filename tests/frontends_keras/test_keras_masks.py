"""Which layers hand on the mask of their input: our table against what the installed Keras does with each class."""

from __future__ import annotations

from inspect import signature
from types import ModuleType
from typing import Any

import pytest

from boundnet_keras.layers import TABLE
from boundnet_keras.layers.identity import ATTENTION, JOINS_MASKS, TAKES_MASK, WRAPPERS, passes_mask

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


def _made(keras: ModuleType, kind: str) -> Any:
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


def _image_layer(keras: ModuleType, kind: str) -> bool:
    base = keras.src.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer.BaseImagePreprocessingLayer
    return issubclass(getattr(keras.layers, kind), base)


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
def test_the_mask_of_the_input(keras: ModuleType) -> None:
    """Keras decides by ``supports_masking`` and ``compute_mask``; a table of our own could miss a class."""
    kinds = sorted(kind for kind in TABLE if hasattr(keras.layers, kind) and kind not in _APART)
    assert len(kinds) > 70, "the classes compared are most of the table"
    seen = {}
    for kind in kinds:
        rank = 4 if _image_layer(keras, kind) else _rank(kind)
        x = keras.KerasTensor((None, *(6,) * (rank - 2), 3 if kind == "RandomColorDegeneration" else 4))
        x._keras_mask = keras.KerasTensor((None, *(6,) * (rank - 2)), dtype="bool")
        seen[kind] = getattr(_made(keras, kind)(x), "_keras_mask", None) is not None
    assert seen == {kind: passes_mask(kind, 3) for kind in kinds}, f"Keras {keras.__version__}"
