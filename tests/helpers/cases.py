"""Random arithmetics, data, ops and networks for the oracle tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, BINARY64, E4M3FN, E5M2, fixed_format, float_format
from boundnet.functions import known, make
from boundnet.graph import LayerGraph
from boundnet.numerics.accuracy import CORRECT, GLIBC_FLOAT64, X86_FLOAT32
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op

Shapes = list[tuple[int, ...]]
Case = Callable[["Draw"], tuple[Op, Shapes]]

FORMATS = [
    (E4M3FN, E4M3FN), (E5M2, E5M2), (BFLOAT16, BFLOAT16), (BINARY16, BINARY16), (BINARY32, BINARY32), (BFLOAT16, BINARY32),
    (E4M3FN, BINARY16), (E4M3FN, BFLOAT16),
    (float_format(3, 4), float_format(3, 4)), (float_format(6, 5), float_format(9, 6)),
    (BINARY64, BINARY64), (fixed_format(4, 5), fixed_format(4, 5)), (fixed_format(4, 3), fixed_format(8, 8)),
    (fixed_format(4, 3), BINARY16),
]  # fmt: skip
"""(storage, accumulator)."""


@st.composite
def arithmetics(draw: st.DrawFn) -> Arithmetic:
    """Any combination of formats, order, FMA, rounding, flushing, bias, normalisation and function accuracy."""
    storage, accumulate = draw(st.sampled_from(FORMATS))
    order = draw(
        st.sampled_from([Order(), Order("sequential"), Order("pairwise", 1), Order("pairwise", 3), Order("blocked", 2)])
    )
    tables = [X86_FLOAT32, CORRECT] if accumulate.precision < 40 or accumulate.is_fixed else [GLIBC_FLOAT64]
    return Arithmetic(
        "drawn", storage, accumulate, order,
        fma=draw(st.sampled_from(["yes", "no", "either"])),
        rounding=draw(st.sampled_from(["nearest", "nearest", "stochastic", "toward_zero", "any"])),
        subnormals=draw(st.sampled_from(["gradual", "ftz", "ftz+daz", "either"])),
        functions=draw(st.sampled_from(tables)),
        bias=draw(st.sampled_from(["any", "first", "last", "separate"])),
        normalisation=draw(st.sampled_from(["stored", "kept", "wide"])),
    )  # fmt: skip


class Draw:
    """Random data that suit an Arithmetic: ordinary, tiny, huge, exact, with zeros."""

    def __init__(self, arithmetic: Arithmetic, seed: int) -> None:
        self.arithmetic, self.rng = arithmetic, np.random.default_rng(seed)

    def stored(self, *shape: int) -> Array:
        """Values of the storage format."""
        fmt, rng = self.arithmetic.storage, self.rng
        x = rng.normal(size=shape)
        kind = rng.integers(6)
        if kind == 1:
            x = x * 2.0 ** rng.integers(-6, 3, size=shape)
        elif kind == 2:
            x = x * (fmt.quantum * 3 if fmt.is_fixed else self.arithmetic.accumulate.smallest_normal * 4)
        elif kind == 3:
            x = np.where(rng.random(shape) < 0.4, 0.0, x)
        elif kind == 4:
            x = rng.choice([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0], size=shape)
        elif kind == 5:
            x = x * (3.0 if fmt.is_fixed else fmt.largest ** (0.5 * rng.random()))
        return np.asarray(fmt.round(np.clip(x, -fmt.largest, fmt.largest), "toward_zero"))

    def weight(self, *shape: int) -> Array:
        """Weights that need a cast as often as not."""
        return self.stored(*shape) if self.rng.random() < 0.5 else self.rng.normal(size=shape)

    def maybe(self, *shape: int) -> Array | None:
        """A weight or None."""
        return None if self.rng.random() < 0.25 else self.weight(*shape)

    def radius(self, x: Array) -> Array:
        """A radius for every entry of ``x``, some of them 0."""
        rng = self.rng
        r = np.abs(rng.normal(size=x.shape)) * rng.choice([2.0**-12, 2.0**-4, 0.3, 2.0])
        kind = rng.integers(3)
        if kind == 1:
            r = r * np.abs(x)
        return np.where(rng.random(x.shape) < 0.5, 0.0, r) if kind == 2 else r

    def pick(self, *choices: Op) -> Op:
        """One of several ops."""
        return choices[int(self.rng.integers(len(choices)))]


def _merge(d: Draw) -> tuple[Op, Shapes]:
    if d.rng.random() < 0.3:
        return d.pick(ops.Subtract(), ops.Add(), ops.Multiply(), ops.Average(), ops.Maximum()), [(4,), (1,)]
    merged = d.pick(ops.Add(), ops.Average(), ops.Multiply(), ops.Maximum(), ops.Minimum())
    return merged, [(4,)] * int(d.rng.integers(2, 5))


def _pool(d: Draw) -> tuple[Op, Shapes]:
    if d.rng.random() < 0.3:
        return ops.AveragePool((8, 8)), [(8, 8, 1)]
    return ops.AveragePool((2, 3), (1, 1), ((0, 1), (1, 1))), [(3, 3, 2)]


def _einsum(d: Draw) -> tuple[Op, Shapes]:
    scale = float(d.rng.choice([1.0, 0.35355339059327373, 0.25]))
    equation, shapes = [("qhd,khd->hqk", [(2, 2, 3), (3, 2, 3)]), ("hqk,khd->qhd", [(2, 2, 3), (3, 2, 2)])][
        d.rng.integers(2)
    ]
    return ops.Einsum(equation, scale), list(shapes)


def _masked(d: Draw) -> tuple[Op, Shapes]:
    mask = (d.rng.random((2, 4)) < 0.6).astype(np.float64)
    mask[:, int(d.rng.integers(4))] = 1.0
    return ops.MaskedSoftmax(int(d.rng.integers(2)), mask if d.rng.random() < 0.8 else np.tril(np.ones((2, 4)))), [(2, 4)]


def _norm(d: Draw) -> tuple[Op, Shapes]:
    n, epsilon = int(d.rng.integers(1, 9)), float(d.rng.choice([1e-3, 1e-7, 0.25]))
    kind = int(d.rng.integers(5))
    if kind == 0:
        return ops.LayerNorm(d.maybe(2, 1, n), d.maybe(2, 1, 1), epsilon, axes=2), [(2, 2, n)]
    if kind == 1:
        return ops.RMSNorm(d.maybe(n), None, epsilon), [(2, n)]
    if kind == 2:
        return ops.UnitNorm(floor=float(d.rng.choice([1e-6, 1e-12, 0.125]))), [(2, n)]
    return ops.LayerNorm(d.maybe(n), d.maybe(n), epsilon, one_pass=kind == 3), [(2, n)]


CASES: dict[str, Case] = {
    "dense": lambda d: (ops.Dense(d.weight(n := int(d.rng.integers(1, 9)), 3), d.maybe(3)), [(n,)]),
    "conv": lambda d: (ops.Conv(d.weight(2, 2, 2, 2), d.maybe(2), padding=((1, 0), (0, 1))), [(3, 3, 2)]),
    "depthwise": lambda d: (ops.Conv(d.weight(2, 1, 4), d.maybe(4), groups=2, strides=(1,), dilation=(2,)), [(5, 2)]),
    "conv_transpose": lambda d: (ops.ConvTranspose(d.weight(2, 2, 2, 1), d.maybe(2), strides=(2, 1)), [(2, 2, 1)]),
    "batch_matmul": lambda d: (ops.BatchMatMul(d.weight(2, 3, 2), d.maybe(2, 2)), [(2, 3)]),
    "average_pool": _pool,
    "max_pool": lambda d: (ops.MaxPool((2, 2), (1, 1), ((0, 1), (0, 0))), [(3, 3, 1)]),
    "softmax": lambda d: (ops.Softmax(0), [(int(d.rng.integers(1, 9)),)]),
    "log_softmax": lambda d: (ops.LogSoftmax(0), [(int(d.rng.integers(1, 9)),)]),
    "total": lambda d: (ops.Total(0), [(int(d.rng.integers(1, 9)), 2)]),
    "contract": lambda d: (ops.Contract((0, 1)), [(3, 2), (2, 3)]),
    "merge": _merge,
    "batch_norm": lambda d: (ops.BatchNorm(d.weight(3), np.abs(d.weight(3)), d.maybe(3), d.maybe(3)), [(2, 3)]),
    "normalisation": _norm,
    "add_biased": lambda d: (ops.AddBiased(d.weight(3)), [(2, 3), (2, 3)]),
    "bilinear": lambda d: (ops.Bilinear(((4, 2), (2, 8), (1, 4))[d.rng.integers(3)]), [(2, 2, 2)]),
    "divide": lambda d: (ops.Divide(), [(4,), (4,)] if d.rng.random() < 0.7 else [(3, 2), (3, 1)]),
    "divide_by": lambda d: (ops.DivideBy(float(d.rng.choice([3.0, -0.7, 2.0, 255.0]))), [(4,)]),
    "bucket": lambda d: (ops.Bucket(tuple(np.unique(d.weight(3)).tolist())), [(2, 3)]),
    "einsum": _einsum,
    "masked_softmax": _masked,
    "scale_shift": lambda d: (ops.ScaleShift(d.weight(3), d.maybe(3)), [(2, 3)]),
    "standardize": lambda d: (ops.Standardize(d.weight(3), np.abs(d.weight(3)), invert=bool(d.rng.integers(2))), [(2, 3)]),
    "prelu": lambda d: (ops.PReLU(d.weight(3)), [(2, 3)]),
    "structural": lambda d: (
        d.pick(
            ops.Pad(((1, 0), (0, 2))),
            ops.Repeat(1, 2),
            ops.Transpose((1, 0)),
            ops.Patches((2,), (1,)),
            ops.Take(1, (2, 0, 0)),
            ops.Slice((0, 2), (2, None), (1, -1)),
        ),
        [(2, 3)],
    ),
    "concat": lambda d: (ops.Concat(1), [(2, 3), (2, 1), (2, 2)]),
}
"""Op family -> a random op of it with its inputs' shapes."""

