"""Deep residual networks: bounds grow like a power of the depth where the exact network is stable, not exponentially."""

from __future__ import annotations

import math

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.functions import make
from boundnet.graph import LayerGraph

WIDTH = 8
DEPTHS = (10, 32, 100)


def residual(depth: int) -> LayerGraph:
    """x - W' relu(W x + b) with a spectral norm of at most 1: every layer is nonexpansive (Meunier et al., ICML 2022)."""
    rng = np.random.default_rng(3)
    graph = LayerGraph(f"residual {depth}")
    node = graph.add("x", ops.Input((WIDTH,)))
    for i in range(depth):
        weights = rng.normal(size=(WIDTH, WIDTH))
        weights = (weights / np.linalg.norm(weights, 2)).astype(np.float32).astype(np.float64)
        bias = (0.3 * rng.normal(size=WIDTH)).astype(np.float32).astype(np.float64)
        inner = graph.add(f"in{i}", ops.Dense(weights, bias), [node])
        active = graph.add(f"relu{i}", ops.Activation(make("relu")), [inner])
        outer = graph.add(f"out{i}", ops.Dense(weights.T), [active])
        node = graph.add(f"step{i}", ops.Subtract(), [node, outer])
    graph.set_outputs([node])
    return graph


def bounds(domain: str, arithmetic: str, depths: tuple[int, ...] = DEPTHS, **options: object) -> list[float]:
    x = np.random.default_rng(5).normal(size=(1, WIDTH)).astype(np.float32)
    found = []
    for depth in depths:
        analysis = boundnet.analyze(residual(depth), x, arithmetic, domain=domain, coins=1, **options)  # type: ignore[arg-type]
        assert analysis.domain.used == domain
        found.append(analysis.summary.max_absolute_bound)
    return found


def power(values: list[float]) -> float:
    """Largest exponent of growth between neighbouring depths."""
    steps = zip(DEPTHS[1:], DEPTHS[:-1], values[1:], values[:-1], strict=True)
    return max(math.log(later / earlier) / math.log(deep / shallow) for deep, shallow, later, earlier in steps)


@pytest.mark.parametrize(
    ("domain", "arithmetic"),
    [("affine", "binary32"), ("sketch", "binary32"), pytest.param("sketch", "binary16", marks=pytest.mark.slow)],
)
def test_bounds_grow_like_a_power_of_the_depth(domain: str, arithmetic: str) -> None:
    found = bounds(domain, arithmetic)
    assert power(found) < 2.0
    assert found[-1] < 100 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["affine", "sketch"])
def test_square_roots_grow_no_faster(domain: str) -> None:
    assert power(bounds(domain, "binary32", guarantee="probabilistic")) < 1.5


def test_intervals_explode() -> None:
    """The contrast: without correlations the radius is multiplied in every layer."""
    found = bounds("interval", "binary32", (10, 40))
    assert found[-1] > 1e6 * found[0] or not math.isfinite(found[-1])


@pytest.mark.parametrize("depth", [1, 20])
def test_what_cancels_leaves_its_own_rounding(depth: int) -> None:
    """y - y for the result y of a deep network: 0 in the affine part, whatever y is off by."""
    graph = residual(depth)
    (last,) = graph.outputs
    graph.add("zero", ops.Subtract(), [last, last])
    graph.set_outputs(["zero"])
    x = np.random.default_rng(5).normal(size=(1, WIDTH)).astype(np.float32)
    for domain in ("affine", "sketch"):
        found = boundnet.analyze(graph, x, "binary16", domain=domain, coins=1)  # type: ignore[arg-type]
        before = max(layer.absolute_bound for layer in found.layers)
        assert found.summary.max_absolute_bound < 2.0**-11 * before * 4.0
