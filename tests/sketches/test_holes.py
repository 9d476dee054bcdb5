"""Holes that were found in the code for deep networks: each test failed before its repair."""

from __future__ import annotations

import numpy as np
import pytest
from sketch_networks import ENOUGH, screened

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.formats import BINARY64
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.presets import preset
from boundnet.rounding import Array
from boundnet.sketches.certify import certify
from boundnet.sketches.sketched import Sketched
from boundnet.testing import check_bound


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
