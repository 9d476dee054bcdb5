"""One leaf of a sum for a block of lanes: the loops that do the engine's work, one for each way of rounding."""

from __future__ import annotations

import numba
import numpy as np

from boundnet.mca.engine.scalars import (
    fused_odd,
    inexact,
    inexact_result,
    nearest,
    njit,
    product_odd,
    stochastic,
    sum_odd,
    to32,
    truncated,
)
from boundnet.numerics.philox import philox4x32

HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
loop = numba.njit(error_model="numpy")


@njit
def pair(who, element, step, key):  # type: ignore[no-untyped-def]
    """Four words for one lane, two by two."""
    a, b, c, d = philox4x32(np.uint32(who & LOW), np.uint32(who >> HALF), element, step, key[0], key[1])
    return np.uint64(a) | (np.uint64(b) << HALF), np.uint64(c) | (np.uint64(d) << HALF)


@loop
def _fill(first, second, who, element, step, key):  # type: ignore[no-untyped-def]
    """Two pairs of words for every lane."""
    for i in range(len(who)):
        r, q = pair(who[i], element, step, key)
        first[i] = r
        second[i] = q


@loop
def _row_f32(acc, x, w):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = to32(acc[i] + to32(x[i] * w))


@loop
def _row_f64(acc, x, w):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = acc[i] + x[i] * w


@loop
def _row_nearest(acc, x, w, s):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = nearest(acc[i] + nearest(x[i] * w, s), s)


@loop
def _row_odd(acc, x, w, s):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = nearest(sum_odd(acc[i], nearest(product_odd(x[i], w), s)), s)


@loop
def _row_zero(acc, x, w, s):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = truncated(sum_odd(acc[i], truncated(product_odd(x[i], w), s)), s)


@loop
def _row_fused(acc, x, w, mode, s):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        r = fused_odd(x[i], w, acc[i])
        acc[i] = truncated(r, s) if mode == 2 else nearest(r, s)


@loop
def _row_stochastic(acc, x, w, r, s):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        acc[i] = stochastic(acc[i] + stochastic(x[i] * w, r[i] & LOW, s), r[i] >> HALF, s)


@loop
def _row_rr32(acc, x, w, r, scale, keep):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = to32(inexact_result(x[i] * w, r[i] & LOW, scale, keep))
        acc[i] = to32(inexact_result(acc[i] + p, r[i] >> HALF, scale, keep))


@loop
def _row_rr(acc, x, w, products, r, s, scale, keep):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = nearest(inexact_result(x[i] * w, r[i] & LOW, scale, keep), s) if products else x[i]
        acc[i] = nearest(inexact_result(acc[i] + p, r[i] >> HALF, scale, keep), s)


@loop
def _row_pb32(acc, x, w, r, q, scale):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = to32(inexact(x[i], r[i] & LOW, scale) * inexact(w, r[i] >> HALF, scale))
        acc[i] = to32(inexact(acc[i], q[i] & LOW, scale) + inexact(p, q[i] >> HALF, scale))


@loop
def _row_pb(acc, x, w, products, r, q, s, scale):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = x[i]
        if products:
            p = nearest(inexact(p, r[i] & LOW, scale) * inexact(w, r[i] >> HALF, scale), s)
        acc[i] = nearest(inexact(acc[i], q[i] & LOW, scale) + inexact(p, q[i] >> HALF, scale), s)


@loop
def _row_mca32(acc, x, w, r, q, z, scale):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = inexact(x[i], r[i] & LOW, scale) * inexact(w, r[i] >> HALF, scale)
        p = to32(inexact(p, q[i] & LOW, scale))
        total = inexact(acc[i], q[i] >> HALF, scale) + inexact(p, z[i] & LOW, scale)
        acc[i] = to32(inexact(total, z[i] >> HALF, scale))


@loop
def _row_mca(acc, x, w, products, r, q, z, s, scale):  # type: ignore[no-untyped-def]
    for i in range(len(acc)):
        p = x[i]
        if products:
            p = inexact(p, r[i] & LOW, scale) * inexact(w, r[i] >> HALF, scale)
            p = nearest(inexact(p, q[i] & LOW, scale), s)
        total = inexact(acc[i], q[i] >> HALF, scale) + inexact(p, z[i] & LOW, scale)
        acc[i] = nearest(inexact(total, z[i] >> HALF, scale), s)


@loop
def leaf(mode, fused, products, k, before, acc, x, w, words, who, element, step, key, s, scale, keep):  # type: ignore[no-untyped-def]
    """The accumulators of a block of lanes take their k-th leaf; ``before`` is the place of the one before."""
    native = products and s.kind == 0  # no branch on the format in the loop
    a, b, c, d = words
    if fused:
        _row_fused(acc, x, w, mode, s)
    elif mode == 0:
        if s.kind == 0:
            _row_f32(acc, x, w)
        elif s.kind == 1:
            _row_f64(acc, x, w)
        else:
            _row_nearest(acc, x, w, s)
    elif mode == 1:
        _row_odd(acc, x, w, s)
    elif mode == 2:
        _row_zero(acc, x, w, s)
    elif mode <= 4:
        # Two words a leaf: one counter serves two leaves.
        if before < 0 or k // 2 != before // 2:
            _fill(a, b, who, element, np.uint32(step + k // 2), key)
        r = a if k % 2 == 0 else b
        if mode == 3:
            _row_stochastic(acc, x, w, r, s)
        elif native:
            _row_rr32(acc, x, w, r, scale, keep)
        else:
            _row_rr(acc, x, w, products, r, s, scale, keep)
    elif mode == 5:
        _fill(a, b, who, element, np.uint32(step + k), key)
        if native:
            _row_pb32(acc, x, w, a, b, scale)
        else:
            _row_pb(acc, x, w, products, a, b, s, scale)
    else:
        # Six words a leaf: three counters serve two leaves.
        first = np.uint32(step + 3 * (k // 2))
        if k % 2 == 0:
            _fill(a, b, who, element, first, key)
            _fill(c, d, who, element, np.uint32(first + 1), key)
            r, q, z = a, b, c
        else:
            _fill(a, b, who, element, np.uint32(first + 2), key)
            r, q, z = d, a, b
        if native:
            _row_mca32(acc, x, w, r, q, z, scale)
        else:
            _row_mca(acc, x, w, products, r, q, z, s, scale)
