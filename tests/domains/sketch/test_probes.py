"""Probes against a plain evaluation of the plan: every symbol once, with its coefficient, whatever NumPy shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from helpers.sketch_networks import FEW, Frozen, random_network, screened

from boundnet import ops
from boundnet.domains.sketch.cauchy import inject
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes, _inexact, blur
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.maps import LinearMap, WeightedSelect
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import key_of


def coins_of(frozen: Frozen, count: int, seed: int) -> dict[str, Array]:
    """What every node would be injected with, for a noise of 1: name -> (count, 1, *shape)."""
    found = {}
    for number, name in enumerate(frozen.graph.topological()):
        size = int(np.prod(frozen.graph.shape(name)))
        coins = np.zeros((count, size))
        inject(coins, np.ones(size), np.ones(size), 0, number, *key_of(seed))
        found[name] = coins.reshape(count, 1, *frozen.graph.shape(name))
    return found


def check_probes(frozen: Frozen, count: int = 4, seed: int = 99) -> None:
    plan, coins = frozen.domain.plan, coins_of(frozen, count, seed)
    probes = Probes(plan, count, 0, seed, measure=True)
    full: dict[str, Array] = {}
    largest: dict[str, float] = {}
    for name in frozen.graph.topological():
        shape = (count, 1, *frozen.graph.shape(name))
        mine, size = np.zeros(shape), 0.0
        for source, linear in plan.links.get(name, ()):
            mine = mine + np.array(linear.apply(np.ascontiguousarray(full[source])))
            size += float(np.abs(linear.absolute(np.abs(full[source]).max(axis=0))).max(initial=0.0)) + largest[source]
        if plan.links.get(name):
            probes.advance(name)
            if name not in plan.chained:  # asking would multiply the slopes up too early
                # Both round; a coin lost or met twice is no rounding.
                assert np.abs(probes.value(name) - mine).max() <= 1e-12 * size, name
        probes.forget(name)
        full[name] = mine + plan.named[name] * coins[name] if name in plan.named else mine
        largest[name] = max(size, float(np.abs(full[name]).max(initial=0.0)))
    assert np.isfinite(probes.kappa).all()


@pytest.mark.parametrize("number", range(40))
def test_every_symbol_arrives_once(number: int) -> None:
    graph, x = random_network(number)
    check_probes(screened(graph, x, budget=0))


def matrix_of(linear: LinearMap) -> npt.NDArray[np.longdouble]:
    """The map as a matrix (outputs, inputs), column by column."""
    size = int(np.prod(linear.input_shape))
    columns = linear.apply(np.eye(size).reshape(size, 1, *linear.input_shape))
    return columns.reshape(size, -1).T.astype(np.longdouble)


@pytest.mark.parametrize("number", range(30))
def test_probes_are_off_by_no_more_than_kappa(number: int) -> None:
    """Against the plan in 64-bit precision: each probe of each node within kappa times the radius of all its symbols."""
    graph, x = random_network(number)
    frozen = screened(graph, x, budget=0)
    plan, count, seed = frozen.domain.plan, 8, 5
    coins = coins_of(frozen, count, seed)
    probes = Probes(plan, count, 0, seed, measure=True)
    exact: dict[str, npt.NDArray[np.longdouble]] = {}
    for name in graph.topological():
        size = int(np.prod(graph.shape(name)))
        mine = np.zeros((count, size), np.longdouble)
        for source, linear in plan.links.get(name, ()):
            mine = mine + exact[source] @ matrix_of(linear).T
        if plan.links.get(name):
            probes.advance(name)
            value, slope = probes.raw(name)
            found = value.astype(np.longdouble) * (1.0 if slope is None else slope)
            beside = np.broadcast_to(plan.named.get(name, np.zeros(1)).reshape(-1), (size,))
            within = probes.kappa[:, None] * (frozen.exact(name) + beside)
            assert np.all(np.abs(found - mine) <= within + 2.0**-44 * np.abs(mine) * (slope is not None)), name
        probes.forget(name)
        if name in plan.named:
            mine = mine + np.broadcast_to(plan.named[name], coins[name].shape[1:]).reshape(-1) * coins[name].reshape(
                count, -1
            )
        exact[name] = mine


def weight(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32).astype(np.float64)


def test_coins_of_a_transposed_tensor() -> None:
    """A strided view: NumPy's reshape of it is a copy, and what is added to that is lost."""
    graph = LayerGraph()
    graph.add("x", ops.Input((4, 3)))
    graph.add("a", ops.Dense(weight(3, 3)), ["x"])
    graph.add("b", ops.Dense(weight(3, 3)), ["a"])
    graph.add("t", ops.Transpose((1, 0)), ["b"])
    graph.add("y", ops.Dense(weight(4, 3)), ["t"])
    graph.set_outputs(["y"])
    check_probes(screened(graph, np.ones((1, 4, 3))))


