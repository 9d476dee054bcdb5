"""Running error bounds of sums of products under Monte Carlo Arithmetic (see :mod:`boundnet.roundoff.running_bound`).

The state of one accumulator is that of :mod:`boundnet.kernels.running`; what differs is that adding zeros perturbs, and that
noise of the operands does not shrink where they cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel
from boundnet.kernels.running import EXPONENT, FIELDS, LEAST, SLIGHTLY, WIDTH


@kernel
def binade(magnitude: Any) -> Any:
    """ufp of a nonnegative magnitude; below binary64's normal range the magnitude itself, which is no less."""
    place = np.int64(np.float64(magnitude).view(np.int64) & EXPONENT).view(np.float64)
    return place if place > 0.0 else magnitude


@kernel
def less(a: Any, b: Any) -> Any:
    """The smaller one, b where a is NaN."""
    return a if a < b else b


@kernel
def addition(a: Any, b: Any, reached: Any, rules: Any) -> Any:
    """Error of adding operands of at most ``a`` and ``b`` whose sum is at most ``reached``."""
    operand, unit, relative, absolute = rules[:4]
    noise = operand * (binade(a) + binade(b))
    total = (reached + noise) * SLIGHTLY
    return noise + less(relative * total, unit * binade(total)) + absolute


@kernel
def held(partial: Any, spread: Any, size: Any, error: Any, rules: Any) -> Any:
    """Bound of what an accumulator with this state holds, or of an exact sum with this error on top."""
    return (abs(partial) + spread + size * rules[4] + error + LEAST) * rules[5]


@kernel
def take(x: Any, e: Any, present: Any, w: Any, noise: Any, state: Any, rules: Any) -> Any:
    """The accumulator after the product of an input x +- e and a weight w +- noise; ``present`` 0.0 where that is 0."""
    partial, spread, size, error, started = state
    multiplied, product_unit, product_relative = rules[6:]
    before = held(partial, spread, size, error, rules) * started
    magnitude = (abs(w) + noise) * SLIGHTLY
    value = x * w
    slack = (e * magnitude + abs(x) * noise) * SLIGHTLY
    reached = (abs(value) + slack) * SLIGHTLY + LEAST
    own = multiplied * (less(product_relative * reached, product_unit * binade(reached)) + rules[3])
    partial, spread, size = partial + value * present, spread + slack * present, size + abs(value) * present
    inner = error + own * present
    after = held(partial, spread, size, inner, rules)
    rounding = addition(before, (reached + own) * SLIGHTLY * present, after, rules)
    any_ = present if present > started else started
    return partial, spread, size, inner + (rounding if any_ > 0.0 else 0.0), any_


@kernel
def join(a: Any, b: Any, rules: Any) -> Any:
    """The sum of two accumulators."""
    before = held(a[0], a[1], a[2], a[3], rules) * a[4], held(b[0], b[1], b[2], b[3], rules) * b[4]
    partial, spread, size, inner = a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]
    rounding = addition(before[0], before[1], held(partial, spread, size, inner, rules), rules)
    any_ = a[4] if a[4] > b[4] else b[4]
    return partial, spread, size, inner + (rounding if any_ > 0.0 else 0.0), any_


@kernel
def state_of(states: Any, i: Any) -> Any:
    """The five fields of accumulator ``i``."""
    return states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH]


@kernel
def keep(states: Any, i: Any, state: Any) -> None:
    """Write them."""
    states[i], states[i + WIDTH], states[i + 2 * WIDTH], states[i + 3 * WIDTH], states[i + 4 * WIDTH] = state


@kernel
def take_row(x: Any, e: Any, nonzero: Any, w: Any, noise: Any, states: Any, rules: Any) -> None:
    """One input to many accumulators."""
    used = 1.0 if nonzero and (x != 0.0 or e != 0.0) else 0.0
    for i in range(w.shape[0]):
        present = used if w[i] != 0.0 else 0.0
        keep(states, i, take(x * used, e * used, present, w[i], noise[i], state_of(states, i), rules))


@kernel
def add_zero(size: Any, states: Any, rules: Any) -> None:
    """0 + a."""
    for i in range(size):
        keep(states, i, join(state_of(states, i), (0.0, 0.0, 0.0, 0.0, 0.0), rules))


@kernel
def start_with(b: Any, noise: Any, states: Any, rules: Any) -> None:
    """0 + bias."""
    for i in range(b.shape[0]):
        keep(states, i, (b[i], noise[i], abs(b[i]), 0.0, 1.0 if b[i] != 0.0 else 0.0))
    add_zero(b.shape[0], states, rules)


@kernel
def perturbed_errors(
    x: Any, e: Any, nonzero: Any, source: Any, weight: Any, noise: Any, groups: Any, bias: Any, bias_noise: Any, run: Any,
    merges: Any, start: Any, again: Any, rules: Any, first: Any, last: Any, alone: Any, finished: Any,
) -> None:  # fmt: skip
    """As :func:`boundnet.kernels.running.running_errors`, with these differences.

    Args:
        start: as there; 2 puts the bias into the accumulator of block sums.
        again: whether block sums have an accumulator of their own, which may start from zero.
        rules: factors of ufp for an operand's and a result's noise, relative bound of the latter, absolute error, margin
            and growth (:class:`boundnet.roundoff.running_bound.Constants`), 1.0 where there are products, factor of ufp and
            relative bound for a product.
    """
    count, taps = source.shape
    channels, outputs = weight.shape[2:]
    leaves, per_group, chunks = taps * channels, outputs // groups, -(-outputs // WIDTH)
    stack = np.zeros((64, FIELDS * WIDTH))
    for piece in range(first, last):
        row, low = piece // chunks, piece % chunks * WIDTH
        n, p, high = row // count, row % count, min(low + WIDTH, outputs)
        b, db = bias[p % bias.shape[0], low:high], bias_noise[p % bias.shape[0], low:high]
        kernels, noises = weight[p % weight.shape[0]], noise[p % weight.shape[0]]
        top = 0
        if start == 2:
            start_with(b, db, stack[0], rules)
            top = 1
        for index in range(merges.shape[0]):
            s = stack[top]
            top += 1
            s[:] = 0.0
            if start == 1 and index == 0:
                start_with(b, db, s, rules)
            for leaf in range(index * run, min((index + 1) * run, leaves)):
                t, c = leaf // channels, leaf % channels
                q = source[p, t]
                for g in range(low // per_group, (high - 1) // per_group + 1):
                    at, i, j = g * channels + c, max(low, g * per_group), min(high, (g + 1) * per_group)
                    inside = q >= 0
                    v, r = (x[n, q, at], e[n, q, at]) if inside else (0.0, 0.0)
                    take_row(v, r, inside and nonzero[n, q, at], kernels[t, c, i:j], noises[t, c, i:j], s[i - low :], rules)
            if again and index == 0:
                add_zero(high - low, s, rules)
            joins = merges[index] + (1 if start == 2 and index == 0 else 0)
            for _ in range(joins):
                top -= 1
                for i in range(high - low):
                    keep(stack[top - 1], i, join(state_of(stack[top - 1], i), state_of(stack[top], i), rules))
        s = stack[0]
        for i in range(high - low):
            total = state_of(s, i)
            alone[row, low + i] = finished[row, low + i] = total[3]
            if start == 0:
                bias_state = (b[i], db[i], abs(b[i]), 0.0, 1.0 if b[i] != 0.0 else 0.0)
                finished[row, low + i] = join(total, bias_state, rules)[3]
