"""Consecutive layers of a Keras model as models of their own, run together: compilers merge constants across layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import boundnet
from boundnet.frontends import load_for
from helpers.real_runs import MODES


@dataclass(frozen=True)
class Window:
    """``model`` computes some consecutive layers; ``inputs``: the float32 values that it gets, one array each."""

    name: str
    model: Any
    inputs: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Found:
    """What one window showed: ``worst`` is the largest error / bound of ``values`` values."""

    name: str
    outside: int
    values: int
    worst: float


def windows(keras: Any, model: Any, image: np.ndarray, longest: int = 3) -> list[Window]:
    """Every run of up to ``longest`` layers that read each other alone, and every layer of several inputs by itself.

    Args:
        image: (1, *shape) float32: the layers' inputs are what Keras makes of it.
    """
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    chains = list(_chains(layers, longest))
    tensors = {id(t): t for chain in chains for t in _inputs(chain[0])}
    probe = keras.Model(model.inputs, list(tensors.values()))
    values = dict(zip(tensors, map(np.asarray, probe(image, training=False)), strict=True))
    found = []
    for chain in chains:
        ends = _inputs(chain[0])
        inner = keras.Model(ends, chain[-1].output)
        found.append(Window(" > ".join(layer.name for layer in chain), inner, tuple(values[id(t)] for t in ends)))
    return found


def distinct(chosen: Sequence[Window]) -> list[Window]:
    """The first of the windows that do the same to tensors of the same shapes: classes and settings, names aside."""
    kept: dict[str, Window] = {}
    for window in chosen:
        layers = [layer for layer in window.model.layers if type(layer).__name__ != "InputLayer"]
        settings = [(type(layer).__name__, {**layer.get_config(), "name": "", "layers": ""}) for layer in layers]
        kept.setdefault(repr((settings, [x.shape for x in window.inputs])), window)
    return list(kept.values())


def _inputs(layer: Any) -> list[Any]:
    found = layer.input
    return list(found) if isinstance(found, list | tuple) else [found]


def _chains(layers: Sequence[Any], longest: int) -> Iterator[list[Any]]:
    once = [layer for layer in layers if len(layer._inbound_nodes) == 1]
    made_by = {id(layer.output): layer for layer in once if not isinstance(layer.output, list | tuple | dict)}
    for end in made_by.values():
        chain = [end]
        yield [end]
        while len(chain) < longest:
            ends = _inputs(chain[0])
            before = made_by.get(id(ends[0])) if len(ends) == 1 else None
            if before is None:
                break
            chain = [before, *chain]
            yield list(chain)


def compare(chosen: Sequence[Window], mode: str, preset: str = "binary32") -> list[Found]:
    """All windows in one program of ``mode``, each against its own bound; no tolerance, NaN is outside."""
    import tensorflow as tf

    def together(groups: list[list[Any]]) -> list[Any]:
        return [w.model(g if len(g) > 1 else g[0], training=False) for w, g in zip(chosen, groups, strict=True)]

    run: dict[str, Callable[..., Any]] = {
        "eager": together, "tf.function": tf.function(together), "XLA": tf.function(together, jit_compile=True),
    }  # fmt: skip
    assert set(run) == set(MODES)
    computed = run[mode]([[tf.constant(x) for x in w.inputs] for w in chosen])
    return [
        _found(window, np.asarray(seen, dtype=np.float64), preset) for window, seen in zip(chosen, computed, strict=True)
    ]


def _found(window: Window, seen: np.ndarray, preset: str) -> Found:
    given = [x.astype(np.float64) for x in window.inputs]
    graph = load_for(window.model, given)
    analysis = boundnet.analyze(graph, given, preset, domain="interval", decision="none")
    (output,) = analysis.samples[0].outputs
    with np.errstate(all="ignore"):
        error = np.abs(seen[0] - output.value)
        left = ~(error <= output.absolute_bound) & ~np.isinf(output.absolute_bound)
        ratio = np.where(error == 0.0, 0.0, error / output.absolute_bound)
    return Found(window.name, int(left.sum()), seen.size, float(np.nanmax(ratio, initial=0.0)))
