"""Running error bounds of sums of products, one accumulator after the other (see :mod:`boundnet.roundoff.running_bound`).

The state of one accumulator: the float64 partial sum at the centre, the sum of |w| E, the sum of |w x| (which bounds the
partial sum's own float64 error), the error bound so far, and whether anything but zeros has entered (1.0 or 0.0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel

EXPONENT = np.int64(0x7FF0_0000_0000_0000)
MANTISSA = np.int64(0x000F_FFFF_FFFF_FFFF)
SLIGHTLY = 1.0 + 2.0**-50
LEAST = 2.0**-1040
"""More than what underflow of fewer than 2**34 float64 products can hide."""
WIDTH = 256
"""Outputs that are summed side by side: their states fit the first-level cache.

A constant, and the five fields of the states ``WIDTH`` apart in one array, so that LLVM sees that they don't overlap and
vectorises.
"""
FIELDS = 5


@kernel
def one_rounding(magnitude: Any, unit: Any, relative: Any, absolute: Any) -> Any:
    """:meth:`boundnet.arithmetic.Arithmetic.one_rounding` of a nonzero magnitude; NaN or infinity where that is infinite."""
    place = np.int64(np.float64(magnitude).view(np.int64) & EXPONENT).view(np.float64)
    by_place, by_size = unit * place, magnitude * relative
    error = by_size if by_size < by_place else by_place
    return absolute if error < absolute else error


@kernel
def rounded_sum(partial: Any, spread: Any, size: Any, inner: Any, rules: Any) -> Any:
    """Rounding of a sum whose exact value is at most |partial| + spread, with operands off by ``inner``."""
    unit, relative, absolute, per_sum, exact_below, margin, growth = rules[:7]
    reached = (abs(partial) + spread + size * margin + inner + LEAST) * growth
    rounding = one_rounding(reached, unit, relative, absolute)
    return (0.0 if reached < exact_below else rounding) + per_sum


@kernel
def is_whole(x: Any) -> Any:
    """Whether ``x`` is a power of two of magnitude 1 or more: its products change only the exponent of a stored weight."""
    return abs(x) >= 1.0 and (np.float64(x).view(np.int64) & MANTISSA) == 0


@kernel
def add_leaf(x: Any, e: Any, nonzero: Any, w: Any, noise: Any, state: Any, rules: Any) -> Any:
    """The accumulator after the product of an input x +- e and a weight w +- noise."""
    partial, spread, size, error, started = state
    unit, relative, absolute, per_sum, _, _, _, product, added, daz, fused = rules
    magnitude = (abs(w) + noise) * SLIGHTLY
    value = x * w
    slack = (e * magnitude + abs(x) * noise) * SLIGHTLY
    reached = (abs(value) + slack) * SLIGHTLY + LEAST
    rounds = 0.0 if e == 0.0 and is_whole(x) else product
    own = rounds * one_rounding(reached, unit, relative, absolute) + added + daz * (magnitude + abs(x) + e + 1.0)
    partial, spread, size, inner = partial + value, spread + slack, size + abs(value), error + own
    rounding = rounded_sum(partial, spread, size, inner, rules)
    # The first leaf that is not zero is copied, not added, unless a fused operation rounds it; adding a zero leaf changes
    # nothing, but may flush it.
    carried = inner + (rounding if started + fused > 0.0 else per_sum)
    present = nonzero and w != 0.0
    return partial, spread, size, carried if present else error, 1.0 if present else started


@kernel
def add_leaves(x: Any, e: Any, w: Any, noise: Any, noisy: Any, states: Any, rules: Any) -> None:
    """One input to many accumulators."""
    for i in range(w.shape[0]):
        state = (states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH])
        state = add_leaf(x, e, True, w[i], noise[i] * noisy, state, rules)
        states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH] = state


@kernel
def add_own_leaves(x: Any, e: Any, nonzero: Any, w: Any, noise: Any, noisy: Any, states: Any, rules: Any) -> None:
    """One input of its own to each accumulator."""
    for i in range(w.shape[0]):
        state = (states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH])
        present = nonzero[i] and (x[i] != 0.0 or e[i] != 0.0)
        state = add_leaf(x[i], e[i], present, w[i], noise[i] * noisy, state, rules)
        states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH] = state


@kernel
def join(a: Any, b: Any, rules: Any) -> Any:
    """The sum of two accumulators; one that holds nothing but zeros changes nothing, but the other may be flushed."""
    partial, spread, size, inner = a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]
    rounding = rounded_sum(partial, spread, size, inner, rules)
    both, any_ = a[4] * b[4], max(a[4], b[4])
    return partial, spread, size, inner + (rounding if both > 0.0 else rules[3] * any_), any_


@kernel
def stored_bias(b: Any, noise: Any, flush: Any, rules: Any) -> Any:
    """An accumulator that holds the bias."""
    present = 1.0 if b != 0.0 else 0.0
    return b, noise, abs(b), (flush + rules[3]) * present, present


@kernel
def join_all(left: Any, right: Any, size: Any, rules: Any) -> None:
    """``left`` takes what ``right`` holds."""
    for i in range(size):
        a = (left[i], left[i + WIDTH], left[i + 2 * WIDTH], left[i + 3 * WIDTH], left[i + 4 * WIDTH])
        b = (right[i], right[i + WIDTH], right[i + 2 * WIDTH], right[i + 3 * WIDTH], right[i + 4 * WIDTH])
        a = join(a, b, rules)
        left[i], left[i + WIDTH], left[i + 2 * WIDTH], left[i + 3 * WIDTH], left[i + 4 * WIDTH] = a


@kernel
def start_with(b: Any, noise: Any, flush: Any, states: Any, rules: Any) -> None:
    """Accumulators that hold the bias."""
    for i in range(b.shape[0]):
        state = stored_bias(b[i], noise[i], flush, rules)
        states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH] = state


@kernel
def running_errors(
    x: Any, e: Any, nonzero: Any, source: Any, weight: Any, noise: Any, noisy: Any, groups: Any, bias: Any, bias_noise: Any,
    flush: Any, run: Any, merges: Any, start: Any, rules: Any, first: Any, last: Any, alone: Any, finished: Any,
) -> None:  # fmt: skip
    """Error bounds of pieces ``first`` to ``last``; a piece is ``WIDTH`` outputs of one position of one sample.

    Args:
        x, e, nonzero: (N, Q, groups * C) centre, radius, and which inputs can be anything but zero (bool).
        source, weight: see :class:`boundnet.maps.layout.Layout`; noise: as ``weight``, counted ``noisy`` (0 or 1) times.
        bias, bias_noise: (P' , O), position p takes row p % P'.
        run: leaves that one accumulator takes in document order before it is joined to others.
        merges: (runs,) how many joins of the two latest accumulators follow each run.
        start: 0 without bias, 1 where the first accumulator starts with it, 2 where it precedes the first run's.
        alone, finished: (N * P, O) results without the bias, and with it added last (start 0) or in its place.
    """
    count, taps = source.shape
    channels, outputs = weight.shape[2:]
    leaves, per_group, chunks = taps * channels, outputs // groups, -(-outputs // WIDTH)
    stack = np.empty((64, FIELDS * WIDTH))
    for piece in range(first, last):
        row, low = piece // chunks, piece % chunks * WIDTH
        n, p, high = row // count, row % count, min(low + WIDTH, outputs)
        b, db = bias[p % bias.shape[0], low:high], bias_noise[p % bias.shape[0], low:high]
        kernels, noises = weight[p % weight.shape[0]], noise[p % weight.shape[0]]
        top = 0
        if start == 2:
            start_with(b, db, flush, stack[0], rules)
            top = 1
        for index in range(merges.shape[0]):
            s = stack[top]
            top += 1
            for field in range(FIELDS):
                s[field * WIDTH : field * WIDTH + high - low] = 0.0
            if start == 1 and index == 0:
                start_with(b, db, flush, s, rules)
            for leaf in range(index * run, min((index + 1) * run, leaves)):
                t, c = leaf // channels, leaf % channels
                q = source[p, t]
                if q < 0:
                    continue
                w, dw = kernels[t, c], noises[t, c]
                if per_group == 1 and channels == 1:
                    own = (x[n, q, low:high], e[n, q, low:high], nonzero[n, q, low:high])
                    add_own_leaves(own[0], own[1], own[2], w[low:high], dw[low:high], noisy, s, rules)
                    continue
                for g in range(low // per_group, (high - 1) // per_group + 1):
                    at = g * channels + c
                    v, r = x[n, q, at], e[n, q, at]
                    if nonzero[n, q, at] and (v != 0.0 or r != 0.0):
                        i, j = max(low, g * per_group), min(high, (g + 1) * per_group)
                        add_leaves(v, r, w[i:j], dw[i:j], noisy, s[i - low :], rules)
            for _ in range(merges[index]):
                top -= 1
                join_all(stack[top - 1], stack[top], high - low, rules)
        s = stack[0]
        for i in range(high - low):
            total = (s[i], s[i + WIDTH], s[i + 2 * WIDTH], s[i + 3 * WIDTH], s[i + 4 * WIDTH])
            alone[row, low + i] = finished[row, low + i] = total[3]
            if start == 0 and b[i] != 0.0:
                finished[row, low + i] = join(total, (b[i], db[i], abs(b[i]), flush, 1.0), rules)[3]
