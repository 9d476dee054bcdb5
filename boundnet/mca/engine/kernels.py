"""The engine's loops: elementwise operations and sums of products, for all runs at once.

Noise is a function of (run, input, element, step) and the seed (:mod:`boundnet.numerics.philox`), so that neither chunks
nor threads matter.  ``lanes`` are pairs of a run and an input, as ``run + 2**32 input``; ``draw`` = (lanes, first element,
step, key) says which numbers an operation draws.
"""

from __future__ import annotations

import numba
import numpy as np

from boundnet.mca.engine.leaf import HALF, LOW, leaf, loop, pair
from boundnet.mca.engine.scalars import (
    inexact,
    inexact_result,
    narrow,
    nearest,
    njit,
    product_odd,
    quotient_odd,
    stochastic,
    sum_odd,
    truncated,
)

NEAREST, ODD, ZERO, STOCHASTIC, RR, PB, MCA = range(7)
"""Ways of rounding: to nearest from binary64, to nearest from an odd rounding, toward zero, stochastic, and MCA's modes."""

ADD, MULTIPLY, DIVIDE, STORE = range(4)
"""Elementwise operations; STORE rounds the first operand."""

_BLOCK = 256


@njit
def _plain(op, a, b):  # type: ignore[no-untyped-def]
    if op == 0:
        return a + b
    if op == 1:
        return a * b
    return a / b if op == 2 else a


@njit
def _odd(op, a, b):  # type: ignore[no-untyped-def]
    if op == 0:
        return sum_odd(a, b)
    if op == 1:
        return product_odd(a, b)
    return quotient_odd(a, b) if op == 2 else a


@njit
def _one(op, mode, a, b, r, q, s, scale, keep):  # type: ignore[no-untyped-def]
    """One operation, drawing from the pairs of words ``r`` and ``q``."""
    if mode == 0:
        return narrow(_plain(op, a, b), s)
    if mode == 1:
        return nearest(_odd(op, a, b), s)
    if mode == 2:
        return truncated(_odd(op, a, b), s)
    if mode == 3:
        return stochastic(_plain(op, a, b), r & LOW, s)
    if mode == 4:
        return nearest(inexact_result(_plain(op, a, b), r & LOW, scale, keep), s)
    value = _plain(op, inexact(a, r & LOW, scale), inexact(b, r >> HALF, scale))
    return nearest(value if mode == 5 else inexact(value, q & LOW, scale), s)


@numba.njit(cache=True, error_model="numpy", parallel=True)
def elementwise(op, mode, a, b, out, draw, s, scale, keep):  # type: ignore[no-untyped-def]
    """out = a op b, all (lanes, elements)."""
    who, first, step, key = draw
    for lane in numba.prange(out.shape[0]):
        r, q = np.uint64(0), np.uint64(0)
        for e in range(out.shape[1]):
            if mode >= 3:
                r, q = pair(who[lane], np.uint32(first + e), np.uint32(step), key)
            out[lane, e] = _one(op, mode, a[lane, e], b[lane, e], r, q, s, scale, keep)


@loop
def _leaves(idx, at, value, base, weights, span, cin, offset, column, blank):  # type: ignore[no-untyped-def]
    """Input rows, places in document order and weights of one output's leaves; returns how many there are.

    Left out: what meets the padding, which has no place either, and rows that are ``blank``, which keep theirs.
    """
    n, place = 0, 0
    for cell in range(span[0] // cin, -(-span[1] // cin)):
        start = base[cell]
        if start < 0:
            continue
        # Cells, then channels: a division for each leaf would cost more than what is done with it.
        shift = start + offset - cell * cin
        for k in range(max(span[0], cell * cin), min(span[1], (cell + 1) * cin)):
            row = shift + k
            if not blank[row]:
                idx[n], at[n], value[n] = row, place, weights[k, column]
                n += 1
            place += 1
    return n


@loop
def _blank(x, lo, hi, blank):  # type: ignore[no-untyped-def]
    """Which rows hold nothing but zeros in these lanes: adding their products changes nothing where that is exact."""
    for row in range(x.shape[0]):
        blank[row] = True
        for i in range(lo, hi):
            if x[row, i] != 0.0:
                blank[row] = False
                break


@numba.njit(cache=True, error_model="numpy", parallel=True)
def inner(mode, fused, products, x, out, plan, span, bias, bias_at, draw, s, scale, keep):  # type: ignore[no-untyped-def]
    """Sums of products, one accumulator each, leaves in document order.

    Args:
        x: (inputs, lanes); out: (outputs, lanes).
        plan: (base (cells, positions), which weights each cell has, weights (sets, leaves, columns), cin, group size).
        span: leaves from .. to of the document order, cells in the padding left out.
        bias: (outputs,); ``bias_at``: 0 for none, 1 where the accumulator starts from it, 2 where it is added last.
    """
    base, chosen, weights, cin, per = plan
    who, first, step, key = draw
    cout, lanes = weights.shape[2], x.shape[1]
    # Adding zero is exact but in pb and mca, in rr with fewer bits than the accumulator has, and to a bias of -0.
    exact = (mode <= STOCHASTIC or (mode == RR and s.drop >= 0 and keep >> np.uint64(s.drop) == 0)) and bias_at != 1
    blank = np.zeros((-(-lanes // _BLOCK), x.shape[0]), np.bool_)
    # 0 times a weight that overflowed in its cast is no zero.
    if exact and np.all(np.isfinite(weights)):
        for block in range(blank.shape[0]):
            _blank(x, block * _BLOCK, min((block + 1) * _BLOCK, lanes), blank[block])
    for o in numba.prange(out.shape[0]):
        cell, column = o // cout, o % cout
        idx, at = np.empty(span[1] - span[0], np.int64), np.empty(span[1] - span[0], np.int64)
        value = np.empty(span[1] - span[0], np.float64)
        element = np.uint32(first + o)
        buffer = np.empty((4, _BLOCK), np.uint64)
        for lo in range(0, lanes, _BLOCK):
            hi = min(lo + _BLOCK, lanes)
            offset = (column // per) * cin
            n = _leaves(idx, at, value, base[cell], weights[chosen[cell]], span, cin, offset, column, blank[lo // _BLOCK])
            acc, ids = out[o, lo:hi], who[lo:hi]
            words = (buffer[0], buffer[1], buffer[2], buffer[3])
            acc[:] = bias[o] if bias_at == 1 else 0.0
            for k in range(n):
                row, before = x[idx[k], lo:hi], at[k - 1] if k > 0 else -1
                leaf(mode, fused, products, at[k], before, acc, row, value[k], words, ids, element, step, key, s, scale,
                      keep)  # fmt: skip
            if bias_at == 2:
                last = np.uint32(step + 2 * (span[1] - span[0]))
                for i in range(hi - lo):
                    r, q = pair(ids[i], element, last, key)
                    acc[i] = _one(0, mode, acc[i], bias[o], r, q, s, scale, keep)


def steps_of(leaves: int) -> int:
    """How many steps :func:`inner` may draw for a sum of ``leaves``."""
    return 2 * leaves + 1