VARIANTS: dict[str, Sequence[dict[str, float | bool]]] = {
    "relu": [{}, {"threshold": 1.0}, {"negative_slope": 0.1, "threshold": 0.5}, {"max_value": 2.0}, {"max_value": 0.0},
             {"negative_slope": 0.3}, {"negative_slope": -0.5}, {"threshold": -0.7}],
    "hard_sigmoid": [{"keras_version": 2}, {"keras_version": 3}],
    "gelu": [{"approximate": False}, {"approximate": True}],
    "threshold": [{}, {"threshold": 0.5, "default": -1.0}, {"threshold": 0.0, "default": 2.0}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 0.6}],
    "clip": [{"low": -0.5, "high": 2.0}, {"low": 0.0, "high": 0.1}],
}  # fmt: skip
ACTIVATIONS = [make(name, **values) for name in known() for values in VARIANTS.get(name, [{}])]
"""Every function, with the parameters that matter."""


def network(d: Draw) -> tuple[LayerGraph, tuple[int, ...]]:
    """A random network of a few layers with branches, and its input's shape."""
    graph = LayerGraph("random")
    if d.rng.random() < 0.5:
        shape: tuple[int, ...] = (4, 4, 2)
        node = _image_layers(graph, d, graph.add("x", ops.Input(shape)))
    else:
        shape = (int(d.rng.integers(2, 7)),)
        node = graph.add("x", ops.Input(shape))
    node = _dense_layers(graph, d, node)
    outputs = [node]
    if d.rng.random() < 0.5:
        outputs.append(graph.add("p", d.pick(ops.Softmax(0), ops.LogSoftmax(0)), [node]))
    graph.set_outputs(outputs)
    return graph, shape


