"""Properties of the domains themselves: correlations, monotony, exactness, caps."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from helpers.cases import CASES, Draw, arithmetics
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from boundnet import ops
from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32
from boundnet.arithmetic.presets import preset
from boundnet.domains import AffineDomain, IntervalDomain
from boundnet.domains.adjoint import adjoint
from boundnet.domains.affine import TooManySymbols
from boundnet.domains.forward import Trace, forward
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Op, Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound, check_graph

BF16 = Arithmetic("bf16", BFLOAT16, BINARY32)


def build(*layers: tuple[str, Op, list[str]], shape: tuple[int, ...] = (3,)) -> LayerGraph:
    graph = LayerGraph("built")
    graph.add("x", ops.Input(shape))
    for name, op, sources in layers:
        graph.add(name, op, sources)
    graph.set_outputs([layers[-1][0]])
    return graph


def trace(graph: LayerGraph, x: Array, rules: Arithmetic | None, affine: bool = True) -> Trace:
    consumers = {name: graph.consumers(name) for name in graph.topological()}
    return forward(graph, [x], Rounder(rules), AffineDomain(consumers) if affine else IntervalDomain())


DENSE = ops.Dense(np.random.default_rng(0).normal(size=(3, 3)))
X = np.array([[0.3, -1.7, 2.2]])


def test_difference_with_itself_cancels() -> None:
    graph = build(("d", DENSE, ["x"]), ("z", ops.Subtract(), ["d", "d"]))
    intervals, forms = trace(graph, X, BF16, affine=False), trace(graph, X, BF16)
    assert np.all(forms.tensors["d"].radius > 1e-3)
    # What is left is the subtraction's own worst case, which doesn't know that its operands are one.
    own = forms.locals["z"].rounding
    assert np.all(forms.tensors["z"].radius <= own * (1 + 1e-9) + 1e-12)
    assert np.all(intervals.tensors["z"].radius >= 1.9 * intervals.tensors["d"].radius)
    check_graph(graph, [X], BF16)


def test_shared_input_of_two_layers_cancels() -> None:
    graph = build(("a", DENSE, ["x"]), ("b", ops.ScaleShift(np.array(-1.0)), ["a"]), ("s", ops.Add(), ["a", "b"]))
    forms = trace(graph, X, BF16)
    assert np.all(forms.tensors["s"].radius < 0.5 * forms.tensors["a"].radius)
    check_graph(graph, [X], BF16)


def test_adjoint_of_one_op_is_its_radius() -> None:
    graph = build(("d", DENSE, ["x"]))
    forms = trace(graph, X, BF16)
    rows = adjoint(forms, "d", np.eye(3)[:, None, :])
    assert np.allclose(rows.bound[:, 0], forms.tensors["d"].radius[0], rtol=1e-6)
    assert np.all(rows.low <= rows.high)
    both = sum(rows.rounding.values()) + sum(rows.linearisation.values())
    assert np.all(both >= rows.bound * (1 - 1e-9))


def test_overflow_is_never_a_finite_bound() -> None:
    large, relu = ops.Dense(np.full((3, 2), 1e38)), ops.Activation(make("relu"))
    graph = build(("d", large, ["x"]), ("r", relu, ["d"]), ("p", ops.Softmax(0), ["r"]))
    for affine in (True, False):
        found = trace(graph, np.full((1, 3), 1e3), Arithmetic("binary32"), affine)
        assert found.overflow["d"]
        for node in ("d", "r", "p"):
            assert np.all(np.isinf(found.tensors[node].radius))
        assert np.all(np.isinf(adjoint(found, "p", np.eye(2)[:, None, :]).bound))


def test_cap_does_not_shrink_the_slack_of_the_form() -> None:
    """A saturated op's radius is capped while its form is much wider; later float64 roundings are relative to the form."""
    domain = AffineDomain({"x": 1, "t": 1, "y": 0})
    domain.enter("x", np.full((1, 2), 1e12))
    blank = np.zeros((1, 2))
    no = blank > 0
    from boundnet.maps import DenseMap, Diagonal

    domain.push("t", ("x",), Local((Diagonal(np.ones(2), (2,), (2,)),), blank, no, no, blank, blank, blank + 1.0), blank)
    assert domain._radii["t"].max() <= 1.0 + 1e-9
    domain.push("y", ("t",), Local((DenseMap(np.array([[1.0, 0.0], [0.0, 1.0]])),), blank, no, no), blank)
    assert domain._forms["y"].worst.fresh.max() >= 1e12 * 2.0**-53


