"""Orders of addition that an Arithmetic allows, for the emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Addend:
    """A leaf of a sum: ``value``, or the product of ``value`` and ``weight`` that is not computed yet."""

    value: Array
    weight: Array | None


class Accumulator(Protocol):
    """Operations of a machine in its accumulator."""

    arithmetic: Arithmetic
    rng: np.random.Generator

    def accumulate_sum(self, a: Array, b: Array) -> Array: ...
    def accumulate_product(self, a: Array, b: Array) -> Array: ...
    def accumulate_fused(self, a: Array, b: Array, c: Array) -> Array: ...


def add_up(machine: Accumulator, addends: Sequence[Addend], bias: Addend | None, place: str) -> Array:
    """Sum of all addends in the accumulator, in an order that conforms to the machine's Arithmetic.

    Args:
        place: where ``bias`` goes: first, last, or ``leaf`` (anywhere the order allows).
    """
    order, rng = machine.arithmetic.order, machine.rng
    leaves = list(addends)
    if place == "leaf":
        place = "inside" if order.kind == "any" else str(rng.choice(["first", "last"]))
    if bias is not None and place == "inside":
        leaves.insert(int(rng.integers(len(leaves) + 1)), bias)
        bias = None
    kind, size = order.kind, order.size
    if kind == "any":
        rng.shuffle(leaves)
        kind = rng.choice(["sequential", "pairwise", "blocked", "tree"])
        size = int(rng.integers(1, max(len(leaves), 2)))
    if kind == "sequential":
        if bias is not None and place == "first":
            leaves, bias = [bias, *leaves], None
        total = _run(machine, leaves)
    elif bias is not None and place == "first" and kind == "blocked" and rng.random() < 0.3:
        total, bias = _run(machine, [bias, *_blocks(machine, leaves, size)]), None
    elif bias is not None and place == "first" and kind in ("blocked", "pairwise") and rng.random() < 0.5:
        total, bias = _tree(machine, leaves, kind, size, [bias]), None
    elif bias is not None and place == "first":
        total, bias = _join(machine, bias, Addend(_tree(machine, leaves, kind, size), None)).value, None
    else:
        total = _tree(machine, leaves, kind, size)
    return total if bias is None else _join(machine, Addend(total, None), bias).value


def _tree(machine: Accumulator, leaves: list[Addend], kind: str, size: int, start: Sequence[Addend] = ()) -> Array:
    """``start``: what the first accumulator of blocks or halves takes before its leaves."""
    if kind == "pairwise":
        return _pairwise(machine, leaves, size, start)
    if kind == "blocked":
        return _run(machine, _blocks(machine, leaves, size, start))
    nodes = list(leaves)
    while len(nodes) > 1:
        i, j = machine.rng.choice(len(nodes), size=2, replace=False)
        joined = _join(machine, nodes[i], nodes[j])
        nodes = [node for k, node in enumerate(nodes) if k not in (i, j)] + [joined]
    return _value(machine, nodes[0])


def _blocks(machine: Accumulator, leaves: list[Addend], size: int, start: Sequence[Addend] = ()) -> list[Addend]:
    blocks = [leaves[i : i + size] for i in range(0, len(leaves), size)]
    return [Addend(_run(machine, [*(start if i == 0 else ()), *block]), None) for i, block in enumerate(blocks)]


def _pairwise(machine: Accumulator, leaves: list[Addend], size: int, start: Sequence[Addend] = ()) -> Array:
    if len(leaves) <= max(size, 1):
        return _run(machine, [*start, *leaves])
    # Halves that are a multiple of the base, as recursive halving of ceil(n / base) runs gives them.
    runs = -(-len(leaves) // size)
    half = -(-runs // 2) * size
    left, right = _pairwise(machine, leaves[:half], size, start), _pairwise(machine, leaves[half:], size)
    return machine.accumulate_sum(left, right)


def _run(machine: Accumulator, leaves: Sequence[Addend]) -> Array:
    """One accumulator; it may start from zero."""
    if machine.rng.random() < 0.5:
        zero = np.zeros_like(leaves[0].value)
        total = _join(machine, Addend(zero, None), leaves[0])
    else:
        total = Addend(_value(machine, leaves[0]), None)
    for leaf in leaves[1:]:
        total = _join(machine, total, leaf)
    return total.value


def _fuses(machine: Accumulator) -> bool:
    fma = machine.arithmetic.fma
    return fma == "yes" or (fma == "either" and machine.rng.random() < 0.5)


def _value(machine: Accumulator, leaf: Addend) -> Array:
    return leaf.value if leaf.weight is None else machine.accumulate_product(leaf.value, leaf.weight)


def _join(machine: Accumulator, a: Addend, b: Addend) -> Addend:
    """a + b, fused where one is a product and the Arithmetic fuses."""
    if b.weight is None and a.weight is not None:
        a, b = b, a
    if b.weight is not None and _fuses(machine):
        return Addend(machine.accumulate_fused(b.value, b.weight, _value(machine, a)), None)
    return Addend(machine.accumulate_sum(_value(machine, a), _value(machine, b)), None)
