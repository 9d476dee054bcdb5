"""Layers that keras.applications defines for itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet import ops
from boundnet.errors import ModelFileError
from boundnet_keras.advanced import scalar
from boundnet_keras.lowering import Lowering, Rule


def _scaled_residual(layer: Lowering, inputs: Sequence[str]) -> str:
    """InceptionResNetV2: x + branch * scale."""
    if len(inputs) != 2:
        raise ModelFileError(f"layer {'/'.join(layer.path)!r}: CustomScaleLayer takes two inputs, not {len(inputs)}")
    scale = np.asarray(scalar(layer, "scale", default=1.0))
    branch = layer.add(ops.ScaleShift(scale, None), inputs[1], part="scale")
    return layer.add(ops.Add(), inputs[0], branch)


def _stochastic_depth(layer: Lowering, inputs: Sequence[str]) -> str:
    """ConvNeXt: drops whole branches in training only."""
    (x,) = inputs
    return x


RULES = {
    "CustomScaleLayer": Rule(_scaled_residual, merges=True),
    "StochasticDepth": Rule(_stochastic_depth),
}
