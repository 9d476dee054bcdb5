"""Mistakes that others made in error bounds for networks and in emulations of formats, each kept away by a test.

Elsewhere: terms forgotten one at a time (ops/test_mutations_*.py), n u with directed rounding and a running bound without the
products' rounding (arithmetic/test_inner_product.py), E4M3 without infinities and double rounding
(formats/test_rounding.py).
"""

from __future__ import annotations

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import OWN, Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, E4M3FN
from boundnet.domains.base import capped, noise_of
from boundnet.errors import FormatError, GraphError
from boundnet.functions import make
from boundnet.machines.emulated import EmulatedMachine
from boundnet.numerics.accuracy import FUNCTIONS, FunctionAccuracy
from boundnet.numerics.outward import down, raise_tiny, up
from boundnet.ops.base import Local, Tensor
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.softmax import enclose, enclose_box
from boundnet.testing import check_bound


def point(*values: float) -> Tensor:
    x = np.array([values])
    return Tensor(x, np.zeros(x.shape), x == 0)


def test_nan_is_never_proved() -> None:
    blank, no = np.zeros((1, 2)), np.zeros((1, 2), dtype=np.bool_)
    local = Local((), np.array([[np.nan, 1.0]]), no, no, strip=np.array([[0.0, np.nan]]), cap=np.array([[np.nan, np.nan]]))
    assert np.all(np.isinf(noise_of(local)))
    assert np.all(np.isinf(capped(np.array([[np.nan, np.nan]]), local)))
    assert np.all(np.isinf(raise_tiny(np.array([np.nan]))))
    assert np.all(Arithmetic("t").overflows(np.full((1, 2), np.nan), blank))


def test_exact_zeros_survive_upward_rounding() -> None:
    assert up(np.array(0.0), 100) == 0.0
    assert raise_tiny(np.array([0.0]))[0] == 0.0
    rules = Arithmetic("t")
    assert rules.one_operation(np.array([0.0]))[0] == 0.0
    assert ops.Dense(np.ones((2, 1))).local(Rounder(rules), point(0.0, 0.0)).rounding[0, 0] == 0.0


@pytest.mark.parametrize("roundings", [1, 7, 1000])
def test_inflation_covers_its_roundings(roundings: int) -> None:
    from fractions import Fraction

    value = Fraction(1)
    shrunk = 1.0
    for _ in range(roundings):
        shrunk = float(shrunk * (1 - 2.0**-53))
    assert Fraction(float(up(np.array(shrunk), roundings))) >= value
    grown = 1.0
    for _ in range(roundings):
        grown = float(np.nextafter(grown, 2.0))
    assert Fraction(float(down(np.array(grown), 2 * roundings))) <= value


def test_computed_tanh_may_exceed_one() -> None:
    """k ulp are k ulp: no clipping at 1, in the bound or in the emulator."""
    wide = Arithmetic("t", BFLOAT16, BFLOAT16, functions=FunctionAccuracy("bad", dict.fromkeys(FUNCTIONS, 5.0), "test"))
    value = EmulatedMachine(wide, np.random.default_rng(0), "up").function("tanh", np.array([9.0]))
    assert value[0] > 1.0
    local = check_bound(ops.Activation(make("tanh")), [np.array([[9.0, -9.0, 3.0]])], wide, trials=30)
    assert local.rounding[0, 0] >= value[0] - 1.0


def test_softmax_has_no_epsilon() -> None:
    """The enclosure holds the exact probabilities however small the tails."""
    machine = ArbMachine(400)
    for values in ([0.0, -700.0, 3.0], [1e-9, 0.0], [50.0, -50.0, 0.0], [0.1] * 7):
        x = np.array([values])
        exact = ops.Softmax(0).evaluate(machine, machine.parameter(x))
        lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(exact)
        for box in (enclose_box(x, np.zeros(x.shape)), enclose(x, np.zeros((*x.shape, x.shape[-1])))):
            assert np.all(box.lo <= hi.astype(float))
            assert np.all(box.hi >= lo.astype(float))


def test_softmax_enclosure_of_boxes() -> None:
    rng, machine = np.random.default_rng(0), ArbMachine(200)
    x, r = rng.normal(size=(40, 5)) * 4, np.abs(rng.normal(size=(40, 5)))
    box = enclose_box(x, r)
    pairs = enclose(x, r[:, :, None] + r[:, None, :])
    for _ in range(20):
        inner = x + rng.choice([-1.0, 1.0], size=x.shape) * r * (1 - 2.0**-40)
        lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(ops.Softmax(0).evaluate(machine, machine.parameter(inner)))
        for bound in (box, pairs):
            assert np.all((bound.lo <= hi.astype(float)) & (bound.hi >= lo.astype(float)))


def test_library_functions_are_not_taken_for_correct() -> None:
    assert all(k >= 0.5 for k in Arithmetic("t").functions.ulps.values())
    assert Arithmetic("t").functions.of("tanh") > 1.0
    with pytest.raises(FormatError, match="lacks"):
        FunctionAccuracy("short", {"exp": 1.0}, "test")


def test_saturation_counts_as_overflow() -> None:
    from boundnet.arithmetic.formats import fixed_format

    fmt = fixed_format(3, 4)
    local = ops.Dense(np.full((4, 1), 2.0)).local(Rounder(Arithmetic("q", fmt, fmt)), point(1.0, 1.0, 1.0, 1.5))
    assert local.overflow.all()


def test_intermediate_overflow_is_seen() -> None:
    """60000 + 60000 - 60000 fits in binary16 at both ends and not on the way."""
    rules = Arithmetic("half", BINARY16, BINARY16)
    local = ops.Dense(np.array([[1.0], [1.0], [-1.0]])).local(Rounder(rules), point(60000.0, 60000.0, 60000.0))
    assert local.overflow.all()


def test_weight_past_the_largest_value() -> None:
    local = ops.Dense(np.array([[449.0]])).local(Rounder(Arithmetic("fp8", E4M3FN, BINARY32)), point(0.001953125))
    assert not np.isfinite(np.where(local.overflow, np.inf, local.rounding)).any()


def test_mean_of_many_in_a_narrow_format() -> None:
    """A literal count or reciprocal that the format can't hold is rounded too."""
    x = E4M3FN.round(np.random.default_rng(0).normal(size=(1, 49, 1)))
    check_bound(ops.AveragePool((49,)), [x], Arithmetic("fp8", E4M3FN, E4M3FN, rounding="any"), trials=40)
    flushing = Arithmetic("fp8", E4M3FN, E4M3FN, subnormals="ftz")
    check_bound(ops.AveragePool((32, 32)), [np.ones((1, 32, 32, 1)) / 8], flushing, trials=10)


def test_own_arithmetic_is_binary64_in_any_order() -> None:
    assert OWN.nearest
    assert not OWN.flushes
    assert OWN.order.kind == "any"
    local = ops.Multiply().local(Rounder(None), point(1e-200), point(1e-200))
    assert local.rounding[0, 0] > 0.0, "1e-400 underflows to 0: not an exact result"


def test_what_can_not_be_handled_is_refused() -> None:
    with pytest.raises(GraphError):
        make("relu", max_value=-1.0)
    with pytest.raises(GraphError, match="padding"):
        ops.AveragePool((2,), (2,), ((2, 0),)).output_shape((4, 1))
    with pytest.raises(GraphError, match="positive"):
        ops.BatchNorm(np.zeros(1), np.array([-1.0]))
