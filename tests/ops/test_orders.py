"""Every order, executed as it is, on inputs that are hard for it: convolution, dense, means, batch normalisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import Arithmetic, parse_order
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, E4M3FN
from boundnet.ops.base import Op
from boundnet.testing import check_bound

RNG = np.random.default_rng(7)
ORDERS = ["sequential", "blocked(2)", "blocked(5)", "pairwise", "pairwise(4)", "any"]
E4M3 = Arithmetic("e4m3", E4M3FN, E4M3FN, subnormals="gradual")
RULES = [
    replace(E4M3, fma="no"),
    replace(E4M3, fma="yes", rounding="any", bias="first"),
    Arithmetic("bf16", BFLOAT16, BFLOAT16, fma="no", subnormals="ftz", rounding="toward_zero"),
    Arithmetic("mixed", BFLOAT16, BINARY32, subnormals="either"),
]
SAME = ((1, 1), (1, 1))


def weights(kind: str, *shape: int) -> np.ndarray:
    """Weights that make partial sums grow, cancel, or differ in size by powers of two."""
    w = RNG.uniform(0.5, 1.0, size=shape)
    if kind == "alternating":
        return w * (-1.0) ** np.arange(w.size).reshape(shape)
    if kind == "powers":
        return np.asarray(2.0 ** RNG.integers(-4, 2, size=shape) * RNG.choice([-1.0, 1.0], size=shape))
    return w


def inputs(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    x = RNG.uniform(0.5, 1.0, size=(1, *shape))
    if kind == "powers":
        return np.asarray(2.0 ** RNG.integers(-4, 2, size=x.shape))
    return x * 2.0**-8 if kind == "subnormal" else x


OPS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "conv": ((2, 3, 2, 2), (3, 4, 2)),
    "dense": ((19, 2), (19,)),
    "mean": ((), (4, 4, 1)),
    "global mean": ((), (5, 5, 1)),
    "batch norm": ((), (2, 3)),
}


def build(name: str, kind: str) -> Op:
    kernel, _ = OPS[name]
    if name == "conv":
        return ops.Conv(weights(kind, *kernel), weights("growing", 2), padding=SAME)
    if name == "dense":
        return ops.Dense(weights(kind, *kernel), weights("growing", 2))
    if name == "batch norm":
        return ops.BatchNorm(weights(kind, 3), weights("growing", 3), weights(kind, 3), weights(kind, 3))
    return ops.AveragePool((2, 2), (1, 1), ((0, 1), (1, 0))) if name == "mean" else ops.AveragePool((5, 5))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", OPS)
def test_every_order(name: str, order: str) -> None:
    for seed, kind in enumerate(("growing", "alternating", "powers", "subnormal")):
        for index, rules in enumerate(RULES):
            x = rules.storage.round(inputs(kind, OPS[name][1]))
            radius = None if (seed + index) % 2 else [np.abs(x) * 2.0**-3]
            check_bound(build(name, kind), [x], replace(rules, order=parse_order(order)), radius=radius, trials=6, seed=seed)
