"""The backend ``keras``: runs the model file itself with the installed Keras and TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Execution, Job
from boundnet_keras.backend_meaning import Activations, old_activations, refuse_flipped, renamed
from boundnet_keras.execution import Call, KerasExecution, caller, shown_layers

POLICIES = {
    "binary32": ("float32",),
    "bfloat16": ("bfloat16", "mixed_bfloat16"),
    "binary16": ("float16", "mixed_float16"),
}
"""Storage format -> dtype policies that store tensors in it."""

_RULES = {"binary32": "binary32", "bfloat16": "pure-bfloat16", "binary16": "pure-binary16"}
"""What a policy's runs conform to: any order, sums at worst as narrow as the tensors; wider ones round less."""

_NOTES = (
    "the bounds allow any order of sums, fused or not, flushed or kept subnormals,"
    " and the functions of docs/reference/arithmetic.md",
)


class KerasBackend:
    """Two executions of each policy: one that shows the layers, one of the model as it is, compiled as well."""

    def executions(self, job: Job) -> Sequence[Execution]:
        storage = job.arithmetic.storage.name
        if storage not in POLICIES:
            raise InputError(f"backend keras: Keras runs {', '.join(POLICIES)}, not {storage}; use --backend builtin")
        if job.source is None:
            raise InputError("backend keras runs model files; this network does not come from one")
        keras, tf = _keras()
        rules = preset(_RULES[storage])
        # Policies differ in which weights they cast.  With weights that need no cast, all run the same network.
        graph = job.graph.mapped(rules.storage.round) if storage != "binary32" else job.graph
        reasons = []
        for version in (keras, _keras_2()):
            if version is None:
                continue
            try:
                model = version.models.load_model(job.source, compile=False, safe_mode=True)
            except Exception as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                reasons.append(f"Keras {version.__version__} can't open it: {reason[:200]}")
                continue
            old = old_activations(version, job.graph.metadata)
            found: list[Execution] = []
            try:
                refuse_flipped(model, job.graph.metadata)
                for policy in POLICIES[storage]:
                    found += _policy(version, tf, model, policy, graph, rules, old)
            except InputError as error:
                reasons.append(str(error))
                continue
            return found
        hint = "" if len(reasons) > 1 else "; files of Keras 1 and 2 may open with the package tf-keras installed"
        written = job.graph.metadata.get("keras_version")
        by = f" (written by Keras {written})" if written else ""
        raise InputError(f"{job.source}{by}: {'; '.join(reasons)}{hint}; or use --backend builtin")


def _keras_2() -> Any:
    """Keras 2, which lives on as the package tf_keras and runs many files that Keras 3 refuses; None where it is absent."""
    try:
        return import_module("tf_keras")
    except Exception:  # it fails in ways of its own beside a TensorFlow of another version
        return None


def _keras() -> tuple[Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise InputError(
            f"backend keras needs TensorFlow ({error}); install it with pip install 'boundnet[tensorflow]', or use "
            "--backend builtin"
        ) from None
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"backend keras runs Keras on TensorFlow, not on {keras.backend.backend()}; set KERAS_BACKEND")
    return keras, tf


def _policy(
    keras: Any, tf: Any, model: Any, policy: str, graph: LayerGraph, rules: Arithmetic, old: Activations
) -> list[Execution]:  # fmt: skip
    notes = list(_NOTES)
    if keras.__version__.startswith("2."):
        notes.append(f"run by Keras {keras.__version__} (tf_keras), which runs the file where Keras 3 does not")
    changed = sorted({name for layer in model.layers for name in renamed(layer, old)[1]})
    if changed:
        notes.append(f"{', '.join(changed)} as Keras {graph.metadata['keras_version']}, which wrote the file, defines it")
    if policy != "float32":
        notes.append(f"weights were rounded to {rules.storage.name} beforehand, so that policies run the same network")
    try:
        copy = _under(keras, model, policy, rules, old)
        tensors = shown_layers(graph, copy)
        # Layers that are named otherwise, or shared, can't be told apart: then only the outputs are shown.
        inner = keras.Model(copy.inputs, list(tensors.values()) or copy.outputs)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"backend keras: the model can't be rebuilt under policy {policy} ({error})") from None
    dtype = "float32"
    layers = _usable(graph, {
        "eager, batch n": (caller(lambda x: inner(x, training=False), dtype), None),
        "eager, batch 1": (caller(lambda x: inner(x, training=False), dtype), 1),
    }, notes)  # fmt: skip
    graphed = tf.function(lambda x: copy(x, training=False))
    fused = tf.function(lambda x: copy(x, training=False), jit_compile=True)
    whole = _usable(graph, {
        "eager, batch n": (caller(lambda x: copy(x, training=False), dtype), None),
        "eager, batch 1": (caller(lambda x: copy(x, training=False), dtype), 1),
        "tf.function, batch n": (caller(graphed, dtype), None),
        "XLA, batch n": (caller(fused, dtype), None),
        "XLA, batch 1": (caller(fused, dtype), 1),
    }, notes)  # fmt: skip
    made: list[Execution] = []
    if layers and tensors:
        made.append(KerasExecution(f"keras {policy}, layers", graph, rules, layers, tuple(tensors), tuple(notes)))
    if whole:
        made.append(KerasExecution(f"keras {policy}", graph, rules, whole, tuple(graph.outputs), tuple(notes)))
    if not made:
        raise InputError(f"backend keras: no way of running policy {policy} works here: {'; '.join(notes)}")
    return made


def _under(keras: Any, model: Any, policy: str, rules: Arithmetic, old: Activations) -> Any:
    """The model under a dtype policy, its weights rounded to the policy's format."""

    def again(layer: Any) -> Any:
        config, _ = renamed(layer, old)
        if not isinstance(layer, keras.layers.Layer):  # an operation of keras.ops: no policy, it follows its operands
            return type(layer).from_config(config)
        if isinstance(layer, keras.layers.InputLayer):
            return type(layer).from_config({**config, "dtype": "float32"})
        return type(layer).from_config({**config, "dtype": policy})

    copy = keras.models.clone_model(model, clone_function=again)
    copy.set_weights([rules.storage.round(w.astype("float64")).astype("float32") for w in model.get_weights()])
    return copy


def _usable(
    graph: LayerGraph, calls: dict[str, tuple[Call, int | None]], notes: list[str]
) -> dict[str, tuple[Call, int | None]]:  # fmt: skip
    """Those that run at all: kernels for narrow types are missing here and there.  The others are noted."""
    import numpy as np

    blank = [np.zeros((1, *graph.shape(name))) for name in graph.inputs]
    found = {}
    for name, (call, batch) in calls.items():
        try:
            call(blank)
        except Exception as error:
            lines = str(error).splitlines() or [type(error).__name__]
            notes.append(f"{name} does not run here: {lines[0][:160]}")
            continue
        found[name] = (call, batch)
    return found


backend = KerasBackend()

__all__ = ["KerasBackend", "backend"]