FAST = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("family", CASES)
def test_more_noise_never_means_a_smaller_bound(family: str) -> None:
    """Skipping a rounding stays inside: a rule is monotone in its inputs' radii and in the Arithmetic."""

    @seed(3)
    @FAST
    @given(arithmetics(), st.integers(0, 2**31))
    def run(arithmetic: Arithmetic, number: int) -> None:
        draw = Draw(arithmetic, number)
        op, shapes = CASES[family](draw)
        xs = [draw.stored(2, *shape) for shape in shapes]
        radii = [draw.radius(x) for x in xs]
        small = [Tensor(x, r, (x == 0) & (r == 0)) for x, r in zip(xs, radii, strict=True)]
        large = [Tensor(x, r * 1.5, (x == 0) & (r == 0)) for x, r in zip(xs, radii, strict=True)]
        wilder = replace(arithmetic, rounding="any")
        with np.errstate(all="ignore"):
            tight, wide = (op.local(Rounder(arithmetic), *tensors) for tensors in (small, large))
            wild = op.local(Rounder(wilder), *small)
        for one, two in ((tight, wide), (tight, wild)):
            known = ~two.overflow & np.isfinite(two.rounding)
            assert np.all((one.rounding <= two.rounding * (1 + 1e-12))[known])
            assert not np.any(one.overflow & ~two.overflow & known)

    run()


def test_batch_does_not_change_a_bound() -> None:
    """Every sample's bound is its own."""
    rng = np.random.default_rng(0)
    cases: list[tuple[Op, tuple[int, ...]]] = [
        (DENSE, (3,)),
        (ops.MaxPool((2,)), (4, 1)),
        (ops.Softmax(0), (3,)),
        (ops.LogSoftmax(0), (3,)),
        (ops.Conv(rng.normal(size=(2, 2, 2, 3)), np.ones(3)), (3, 3, 2)),
        (ops.Activation(make("gelu")), (3,)),
    ]
    for op, shape in cases:
        x, r = rng.normal(size=(5, *shape)), np.abs(rng.normal(size=(5, *shape))) * 0.1
        for rules in (BF16, replace(BF16, order=SEQUENTIAL)):
            whole = op.local(Rounder(rules), Tensor(x, r, x > 9))
            for i in range(5):
                alone = op.local(Rounder(rules), Tensor(x[i : i + 1], r[i : i + 1], x[i : i + 1] > 9))
                assert np.allclose(whole.rounding[i], alone.rounding[0], rtol=1e-9, atol=0)


def test_check_bound_reports_how_to_reproduce() -> None:
    class Careless(ops.Dense):
        """A dense layer that forgot its rounding."""

        def local(self, rounder: Rounder, *xs: Tensor) -> Local:
            return replace(super().local(rounder, *xs), rounding=np.zeros((1, 1)))

    with pytest.raises(AssertionError, match=r"(?s)left its rounding bound.*seed 7.*adversary") as caught:
        check_bound(Careless(np.full((3, 1), 1 / 3)), [np.ones((1, 3))], BF16, seed=7)
    assert "bfloat16 / binary32" in str(caught.value)


@pytest.mark.parametrize("spreading", [True, False])
def test_nothing_is_known_behind_an_overflow_in_affine_forms(spreading: bool) -> None:
    """What is infinite has no symbol: readers have to go by the radius.  The other sample keeps its form."""
    graph = LayerGraph()
    graph.add("x", ops.Input((2,)))
    graph.add("a", ops.Dense(np.array([[60000.0, 1.0], [60000.0, 0.5]])), ["x"])
    last = ops.Dense(np.array([[2.0**-10], [0.5]])) if spreading else ops.Activation(make("relu"))
    graph.add("y", last, ["a"])
    graph.add("z", ops.Dense(np.ones((graph.shape("y")[0], 1))), ["y"])
    graph.set_outputs(["z"])
    x = np.array([[1.0, 1.0], [2.0**-7, 2.0**-8]])
    domain = AffineDomain({name: graph.consumers(name) for name in graph.topological()})
    trace = forward(graph, [x], Rounder(preset("binary16")), domain)
    assert np.isinf(trace.tensors["a"].radius).any(axis=1).tolist() == [True, False]
    for name in ("y", "z"):
        assert np.isinf(trace.tensors[name].radius).any(axis=1).tolist() == [True, False], name


def test_forms_that_wait_count_together() -> None:
    """Twenty tensors of 16 elements and symbols each wait for one reader: 5120 coefficients, 256 in one node."""
    rng = np.random.default_rng(1)
    names = [f"d{i}" for i in range(20)]
    layers = [(name, ops.Dense(rng.normal(size=(16, 16))), ["x"]) for name in names]
    graph = build(*layers, ("sum", ops.Add(), names), shape=(16,))
    consumers = {name: graph.consumers(name) for name in graph.topological()}
    for limit, fits in ((256, False), (5119, False), (5376, True)):
        domain = AffineDomain(consumers, limit)
        with nullcontext() if fits else pytest.raises(TooManySymbols):
            forward(graph, [rng.normal(size=(1, 16))], Rounder(BF16), domain)
