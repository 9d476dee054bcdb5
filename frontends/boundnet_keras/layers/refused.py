"""Why classes without a rule are refused, and what a user can do about each."""

from __future__ import annotations

from collections.abc import Mapping

from boundnet_keras.model import OPERATION

_BUILT_IN_LAYERS = "replace it by built-in layers and save the model again"
_TEXT = "it takes integers or strings, which have no rounding error; start the model at the first layer of real numbers"
_IMAGE = "this image operation isn't supported; apply it to the inputs beforehand and start the model after it"
_OPERATION = "an operation of TensorFlow inside a functional model; use the layer of keras.layers that does the same"

_CODE = "holds the code of another framework, which the file doesn't; rebuild it out of layers of Keras"

_REASONS: Mapping[str, str] = {
    "Lambda": f"holds Python code, which BoundNet never runs; {_BUILT_IN_LAYERS}",
    "TFOpLambda": _OPERATION,
    "SlicingOpLambda": _OPERATION,
    "Merge": "this mode of Keras 1's Merge isn't supported; use sum, mul, concat, ave, max, dot or cos",
    **dict.fromkeys(("Hashing",), _TEXT),
    **dict.fromkeys(("HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization"), _TEXT),
    **dict.fromkeys(("RandomCrop", "Solarization", "Equalization", "AutoContrast"), _IMAGE),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"), _CODE),
    "Pipeline": "chains layers outside of the model's configuration; use a Sequential model",
    "MaxNumBoundingBoxes": "it works on bounding boxes, not on numbers of a network",
    **dict.fromkeys(("ContrastLimitedAdaptiveHistogramEqualization", "MelSpectrogram", "STFTSpectrogram"), _IMAGE),
}


def reason(kind: str) -> str:
    """The reason for refusing a class that has no rule."""
    if kind == OPERATION + "Power":
        return "x ** p calls pow, whose accuracy isn't known; write keras.ops.square(x), x * x or keras.ops.sqrt(x)"
    if kind.startswith(OPERATION):
        return "this keras.ops operation isn't supported; use the layer of keras.layers that does the same"
    return _REASONS.get(kind, f"not a layer that BoundNet knows; {_BUILT_IN_LAYERS}")
