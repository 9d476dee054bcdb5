"""F(a) - F(b) for all a, b in a box with |a - b| <= radii, linear part and bound: what boxes of inputs rest on."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.functions import Function
from boundnet.numerics.outward import raise_tiny
from boundnet.ops.base import Op, Tensor
from boundnet.reference.apply import apply_map, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder


def attack(op: Op, shapes: list[tuple[int, ...]], draw: Draw) -> None:
    rng, machine = draw.rng, ArbMachine(320)
    xs = [draw.stored(2, *shape) for shape in shapes]
    if isinstance(op, ops.Activation) and op.function.positive:
        xs = [np.abs(x) for x in xs]
    tensors = [Tensor(x, r, (x == 0) & (r == 0)) for x, r in ((x, draw.radius(x)) for x in xs)]
    radii = [
        np.where(rng.random(t.radius.shape) < 0.2, 0.0, t.radius * rng.choice([2.0**-20, 0.1, 1.0, 2.0])) for t in tensors
    ]
    with np.errstate(all="ignore"):
        local = op.local(Rounder(None), *tensors)
        claim, secant = op.difference(tensors, local, radii), op.secant(tensors, local, radii)
    for _ in range(8):
        first, second = [], []
        for t, radius in zip(tensors, radii, strict=True):
            low, high = t.centre - t.radius * (1 - 2.0**-40), t.centre + t.radius * (1 - 2.0**-40)
            a = np.clip(t.centre + rng.choice([-1.0, 0.0, 0.3, 1.0], size=radius.shape) * t.radius, low, high)
            b = np.clip(a + rng.choice([-1.0, 1.0, 0.5], size=radius.shape) * radius * (1 - 2.0**-40), low, high)
            # Sums above round: keep only points that surely are in range, and pairs that surely are no further apart.
            a, b = (np.where(np.abs(y - t.centre) <= t.radius, y, t.centre) for y in (a, b))
            near = np.abs(b - a) * (1 + 2.0**-50) <= radius
            first.append(machine.parameter(a))
            second.append(machine.parameter(np.where(near, b, a)))
        distance = op.evaluate(machine, *first) - op.evaluate(machine, *second)
        bound = np.broadcast_to(raise_tiny(np.asarray(claim)), distance.shape)
        violated = exceeds(distance, bound)
        assert not np.any(violated), (op.describe(), bound[violated][:3], distance[violated][:3])
        rest = distance
        for linear, a, b in zip(secant.maps, first, second, strict=True):
            rest = rest - apply_map(machine, linear, a - b)
        noise = np.broadcast_to(raise_tiny(np.asarray(secant.noise)), distance.shape)
        missed = exceeds(rest, noise)
        assert not np.any(missed), (op.describe(), noise[missed][:3], rest[missed][:3])
        if secant.cap is not None:
            assert not np.any(exceeds(distance, raise_tiny(np.asarray(secant.cap)))), op.describe()


@pytest.mark.parametrize("family", CASES)
def test_family(family: str) -> None:
    for number in range(40):
        draw = Draw(Arithmetic("t"), number)
        attack(*CASES[family](draw), draw)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_activation(function: Function) -> None:
    for number in range(25):
        attack(ops.Activation(function), [(12,)], Draw(Arithmetic("t"), number))
