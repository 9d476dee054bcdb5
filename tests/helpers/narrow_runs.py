"""Executions of a network with narrow tensors and binary32 sums, in any order: code of its own throughout, to refute bounds.

Sums run in NumPy's float32, stored values come from bit patterns (formats with binary32's exponents), NumPy's float16, or a
table of all numbers of an 8-bit format.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet import ops
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array

Float32 = npt.NDArray[np.float32]
ORDERS = ("document", "backwards", "shuffled", "halves", "tree", "up", "down", "wide")
NORMAL = np.float32(2.0**-126)


def _bits(precision: int) -> Callable[[Float32], Array]:
    """Storage with binary32's exponents: the lowest bits are cut off, to nearest, ties to even."""
    cut = 24 - precision

    def store(value: Float32) -> Array:
        word = np.ascontiguousarray(value, np.float32).view(np.uint32).astype(np.uint64)
        lowest = (word >> np.uint64(cut)) & np.uint64(1)
        word = (word + np.uint64((1 << (cut - 1)) - 1) + lowest) >> np.uint64(cut) << np.uint64(cut)
        return word.astype(np.uint32).view(np.float32).astype(np.float64)

    return store


def _table(exponent_bits: int, fraction_bits: int, bias: int, infinite: bool) -> Callable[[Float32], Array]:
    """An 8-bit format as the list of its numbers; past the half-way point behind the largest comes infinity or NaN."""
    numbers = []
    for e, f in itertools.product(range(1 << exponent_bits), range(1 << fraction_bits)):
        scale = 2.0 ** (max(e, 1) - bias - fraction_bits)
        numbers.append(((1 << fraction_bits if e else 0) + f) * scale)
    # E5M2 gives its last exponent to infinity and NaN, E4M3FN its last number to NaN.
    numbers = numbers[: -(1 << fraction_bits)] if infinite else numbers[:-1]
    values = np.array(numbers)
    step = values[-1] - values[-2]
    middles = np.append(0.5 * (values[1:] + values[:-1]), values[-1] + 0.5 * step)
    values = np.append(values, np.inf if infinite else np.nan)

    def store(value: Float32) -> Array:
        size = np.abs(value.astype(np.float64))
        above = np.searchsorted(middles, size, side="right")
        tie = (above > 0) & (size == middles[np.maximum(above - 1, 0)])
        # Neighbours alternate between even and odd codes.
        found = np.where(tie & ((above - 1) % 2 == 0), above - 1, above)
        result = np.copysign(values[np.minimum(found, len(values) - 1)], value)
        return np.where(np.isnan(value), np.nan, result)

    return store


STORES: dict[str, Callable[[Float32], Array]] = {
    "bfloat16": _bits(8),
    "float(5,8)": _bits(5),
    "binary16": lambda value: value.astype(np.float16).astype(np.float64),
    "fp8_e4m3fn": _table(4, 3, 7, infinite=False),
    "fp8_e5m2": _table(5, 2, 15, infinite=True),
}


