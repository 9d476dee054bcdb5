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

# Layers that hand on the mask of their input: those whose classes say so (``supports_masking``) in Keras's source, of all
# versions, of 3 and later, and of earlier ones.  The others end it, EinsumDense and RMSNormalization among them.
_PASS = frozenset((
    *(kind for kind in _REGULARIZERS if kind != "Identity"), "Activation", "BatchNormalization", "Dense", "ELU",
    "GroupNormalization", "LayerNormalization", "LeakyReLU", "PReLU", "ReLU", "TimeDistributed", "UnitNormalization",
))  # fmt: skip
_PASS_NOW = _PASS | {"Identity", "Normalization", "Rescaling"}
_PASSED_ONCE = _PASS | {"ThresholdedReLU"}


def passes_mask(kind: str, major: int) -> bool:
    """Whether layers of the class hand on the mask of their input."""
    return kind in (_PASS_NOW if major >= 3 else _PASSED_ONCE)


# Layers of several tensors whose masks are joined; attention hands on its query's.
JOINS_MASKS = frozenset(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"))
ATTENTION = frozenset(
    ("AdditiveAttention", "Attention", "GroupedQueryAttention", "GroupQueryAttention", "MultiHeadAttention")
)

WRAPPERS = frozenset(("SpectralNormalization", "Wrapper"))
TAKES_MASK = frozenset((
    *("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional", "TimeDistributed"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GlobalAveragePooling1D"),
))  # fmt: skip


def _same(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    return x


RULES = {kind: Rule(_same) for kind in (*_REGULARIZERS, *_AUGMENTATION)}
