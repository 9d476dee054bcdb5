"""Any Keras configuration -> ``ModelSpec``: the only place that knows how versions write models down."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from boundnet.errors import ModelFileError
from boundnet_keras import keras1
from boundnet_keras.inbound import calls_of, references
from boundnet_keras.layers import operations
from boundnet_keras.model import OPERATION, Call, LayerSpec, ModelSpec, Ref, custom_package
from boundnet_keras.tf_operations import as_operation
from boundnet_keras.values import plain

MODEL_KINDS = ("Sequential", "Functional", "Model")
MAX_NESTING = 50
# Classes of keras.ops that are also names of layers, and those that have a rule.
_OPERATIONS = {"Average", "Concatenate", "Dot", "Reshape", "Softmax"}
_OPERATIONS |= {kind.removeprefix(OPERATION) for kind in operations.RULES} | {"Power"}


def normalise(config: Any, major: int, label: str) -> ModelSpec:
    """The canonical form of a stored model.  ``major``: Keras version, 1 to 3.  Raises ModelFileError."""
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        raise ModelFileError(f"{label}: the configuration names no model class; save the whole model with model.save")
    if config["class_name"] not in MODEL_KINDS:
        raise ModelFileError(
            f"{label}: the model is of class {config['class_name']!r}; only Sequential and functional models can be"
            " analysed, rebuild it as keras.Model(inputs, outputs) out of built-in layers"
        )
    try:
        return _model(config["class_name"], plain(config.get("config")), major, label, 0)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"{label}: the model's configuration can't be understood ({type(error).__name__}: {error});"
            " open it with the Keras version that wrote it and save it again"
        ) from error


def _model(kind: str, config: Any, major: int, label: str, depth: int) -> ModelSpec:
    if depth > MAX_NESTING:
        raise ModelFileError(f"{label}: models are nested more than {MAX_NESTING} deep")
    if kind == "Sequential" or isinstance(config, list):
        return _sequential(config, major, label, depth)
    layers = [_layer(entry, major, label, depth) for entry in config["layers"]]
    _require_unique(layers, label)
    inputs = references(config["input_layers"])
    outputs = references(config["output_layers"])
    keras3 = any(isinstance(node, Mapping) for entry in config["layers"] for node in entry.get("inbound_nodes") or [])
    layers, outputs = _renumber(layers, outputs, keras3)
    labels = _labels(config["output_layers"], outputs)
    return ModelSpec(str(config.get("name", "model")), "Functional", tuple(layers), inputs, outputs, labels)


def _sequential(config: Any, major: int, label: str, depth: int) -> ModelSpec:
    """A chain, as a functional model; the input layer is made up where the file has none."""
    entries = config if isinstance(config, list) else config["layers"]
    layers = [_layer(entry, major, label, depth) for entry in entries]
    if not layers:
        raise ModelFileError(f"{label}: a Sequential model without layers computes nothing")
    first = layers[0]
    if first.kind != "InputLayer":
        shape = _first_shape(first)
        if shape is None and isinstance(config, Mapping):
            shape = config.get("build_input_shape")
        name = "input" if all(layer.name != "input" for layer in layers) else f"{first.name}_input"
        layers.insert(0, LayerSpec(name, "InputLayer", {"batch_shape": shape}, ()))
    _require_unique(layers, label)
    chain = [layers[0]]
    for layer in layers[1:]:
        call = Call((Ref(chain[-1].name, 0, 0),))
        chain.append(replace(layer, calls=(call,)))
    name = str(config.get("name", "sequential")) if isinstance(config, Mapping) else "sequential"
    last = chain[-1].name
    return ModelSpec(name, "Sequential", tuple(chain), (Ref(chain[0].name, 0, 0),), (Ref(last, 0, 0),), (last,))


def _first_shape(layer: LayerSpec) -> Any:
    """The shape that the first layer of an old Sequential model carries, batch axis included; None if it has none."""
    config = layer.config
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key) is not None:
            return config[key]
    if config.get("input_shape") is not None:
        return [None, *config["input_shape"]]
    if layer.model is not None and len(layer.model.inputs) == 1:
        (ref,) = layer.model.inputs
        return next((inner.config.get("batch_shape") for inner in layer.model.layers if inner.name == ref.layer), None)
    if isinstance(config.get("input_dim"), int) and layer.kind == "Dense":
        return [None, config["input_dim"]]
    return None


def _layer(entry: Any, major: int, label: str, depth: int) -> LayerSpec:
    kind, config = entry["class_name"], entry.get("config", {})
    if not isinstance(kind, str):
        raise TypeError(f"a layer's class is {kind!r}")
    custom = custom_package(entry)
    if custom:
        kind = kind.rpartition(">")[2]
    if kind in MODEL_KINDS and not custom:
        model = _model(kind, config, major, label, depth + 1)
        name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None) or model.name
        return LayerSpec(str(name), kind, {}, calls_of(entry), model)
    if not isinstance(config, Mapping):
        raise TypeError(f"the configuration of a {kind} layer is {config!r}")
    if major == 1:
        kind, config = keras1.modernise(kind, config)
    if kind == "InputLayer":
        config = {**config, "batch_shape": config.get("batch_shape", config.get("batch_input_shape"))}
    elif _is_operation(entry, major):
        kind = OPERATION + kind
    name = entry.get("name") or config.get("name") or kind
    kind, config, calls = as_operation(kind, config, calls_of(entry))
    return LayerSpec(str(name), kind, config, calls, None, custom)


def _is_operation(entry: Mapping[str, Any], major: int) -> bool:
    """keras.ops calls inside a functional model are stored like layers, some under the same class names."""
    module = entry.get("module")
    if isinstance(module, str):
        return module.startswith(("keras.src.ops", "keras.ops"))
    config = entry.get("config")
    bare = isinstance(config, Mapping) and config.get("dtype") in (None, "bool") and "trainable" not in config
    return major >= 3 and bare and (entry["class_name"] in _OPERATIONS)


def _require_unique(layers: Sequence[LayerSpec], label: str) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise ModelFileError(f"{label}: two layers are named {layer.name!r}; rename one and save the model again")
        seen.add(layer.name)


def _renumber(
    layers: Sequence[LayerSpec], outputs: tuple[Ref, ...], keras3: bool
) -> tuple[list[LayerSpec], tuple[Ref, ...]]:
    """Calls counted from 0.

    Keras 1 and 2 count those of nested models from 1 (call 0 made the nested model itself) if it has an input layer.
    Keras 3 does so in ``output_layers`` and for functional models only.
    """
    nested = {layer.name: layer for layer in layers if layer.model is not None}
    if keras3:
        late = {name for name, layer in nested.items() if layer.kind != "Sequential"}
        return list(layers), tuple(_earlier(ref, late if ref.call > 0 else set()) for ref in outputs)
    used = [*outputs, *(ref for layer in layers for call in layer.calls for ref in call.inputs)]
    # Every stored call is used, so that a reference to number n of n calls tells how they are counted.
    late = {ref.layer for ref in used if ref.layer in nested and ref.call >= len(nested[ref.layer].calls)}
    renumbered = []
    for layer in layers:
        calls = tuple(replace(call, arguments=tuple(_earlier(a, late) for a in call.arguments)) for call in layer.calls)
        renumbered.append(replace(layer, calls=calls))
    return renumbered, tuple(_earlier(ref, late) for ref in outputs)


def _earlier(argument: Any, late: Container[str]) -> Any:
    """The reference with its call counted one lower if its layer is in ``late``; anything else as it is."""
    shifts = isinstance(argument, Ref) and argument.layer in late
    return argument._replace(call=argument.call - 1) if shifts else argument


def _labels(structure: Any, outputs: Sequence[Ref]) -> tuple[str, ...]:
    """The dictionary's keys where outputs are a dictionary, else the names of the layers, made unique."""
    if isinstance(structure, Mapping) and len(structure) == len(outputs):
        return tuple(sorted(structure))
    labels: list[str] = []
    for ref in outputs:
        count = sum(label == ref.layer or label.startswith(f"{ref.layer}:") for label in labels)
        labels.append(ref.layer if count == 0 else f"{ref.layer}:{count}")
    return tuple(labels)
