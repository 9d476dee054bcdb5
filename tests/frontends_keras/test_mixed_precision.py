"""Keras' normalisations under its mixed policies: computed in float32, with float32 weights but for one, stored once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import boundnet
from boundnet.ops.base import Tensor
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder

C = 8


def layers(keras: ModuleType) -> dict[str, Any]:
    return {
        "batch": keras.layers.BatchNormalization,
        "layer": keras.layers.LayerNormalization,
        "rms": keras.layers.RMSNormalization,
        "group": lambda **options: keras.layers.GroupNormalization(groups=1, **options),
    }


@pytest.mark.parametrize("kind", ["batch", "layer", "rms", "group"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_keras_stays_within(keras: ModuleType, kind: str, policy: str) -> None:
    """20,000 results of each layer lie within the bound for intermediates in float32.

    Weights stay in float32 as well, except that RMSNormalization reads its scale in the narrow format.
    """
    rng = np.random.default_rng(5)
    storage = "binary16" if policy == "mixed_float16" else "bfloat16"
    rules = boundnet.build(storage, normalisation="kept" if kind == "rms" else "wide")
    layer = layers(keras)[kind](dtype=policy)
    model = keras.Sequential([keras.Input((C,), dtype=layer.compute_dtype), layer])
    model.set_weights([rng.uniform(0.3, 2.0, w.shape).astype(np.float32) for w in model.get_weights()])
    x = rng.normal(size=(2500, C)) * 2.0 ** rng.integers(-6, 6, size=(2500, 1))
    x = rules.storage.round(x)
    computed = np.asarray(keras.ops.cast(model(keras.ops.cast(x, layer.compute_dtype)), "float32"), dtype=np.float64)
    graph = boundnet.load(model)
    radius = bound(graph, x, rules)
    machine = ArbMachine(128)
    values: dict[str, Any] = {graph.inputs[0]: machine.parameter(x)}
    for name in graph.topological():
        if name not in values:
            values[name] = graph.op(name).evaluate(machine, *(values[source] for source in graph.inputs_of(name)))
    exact = np.array([float(v.mid()) for v in values[graph.outputs[0]].ravel()]).reshape(computed.shape)
    error = np.abs(computed - exact)
    assert np.all(error <= radius)
    assert np.max(error / radius) > 0.5, "a bound that is hardly reached would prove little"
    narrow = bound(graph, x, boundnet.build(storage, normalisation="stored"))
    assert np.median(radius) < 0.7 * np.median(narrow)


def bound(graph: boundnet.LayerGraph, x: np.ndarray, rules: boundnet.Arithmetic) -> np.ndarray:
    """By intervals, about weights that are not cast."""
    known = {graph.inputs[0]: Tensor(x, np.zeros(x.shape), np.zeros(x.shape, dtype=np.bool_))}
    for name in graph.topological():
        if name in known:
            continue
        op, xs = graph.op(name), [known[source] for source in graph.inputs_of(name)]
        local = op.local(Rounder(rules), *xs)
        radius = local.rounding + (0.0 if local.strip is None else local.strip)
        for linear, tensor in zip(local.maps, xs, strict=True):
            radius = radius + linear.absolute(tensor.radius)
        known[name] = Tensor(op.centre(*(t.centre for t in xs)), radius, local.zero)
    return known[graph.outputs[0]].radius