def _activation(d: Draw, *names: str) -> Op:
    return ops.Activation(make(str(d.rng.choice(names))))


def _image_layers(graph: LayerGraph, d: Draw, node: str) -> str:
    for i in range(int(d.rng.integers(1, 4))):
        c, kind, name = graph.shape(node)[-1], int(d.rng.integers(7)), f"l{i}"
        if kind <= 1:
            node = graph.add(name, ops.Conv(d.weight(2, 2, c, 3), d.maybe(3), padding=((1, 0), (0, 1))), [node])
        elif kind == 2:
            norm = ops.BatchNorm(d.weight(c), np.abs(d.rng.normal(size=c)) + 0.1, d.maybe(c), d.maybe(c))
            node = graph.add(name, norm, [node])
        elif kind == 3 and min(graph.shape(node)[:2]) > 1:
            pool = d.pick(ops.MaxPool((2, 2), (1, 1)), ops.AveragePool((2, 2), (1, 1)), ops.MaxPool((2, 2)))
            node = graph.add(name, pool, [node])
        elif kind == 4:
            branch = graph.add(f"{name}a", ops.Conv(d.weight(1, 1, c, c), d.maybe(c)), [node])
            branch = graph.add(f"{name}r", _activation(d, "relu"), [branch])
            joined = d.pick(ops.Add(), ops.Multiply(), ops.Concat(2), ops.Subtract(), ops.Maximum())
            node = graph.add(name, joined, [node, branch])
        elif kind == 5:
            node = graph.add(name, ops.Pad(((1, 0), (0, 1), (0, 0))), [node])
        else:
            node = graph.add(name, ops.Repeat(0, 2), [node])
        node = graph.add(f"{name}f", _activation(d, "relu", "relu", "relu", "tanh", "hard_sigmoid", "elu", "silu"), [node])
        if d.rng.random() < 0.2:
            node = graph.add(f"{name}z", d.pick(ops.Subtract(), ops.Add(), ops.Multiply()), [node, node])
    if d.rng.random() < 0.5:
        node = graph.add("gap", ops.AveragePool(graph.shape(node)[:2]), [node])
    return graph.add("flat", ops.Reshape((int(np.prod(graph.shape(node))),)), [node])