@dataclass
class Machine:
    """One way to execute: ``bias`` last, leaf or separate; ``flush`` results and operands below binary32's normal range."""

    store: Callable[[Float32], Array]
    rng: np.random.Generator
    order: str | None = None
    bias: str = "last"
    flush: bool = False
    skip: frozenset[str] = field(default_factory=frozenset)

    def normal(self, value: Float32) -> Float32:
        value = np.asarray(value, np.float32)
        return np.where(np.abs(value) < NORMAL, np.float32(0.0), value) if self.flush else value

    def total(self, terms: Float32) -> Float32:
        """Sum over the last axis."""
        order = self.order or str(self.rng.choice(ORDERS))
        count = terms.shape[-1]
        if order == "wide":
            return self.normal(terms.astype(np.float64).sum(axis=-1).astype(np.float32))
        if order == "backwards":
            terms = terms[..., ::-1]
        if order == "shuffled":
            terms = terms[..., self.rng.permutation(count)]
        if order in ("up", "down"):
            places = np.argsort(np.abs(terms), axis=-1)
            terms = np.take_along_axis(terms, places if order == "up" else places[..., ::-1], axis=-1)
        parts = [terms[..., i] for i in range(count)]
        while order in ("tree", "halves") and len(parts) > 1:
            if order == "halves":
                paired = [self.normal(a + b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
                parts = paired + (parts[-1:] if len(parts) % 2 else [])
                continue
            i = int(self.rng.integers(len(parts) - 1))
            a, b = parts.pop(i), parts.pop(i)
            parts.insert(i, self.normal(a + b))
        result = parts[0]
        for part in parts[1:]:
            result = self.normal(result + part)
        return result

    def products(self, pairs: list[tuple[Array, Array]]) -> Float32:
        with np.errstate(all="ignore"):
            terms = [self.normal(self.normal(a.astype(np.float32)) * self.normal(b.astype(np.float32))) for a, b in pairs]
        return np.stack(np.broadcast_arrays(*terms), axis=-1)

    def linear(self, pairs: list[tuple[Array, Array]], bias: Array | None) -> Float32 | Array:
        """A sum of products and its bias, ready to be stored; or stored already where the bias comes after."""
        terms = self.products(pairs)
        if bias is None:
            return self.total(terms)
        b = self.normal(np.broadcast_to(bias.astype(np.float32), terms.shape[:-1]))
        if self.bias == "separate":
            return self.normal(self.normal(self.store(self.total(terms)).astype(np.float32)) + b)
        if self.bias == "leaf" or (self.bias == "last" and self.rng.random() < 0.5):
            return self.total(np.concatenate([terms, b[..., None]], axis=-1))
        return self.normal(self.total(terms) + b)


def execute(graph: LayerGraph, inputs: Array, machine: Machine) -> dict[str, Array]:
    """Every stored tensor; the graph holds weights of the storage format already."""
    values: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for name in graph.topological():
            if name in graph.inputs:
                values[name] = machine.store(inputs.astype(np.float32))
                continue
            xs = [values[source] for source in graph.inputs_of(name)]
            found, stores = _run(graph.op(name), xs, machine)
            keeps = not stores or name in machine.skip
            values[name] = np.asarray(found, np.float64) if keeps else machine.store(np.asarray(found, np.float32))
    return values


def _run(op: Any, xs: list[Array], m: Machine) -> tuple[Any, bool]:
    """(result, whether it is stored)."""
    x = xs[0]
    if isinstance(op, ops.Dense):
        return m.linear([(x[..., k, None], op.kernel[k]) for k in range(len(op.kernel))], op.bias), True
    if isinstance(op, ops.Conv):
        return m.linear(_patches(op, x), op.bias), True
    if isinstance(op, ops.BatchNorm):
        return _normalised(op, x.astype(np.float32), m), True
    if isinstance(op, ops.Add):
        return m.normal(m.normal(x.astype(np.float32)) + m.normal(xs[1].astype(np.float32))), True
    if isinstance(op, ops.AveragePool):
        (a, b), channels = op.size, x.shape[-1]
        cells = x.reshape(len(x), x.shape[1] // a, a, x.shape[2] // b, b, channels).transpose(0, 1, 3, 5, 2, 4)
        total = m.total(m.normal(cells.reshape(*cells.shape[:4], -1).astype(np.float32)))
        return m.normal(total / np.float32(a * b) if m.rng.random() < 0.5 else total * np.float32(1.0 / (a * b))), True
    if isinstance(op, ops.Activation):
        return np.maximum(m.normal(x.astype(np.float32)) if m.flush else x, 0.0), False
    if isinstance(op, ops.MaxPool):
        a, b = op.size
        x = np.asarray(m.normal(x.astype(np.float32)), np.float64) if m.flush else x
        return x.reshape(len(x), x.shape[1] // a, a, x.shape[2] // b, b, -1).max(axis=(2, 4)), False
    if isinstance(op, ops.Reshape):
        return x.reshape(len(x), *op.shape), False
    if isinstance(op, ops.Concat):
        return np.concatenate(xs, axis=op.axis + 1), False
    raise NotImplementedError(type(op).__name__)


def _patches(op: ops.Conv, x: Array) -> list[tuple[Array, Array]]:
    """Stride 1, one group: shifted images against kernel entries."""
    padded = np.pad(x, [(0, 0), *(op.padding or ((0, 0),) * 2), (0, 0)])
    height, width = op.kernel.shape[:2]
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    return [
        (padded[:, i : i + rows, j : j + columns, c, None], op.kernel[i, j, c])
        for i, j, c in np.ndindex(height, width, op.kernel.shape[2])
    ]


def _normalised(op: ops.BatchNorm, x: Float32, m: Machine) -> Float32:
    one, n = np.float32(1.0), m.normal
    gamma = np.ones_like(op.mean) if op.gamma is None else op.gamma
    beta = np.zeros_like(op.mean) if op.beta is None else op.beta
    g, b, mean, variance = (part.astype(np.float32) for part in (gamma, beta, op.mean, op.variance))
    root = np.sqrt(variance + np.float32(op.epsilon))
    scale = n(n(one / root) * g)
    form = m.rng.integers(3)
    if form == 0:
        return n(n(n(x - mean) * scale) + b)
    if form == 1:
        return n(n(x * scale) + n(b - n(mean * scale)))
    return n(n(n(n(x - mean) / root) * g) + b)
