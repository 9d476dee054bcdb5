"""Strips: the thinnest linear enclosures of an elementwise function about its known centre.

For |D| <= E the deviation f(x~ + D) - y~ lies in slope * D + shift +- strip (a zonotope relaxation as in
Singh et al. 2018, but about x~ and not about the middle of a range).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.functions import Function
from boundnet.machines.boxes import BoxMachine
from boundnet.machines.jets import JetMachine
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, up


@dataclass(frozen=True)
class Strip:
    """slope * D + shift +- strip; ``cap`` bounds |f(x~ + D) - y~| whatever D; ``zero`` marks an exact 0."""

    slope: Array
    shift: Array
    strip: Array
    cap: Array
    zero: Mask


def piecewise(
    program: Callable[..., Any], breaks: tuple[tuple[float, float], ...], slopes: tuple[tuple[Array | float, float], ...],
    zeros: tuple[bool, ...], centre: Array, radius: Array, value: Array, parameters: tuple[Box, ...] = (),
) -> Strip:  # fmt: skip
    """Strip of a piecewise linear function; exact slope and no noise where one piece is certain.

    Args:
        program: f on a machine.
        breaks, slopes, zeros: as in :class:`boundnet.functions.Pieces`.
        centre, radius: x~ and E, (N, *shape).
        value: y~, the float64 value at the centre.
    """
    box = Box.around(centre, radius)
    slope = np.zeros(centre.shape)
    strip = np.zeros(centre.shape)
    zero = np.zeros(centre.shape, dtype=np.bool_)
    decided = np.zeros(centre.shape, dtype=np.bool_)
    finite = np.isfinite(radius)
    for i, (piece, spread) in enumerate(slopes):
        inside = ~decided & finite
        if i > 0:
            inside &= box.lo >= breaks[i - 1][1]
        if i < len(breaks):
            inside &= box.hi <= breaks[i][0]
        slope = np.where(inside, piece, slope)
        strip = np.where(inside, up(radius * spread, 1), strip)
        zero |= inside & zeros[i]
        decided |= inside
    shift = np.zeros(centre.shape)
    cap = np.full(centre.shape, np.inf)
    if decided.all():
        return Strip(slope, shift, strip, cap, zero)
    open_ = ~decided
    index = np.nonzero(open_)
    parts = tuple(_pick(p, open_) for p in parameters)
    lam, mid, half, most = _chord(program, breaks, centre[index], radius[index], value[index], parts)
    for target, found in ((slope, lam), (shift, mid), (strip, half), (cap, most)):
        target[index] = found
    return Strip(slope, shift, strip, cap, zero)


def _chord(
    program: Callable[..., Any], breaks: tuple[tuple[float, float], ...], centre: Array, radius: Array, value: Array,
    parameters: tuple[Box, ...],
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """The chord's slope and the residual's range, attained at the ends or at breakpoints."""
    machine = BoxMachine()
    box = Box.around(centre, radius)
    finite = np.isfinite(box.lo) & np.isfinite(box.hi)
    low, high = np.where(finite, box.lo, 0.0), np.where(finite, box.hi, 0.0)
    reference = Box.exactly(value)
    ends = [program(machine, Box.exactly(end), *parameters) for end in (low, high)]
    width = np.maximum(high - low, 1e-300)
    lam = np.where(finite, (ends[1].lo - ends[0].lo) / width, 0.0)
    lam = np.where(np.isfinite(lam), lam, 0.0)
    slope = Box.exactly(lam)
    residual = range_ = None
    points = [(Box.exactly(low), ends[0], finite), (Box.exactly(high), ends[1], finite)]
    for left, right in breaks:
        point = Box(np.full(low.shape, left), np.full(low.shape, right))
        points.append((point, program(machine, point, *parameters), finite & (low < right) & (high > left)))
    for point, image, used in points:
        rest = image - reference
        tilted = rest - slope * (point - Box.exactly(centre))
        blank = Box(np.where(used, tilted.lo, np.inf), np.where(used, tilted.hi, -np.inf))
        plain = Box(np.where(used, rest.lo, np.inf), np.where(used, rest.hi, -np.inf))
        residual = blank if residual is None else residual.hull(blank)
        range_ = plain if range_ is None else range_.hull(plain)
    assert residual is not None
    assert range_ is not None
    mid, half = _middle(residual, finite)
    return lam, mid, half, np.where(finite, range_.magnitude, np.inf)


def _middle(residual: Box, finite: Mask) -> tuple[Array, Array]:
    """Midpoint and a half-width that covers the interval from that very midpoint."""
    with np.errstate(invalid="ignore", over="ignore"):
        mid = 0.5 * residual.lo + 0.5 * residual.hi
        usable = finite & np.isfinite(mid)
        mid = np.where(usable, mid, 0.0)
        half = np.maximum(residual.hi - mid, mid - residual.lo)
    return mid, np.where(usable, up(half, 2) + 2.0**-1060, np.inf)


def smooth(function: Function, centre: Array, radius: Array, value: Array) -> Strip:
    """Strip of a function with bounded second derivative between kinks: the best of three enclosures.

    About the tangent (Taylor, strip E^2/2 sup|f''|), about the middle of the slopes' range (mean value theorem), or
    slope 0 where the range of f alone is at least as thin (saturation).
    """
    box = Box.around(centre, radius)
    program = function.programs[0]
    machine = JetMachine()
    finite = np.isfinite(box.lo) & np.isfinite(box.hi)
    safe = Box(np.where(finite, box.lo, centre), np.where(finite, box.hi, centre))
    jet = program(machine, machine.variable(safe))
    point = program(machine, machine.variable(Box.exactly(centre)))
    low, high = function.slope_range
    slopes = Box(np.maximum(jet.slope.lo, low), np.minimum(jet.slope.hi, high))
    bend = np.minimum(np.where(np.isnan(jet.curvature.magnitude), np.inf, jet.curvature.magnitude), function.curvature)
    with np.errstate(invalid="ignore", over="ignore"):
        tangent, slack = centre_of(point.slope)
        taylor = up(0.5 * bend * radius * radius + slack * radius, 4)
        middle, spread = centre_of(slopes)
        mean = up(spread * radius, 1)
    taylor = np.where(np.broadcast_to(jet.smooth & point.smooth, centre.shape) & ~np.isnan(taylor), taylor, np.inf)
    mean = np.where(np.isnan(mean), np.inf, mean)
    use_tangent = taylor <= mean
    slope = np.where(use_tangent, tangent, middle)
    strip = np.minimum(taylor, mean)
    rest = value_range(function, safe) - Box.exactly(value)
    shift, flat = _middle(rest, finite)
    cap = np.where(finite, rest.magnitude, np.inf)
    # An infinite radius means a possible overflow: the machine may hold a NaN, so no range helps.
    use_flat = (flat + np.abs(shift) <= strip) | ~finite
    slope = np.where(use_flat, 0.0, slope)
    strip = np.where(use_flat, np.where(finite, flat, np.inf), strip)
    shift = np.where(use_flat & finite, shift, 0.0)
    exact = radius == 0.0
    slope = np.where(exact, np.where(np.isfinite(tangent), tangent, 0.0), slope)
    strip, shift = np.where(exact, 0.0, strip), np.where(exact, 0.0, shift)
    return Strip(slope, shift, strip, cap, np.zeros(centre.shape, dtype=np.bool_))


def value_range(function: Function, box: Box) -> Box:
    """Enclosure of f over ``box``: from the ends where f is monotone, by interval arithmetic and the mean value theorem
    otherwise.
    """
    machine = BoxMachine()
    program = function.programs[0]
    if function.monotone:
        low, high = program(machine, Box.exactly(box.lo)), program(machine, Box.exactly(box.hi))
        return Box(low.lo, high.hi)
    jets = JetMachine()
    middle = np.where(np.isfinite(box.lo + box.hi), 0.5 * (box.lo + box.hi), 0.0)
    whole = program(jets, jets.variable(box))
    thin = program(machine, Box.exactly(middle))
    low, high = function.slope_range
    slope = Box(np.maximum(whole.slope.lo, low), np.minimum(whole.slope.hi, high))
    by_mean = thin + slope * (box - Box.exactly(middle))
    # Both enclose f wherever it is continuous; every function without a jump may intersect them.
    if function.pieces is not None and not function.pieces.continuous:
        return whole.value  # type: ignore[no-any-return]
    return Box(np.maximum(whole.value.lo, by_mean.lo), np.minimum(whole.value.hi, by_mean.hi))


def slopes(function: Function, box: Box) -> Box:
    """Enclosure of (f(a) - f(b)) / (a - b) over all a, b in ``box``; the whole line where f may jump inside.

    By the mean value theorem every such slope lies between the least and the largest derivative.
    """
    machine = JetMachine()
    jet = function.programs[0](machine, machine.variable(box))
    low, high = function.slope_range
    lo, hi = (np.broadcast_to(side, np.shape(box.lo)) for side in (np.fmax(jet.slope.lo, low), np.fmin(jet.slope.hi, high)))
    if function.pieces is not None and not function.pieces.continuous:
        for left, right in function.pieces.breaks:
            inside = (box.lo <= right) & (box.hi >= left)
            lo, hi = np.where(inside, -np.inf, lo), np.where(inside, np.inf, hi)
    return Box(lo, hi)


def centre_of(slopes: Box) -> tuple[Array, Array]:
    """A float inside or near the enclosure, and the largest distance of the enclosure's points from it."""
    mid = 0.5 * slopes.lo + 0.5 * slopes.hi
    spread = up(np.maximum(slopes.hi - mid, mid - slopes.lo), 2)
    return mid, np.where(np.isnan(spread), np.inf, spread)


def _pick(box: Box, where: Mask) -> Box:
    return Box(np.broadcast_to(box.lo, where.shape)[where], np.broadcast_to(box.hi, where.shape)[where])
