"""Activations given as an argument of a layer or to an Activation layer: by name, serialised function or layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boundnet import functions, ops
from boundnet_keras.advanced import AS_ARGUMENT, add_function, add_softmax
from boundnet_keras.lowering import Lowering, Refused, Rule

# Names of elementwise functions without constants, in every spelling seen in files -> names in boundnet.functions.
_SAME_NAME = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "gelu", "mish", "softplus", "softsign"),
    *("sigmoid", "log_sigmoid", "hard_sigmoid", "sparse_sigmoid", "sparse_plus", "squareplus", "exponential"),
    *("tanh", "hard_tanh", "tanh_shrink", "hard_silu", "hard_shrink", "soft_shrink"),
)
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "relu_v2": "relu", "exp": "exponential"}
_PLAIN: Mapping[str, str] = {name: name for name in _SAME_NAME} | _ALIASES

_LINEAR = ("linear", "identity")
_SOFTMAX = ("softmax", "softmax_v2", "log_softmax", "log_softmax_v2")
_LEAKY_ARGUMENT = 0.2  # default of keras.activations.leaky_relu; the layer LeakyReLU has 0.3

_REFUSED: Mapping[str, str] = {
    "sparsemax": "Keras computes another function than sparsemax where two entries or more stay (it adds up all their"
    " partial sums: the results don't add up to 1), and a version that mends it another one again; use softmax",
    "threshold": "keras.activations.threshold needs arguments that files don't hold; use a ReLU layer",
}


def activation_name(activation: Any) -> str:
    """The bare name of an activation function; '' for none or linear.  Raises Refused for anything else."""
    if activation is None:
        return ""
    if isinstance(activation, Mapping):
        inner = activation.get("config")
        if activation.get("class_name") == "function" and isinstance(inner, str):
            return activation_name(inner)
        if isinstance(inner, str) or activation.get("class_name") in ("function", "Lambda", "__lambda__"):
            raise Refused("its activation is a custom function, not in the file; use a built-in one")
        raise Refused(f"its activation is of the class {activation.get('class_name')!r}; use a built-in activation")
    name = str(activation)
    if ">" in name:
        raise Refused(f"its activation {name!r} is a custom function, not in the file; use a built-in one")
    if name in _LINEAR:
        return ""
    if name in _REFUSED:
        raise Refused(_REFUSED[name])
    if name not in _PLAIN and name not in (*_SOFTMAX, "glu"):
        raise Refused(f"its activation {name!r} isn't built into Keras; use a built-in activation")
    return name


def refuse_activation(activation: Any, major: int) -> str:
    """Why an activation isn't supported; '' if it is."""
    if (rule := _layer_rule(activation)) is not None:
        return rule.refuse(dict(activation["config"]), major)
    try:
        activation_name(activation)
    except Refused as refusal:
        return str(refusal)
    return ""


def _layer_rule(activation: Any) -> Rule | None:
    """The rule of an advanced activation given as a layer, such as LeakyReLU; None otherwise."""
    if isinstance(activation, Mapping) and isinstance(activation.get("config"), Mapping):
        return AS_ARGUMENT.get(str(activation.get("class_name")))
    return None


def apply_activation(layer: Lowering, x: str) -> str:
    """The layer's ``activation`` as a node of its own after ``x``: "conv" -> "conv/relu"."""
    activation: Any = layer.config.get("activation")
    if (rule := _layer_rule(activation)) is not None:
        y = rule.lower(layer.as_argument(activation), [x])
        return y if isinstance(y, str) else y[0]
    name = activation_name(activation)
    return add_activation(layer, x, name, part=name) if name else x


def add_activation(layer: Lowering, x: str, name: str, part: str = "") -> str:
    """The nodes of the activation ``name``."""
    if name.startswith("softmax"):
        return add_softmax(layer, x, -1, ops.Softmax, part)
    if name.startswith("log_softmax"):
        return add_softmax(layer, x, -1, ops.LogSoftmax, part)
    if name == "glu":
        return _glu(layer, x, part)
    parameters: dict[str, Any] = {}
    if name == "hard_sigmoid":
        parameters["keras_version"] = 3 if layer.major >= 3 else 2
    elif name == "leaky_relu":
        parameters["negative_slope"] = _LEAKY_ARGUMENT
    return add_function(layer, x, _PLAIN[name], part, **parameters)


def _glu(layer: Lowering, x: str, part: str) -> str:
    """a sigmoid(b), a and b the halves of the last axis."""
    shape = layer.shape(x)
    if shape[-1] % 2:
        raise Refused(f"glu needs an even number of channels, not {shape[-1]}")
    half = shape[-1] // 2
    zeros, ones = (0,) * len(shape), (1,) * len(shape)
    a = layer.add(ops.Slice(zeros, (*shape[:-1], half), ones), x, part=f"{part or 'glu'}/value")
    b = layer.add(ops.Slice((*zeros[:-1], half), shape, ones), x, part=f"{part or 'glu'}/gate")
    gate = layer.add(ops.Activation(functions.make("sigmoid")), b, part=f"{part or 'glu'}/sigmoid")
    return layer.add(ops.Multiply(), a, gate, part=part)
