"""All inputs of 8-bit formats: every activation on all values, every binary operation on all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, E4M3FN, E5M2, Format
from boundnet.functions import Function
from boundnet.machines.emulated import EmulatedMachine
from boundnet.machines.running import RunningMachine
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array
from boundnet.reference.apply import exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.testing import check_bound, emulate


def every_value(fmt: Format) -> Array:
    """All finite values of an 8-bit format."""
    exponents = 2.0 ** np.arange(fmt.emin, fmt.emax + 1)
    normal = ((1.0 + np.arange(2 ** (fmt.precision - 1)) * 2.0 ** (1 - fmt.precision)) * exponents[:, None]).ravel()
    subnormal = np.arange(2 ** (fmt.precision - 1)) * fmt.smallest_subnormal
    positive = np.concatenate([subnormal, normal[normal <= fmt.largest]])
    return np.concatenate([-positive[:0:-1], positive])


@pytest.mark.parametrize("fmt", [E4M3FN, E5M2], ids=lambda f: f.name)
def test_there_are_as_many_values_as_codes(fmt: Format) -> None:
    assert len(every_value(fmt)) == 253 if fmt is E4M3FN else 247


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_activation_of_every_value(function: Function) -> None:
    for storage, accumulate in ((E4M3FN, E4M3FN), (E5M2, E5M2), (E4M3FN, BFLOAT16), (E5M2, BINARY16)):
        x = every_value(storage)[None]
        x = np.abs(x) if function.positive else x
        for rounding in ("nearest", "any"):
            rules = Arithmetic("fp8", storage, accumulate, rounding=rounding)  # type: ignore[arg-type]
            check_bound(ops.Activation(function), [x], rules, trials=6, exact=False)


OPERATIONS = ["add", "sub", "mul", "div"]


@pytest.mark.parametrize("rounding", ["nearest", "toward_zero", "any"])
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("fmt", [E4M3FN, E5M2], ids=lambda f: f.name)
def test_every_pair_of_values(fmt: Format, name: str, rounding: str) -> None:
    """One operation on all pairs: |computed - exact| <= the running machine's bound; float64 represents every exact sum."""
    values = every_value(fmt)
    a, b = (v.ravel() for v in np.meshgrid(values, values))
    if name == "div":
        a, b = a[b != 0], b[b != 0]
    for subnormals in ("gradual", "ftz", "ftz+daz"):
        rules = Arithmetic("fp8", fmt, fmt, rounding=rounding, subnormals=subnormals)  # type: ignore[arg-type]
        running = RunningMachine(rules)
        tracked = getattr(running, name)(running.variable(Box.exactly(a)), running.variable(Box.exactly(b)))
        bound = np.where(tracked.overflow, np.inf, tracked.error)
        certain = ArbMachine(200)
        pick = np.arange(len(a)) if name == "div" else None
        for adversary in (None, "up", "down"):
            machine = EmulatedMachine(rules, np.random.default_rng(0), adversary)  # type: ignore[arg-type]
            computed = getattr(machine, name)(a, b)
            if pick is None:
                exact = {"add": a + b, "sub": a - b, "mul": a * b}[name]  # exact in binary64 for 8-bit operands
                known = np.isfinite(bound)
                assert np.all(np.abs(computed - exact)[known] <= bound[known]), (
                    fmt.name,
                    name,
                    rounding,
                    subnormals,
                    adversary,
                )
            else:
                some = np.random.default_rng(1).choice(pick, size=4000, replace=False)
                exact = certain.parameter(a[some]) / certain.parameter(b[some])
                assert not np.any(exceeds(certain.parameter(computed[some]) - exact, bound[some]))


@pytest.mark.parametrize("fmt", [E4M3FN, BFLOAT16], ids=lambda f: f.name)
def test_emulator_rounds_correctly(fmt: Format) -> None:
    """The emulator itself, to nearest, against ml_dtypes: a + b, a * b, a / b and sqrt of random values."""
    import ml_dtypes

    dtype = {"fp8_e4m3fn": ml_dtypes.float8_e4m3fn, "bfloat16": ml_dtypes.bfloat16}[fmt.name]
    rng = np.random.default_rng(0)
    a, b = (fmt.round(rng.normal(size=4000) * 2.0 ** rng.integers(-4, 4, size=4000)) for _ in range(2))
    b = np.where(b == 0, 1.0, b)
    rules = Arithmetic("t", fmt, fmt, subnormals="gradual")
    machine = emulate(rules, rng, ArbMachine(100))
    for name, exact in (("add", a + b), ("sub", a - b), ("mul", a * b), ("div", a / b)):
        # Binary64 then binary32 then 8 bits: no double rounding for p <= 11 (Figueroa).
        expected = exact.astype(np.float32).astype(dtype).astype(np.float64)
        assert np.array_equal(getattr(machine, name)(a, b), expected, equal_nan=True), name
    expected = np.sqrt(np.abs(a)).astype(np.float32).astype(dtype).astype(np.float64)
    assert np.array_equal(machine.function("sqrt", np.abs(a)), expected)
