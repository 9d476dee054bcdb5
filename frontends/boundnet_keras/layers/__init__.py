"""The table: Keras class -> rule.  Each module contributes the rules of one family."""

from __future__ import annotations

from collections.abc import Mapping

from boundnet.errors import ExtensionError
from boundnet_keras.extensions import extension, title
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


def rule_of(layer: LayerSpec) -> Rule | None:
    """The rule for a layer: Keras's own from the table, others from extensions."""
    return (None if layer.custom else TABLE.get(layer.kind)) or extension(layer)


def holds_weights(layer: LayerSpec) -> bool:
    """Whether the layer stores weights, as far as its rule knows."""
    rule = rule_of(layer)
    return rule is not None and rule.weighted(layer.config)


def refusal(layer: LayerSpec, major: int) -> str:
    """Why the layer can't be analysed, judged by its configuration alone; '' if it can."""
    if layer.kind == "InputLayer" and not layer.custom:
        return ""
    rule = rule_of(layer)
    if rule is not None:
        return _asked(layer, rule, major)
    if layer.custom:
        name = f"{layer.custom}>{layer.kind}"
        return (
            f"a custom layer (from {layer.custom}), whose code isn't in the file; tell BoundNet what it computes with"
            f" boundnet_keras.register({name!r}, ...) (docs/how-to/extending.md), or rebuild it out of built-in layers"
        )
    return refused.reason(layer.kind)


def _asked(layer: LayerSpec, rule: Rule, major: int) -> str:
    """What the rule's ``refuse`` says; an extension's may be wrong."""
    if TABLE.get(layer.kind) is rule:
        return rule.refuse(layer.config, major)
    try:
        reason = rule.refuse(layer.config, major)
    except Exception as error:
        raise ExtensionError(
            f"{title(layer, rule)}: refuse failed on layer {layer.name!r} ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(reason, str):
        raise ExtensionError(f"{title(layer, rule)}: refuse must return a reason or '', not {reason!r}")
    return reason
