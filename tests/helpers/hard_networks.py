"""Random networks that are hard to bound: extreme weights, open decisions, ties, dead slopes, zero rows, shared weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op

MILD = (2.0**-6, 0.5, 1.0, 1.0, 1.0, 2.0)


class Hard:
    """Grows one graph; ``node`` is the tensor that grows.  Weights suit the range of ``rules``."""

    def __init__(self, number: int, rules: Arithmetic, samples: int) -> None:
        self.rng = np.random.default_rng(number)
        self.rules, self.samples = rules, samples
        self.graph = LayerGraph(f"hard {number}")
        self.wild = self.rng.random() < 0.3
        self.shape: tuple[int, ...] = self.pick((4, 4, 2), (4, 3, 3), (5,), (3, 4))
        self.node = self.graph.add("x", ops.Input(self.shape))
        self.given = self._inputs()

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def scale(self) -> float:
        """A factor for weights: mild as a rule, near the ends of the format's range in wild networks."""
        if not self.wild or self.rng.random() < 0.6:
            return float(self.pick(*MILD))
        fmt = self.rules.storage
        if fmt.is_fixed:
            return float(self.pick(fmt.quantum, 2.0))
        ends = fmt.smallest_subnormal, fmt.smallest_normal, 1.0 / 64.0, 64.0, fmt.largest**0.25, fmt.largest**0.5
        return float(np.clip(self.pick(*ends), 1e-150, 1e150))

    def _inputs(self) -> Array:
        x = self.rng.normal(size=(self.samples, *self.shape)) * (self.scale() if self.wild else 1.0)
        x = np.where(self.rng.random(x.shape) < 0.1, 0.0, x)
        return self.rules.storage.round(x) if self.rng.random() < 0.7 else x

    def weight(self, *shape: int) -> Array:
        fan = max(1, int(np.prod(shape[:-1])))
        w = self.rng.normal(size=shape) / np.sqrt(fan)
        kind = int(self.rng.integers(8))
        if kind == 0:
            w = np.where(self.rng.random(shape) < 0.4, 0.0, w)
        elif kind == 1:
            w = w * np.where(self.rng.random(shape[-1]) < 0.5, 1.0, self.scale())  # channels far apart
        elif kind == 2:
            w[..., 0] = 0.0
        elif kind == 3:
            w = np.sign(w) * self.pick(0.5, 1.0)
        elif kind == 4 and shape[-1] > 1:
            w[..., 1] = w[..., 0]  # twins: ties of maxima, differences of 0
        if self.rng.random() < 0.3:
            w = w * self.scale()
        largest = 0.25 * self.rules.storage.largest
        w = np.clip(w, -largest, largest)
        return self.rules.storage.round(w) if self.rng.random() < 0.7 else w

    def maybe(self, n: int) -> Array | None:
        return None if self.rng.random() < 0.4 else self.weight(n)

    def add(self, op: Op, *sources: str) -> str:
        self.node = self.graph.add(self.graph.unique("n"), op, sources or (self.node,))
        return self.node

    @property
    def here(self) -> tuple[int, ...]:
        return self.graph.shape(self.node)

    def function(self) -> None:
        names = (
            "relu",
            "relu",
            "relu",
            "tanh",
            "sigmoid",
            "silu",
            "gelu",
            "hard_sigmoid",
            "elu",
            "relu6",
            "softplus",
            "leaky",
        )
        name = self.pick(*names)
        extra: dict[str, Any] = {}
        if name == "relu6":
            name, extra = "relu", {"max_value": 6.0}
        elif name == "leaky":
            name, extra = "relu", {"negative_slope": 0.1}
        if self.rng.random() < 0.1:
            self.add(ops.PReLU(self.weight(self.here[-1])))
        else:
            self.add(ops.Activation(make(name, **extra)))

    def to_kinks(self) -> None:
        """Shift every channel so that some element's centre is at 0, or next to it."""
        self.graph.set_outputs([self.node])
        with np.errstate(all="ignore"):
            values = self.graph.evaluate([self.given])[self.node]
        c = self.here[-1]
        flat = values.reshape(-1, c)
        chosen = flat[self.rng.integers(len(flat), size=c), np.arange(c)]
        near = self.pick(0.0, 2.0**-20, 2.0**-8) * self.rng.normal(size=c)
        limit = 0.25 * self.rules.storage.largest
        shift = np.clip(np.where(np.isfinite(chosen), near - chosen, 0.0), -limit, limit)
        self.add(ops.ScaleShift(np.ones(c), self.rules.storage.round(shift)))

    def image(self) -> None:
        c, node, side = self.here[-1], self.node, self.here[:2]
        kind = int(self.rng.integers(15))
        if kind <= 1:
            stride = self.pick(1, 1, 2)
            self.add(ops.Conv(self.weight(3, 3, c, 3), self.maybe(3), (stride, stride), padding=((1, 1), (1, 1))))
        elif kind == 2:
            self.add(ops.Conv(self.weight(2, 2, 1, c), self.maybe(c), padding=((1, 0), (0, 1)), groups=c))
        elif kind == 3 and min(side) > 1:
            self.add(self.pick(ops.MaxPool((2, 2), (1, 1)), ops.MaxPool((2, 2)), ops.AveragePool((2, 2), (1, 1))))
        elif kind == 4:
            variance = np.abs(self.weight(c)) + self.pick(0.1, 1.0)
            self.add(ops.BatchNorm(self.weight(c), variance, self.weight(c), self.weight(c)))
        elif kind == 5:
            self.add(ops.Conv(self.weight(3, 3, c, c), self.maybe(c), padding=((1, 1), (1, 1))))
            self.function()
            other = self.node
            self.add(self.pick(ops.Add(), ops.Subtract(), ops.Maximum(), ops.Average()), node, other)
        elif kind == 6:  # squeeze and excite
            self.add(ops.AveragePool(side))
            self.add(ops.Conv(self.weight(1, 1, c, c), self.maybe(c)))
            gate = self.add(ops.Activation(make(self.pick("sigmoid", "hard_sigmoid"))))
            self.add(ops.Multiply(), node, gate)
        elif kind == 7:
            other = self.add(ops.Conv(self.weight(1, 1, c, 2), self.maybe(2)))
            self.add(ops.Concat(2), node, other, node)
        elif kind == 8:
            self.add(self.pick(ops.LayerNorm(None, self.maybe(c), 1e-3), ops.RMSNorm(self.weight(c), None, 1e-3)))
        elif kind == 9:
            self.add(self.pick(ops.Transpose((1, 0, 2)), ops.Repeat(0, 2), ops.Pad(((1, 0), (0, 1), (0, 0)))))
        elif kind == 10:
            self.add(ops.Conv(self.weight(1, 1, c, c), None))
            self.add(self.pick(ops.Multiply(), ops.Maximum(), ops.Minimum()), node, self.node)
        elif kind == 11 and side[0] * side[1] <= 16:
            self.add(ops.ConvTranspose(self.weight(2, 2, 2, c), self.maybe(2), strides=self.pick((1, 1), (2, 1))))
        elif kind == 12:
            self.add(self.pick(ops.Bilinear((2 * side[0], side[1])), ops.Slice((0, 0, 0), (None, None, None), (1, -1, 1))))
        elif kind == 13:
            self.add(ops.Conv(self.weight(1, 1, c, c), self.maybe(c)))
            self.add(ops.Divide(), node, self.add(ops.Activation(make("softplus"))))
        else:
            self.add(ops.Standardize(self.weight(c), np.abs(self.weight(c)) + 0.5))

    def flat(self) -> None:
        n, node = self.here[-1], self.node
        kind = int(self.rng.integers(14))
        if kind <= 2:
            self.add(ops.Dense(self.weight(n, 5), self.maybe(5)))
        elif kind == 3:
            self.add(ops.Dense(self.weight(n, n), self.maybe(n)))
            self.function()
            other = self.node
            self.add(self.pick(ops.Add(), ops.Subtract(), ops.Multiply(), ops.Average(), ops.Minimum()), node, other)
        elif kind == 4:
            self.add(self.pick(ops.Subtract(), ops.Add(), ops.Multiply(), ops.Maximum()), node, node)
        elif kind == 5 and n <= 8:
            self.add(ops.Concat(len(self.here) - 1), node, node)
        elif kind == 6:
            self.recurrent()
        elif kind == 7 and len(self.here) == 1 and n > 2:
            head = self.add(ops.Slice((0,), (2,), (1,)), node)
            tail = self.add(ops.Slice((1,), (n,), (1,)), node)
            self.add(ops.Concat(0), tail, head, tail)
        elif kind == 8 and len(self.here) == 2:
            self.attention()
        elif kind == 10 and len(self.here) == 2:
            t = self.here[0]
            mask = np.tril(np.ones((t, t))) if self.rng.random() < 0.5 else np.ones((t, t))
            scores = self.add(ops.Einsum("qd,kd->qk", 0.5), node, node)
            weights = self.add(ops.MaskedSoftmax(1, mask), scores)
            self.add(ops.Einsum("qk,kd->qd", 1.0), weights, node)
        elif kind == 11:
            self.add(ops.AddBiased(self.weight(n)), node, self.add(ops.Dense(self.weight(n, n)), node))
        elif kind == 12 and len(self.here) == 2:
            self.add(self.pick(ops.Total(0), ops.BatchMatMul(self.weight(self.here[0], n, 3), self.weight(self.here[0], 3))))
        elif kind == 13:
            gate = self.add(ops.Activation(make("sigmoid")), self.add(ops.Dense(self.weight(n, n), self.maybe(n)), node))
            self.add(self.pick(ops.Multiply(), ops.Divide()), node, gate)
        else:
            axis = len(self.here) - 1
            self.add(self.pick(ops.LayerNorm(None, None, 1e-3), ops.Softmax(axis), ops.LogSoftmax(axis), ops.UnitNorm(floor=1e-6),
                               ops.ScaleShift(self.weight(n), self.weight(n)), ops.DivideBy(3.0)))  # fmt: skip

    def recurrent(self) -> None:
        """Steps with the same weights: h' = f(W h) * g(V h) + h or without the last."""
        n = self.here[-1]
        first, second = self.weight(n, n), self.weight(n, n)
        bias = self.maybe(n)
        for _ in range(int(self.rng.integers(2, 5))):
            h = self.node
            self.add(ops.Dense(first, bias), h)
            left = self.add(ops.Activation(make(self.pick("tanh", "relu"))))
            self.add(ops.Dense(second), h)
            right = self.add(ops.Activation(make("sigmoid")))
            self.add(ops.Multiply(), left, right)
            if self.rng.random() < 0.5:
                self.add(ops.Add(), self.node, h)

    def attention(self) -> None:
        n = self.here[-1]
        x = self.node
        q = self.add(ops.Dense(self.weight(n, n), self.maybe(n)), x)
        k = self.add(ops.Dense(self.weight(n, n)), x)
        scores = self.add(ops.Einsum("qd,kd->qk", 0.5), q, k)
        weights = self.add(ops.Softmax(1), scores)
        mixed = self.add(ops.Einsum("qk,kd->qd", 1.0), weights, x)
        self.add(ops.Add(), x, mixed)


def hard_network(number: int, rules: Arithmetic, samples: int = 1) -> tuple[LayerGraph, Array]:
    """A network for ``rules`` and ``samples`` inputs of it."""
    h = Hard(number, rules, samples)
    for _ in range(int(h.rng.integers(2, 5))):
        h.image() if len(h.here) == 3 else h.flat()
        if h.rng.random() < 0.4:
            h.to_kinks()
        if h.rng.random() < 0.7:
            h.function()
    if len(h.here) > 1:
        if len(h.here) == 3 and h.rng.random() < 0.5:
            h.add(ops.AveragePool(h.here[:2]))
        h.add(ops.Reshape((int(np.prod(h.here)),)))
    h.add(ops.Dense(h.weight(h.here[-1], 4), h.maybe(4)))
    outputs = [h.node]
    if h.rng.random() < 0.4:
        outputs = [h.add(ops.Softmax(0))]
    if h.rng.random() < 0.2:
        outputs.append(h.pick(*[n for n in h.graph.digraph if n not in ("x", outputs[0])]))
    h.graph.set_outputs(outputs)
    return h.graph, h.given
