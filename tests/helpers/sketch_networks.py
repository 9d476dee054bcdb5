"""Random small networks with everything that sketches must survive: branches, ties, kinks, views, caps; and shortcuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch.domain import SketchDomain
from boundnet.domains.sketch.rows import exact_radii
from boundnet.domains.sketch.settings import Settings
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local
from boundnet.roundoff.rounder import Rounder

BINARY32 = preset("binary32")
FEW = Settings(screening=4, checking=64, chunk=16, log_p=float(np.log(1e-14)))
"""So few screening probes that many promises are wrong, and a strict check."""
ENOUGH = Settings(screening=64, checking=128, chunk=16, log_p=float(np.log(1e-14)))


class Builder:
    """A random graph, layer by layer; ``node`` is the tensor that grows."""

    def __init__(self, number: int, image: bool) -> None:
        self.rng = np.random.default_rng(number)
        self.graph = LayerGraph(f"random {number}")
        self.shape = (5, 5, 2) if image else (5,)
        self.node = self.graph.add("x", ops.Input(self.shape))

    def weight(self, *shape: int, scale: float = 1.0) -> Array:
        """float32 weights."""
        fan = max(1, int(np.prod(shape[:-1])))
        return (scale * self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32).astype(np.float64)

    def add(self, op: ops.Op, *sources: str) -> str:
        """One more node."""
        self.node = self.graph.add(self.graph.unique("n"), op, sources or (self.node,))
        return self.node

    @property
    def channels(self) -> int:
        """Length of the last axis."""
        return self.graph.shape(self.node)[-1]

    def pick(self, *choices: Any) -> Any:
        """One of ``choices``."""
        return choices[int(self.rng.integers(len(choices)))]

    def function(self) -> str:
        """An elementwise function, mostly with kinks."""
        name = self.pick("relu", "relu", "relu", "relu6", "tanh", "silu", "hard_sigmoid", "sigmoid")
        made = make("relu", max_value=6.0) if name == "relu6" else make(name)
        return self.add(ops.Activation(made))

    def near_kinks(self) -> None:
        """Shift so that many centres are at, or next to, 0."""
        values = self.graph_values()
        near = np.where(self.rng.random(self.channels) < 0.5, 2.0**-22 * self.rng.normal(size=self.channels), 0.0)
        middle = np.median(values.reshape(-1, self.channels), axis=0)
        shift = (near - middle).astype(np.float32).astype(np.float64)
        self.add(ops.ScaleShift(np.ones(self.channels), shift))

    def graph_values(self) -> Array:
        """Centre of the current node."""
        self.graph.set_outputs([self.node])
        return self.graph.evaluate([self.sample()])[self.node]

    def sample(self) -> Array:
        """The input, the same every time."""
        x = np.random.default_rng(7).normal(size=(1, *self.shape))
        x[0].flat[:3] = 0.0
        return x.astype(np.float32).astype(np.float64)

    def image_layer(self) -> None:
        """One layer of a picture network."""
        c, node = self.channels, self.node
        side = self.graph.shape(node)[:2]
        kind = int(self.rng.integers(10))
        if kind <= 1:
            stride = self.pick(1, 1, 2)
            self.add(ops.Conv(self.weight(3, 3, c, 3), self.weight(3), (stride, stride), padding=((1, 1), (1, 1))))
        elif kind == 2:
            self.add(ops.Conv(self.weight(3, 3, 1, c), None, padding=((1, 1), (1, 1)), groups=c))
        elif kind == 3 and min(side) > 2:
            self.add(self.pick(ops.MaxPool((2, 2), (1, 1)), ops.MaxPool((2, 2)), ops.MaxPool((3, 3), (2, 2))))
        elif kind == 4:
            variance = np.abs(self.weight(c)) + 0.1
            self.add(ops.BatchNorm(self.weight(c), variance, self.weight(c) + 1.0, self.weight(c)))
        elif kind == 5:  # residual
            other = self.add(ops.Conv(self.weight(3, 3, c, c), self.weight(c), padding=((1, 1), (1, 1))))
            other = self.function()
            self.add(self.pick(ops.Add(), ops.Subtract(), ops.Maximum()), node, other)
        elif kind == 6:  # squeeze and excite
            self.add(ops.AveragePool(side))
            self.add(ops.Conv(self.weight(1, 1, c, c), None))
            gate = self.add(ops.Activation(make(self.pick("sigmoid", "hard_sigmoid"))))
            self.add(ops.Multiply(), node, gate)
        elif kind == 7:
            other = self.add(ops.Conv(self.weight(1, 1, c, 2), None))
            self.add(ops.Concat(2), node, other, node)
        elif kind == 8:
            self.add(ops.Transpose((1, 0, 2)))
        else:  # windows with equal entries
            self.add(ops.Repeat(0, 2))
            if side[0] > 2:
                self.add(ops.MaxPool((2, 2), (1, 1)))
        if self.rng.random() < 0.4:
            self.near_kinks()
        if self.rng.random() < 0.8:
            self.function()

    def flat_layer(self) -> None:
        """One layer of a network of vectors."""
        n, node = self.channels, self.node
        kind = int(self.rng.integers(9))
        if kind <= 2:
            self.add(ops.Dense(self.weight(n, 6), self.weight(6)))
        elif kind == 3:
            self.add(ops.Dense(self.weight(n, n, scale=0.5)))
            other = self.function()
            self.add(self.pick(ops.Add(), ops.Subtract(), ops.Multiply(), ops.Average(), ops.Minimum()), node, other)
        elif kind == 4:
            self.add(self.pick(ops.Subtract(), ops.Add(), ops.Multiply()), node, node)
        elif kind == 5:
            self.add(ops.Concat(0), node, node)
        elif kind == 6 and n % 2 == 0:  # a view of what others read as well
            self.add(ops.Reshape((n // 2, 2)), node)
            self.add(self.pick(ops.Transpose((1, 0)), ops.Activation(make("relu"))))
            self.add(ops.Dense(self.weight(self.channels, 2)))
            self.add(ops.Reshape((int(np.prod(self.graph.shape(self.node))),)))
            left = self.add(ops.Dense(self.weight(self.channels, 4)))
            right = self.add(ops.Dense(self.weight(n, 4)), node)
            self.add(ops.Add(), left, right)
        elif kind == 7 and n > 2:
            head = self.add(ops.Slice((0,), (2,), (1,)), node)
            tail = self.add(ops.Slice((1,), (n,), (1,)), node)
            self.add(ops.Concat(0), tail, head, tail)
        else:
            self.add(
                self.pick(ops.LayerNorm(None, None, 1e-3), ops.Softmax(0), ops.ScaleShift(self.weight(n), self.weight(n)))
            )
        if self.rng.random() < 0.3:
            self.near_kinks()
        if self.rng.random() < 0.7:
            self.function()


def random_network(number: int, layers: int = 4) -> tuple[LayerGraph, Array]:
    """A random network and its input."""
    image = number % 2 == 0
    b = Builder(number, image)
    if image:
        for _ in range(layers):
            b.image_layer()
        if b.rng.random() < 0.5:
            b.add(ops.AveragePool(b.graph.shape(b.node)[:2]))
        b.add(ops.Reshape((int(np.prod(b.graph.shape(b.node))),)))
        b.add(ops.Dense(b.weight(b.channels, 6), b.weight(6)))
    for _ in range(2 if image else layers):
        b.flat_layer()
    middle = b.pick(*[name for name in b.graph.digraph if name != "x"]) if b.rng.random() < 0.3 else None
    outputs = [b.node] if middle in (None, b.node) else [middle, b.node]  # an output that others read as well
    b.graph.set_outputs(outputs)
    return b.graph, b.sample()


@dataclass(frozen=True)
class Frozen:
    """A first run and what it promised; ``intervals``: each node's radius from its inputs' radii alone."""

    graph: LayerGraph
    domain: SketchDomain
    trace: Trace
    intervals: dict[str, Array]

    def exact(self, node: str) -> Array:
        """Radii of all elements of ``node`` by rows."""
        size = int(np.prod(self.graph.shape(node)))
        _, radii, _ = exact_radii(self.domain.plan, self.graph.topological(), node, np.arange(size))
        return radii


def screened(
    graph: LayerGraph, x: Array, settings: Settings = FEW, budget: float = np.inf, arithmetic: Arithmetic | None = BINARY32,
    key: int = 1, change: Callable[[SketchDomain], None] | None = None,
) -> Frozen:  # fmt: skip
    """The first run over one input."""
    domain = SketchDomain(graph, settings, key, budget)
    if change is not None:
        change(domain)
    intervals: dict[str, Array] = {}
    push = domain.plan.push

    def noted(name: str, sources: tuple[str, ...], local: Local) -> Array:
        intervals[name] = push(name, sources, local)
        return intervals[name]

    domain.plan.push = noted  # type: ignore[method-assign]
    return Frozen(graph, domain, forward(graph, [x], Rounder(arithmetic), domain), intervals)
