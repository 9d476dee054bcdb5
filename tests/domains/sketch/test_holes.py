"""Holes that were found in the code for deep networks: each test failed before its repair."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from helpers.sketch_networks import ENOUGH, random_network, screened

import boundnet.domains.adjoint
from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BINARY64
from boundnet.arithmetic.presets import preset
from boundnet.domains.probe_bounds import Sketched
from boundnet.domains.sketch import rows
from boundnet.domains.sketch.certify import certify
from boundnet.domains.sketch.probes import Probes
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.kernels import products
from boundnet.machines import chains
from boundnet.machines.errorfree import two_product
from boundnet.maps.contract import ContractLeft
from boundnet.numerics import blocks
from boundnet.numerics import intervals as box
from boundnet.numerics.outward import Array
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound, check_graph


def weight(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32).astype(np.float64)


def test_padding_of_a_strided_1x1_convolution() -> None:
    """As many outputs as inputs, but the first one reads padding: it was taken for a plain matrix product."""
    op = ops.Conv(np.full((1, 1, 1, 1), 2.0), None, (2, 2), padding=((1, 1), (1, 1)))
    x = np.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    assert op.centre(x).ravel().tolist() == [0.0, 0.0, 0.0, 8.0]
    check_bound(op, [x], preset("c-binary32"))


@pytest.mark.parametrize("op", [
    ops.BatchNorm(np.zeros(3), np.array([0.7e20, 1e20, 1.9e20]), np.array([1e-302, -0.3e-302, 0.7e-302])),
    ops.DivideBy(3.1e300),
])  # fmt: skip
def test_slopes_that_are_subnormal_numbers(op: ops.Op) -> None:
    """Their relative error is no multiple of 2**-53 any more."""
    for seed in range(20):
        radius = [np.full((1, 3), 1e290 if isinstance(op, ops.BatchNorm) else 1e307)]
        check_bound(op, [np.zeros((1, 3))], preset("binary64"), radius=radius, seed=seed)


def test_a_promise_below_what_is_known_is_not_confirmed_by_a_slope_of_zero() -> None:
    """A saturated element has no named part, but rounding of its own."""
    graph = LayerGraph()
    graph.add("x", ops.Input((3,)))
    graph.add("a", ops.Dense(weight(3, 3)), ["x"])
    graph.add("b", ops.Dense(weight(3, 3), np.array([100.0, 0.0, -100.0])), ["a"])
    graph.add("h", ops.Activation(make("hard_sigmoid")), ["b"])
    graph.add("y", ops.Dense(weight(3, 2)), ["h"])
    graph.set_outputs(["y"])
    frozen = screened(graph, np.ones((1, 3)), ENOUGH)
    plan = frozen.domain.plan
    assert "h" in plan.chained
    own = plan.named["h"][0, 0]
    assert own > 0.0
    for share, holds in ((0.5, False), (2.0, True)):
        promise = np.full((1, 3), np.inf)
        promise[0, 0] = share * own
        assert certify(plan, {"h": promise}, ENOUGH, 5, ["y"]).holds == holds


def test_probes_of_zero_prove_nothing_where_rounding_may_hide_them() -> None:
    zero = np.zeros(3)
    for kappa, finite in ((2.0**-8, True), (4.0, False)):
        radii = Sketched(np.zeros((8, 3)), zero, zero, np.full(8, kappa), 1.0).radii()
        assert np.all(np.isfinite(radii)) == finite


def test_a_scale_of_zero_is_exact() -> None:
    op = ops.ScaleShift(np.array([0.0, 2.0]), np.array([1.0, 0.0]))
    local = check_bound(op, [np.ones((1, 2))], Arithmetic("own", BINARY64, BINARY64), radius=[np.full((1, 2), 3.0)])
    assert local.strip is not None
    assert not local.strip.any()


def in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds for large tensors alone: work block by block, compiled kernels, several threads."""
    monkeypatch.setattr(blocks.in_blocks, "__defaults__", (3,))
    monkeypatch.setattr(chains, "ENOUGH", 1)
    monkeypatch.setattr(box, "COMPILED", 1)
    monkeypatch.setattr(boundnet.domains.adjoint, "_LARGE", 1)
    monkeypatch.setattr(rows, "ROW_VALUES", 1)
    monkeypatch.setattr(products, "BUFFER", 8)
    monkeypatch.setattr(products, "ROWS", 2)


