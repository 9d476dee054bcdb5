"""Layers that change nothing at inference: they add no node."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet_keras.lowering import Lowering, Rule

_REGULARIZERS = (
    *(
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "GaussianNoise",
    ),
    *("AlphaDropout", "ActivityRegularization", "Identity"),
)
# Augmentation layers whose call returns its input unless training (Keras 2 and 3).  RandomCrop crops or resizes
# at inference too and isn't one of them.
_AUGMENTATION = (
    *(
        "RandomFlip",
        "RandomRotation",
        "RandomZoom",
        "RandomTranslation",
        "RandomContrast",
        "RandomBrightness",
    ),
    *(
        "RandomHue",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomPosterization",
        "RandomPerspective",
    ),
    *("RandomInvert", "RandomGrayscale", "RandomGaussianBlur", "RandomErasing", "RandomElasticTransform"),
    *("RandomColorJitter", "RandomColorDegeneration", "RandomHeight", "RandomWidth"),
    *("RandAugment", "AugMix", "MixUp", "CutMix"),
)

IDENTITY_KINDS = frozenset((*_REGULARIZERS, *_AUGMENTATION))

# Layers that treat every time step alike and hand on its mask.
PASSES_MASK = IDENTITY_KINDS | {
    "Activation", "BatchNormalization", "Dense", "EinsumDense", "ELU", "LayerNormalization",
    "LeakyReLU", "PReLU", "ReLU", "RMSNormalization", "TimeDistributed", "UnitNormalization",
}  # fmt: skip
# Layers of several tensors whose masks are joined; attention hands on its query's.
JOINS_MASKS = frozenset(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"))
ATTENTION = frozenset(
    ("AdditiveAttention", "Attention", "GroupedQueryAttention", "GroupQueryAttention", "MultiHeadAttention")
)

TAKES_MASK = frozenset((
    *("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional", "TimeDistributed"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GlobalAveragePooling1D"),
))  # fmt: skip


def _same(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    return x


RULES = {kind: Rule(_same) for kind in (*_REGULARIZERS, *_AUGMENTATION)}