def test_coins_behind_a_reshape_of_a_shared_tensor() -> None:
    """A view again: the slopes and coins of one reader are none of the other's."""
    graph = LayerGraph()
    graph.add("x", ops.Input((4, 3)))
    graph.add("a", ops.Dense(weight(3, 3)), ["x"])
    graph.add("b", ops.Dense(weight(3, 3)), ["a"])
    graph.add("r", ops.Reshape((12,)), ["b"])
    graph.add("relu", ops.Activation(make("relu")), ["r"])
    graph.add("left", ops.Dense(weight(12, 12)), ["relu"])
    graph.add("c", ops.Dense(weight(3, 3)), ["b"])
    graph.add("right", ops.Reshape((12,)), ["c"])
    graph.add("y", ops.Add(), ["left", "right"])
    graph.set_outputs(["y"])
    x = np.random.default_rng(0).normal(size=(1, 4, 3)) - [[[0.0, 1.0, 2.0]]]
    assert np.any(graph.evaluate([x])["b"] < 0.0)
    check_probes(screened(graph, x))


def test_chunks_are_one_run() -> None:
    graph, x = random_network(3)
    frozen = screened(graph, x)
    whole, last = Probes(frozen.domain.plan, 32, 0, 5), graph.outputs[-1]
    parts = [Probes(frozen.domain.plan, 4, first, 5) for first in range(0, 32, 4)]
    size = np.zeros(32)
    for probes in (whole, *parts):
        for name in graph.topological():
            if frozen.domain.plan.links.get(name):
                probes.advance(name)
                if probes is whole and name not in frozen.domain.plan.chained:
                    size = np.maximum(size, np.abs(probes.value(name)).reshape(32, -1).max(axis=1))
            probes.forget(name)
    assert frozen.domain.plan.links.get(last)
    apart = np.abs(whole.value(last) - np.concatenate([probes.value(last) for probes in parts])).reshape(32, -1)
    # BLAS may sum few rows in another order than many; another coin is no rounding.
    assert np.all(apart <= 1e-12 * size[:, None])


def test_no_seed_repeats_the_screening_coins() -> None:
    graph, x = random_network(1)
    frozen = screened(graph, x, FEW, key=5)
    first = next(name for name in graph.topological() if frozen.domain.plan.links.get(name))
    checking = Probes(frozen.domain.plan, 4, 0, 5)
    for name in graph.topological():
        if frozen.domain.plan.links.get(name):
            checking.advance(name)
        if name == first:
            screening = Probes(frozen.domain.plan, FEW.screening, frozen.domain._probes._first, 5)
            for earlier in graph.topological()[: graph.topological().index(first) + 1]:
                if frozen.domain.plan.links.get(earlier):
                    screening.advance(earlier)
            assert not np.any((screening.value(first) == checking.value(first)) & (screening.value(first) != 0.0))
            return


def copies() -> Plan:
    """A reshaped tensor with symbols of its own, and windows decided and undecided."""
    graph = LayerGraph()
    graph.add("x", ops.Input((4, 3)))
    graph.add("a", ops.Dense(weight(3, 3)), ["x"])
    graph.add("r", ops.Reshape((3, 4)), ["a"])
    graph.add("left", ops.Dense(weight(4, 2)), ["r"])
    graph.add("right", ops.Dense(weight(4, 2)), ["r"])
    graph.add("y", ops.Add(), ["left", "right"])
    graph.set_outputs(["y"])
    return screened(graph, np.full((1, 4, 3), 0.3)).domain.plan


def test_coins_added_to_a_copy_round() -> None:
    plan = copies()
    assert "r" in plan.named
    assert min(blur(plan, "r")) > 0.0
    del plan.named["r"]
    assert blur(plan, "r") == [0.0]
    plan.random_named["r"] = np.ones((1, 3, 4))
    assert min(blur(plan, "r")) > 0.0


def test_a_selection_copies_only_with_a_single_weight_of_one() -> None:
    cells = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    weights = np.array([[[1.0, 0.0], [0.5, 0.0], [0.5, 0.5], [1.0, 1.0]]])
    rounds = np.broadcast_to(_inexact(WeightedSelect(cells, weights, (8,))), (1, 4))
    assert rounds.tolist() == [[0.0, 1.0, 1.0, 1.0]]


def test_what_can_not_be_measured_is_infinite() -> None:
    probes = Probes(copies(), 4, 0, 1, measure=True)
    probes._note("links", np.array([0.5, np.nan, 0.25, np.inf]))
    probes._note("links", np.zeros(4))
    assert probes.kappa[[1, 3]].tolist() == [np.inf, np.inf]
    assert np.all(probes.kappa[[0, 2]] >= [0.5, 0.25])
