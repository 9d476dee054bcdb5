"""The analyzer's own elementary functions within their stated accuracy, and interval functions, against Arb."""

from __future__ import annotations

import numpy as np
import pytest

from boundnet.numerics.accuracy import GLIBC_FLOAT64
from boundnet.numerics.elementary import VECTOR
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, check_gradual_underflow
from boundnet.reference.apply import exceeds
from boundnet.reference.arb import ArbMachine

POSITIVE = ("log", "sqrt", "rsqrt")


def arguments(name: str) -> Array:
    """Values of every size at which the function is neither trivial nor out of range."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=3000) * 2.0 ** rng.uniform(-60, 9.4, size=3000)
    x = np.concatenate([x, np.linspace(-40, 40, 801), 1.0 + np.arange(-40, 41) * 2.0**-52, np.arange(-40, 41) * 2.0**-1074])
    if name in POSITIVE:
        x = np.abs(x)
        x = x[x > 0]
    return x[x > -1] if name == "log1p" else x


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_accuracy(name: str) -> None:
    machine, x = ArbMachine(1200 if name in ("softplus", "sigmoid") else 200), arguments(name)
    with np.errstate(all="ignore"):
        y = VECTOR[name](x)
    exact = machine.function(name, machine.parameter(x))
    k = GLIBC_FLOAT64.of(name)
    allowed = np.maximum(k * 2.0**-52 * np.abs(y) * (1 + 2.0**-40), k * 2.0**-1074)
    finite = np.isfinite(y)
    assert not np.any(exceeds((machine.parameter(y) - exact)[finite], allowed[finite]))


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_interval_functions_enclose(name: str) -> None:
    machine, x = ArbMachine(200), arguments(name)
    low, high = np.minimum(x, x[::-1]), np.maximum(x, x[::-1])
    for lo, hi in ((x, x), (low, high)):
        with np.errstate(all="ignore"):
            box = Box(lo, hi).function(name)
        for end in (lo, hi):
            exact = machine.function(name, machine.parameter(end))
            below, above = np.frompyfunc(machine.enclosure, 1, 2)(exact)
            assert np.all(box.lo <= above.astype(float))
            assert np.all(box.hi >= below.astype(float))


OPERATIONS = ["__add__", "__sub__", "__mul__", "__truediv__", "maximum", "minimum", "hull"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_interval_operations_enclose(name: str) -> None:
    rng, machine = np.random.default_rng(3), ArbMachine(2300)
    ends = [np.sort(rng.normal(size=(2, 800)) * 2.0 ** rng.uniform(-500, 500, size=(2, 800)), axis=0) for _ in range(2)]
    ends[1][:, ::7] = 0.0
    a, b = (Box(e[0], e[1]) for e in ends)
    with np.errstate(all="ignore"):
        box = getattr(a, name)(b)
    for share in (0.0, 0.37, 1.0):
        x = np.clip(a.lo * (1 - share) + a.hi * share, a.lo, a.hi)
        y = np.clip(b.lo * share + b.hi * (1 - share), b.lo, b.hi)
        u, v = machine.parameter(x), machine.parameter(y)
        if name == "hull":
            exact = u
        elif name in ("maximum", "minimum"):
            exact = getattr(machine, name)(u, v)
        else:
            method = {"__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div"}[name]
            exact = getattr(machine, method)(u, v)
        lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(exact)
        known = np.isfinite(lo.astype(float)) & np.isfinite(hi.astype(float))
        assert np.all((box.lo <= hi.astype(float)) & (box.hi >= lo.astype(float)) | ~known)


def test_square_clip_and_nan() -> None:
    box = Box(np.array([-2.0, -1.0, 3.0]), np.array([-1.0, 2.0, 4.0])).square()
    assert box.lo[1] == 0.0
    assert np.all((box.lo <= [1, 0, 9]) & (box.hi >= [4, 4, 16]))
    with np.errstate(all="ignore"):
        lost = Box(np.array([np.inf]), np.array([np.inf])) - Box(np.array([np.inf]), np.array([np.inf]))
    assert (lost.lo[0], lost.hi[0]) == (-np.inf, np.inf)


def test_this_process_has_gradual_underflow() -> None:
    check_gradual_underflow()
