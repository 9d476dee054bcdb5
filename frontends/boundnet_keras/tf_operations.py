"""TensorFlow functions inside functional models of Keras 2.4 to 2.15, as the keras.ops operations that do the same.

Keras 2 stored ``x + 3.0`` or ``tf.reduce_mean(x, axis=1)`` as a layer of class TFOpLambda with the function's name in its
configuration and all further arguments by name with the call; ``x[:, 1:]`` as a SlicingOpLambda.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from boundnet_keras.model import OPERATION, Call, Config


@dataclass(frozen=True)
class _Same:
    """The operation of keras.ops that does the same.

    Attributes:
        settings: name of an argument in TensorFlow -> its name in keras.ops.
        operand: name of a second operand.
        fixed: settings whose defaults differ.
        config: settings that belong into the layer's configuration.
        idle: arguments with the only values at which they mean nothing.
    """

    operation: str
    settings: Mapping[str, str] = field(default_factory=dict)
    operand: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    idle: Mapping[str, Any] = field(default_factory=dict)


_AXIS = {"axis": "axis"}
_REDUCED = {"axis": "axis", "keepdims": "keepdims"}
_PLAIN = {
    "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.silu": "Silu", "nn.selu": "Selu", "nn.softsign": "Softsign", "nn.elu": "Elu",
    "math.exp": "Exp", "math.expm1": "Expm1", "math.log": "Log", "math.log1p": "Log1p", "math.sigmoid": "Sigmoid",
    "math.softplus": "Softplus", "math.tanh": "Tanh", "math.erf": "Erf", "math.abs": "Abs", "math.negative": "Negative",
    "math.sqrt": "Sqrt", "math.rsqrt": "Rsqrt", "math.square": "Square", "math.reciprocal": "Reciprocal",
    "identity": "Identity", "stop_gradient": "StopGradient", "math.add_n": "Add",
}  # fmt: skip
KNOWN: Mapping[str, _Same] = {
    **{name: _Same(operation) for name, operation in _PLAIN.items()},
    **{name: _Same(operation, operand="y") for name, operation in {
        "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
        "math.truediv": "TrueDivide", "math.divide": "TrueDivide", "math.maximum": "Maximum", "math.minimum": "Minimum",
        "math.pow": "Power",
    }.items()},
    "nn.bias_add": _Same("Add", operand="bias", idle={"data_format": None}),
    **{f"math.reduce_{name}": _Same(operation, _REDUCED) for name, operation in {
        "mean": "Mean", "sum": "Sum", "max": "Max", "min": "Min", "std": "Std", "variance": "Var", "logsumexp": "Logsumexp",
    }.items()},
    "math.cumsum": _Same("Cumsum", _AXIS, fixed={"axis": 0}, idle={"exclusive": False, "reverse": False}),
    "reshape": _Same("Reshape", {"shape": "newshape"}),
    "compat.v1.transpose": _Same("Transpose", {"perm": "axes"}, idle={"conjugate": False}),
    "split": _Same("Split", {"num_or_size_splits": "indices_or_sections", "axis": "axis"}, idle={"num": None}),
    "expand_dims": _Same("ExpandDims", _AXIS),
    "compat.v1.squeeze": _Same("Squeeze", _AXIS),
    "concat": _Same("Concatenate", _AXIS),
    "stack": _Same("Stack", _AXIS),
    "repeat": _Same("Repeat", {"repeats": "repeats", "axis": "axis"}),
    "tile": _Same("Tile", {"multiples": "repeats"}),
    "compat.v1.pad": _Same("Pad", {"paddings": "pad_width"}, idle={"mode": "CONSTANT", "constant_values": 0}),
    "linalg.matmul": _Same("Matmul", {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}, operand="b"),
    "nn.softmax": _Same("Softmax", _AXIS),
    "nn.log_softmax": _Same("LogSoftmax", _AXIS),
    "nn.leaky_relu": _Same("LeakyRelu", {"alpha": "negative_slope"}),
    "nn.gelu": _Same("Gelu", {"approximate": "approximate"}, fixed={"approximate": False}),
    "clip_by_value": _Same("Clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    # The sum of squares is at least 1e-12, so the norm 1e-6.
    "math.l2_normalize": _Same("Normalize", _AXIS, config={"epsilon": 1e-6}, idle={"epsilon": 1e-12}),
    "cast": _Same("Identity", idle={"dtype": "float32"}),
}  # fmt: skip


def as_operation(kind: str, config: Config, calls: tuple[Call, ...]) -> tuple[str, Config, tuple[Call, ...]]:
    """Class, configuration and calls of a TensorFlow function that is known; everything else as it is."""
    if kind == "SlicingOpLambda":
        sliced = [_sliced(call) for call in calls]
        if all(call is not None for call in sliced):
            return OPERATION + "GetItem", {"name": config.get("name")}, tuple(call for call in sliced if call is not None)
    same = KNOWN.get(str(config.get("function")))
    if kind != "TFOpLambda" or same is None:
        return kind, config, calls
    named = [_translated(call, same) for call in calls]
    if any(call is None for call in named):
        return kind, config, calls
    settings = {"name": config.get("name"), **same.config}
    return OPERATION + same.operation, settings, tuple(call for call in named if call is not None)


def _translated(call: Call, same: _Same) -> Call | None:
    """The call of the operation; None if an argument has a value that nothing stands for."""
    options: dict[str, Any] = {key: value for key, value in call.options.items() if key != "name"}
    arguments, found = call.arguments, dict(same.fixed)
    if same.operand in options:
        arguments = (*arguments, options.pop(same.operand))
    for key, value in same.idle.items():
        if key in options and options.pop(key) != value:
            return None
    if isinstance(sizes := options.get("num_or_size_splits"), list):
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            return None
        options["num_or_size_splits"] = list(accumulate(sizes))[:-1]
    for key, name in same.settings.items():
        if options.get(key) is not None:
            found[name] = options[key]
        options.pop(key, None)
    return None if options else replace(call, arguments=arguments, options=found)


def _sliced(call: Call) -> Call | None:
    """x[items]: slices as Keras 3 stores them."""
    if set(call.options) - {"name", "slice_spec"} or not isinstance(call.options.get("slice_spec"), list):
        return None
    items = []
    for item in call.options["slice_spec"]:
        plain = isinstance(item, Mapping) and set(item) == {"start", "stop", "step"}
        items.append({"class_name": "__slice__", "config": dict(item)} if plain else item)
    if any(
        not isinstance(item, int | Mapping) or (isinstance(item, Mapping) and "class_name" not in item) for item in items
    ):
        return None
    return replace(call, arguments=(*call.arguments, *items), options={})
