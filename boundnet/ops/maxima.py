"""Maxima: exact operations whose winner may be undecided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.maps import WeightedSelect
from boundnet.maps.conv import Pairs, conv_lengths
from boundnet.numerics.outward import Array, Mask, up
from boundnet.ops.base import Local, Op, Secant, Shape, Tensor, require_rank
from boundnet.roundoff.grids import Exponents, exponent_of
from boundnet.roundoff.rounder import Rounder


@dataclass(frozen=True)
class Choice:
    """A maximum over the last axis: D_y = sum of weights * D + shift +- strip.

    ``weights``: (..., K), one-hot where the winner is decided, zero where the range alone is the thinner enclosure.
    """

    weights: Array
    shift: Array
    strip: Array
    cap: Array
    zero: Mask


def choose(centres: Array, radii: Array, zeros: Mask) -> Choice:
    """Maximum over the last axis of values within ``radii`` of ``centres`` (-inf centres never win).

    One candidate, or several that are all exact: its deviation passes with slope 1.  Several: max(a, b) = a + relu(b - a),
    candidate by candidate, with the thinnest strip of each relu (Singh et al. 2018); or slope 0 and the range
    [max(x - E) - y~, max(x + E) - y~] where that is thinner.
    """
    with np.errstate(invalid="ignore"):
        low = np.nextafter(centres - radii, -np.inf)
        high = np.nextafter(centres + radii, np.inf)
        low, high = np.where(radii == 0.0, centres, low), np.where(radii == 0.0, centres, high)
        low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    index = np.argmax(centres, axis=-1)
    best = low.max(axis=-1, keepdims=True)
    candidate = high >= best
    candidate &= np.isfinite(centres) | (radii > 0)
    several = candidate.sum(axis=-1) > 1
    exact = np.where(candidate, radii, 0.0).max(axis=-1) == 0.0
    winner = np.take_along_axis(centres, index[..., None], axis=-1)[..., 0]
    decided = ~several | exact
    weights = np.zeros(centres.shape)
    np.put_along_axis(weights, index[..., None], 1.0, axis=-1)
    shift, strip, cap = np.zeros(winner.shape), np.zeros(winner.shape), np.full(winner.shape, np.inf)
    open_ = ~decided
    if open_.any():
        parts = (centres[open_], radii[open_], candidate[open_], low[open_], high[open_], index[open_])
        weights[open_], shift[open_], strip[open_], cap[open_] = _undecided(*parts)
    zero = decided & np.take_along_axis(zeros, index[..., None], axis=-1)[..., 0]
    return Choice(weights, shift, strip, cap, zero)


def secant_choice(centres: Array, radii: Array, errors: Array) -> tuple[Array, Array]:
    """A maximum over the last axis between two points of the ranges that are ``errors`` apart: weights and noise.

    One candidate: its difference passes; several: any of theirs may, so the largest is noise and nothing is linear.
    """
    with np.errstate(invalid="ignore"):
        low, high = np.nextafter(centres - radii, -np.inf), np.nextafter(centres + radii, np.inf)
        low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    candidate = (high >= low.max(axis=-1, keepdims=True)) & (np.isfinite(centres) | (radii > 0))
    one = candidate.sum(axis=-1, keepdims=True) == 1
    noise = np.where(candidate, errors, 0.0).max(axis=-1)
    return np.where(candidate & one, 1.0, 0.0), np.where(one[..., 0], 0.0, noise)


def read_error(rounder: Rounder, zero: Mask, grid: Exponents | None = None) -> Array:
    """A maximum rounds nothing, but under DAZ it may read, and return, a subnormal number as 0: not where ``grid`` tells
    that there is none.
    """
    rules = rounder.arithmetic
    if rules is None or not rules.flushes_operands or rules.flush() == 0.0:
        return np.zeros(zero.shape)
    return np.where(zero if grid is None else zero | (grid >= exponent_of(rules.flush())), 0.0, rules.flush())


def read_within(low: Array, high: Array, error: Array) -> tuple[Array, Array]:
    """Ends that numbers between ``low`` and ``high`` keep to once each is off by ``error``."""
    still = error == 0.0
    return np.where(still, low, np.nextafter(low - error, -np.inf)), np.where(
        still, high, np.nextafter(high + error, np.inf)
    )


def _undecided(
    centres: Array, radii: Array, candidate: Mask, low: Array, high: Array, index: npt.NDArray[np.int64]
) -> tuple[Array, Array, Array, Array]:
    """Weights, shift, strip and cap for (M, K) windows with several candidates."""
    rows = np.arange(len(centres))
    winner = centres[rows, index]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        top, bottom = high.max(axis=-1) - winner, low.max(axis=-1) - winner
        flat_shift = 0.5 * top + 0.5 * bottom
        usable = np.isfinite(flat_shift)
        flat_shift = np.where(usable, flat_shift, 0.0)
        flat_strip = np.where(usable, up(np.maximum(top - flat_shift, flat_shift - bottom), 2), np.inf)
        cap = np.where(usable, up(np.maximum(np.abs(top), np.abs(bottom)), 1), np.inf)
        weights = np.zeros(centres.shape)
        weights[rows, index] = 1.0
        shift, strip = np.zeros(len(rows)), np.zeros(len(rows))
        # Radius of the running maximum's deviation: at most the largest of its candidates'.
        reach = radii[rows, index]
        order = np.argsort(-centres, axis=-1)
        for k in range(centres.shape[-1]):
            column = order[:, k]
            live = candidate[rows, column] & (column != index)
            # relu(-gap + D_c - D_max) with |D_c - D_max| <= s; the running centre stays the winner's.
            gap = winner - centres[rows, column]
            s = up(radii[rows, column] + reach, 1)
            live &= s > gap
            slope = np.where(live, np.clip(0.5 * (s - gap) / s, 0.0, 1.0), 0.0)
            # Residual of relu(t - gap) - slope t on [-s, s]: convex, so extreme at -s, s and the kink t = gap.
            ends = np.maximum(slope * s, np.maximum(s - gap, 0.0) - slope * s)
            kink = -slope * gap
            mid = 0.5 * (ends + kink)
            half = up(np.maximum(np.abs(ends - mid), np.abs(mid - kink)) + (s + gap) * 2.0**-50, 4)
            weights *= (1.0 - slope)[:, None]
            weights[rows, column] += slope
            shift = shift + np.where(live, mid, 0.0)
            strip = strip + np.where(live, half, 0.0)
            reach = np.where(live, np.maximum(reach, radii[rows, column]), reach)
        # The weights carry up to 2 K roundings; each meets a deviation of at most its radius.
        strip = up(strip + np.abs(shift) * (centres.shape[-1] * 2.0**-52), centres.shape[-1] + 2)
        spread = np.where(candidate, radii, 0.0).max(axis=-1)
        strip = up(strip + spread * (centres.shape[-1] * 2.0**-50), 2)
        thinner = usable & np.isfinite(strip) & (strip < flat_strip)
    weights = np.where(thinner[:, None], weights, 0.0)
    return weights, np.where(thinner, shift, flat_shift), np.where(thinner, strip, flat_strip), cap


def _positions(size: Shape, strides: Shape, lengths: Shape) -> Iterator[Any]:
    """For each cell of a window: the index that takes this cell of all windows from the padded (N, *spatial, channels)."""
    for position in np.ndindex(*size):
        where = (slice(at, at + (n - 1) * s + 1, s) for at, s, n in zip(position, strides, lengths, strict=True))
        yield (slice(None), *where, slice(None))


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over every window, channel by channel; padding never wins."""

    size: Shape
    strides: Shape = ()
    padding: Pairs = ()

    def _geometry(self, shape: Shape) -> tuple[Shape, Pairs, Shape]:
        """Strides, padding and lengths of the output's spatial axes."""
        axes = len(self.size)
        require_rank(shape, axes + 1, self.describe())
        strides, padding = self.strides or self.size, self.padding or ((0, 0),) * axes
        return strides, padding, conv_lengths(shape[:-1], self.size, strides, (1,) * axes, padding)

    def _cells(self, shape: Shape) -> npt.NDArray[np.int64]:
        """Flat input index of every window's cells, (*output_shape, cells), -1 in the padding."""
        cache: dict[Shape, npt.NDArray[np.int64]] = self.__dict__.setdefault("_maps", {})
        if shape in cache:
            return cache[shape]
        strides, padding, lengths = self._geometry(shape)
        index = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
        index = np.pad(index, [*padding, (0, 0)], constant_values=-1)
        cells = [index[None][where][0] for where in _positions(self.size, strides, lengths)]
        cache[shape] = np.stack(cells, axis=-1)
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        strides, padding, lengths = self._geometry(shape)
        for n, length, size, stride, (before, _) in zip(shape, lengths, self.size, strides, padding, strict=False):
            starts = np.arange(length) * stride - before
            if np.any((starts >= n) | (starts + size <= 0)):
                raise GraphError(f"{self.describe()}: a window lies wholly in the padding")
        return (*lengths, shape[-1])

    def centre(self, *xs: Array) -> Array:
        (x,) = xs
        strides, padding, lengths = self._geometry(x.shape[1:])
        padded = np.pad(x, [(0, 0), *padding, (0, 0)], constant_values=-np.inf) if np.any(padding) else x
        y = np.full((len(x), *lengths, x.shape[-1]), -np.inf)
        for where in _positions(self.size, strides, lengths):
            np.maximum(y, padded[where], out=y)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        x = xs[0]
        cells = self._cells(x.shape[1:])
        flat = x.reshape(len(x), -1)
        # Padding repeats the window's first real cell: it changes no maximum.
        first = np.take_along_axis(cells, np.argmax(cells >= 0, axis=-1)[..., None], axis=-1)
        cells = np.where(cells >= 0, cells, first)
        return reduce(machine.maximum, (flat[:, cells[..., k]] for k in range(cells.shape[-1])))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape = x.centre.shape[1:]
        cells = self._cells(shape)
        real = cells >= 0
        n = len(x.centre)
        centres = np.where(real, x.centre.reshape(n, -1)[:, cells], -np.inf)
        radii = np.where(real, x.radius.reshape(n, -1)[:, cells], 0.0)
        zeros = real & x.zero.reshape(n, -1)[:, cells]
        choice = choose(centres, radii, zeros)
        linear = WeightedSelect(np.maximum(cells, 0), choice.weights, shape)
        grid = None if x.grid is None else (-self.centre(-x.grid.astype(np.float64))).astype(np.int16)
        error = read_error(rounder, choice.zero, grid)
        ends = None if x.ends is None else read_within(self.centre(x.ends[0]), self.centre(x.ends[1]), error)
        return Local(
            (linear,), error, choice.zero, np.zeros(error.shape, dtype=np.bool_), choice.shift, choice.strip, choice.cap,
            grid=grid, ends=ends,
        )  # fmt: skip

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        x = xs[0]
        cells = self._cells(x.centre.shape[1:])
        count = len(x.centre)
        low, high = (side.reshape(count, -1) for side in (x.centre - x.radius, x.centre + x.radius))
        best = np.where(cells >= 0, low[:, cells], -np.inf).max(axis=-1, keepdims=True)
        candidate = (cells >= 0) & (high[:, cells] >= best)
        several = candidate & (candidate.sum(axis=-1, keepdims=True) > 1)
        found = np.zeros((count, low.shape[1]), dtype=np.bool_)
        for n in range(count):
            found[n, cells[several[n]]] = True
        return (found.reshape(x.centre.shape) & (x.radius > 0.0),)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        (x,) = xs
        shape = x.centre.shape[1:]
        cells = self._cells(shape)
        real, n = cells >= 0, len(x.centre)
        centres = np.where(real, x.centre.reshape(n, -1)[:, cells], -np.inf)
        ranges, errors = (np.where(real, part.reshape(n, -1)[:, cells], 0.0) for part in (x.radius, radii[0]))
        weights, noise = secant_choice(centres, ranges, errors)
        return Secant((WeightedSelect(np.maximum(cells, 0), weights, shape),), noise)

    def describe(self) -> str:
        return f"MaxPool {'x'.join(map(str, self.size))}"
