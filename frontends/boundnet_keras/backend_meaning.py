"""What changed its meaning: a model file means what the Keras that wrote it computed.

Theano's convolutions flip their kernels, TensorFlow's do not, and Keras on TensorFlow does not flip them when it opens a
file.  ``hard_sigmoid`` is clip(0.2 x + 0.5, 0, 1) up to Keras 2 and clip(x / 6 + 0.5, 0, 1) from Keras 3 on, which opens
files of Keras 2 without a word.  Run like that, a network is another one than the file's, and the file's bounds do not hold
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from boundnet.errors import InputError

Activations = Mapping[str, Callable[[Any], Any]]
"""Name in a layer's configuration -> what it meant to the Keras that wrote the file."""


def old_activations(keras: Any, facts: Mapping[str, Any]) -> Activations:
    """Activations that the installed Keras computes otherwise than the one that wrote the file.

    Args:
        facts: metadata of the graph.
    """
    written, installed = _major(facts.get("keras_version")), _major(keras.__version__)
    if written is None or installed is None or written >= 3 or installed < 3:
        return {}

    def hard_sigmoid(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    return {"hard_sigmoid": hard_sigmoid}


def refuse_flipped(model: Any, facts: Mapping[str, Any]) -> None:
    """Raise InputError where a file of Keras on Theano has convolutions."""
    found = next((layer.name for layer in model.layers if "Conv" in type(layer).__name__), None)
    if facts.get("backend") == "theano" and found is not None:
        raise InputError(
            f"layer {found!r}: the file was written by Keras on Theano, whose convolutions flip their kernels; TensorFlow "
            "would run another network"
        )


def renamed(layer: Any, old: Activations) -> tuple[dict[str, Any], set[str]]:
    """A layer's configuration with ``old`` activations as functions, and the names of those.

    Raises:
        InputError: one is used by a layer inside this one, where it can't be replaced.
    """
    config = dict(layer.get_config())
    used = {key: value for key, value in config.items() if isinstance(value, str) and value in old and "activation" in key}
    rest = {key: value for key, value in config.items() if key not in used}
    nested = next((name for name in old if f"'{name}'" in repr(rest)), None)
    if nested is not None:
        raise InputError(
            f"backend keras: layer {layer.name!r} uses {nested} inside, which this Keras computes otherwise than the one "
            "that wrote the file; use --backend builtin"
        )
    return config | {key: old[value] for key, value in used.items()}, set(used.values())


def _major(version: Any) -> int | None:
    """The first number of a version."""
    text = str(version or "").split(".", maxsplit=1)[0]
    return int(text) if text.isdigit() else None
