"""Attacks on mutated rules: arithmetics, and ways to look for a violation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, E4M3FN
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op
from boundnet.testing import BoundViolation, check_bound, check_graph
from helpers.mutation import mutate

PLAIN = Arithmetic("fp8", E4M3FN, E4M3FN, fma="no", subnormals="gradual", bias="last")
SEQ = replace(PLAIN, order=SEQUENTIAL)
DIRECTED = replace(PLAIN, rounding="any")
MIXED = Arithmetic("mixed", BFLOAT16, BINARY32, fma="no", subnormals="gradual", bias="last")
FLUSH = replace(PLAIN, subnormals="ftz")
DAZ = replace(PLAIN, subnormals="ftz+daz")
BF16 = Arithmetic("bf16", BFLOAT16, BFLOAT16, subnormals="gradual")
TINY, LEAST = E4M3FN.smallest_subnormal, E4M3FN.smallest_normal

Attack = Callable[[], None]


def one(op: Op, inputs: list[Any], rules: Arithmetic, radius: list[Any] | None = None) -> Attack:
    """An attack on fixed inputs."""
    arrays = [np.asarray(x, dtype=np.float64)[None] for x in inputs]
    spread = (
        None
        if radius is None
        else [np.broadcast_to(np.asarray(r, dtype=np.float64), x.shape) for r, x in zip(radius, arrays, strict=True)]
    )
    return lambda: void(check_bound(op, arrays, rules, radius=spread, trials=60))


def many(
    op: Op,
    shape: tuple[int, ...],
    rules: Arithmetic,
    scale: float = 1.0,
    radius: float = 0.0,
    count: int = 25,
    inputs: int = 1,
) -> Attack:
    """Attacks on random inputs."""

    def run() -> None:
        for seed in range(count):
            rng = np.random.default_rng(seed)
            xs = [rules.storage.round(rng.normal(size=(1, *shape)) * scale) for _ in range(inputs)]
            check_bound(
                op, xs, rules, radius=None if radius == 0.0 else [np.full(x.shape, radius) for x in xs], trials=12, seed=seed
            )

    return run


def net(layers: Iterable[tuple[str, Op, list[str]]], x: Array, rules: Arithmetic) -> Attack:
    """An attack on a small network."""
    graph = LayerGraph("m")
    graph.add("x", ops.Input(x.shape))
    for name, op, sources in layers:
        graph.add(name, op, sources)
    graph.set_outputs([name])
    return lambda: void(check_graph(graph, [x[None]], rules, trials=80))


def void(_: object) -> None:
    """Nothing is returned."""


@dataclass(frozen=True)
class Mutant:
    """One term dropped from one rule, and an attack that must notice."""

    function: Callable[..., Any]
    old: str
    new: str
    attack: Attack


def dense(*weights: float, bias: float | None = None) -> Op:
    return ops.Dense(np.array(weights)[:, None], None if bias is None else np.array([bias]))


RELU, TANH = ops.Activation(make("relu")), ops.Activation(make("tanh"))


def find(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """The attack notices that the term is missing."""
    mutate(monkeypatch, mutant.function, mutant.old, mutant.new)
    with pytest.raises(BoundViolation):
        mutant.attack()
