"""Strips, slopes and ranges of every function at random centres and radii, against Arb; jets against SymPy."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from helpers.cases import ACTIVATIONS

from boundnet import ops
from boundnet.functions import Function
from boundnet.machines.boxes import BoxMachine
from boundnet.machines.jets import JetMachine
from boundnet.machines.symbolic import SymbolicMachine
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array
from boundnet.ops.base import Tensor
from boundnet.reference.apply import exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.strips import centre_of, slopes, value_range


def points(function: Function, seed: int, count: int = 400) -> tuple[Array, Array]:
    """Centres and radii: near kinks and far, radii from 1e-300 to 1e6, some intervals that end at a kink."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=count) * 10.0 ** rng.uniform(-3, 1.5, size=count)
    kinks = [0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 2.5, -2.5]
    if function.pieces is not None:
        kinks += [v for pair in function.pieces.breaks for v in pair]
    at = rng.random(count)
    centre = np.where(at < 0.2, rng.choice(kinks, size=count), centre)
    radius = np.abs(rng.normal(size=count)) * 10.0 ** rng.uniform(-12, 1.5, size=count)
    radius = np.where(at > 0.95, rng.choice([0.0, 1e-300, 1e-40, 1e6], size=count), radius)
    touching = (at > 0.2) & (at < 0.3)
    radius = np.where(touching, np.abs(centre - rng.choice(kinks, size=count)), radius)
    if function.positive:
        centre = np.abs(centre)
    return centre[None], radius[None]


def inside(centre: Array, radius: Array, rng: np.random.Generator) -> Array:
    share = rng.choice([-1.0, -1.0, 1.0, 1.0, 0.0, 2.0], size=centre.shape)
    share = np.where(share == 2.0, rng.uniform(-1, 1, size=centre.shape), share)
    x = centre + share * radius
    low, high = np.nextafter(centre - radius, np.inf), np.nextafter(centre + radius, -np.inf)
    return np.where(radius == 0.0, centre, np.clip(x, np.minimum(low, centre), np.maximum(high, centre)))


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_strip_slope_and_cap(function: Function) -> None:
    machine, op = ArbMachine(320), ops.Activation(function)
    for seed in range(2):
        centre, radius = points(function, seed)
        with np.errstate(all="ignore"):
            tensor = Tensor(centre, radius, (centre == 0) & (radius == 0))
            local = op.local(Rounder(None), tensor)
            box = Box.around(centre, radius)
            image, slope = value_range(function, box), slopes(function, box)
        assert local.shift is not None
        assert local.strip is not None
        assert local.cap is not None
        value = machine.parameter(op.centre(centre))
        middle, spread = centre_of(slope)
        known = np.isfinite(middle) & np.isfinite(spread)
        middle = np.where(known, middle, 0.0)
        rng = np.random.default_rng(seed)
        before = None
        for _ in range(8):
            x = inside(centre, radius, rng)
            exact = function.programs[0](machine, machine.parameter(x))
            deviation = machine.parameter(x) - machine.parameter(centre)
            linear = machine.parameter(local.maps[0].slope) * deviation + machine.parameter(local.shift)  # type: ignore[attr-defined]
            noise = local.strip + local.rounding
            assert not np.any(exceeds(exact - value - linear, noise)), str(function)
            assert not np.any(exceeds(exact - value, local.cap + local.rounding)), str(function)
            lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(exact)
            assert np.all((hi.astype(float) >= image.lo) & (lo.astype(float) <= image.hi))
            if before is not None:
                apart = machine.parameter(x) - machine.parameter(before[0])
                distance = np.where(known, spread * np.nextafter(np.abs(x - before[0]), np.inf) * (1 + 2.0**-50), np.inf)
                assert not np.any(exceeds(exact - before[1] - machine.parameter(middle) * apart, distance)), str(function)
            before = x, exact
        zero = machine.parameter(np.where(local.zero, 1.0, 0.0))
        assert not np.any(exceeds(zero * value, np.zeros(centre.shape)))


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_jets_enclose_sympy_derivatives(function: Function) -> None:
    """Value, first and second derivative at points away from kinks, against symbolic differentiation."""
    x = sympy.Symbol("x", real=True)
    expression = function.programs[0](SymbolicMachine(), x)  # type: ignore[arg-type]
    samples = [0.3, 1.7, 4.2] if function.positive else [-4.2, -1.7, -0.3, 0.3, 1.7, 4.2]
    machine = JetMachine()
    jet = function.programs[0](machine, machine.variable(Box.exactly(np.array(samples))))
    wide = function.programs[0](machine, machine.variable(Box(np.array(samples) - 0.01, np.array(samples) + 0.01)))
    for order, name in ((0, "value"), (1, "slope"), (2, "curvature")):
        derived = sympy.diff(expression, x, order)
        for i, sample in enumerate(samples):
            exact = float(derived.subs(x, sympy.Rational(sample)).evalf(40))
            for enclosure in (getattr(jet, name), getattr(wide, name)):
                lo, hi = (float(np.broadcast_to(end, (len(samples),))[i]) for end in (enclosure.lo, enclosure.hi))
                assert np.nextafter(lo, -np.inf) <= exact <= np.nextafter(hi, np.inf), (str(function), name, sample)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_form_in_intervals(function: Function) -> None:
    """The box machine encloses every form at random points of random boxes."""
    machine = ArbMachine(200)
    centre, radius = points(function, 9)
    if function.positive:
        radius = np.minimum(radius, centre)
    with np.errstate(all="ignore"):
        boxes = [program(BoxMachine(), Box.around(centre, radius)) for program in function.programs]
    rng = np.random.default_rng(5)
    for _ in range(4):
        x = inside(centre, radius, rng)
        lo, hi = np.frompyfunc(machine.enclosure, 1, 2)(function.programs[0](machine, machine.parameter(x)))
        for box in boxes:
            assert np.all((hi.astype(float) >= box.lo) & (lo.astype(float) <= box.hi)), str(function)
