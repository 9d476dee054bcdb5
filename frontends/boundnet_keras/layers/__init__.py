"""The table: Keras class -> rule.  Each module contributes the rules of one family."""

from __future__ import annotations

from collections.abc import Mapping

from boundnet_keras.layers import (
    activation,
    applications,
    attention,
    conv,
    conv_transpose,
    dense,
    einsum,
    identity,
    images,
    local,
    merging,
    normalization,
    operations,
    pooling,
    recurrent,
    refused,
    reshaping,
    sequences,
    statistics,
    tensorflow_ops,
)
from boundnet_keras.lowering import Rule
from boundnet_keras.model import LayerSpec

TABLE: Mapping[str, Rule] = {
    **activation.RULES,
    **applications.RULES,
    **attention.RULES,
    **conv.RULES,
    **conv_transpose.RULES,
    **dense.RULES,
    **einsum.RULES,
    **identity.RULES,
    **images.RULES,
    **local.RULES,
    **merging.RULES,
    **normalization.RULES,
    **operations.RULES,
    **pooling.RULES,
    **recurrent.RULES,
    **reshaping.RULES,
    **sequences.RULES,
    **statistics.RULES,
    **tensorflow_ops.RULES,
}


def holds_weights(layer: LayerSpec) -> bool:
    """Whether the layer stores weights, as far as the table knows."""
    rule = TABLE.get(layer.kind)
    return rule is not None and rule.weighted(layer.config)


def refusal(layer: LayerSpec, major: int) -> str:
    """Why the layer can't be analysed, judged by its configuration alone; '' if it can."""
    if layer.custom:
        return (
            f"a custom layer (from {layer.custom}), whose code isn't in the file; rebuild it out of built-in layers"
            " or add a front end that knows it"
        )
    if layer.kind == "InputLayer":
        return ""
    rule = TABLE.get(layer.kind)
    return refused.reason(layer.kind) if rule is None else rule.refuse(layer.config, major)
