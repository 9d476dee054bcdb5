"""The same result, to the last bit, whoever computes which unit when."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw
from helpers.work_networks import AnyOrder, Deadly, classifier, facts, images, points

import boundnet
from boundnet import LayerGraph, ops
from boundnet.analysis.analyze import find_heads
from boundnet.analysis.coins_claim import seed_of
from boundnet.analysis.execution.identity import digest
from boundnet.analysis.execution.pool import ProcessPool
from boundnet.analysis.units import Bounder, Job
from boundnet.arithmetic.presets import preset
from boundnet.crosscheck.run import crosscheck
from boundnet.domains.sketch.settings import RUNS, TRIES
from boundnet.errors import InputError, WorkerError
from boundnet.mca.backend import Sampling

pytestmark = pytest.mark.xdist_group("work")

JOBS: dict[str, tuple[Callable[[], LayerGraph], int, dict[str, Any]]] = {
    "auto, some inputs by affine forms": (classifier, 90, {"arithmetic": "pure-bfloat16"}),
    "auto, all inputs by affine forms": (classifier, 70, {"arithmetic": "fp8_e5m2"}),
    "auto, casts": (images, 70, {"arithmetic": "binary32"}),
    "affine": (images, 5, {"domain": "affine"}),
    "sketch, coins given": (images, 4, {"domain": "sketch", "coins": 7}),
    "reference": (classifier, 3, {"reference": "arb"}),
}


def run(name: str, executor: Executor | None = None, **more: Any) -> dict[str, Any]:
    build, count, options = JOBS[name]
    graph = build()
    return facts(boundnet.analyze(graph, points(graph, count), executor=executor, **options, **more))


@pytest.fixture(scope="module")
def serial() -> dict[str, dict[str, Any]]:
    return {name: run(name) for name in JOBS}


@pytest.mark.parametrize("name", JOBS)
def test_processes(name: str, serial: dict[str, dict[str, Any]], pool: ProcessPool) -> None:
    assert run(name, pool) == serial[name]


@pytest.mark.parametrize("name", JOBS)
def test_threads(name: str, serial: dict[str, dict[str, Any]]) -> None:
    with ThreadPoolExecutor(3) as executor:
        assert run(name, executor) == serial[name]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ["auto, some inputs by affine forms", "sketch, coins given"])
def test_any_order_of_completion(name: str, seed: int, serial: dict[str, dict[str, Any]]) -> None:
    with AnyOrder(seed) as executor:
        assert run(name, executor) == serial[name]


def test_the_jobs_are_as_mixed_as_their_names_say(serial: dict[str, dict[str, Any]]) -> None:
    assert serial["auto, some inputs by affine forms"]["domain"]["used"] == "mixed"
    assert serial["auto, all inputs by affine forms"]["domain"]["used"] == "affine"
    assert serial["sketch, coins given"]["guarantee"] == "sketch"
    assert serial["sketch, coins given"]["failure_probability"] < 1e-9


def test_each_input_has_coins_of_its_own_whenever_its_turn_comes() -> None:
    graph = images()
    x = points(graph, 3)
    bounder = Bounder(Job(graph, preset("binary32"), "sketch", tuple(find_heads(graph, "auto")), 7, 3))
    seeds = {}
    for unit in reversed(bounder.units()):
        (part,) = bounder.compute(unit, [x[unit.start : unit.stop]]).parts
        seeds[unit.start] = part.claim.seeds
    assert seeds == {i: (seed_of(7, i, 0), seed_of(7, i, 1)) for i in range(3)}
    possible = [seed_of(7, i, run) + t for i in range(3) for run in range(RUNS) for t in range(TRIES)]
    assert len(set(possible)) == 3 * RUNS * TRIES
    assert seed_of(None, 1, 1) is None


def test_companions_do_not_loosen_a_bound() -> None:
    graph = classifier()
    x = points(graph, 40)
    together = boundnet.analyze(graph, x, "bfloat16", domain="interval")
    for n in (0, 17, 39):
        alone = boundnet.analyze(graph, x[n : n + 1], "bfloat16", domain="interval")
        bounds = [a.samples[m].outputs[0].absolute_bound for a, m in ((together, n), (alone, 0))]
        np.testing.assert_allclose(*bounds, rtol=1e-10)


@pytest.mark.parametrize("name", [*CASES, *(function.name for function in ACTIVATIONS)])
def test_an_operation_survives_the_journey(name: str) -> None:
    """Equal digests, and centres equal to the last bit: also after the sender has used it."""
    draw = Draw(preset("binary32"), 5)
    if name in CASES:
        op, shapes = CASES[name](draw)
    else:
        op, shapes = next(ops.Activation(f) for f in ACTIVATIONS if f.name == name), [(6,)]
    xs = [np.abs(draw.stored(2, *shape)) for shape in shapes]
    op.output_shape(*shapes)
    with np.errstate(all="ignore"):
        before = op.centre(*xs)
        there = pickle.loads(pickle.dumps(op))
        np.testing.assert_array_equal(there.centre(*xs), before)
    assert digest(there) == digest(op)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(InputError, match=r"executor: int is no concurrent\.futures\.Executor"):
        boundnet.analyze(classifier(), np.zeros((1, 8)), executor=3)


def test_a_network_that_cannot_travel_is_refused(pool: ProcessPool) -> None:
    class Local(Deadly):
        pass

    with pytest.raises(WorkerError, match="can't be sent to other processes"):
        boundnet.analyze(classifier(Local(0, "", 0)), np.zeros((1, 8)), executor=pool)


def test_errors_of_units_arrive(pool: ProcessPool, tmp_path: Path) -> None:
    class Closed(Executor):
        def submit(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(RuntimeError, match="after shutdown"):
        boundnet.analyze(classifier(), np.zeros((1, 8)), executor=Closed())


def test_a_cross_check_bounds_on_an_executor(pool: ProcessPool) -> None:
    graph = images()
    x = points(graph, 40)
    samplings = (Sampling(2, "rr"),)
    checks = [crosscheck(graph, x, samplings=samplings, executor=executor) for executor in (None, pool)]
    outputs = [[row for check in found.checks for row in check.outputs] for found in checks]
    assert outputs[0] == outputs[1]
    assert all(found.violation_count == 0 for found in checks)
