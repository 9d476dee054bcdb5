"""What executions store lies in the enclosure of every element: random orders, ties, subnormals, flushing, overflow."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers.narrow_networks import case, outside, violations
from helpers.narrow_runs import STORES, Machine

import boundnet
from boundnet.analysis.runs import Runner

RUNS = int(os.environ.get("BOUNDNET_NARROW_RUNS", "12"))


@pytest.mark.parametrize("fmt", STORES)
@pytest.mark.parametrize("bias", ["any", "last", "separate"])
def test_everything_stored_is_enclosed(fmt: str, bias: str) -> None:
    for seed in range(6):
        assert violations(seed, fmt, RUNS, bias) == 0, seed
    assert violations(99, fmt, 3, bias, "ftz+daz") == violations(98, fmt, 3, bias, "gradual") == 0


@pytest.mark.slow
@pytest.mark.parametrize("fmt", STORES)
def test_everything_stored_is_enclosed_at_length(fmt: str) -> None:
    for seed in range(1000, 1060):
        for bias in ("any", "last", "separate"):
            assert violations(seed, fmt, 60, bias) == 0, (seed, bias)


def test_own_rounding_is_the_formats() -> None:
    rng = np.random.default_rng(1)
    value = (rng.normal(size=20000) * 2.0 ** rng.integers(-20, 12, 20000)).astype(np.float32)
    value = np.concatenate([value, np.float32(0.5) * (np.arange(-600, 600, dtype=np.float32))])
    for name, own in STORES.items():
        assert np.array_equal(
            own(value), boundnet.build(storage=name).storage.round(value.astype(np.float64)), equal_nan=True
        )


def test_most_of_it_is_decided() -> None:
    """The enclosures say something: in a small network most stored numbers are known to the last bit."""
    graph, x, _ = case(0)
    bounded = Runner(
        graph, boundnet.build(storage="fp8_e4m3fn", accumulate="binary32", bias="last", stores="all"), "interval"
    ).intervals([x])
    shares = [float(np.mean(bounded.machine.tensors[name].radius == 0.0)) for name in ("first", "norm", "sum", "y")]
    assert min(shares) > 0.9


def test_a_program_that_skips_a_store_is_outside() -> None:
    """The one rule that does not grow with its noise: decided roundings rest on every tensor being stored."""
    found = 0
    for seed in range(6):
        graph, x, rng = case(seed)
        runner = Runner(
            graph, boundnet.build(storage="bfloat16", accumulate="binary32", bias="last", stores="all"), "interval"
        )
        bounded = runner.intervals([x])
        machine = Machine(STORES["bfloat16"], rng, skip=frozenset(["first", "on", "pooled"]))
        found += outside(runner, bounded, x, machine)
    assert found > 0
    kept = Runner(graph, boundnet.build(storage="bfloat16", accumulate="binary32", stores="any"), "interval")
    assert not kept.stepped