@pytest.mark.parametrize("op", [
    ops.Bilinear((4, 6)), ops.PReLU(np.random.default_rng(2).normal(size=(2, 3, 2))), ops.PReLU(np.ones((1, 1, 2))),
    ops.BatchNorm(np.ones(2), np.ones(2), np.array([0.3, -2.0]), np.ones(2)), ops.Activation(make("hard_sigmoid")),
])  # fmt: skip
def test_ops_of_large_tensors(op: ops.Op, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolation and PReLU with a slope for each element could not be taken apart into blocks."""
    rng = np.random.default_rng(3)
    x, radius = rng.normal(size=(1, 2, 3, 2)), np.abs(rng.normal(size=(1, 2, 3, 2))) * 0.1
    whole = op.local(Rounder(preset("bfloat16")), Tensor(x, radius, x == 9.0))
    in_small_blocks(monkeypatch)
    part = op.local(Rounder(preset("bfloat16")), Tensor(x, radius, x == 9.0))
    np.testing.assert_allclose(np.broadcast_to(part.rounding, whole.rounding.shape), whole.rounding, rtol=1e-9)
    check_bound(op, [x], preset("bfloat16"), radius=[radius])


@pytest.mark.parametrize("number", range(12))
def test_networks_of_large_tensors(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    in_small_blocks(monkeypatch)
    graph, x = random_network(number, 3)
    check_graph(graph, [x], preset("binary32" if number % 3 else "fp8_e5m2"), trials=3, seed=number, domains=("sketch",))


def test_products_of_huge_numbers_split() -> None:
    """The emulator's own products must not overflow where the result does not."""
    high, low = two_product(np.array([2.6e300, 1.5]), np.array([1.0 / 3.0, 2.0**1020]))
    assert [Fraction(h) + Fraction(e) for h, e in zip(high, low, strict=True)] == [
        Fraction(2.6e300) * Fraction(1.0 / 3.0), Fraction(1.5) * 2**1020
    ]  # fmt: skip


def test_factors_of_long_chains_are_rounded_up() -> None:
    """A slope for each of 700 elementwise layers, multiplied up in float64: the product was trusted to 2**-44."""
    graph = LayerGraph()
    graph.add("x", ops.Input((4,)))
    graph.add("a", ops.Dense(weight(4, 4)), ["x"])
    node = graph.add("b", ops.Dense(weight(4, 4)), ["a"])
    slopes = 1.0 + np.random.default_rng(6).uniform(-0.3, 0.3, size=(700, 4))
    for i, slope in enumerate(slopes):
        node = graph.add(f"s{i}", ops.ScaleShift(slope, None), [node])
    graph.add("y", ops.Dense(weight(4, 3)), [node])
    graph.set_outputs(["y"])
    plan = screened(graph, np.ones((1, 4)), ENOUGH).domain.plan
    probes = Probes(plan, 2, 0, 3)
    exact = [Fraction(1)] * 4
    for name in graph.topological():
        if plan.links.get(name):
            probes.advance(name)
        if name.startswith("s"):
            exact = [e * Fraction(float(s)) for e, s in zip(exact, slopes[int(name[1:])], strict=True)]
            _, factors = probes.raw(name)
            assert factors is not None
            assert all(Fraction(float(f)) >= e for f, e in zip(factors, exact, strict=True)), name
        probes.forget(name)


def test_products_with_data_that_underflow_are_counted() -> None:
    """A scale times a subnormal number is 0 in float64, but not in what a huge deviation meets."""
    right = np.full((1, 2), 2.0**-1074)
    linear = ContractLeft(("qd", "d", "q"), right, (1, 2), (1,), 0.25)
    assert np.all(linear.absolute(np.full((1, 1, 2), 2.0**900)) >= 2.0**-174)