def _dense_layers(graph: LayerGraph, d: Draw, node: str) -> str:
    for i in range(int(d.rng.integers(1, 4))):
        node = graph.add(f"d{i}", ops.Dense(d.weight(graph.shape(node)[0], 4), d.maybe(4)), [node])
        if d.rng.random() < 0.8:
            node = graph.add(f"a{i}", _activation(d, "relu", "relu", "tanh", "gelu", "softplus"), [node])
        kind = int(d.rng.integers(9))
        if kind == 0:
            node = graph.add(f"s{i}", ops.Subtract(), [node, node])
        elif kind == 1:
            other = graph.add(f"o{i}", ops.Dense(d.weight(4, 4)), [node])
            joined = d.pick(ops.Add(), ops.Multiply(), ops.Average(), ops.Concat(0))
            node = graph.add(f"s{i}", joined, [node, other, node])
        elif kind == 2:
            first = graph.add(f"t{i}", ops.Slice((0,), (2,), (1,)), [node])
            second = graph.add(f"w{i}", ops.Slice((2,), (4,), (1,)), [node])
            node = graph.add(f"s{i}", ops.Concat(0), [second, first, second])
        elif kind == 3:
            square = graph.add(f"q{i}", ops.Reshape((2, 2)), [graph.add(f"r{i}", ops.Slice((0,), (4,), (1,)), [node])])
            product = graph.add(f"c{i}", ops.Contract((0, 1)), [square, square])
            node = graph.add(f"s{i}", ops.Reshape((4,)), [product])
    return node
