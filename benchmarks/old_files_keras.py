"""Old model files run in float32 by the Keras versions that are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import boundnet
from boundnet.errors import InputError
from boundnet_keras.backend_meaning import old_activations, refuse_flipped, renamed

Runs = dict[str, list[np.ndarray]]
"""Name of a run -> outputs (N, *shape), in the order of the graph's."""


class Installed(NamedTuple):
    """A Keras: its name in the table and its module."""

    name: str
    module: Any


def installed() -> list[Installed]:
    """Keras 2, if the package tf_keras is there, then Keras 3."""
    found = []
    for package in ("tf_keras", "keras"):
        try:
            module = import_module(package)
        except ImportError:
            continue
        found.append(Installed(f"Keras {module.__version__}", module))
    return found


def framework_runs(
    graph: boundnet.LayerGraph, path: Path, inputs: Sequence[np.ndarray], frameworks: Sequence[Installed]
) -> tuple[str, Runs]:
    """The first framework that runs the file, with its outputs; or why none does, and nothing."""
    reasons = []
    for name, keras in frameworks:
        try:
            return name, _runs(keras, graph, path, inputs)
        except InputError as error:
            reasons.append(f"{name}: {error}")
        except Exception as error:  # frameworks fail in ways of their own
            first = (str(error).splitlines() or [""])[0]
            reasons.append(f"{name}: {type(error).__name__}: {first}"[:160])
    if str(graph.metadata.get("keras_version", "")).startswith("1"):
        return "none: a file of Keras 1, which later versions don't open", {}
    if any("Theano" in reason for reason in reasons):
        return "none: a file of Keras on Theano, whose convolutions TensorFlow computes otherwise", {}
    return f"none: {'; '.join(reasons)}", {}


def _runs(keras: Any, graph: boundnet.LayerGraph, path: Path, inputs: Sequence[np.ndarray]) -> Runs:
    import tensorflow as tf

    model = keras.models.load_model(path, compile=False)
    old = old_activations(keras, graph.metadata)
    refuse_flipped(model, graph.metadata)
    if old:
        weights = model.get_weights()
        model = keras.models.clone_model(model, clone_function=lambda layer: type(layer).from_config(renamed(layer, old)[0]))
        model.set_weights(weights)
    given = [x.astype(np.float32) for x in inputs]
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)
    found: Runs = {"both": _outputs(lambda x: model(x, training=False), given)}
    alone = [_outputs(lambda x: model(x, training=False), [x[i : i + 1] for x in given]) for i in range(len(given[0]))]
    found["alone"] = [np.concatenate(parts) for parts in zip(*alone, strict=True)]
    try:
        found["compiled"] = _outputs(compiled, given)
    except Exception:
        return found  # XLA does not know every operation
    return found


def _outputs(call: Callable[[Any], Any], given: Sequence[np.ndarray]) -> list[np.ndarray]:
    result = call(list(given) if len(given) > 1 else given[0])
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    several = result if isinstance(result, list | tuple) else [result]
    return [np.asarray(item).astype(np.float64) for item in several]
