"""Bounds for softmax: enclosures from the inputs' differences, and the rounding of the algorithm itself.

The algorithm (Blanchard, Higham & Higham 2021): d = x - max x, e = exp(d), s = sum e, p = e / s or e * (1/s); log p = d -
log s.
Errors that numerator and denominator share cancel: only the others' part 1 - p of the sum matters.
"""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.maps.low_rank import others
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, raise_tiny, up, up_float


def enclose(centre: Array, pair_low: Array) -> Box:
    """Softmax over the last axis from enclosures of all differences.

    Args:
        centre: (..., n).
        pair_low: (..., n, n): x_j - x_k is at least the centre's difference + pair_low[j, k].
    """
    difference = Box.exactly(centre[..., :, None]) - Box.exactly(centre[..., None, :])
    wide = difference + Box(pair_low, -np.swapaxes(pair_low, -1, -2))
    ratio = wide.function("exp")
    n = centre.shape[-1]
    off = ~np.eye(n, dtype=np.bool_)
    low = np.where(off, ratio.lo, 0.0).sum(axis=-2) * (1.0 - (n + 2) * 2.0**-52)
    high = up(np.where(off, ratio.hi, 0.0).sum(axis=-2), n)
    one = Box.exactly(1.0)
    return (one / (one + Box(low, high))).clip(0.0, 1.0)


def enclose_box(centre: Array, radius: Array, present: Mask | None = None) -> Box:
    """As :func:`enclose` with independent deviations |x_j - centre_j| <= radius_j; linear in n.

    Args:
        present: False where an entry is masked: its weight is exactly 0, and ``centre`` holds any entry of its row there.
    """
    top = centre.max(axis=-1, keepdims=True)
    shifted = Box.exactly(centre) - Box.exactly(top)
    lowest, highest = (shifted + Box(-radius, -radius)), (shifted + Box(radius, radius))
    small, large = lowest.function("exp"), highest.function("exp")
    if present is not None:
        small, large = (Box(box.lo * present, np.where(present, box.hi, 0.0)) for box in (small, large))
    n = centre.shape[-1]
    one = Box.exactly(1.0)
    slack = (n + 4) * 2.0**-52
    with np.errstate(over="ignore", invalid="ignore"):
        rest_low = others(small.lo) * (1.0 - slack)
        rest_high = others(large.hi) * (1.0 + slack)
    low = one / (one + Box(rest_high, rest_high) / Box(small.lo, small.lo))
    high = one / (one + Box(rest_low, rest_low) / Box(large.hi, large.hi))
    lo = np.where(np.isnan(low.lo) | (small.lo <= 0), 0.0, low.lo)
    hi = np.where(np.isnan(high.hi) | ~np.isfinite(large.hi), 1.0, high.hi)
    if present is not None:
        lo, hi = np.where(present, lo, 0.0), np.where(present, hi, 0.0)
    return Box(np.clip(lo, 0.0, 1.0), np.clip(hi, 0.0, 1.0))


def shift_operands(centre: Array, radius: Array) -> Array:
    """Bound of |x_j| + max |x| over every x within ``radius`` of ``centre`` (last axis): the operands of x - max x."""
    size = up(np.abs(centre) + radius, 1)
    return up(size + size.max(axis=-1, keepdims=True), 1)


def _curved(exact: Box, radius: Array) -> tuple[Array, Array, Array]:
    """Bounds of phi(|c|), q and exp(|c|), see :func:`curvature`."""
    n = radius.shape[-1]
    e = raise_tiny(radius)
    rest = np.clip(up(1.0 - exact.lo, 1), 0.0, 1.0)
    moved = up(rest * e + others(exact.hi * e), n + 4)
    grown = up(np.exp(moved), 4)
    phi = up(0.5 * moved * moved * grown, 6)
    return phi, up((exact.hi * phi).sum(axis=-1, keepdims=True), n + 2), grown


def curvature(exact: Box, radius: Array) -> Array:
    """What the Jacobian diag(p) - p p^T at the centre misses for |D| <= ``radius`` (last axis).

    With c = D - sum p_j D_j, whose mean under p is 0, p'_k / p_k = exp(c_k) / (1 + q), 0 <= q <= sum p_j phi(|c_j|) for
    phi(t) = exp(t) - 1 - t: so |p'_k / p_k - 1 - c_k| <= max(phi(|c_k|), q exp(|c_k|)), phi(t) <= t**2 exp(t) / 2.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        phi, q, grown = _curved(exact, radius)
        missed = up(exact.hi * np.maximum(phi, q * grown), 4)
    return np.where(np.isnan(missed), np.inf, missed)


def q_bound(exact: Box, radius: Array) -> Array:
    """The same for log p: log p'_k = log p_k + c_k - log(1 + q), and log(1 + q) <= q; (..., 1)."""
    with np.errstate(over="ignore", invalid="ignore"):
        _, q, _ = _curved(exact, radius)
    return np.where(np.isnan(q), np.inf, q)


def shares(
    arithmetic: Arithmetic, centre: Array, radius: Array, exact: Box, present: Mask | None = None
) -> tuple[Array, Array, Mask]:
    """Rounding of the algorithm for every x within ``radius`` of ``centre`` (last axis).

    Args:
        exact: enclosure of the exact softmax over those x.
        present: as in :func:`enclose_box`.

    Returns:
        (bound of |computed p - exact p|, bound of the relative error of the sum of exponentials, overflow mask).

    With r_j = e_j / e_k the computed p_k is (1 + d) / sum r_j (1 + a_jk)(1 + s): for j = k the factor a is exactly 0.
    """
    rules = arithmetic
    n = centre.shape[-1]
    distance = up((centre.max(axis=-1, keepdims=True) - centre) + radius + radius.max(axis=-1, keepdims=True), 4)
    operands = 2.0 * rules.flush() if rules.flushes_operands else 0.0
    shift_error = up(rules.one_operation(distance, shift_operands(centre, radius)) + operands, 1)
    unit, keep = rules.operation_relative, rules.relative(rules.storage) if rules.widens else 0.0
    tiny = rules.absolute(rules.accumulate) + rules.flush() + (rules.absolute(rules.storage) if rules.widens else 0.0)
    ulp = rules.ulp("exp")
    theta = 2.0 * ulp * rules.accumulate.unit_roundoff
    theta = up_float(theta + keep + theta * keep, 3)
    exp_tiny = tiny + max(ulp, 0.5) * rules.accumulate.smallest_subnormal
    if theta >= 0.25 or rules.accumulate.is_fixed or rules.storage.is_fixed:
        # Too coarse for relative reasoning: the computed value is only known to be a quotient; nothing better than inf.
        return np.full(centre.shape, np.inf), np.full(centre.shape[:-1], np.inf), np.ones(centre.shape, dtype=np.bool_)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # f_jk in [1/F, F] with log F = a_j + b_k; the exponentials' ulps are counted once, in a.
        b = np.broadcast_to(up(shift_error, 1), centre.shape)
        a = up(b + np.log1p(theta) - np.log1p(-theta) + 2.0**-52, 6)
        sigma = _sum_relative(rules, centre, radius, a.max(axis=-1), exp_tiny, present)[..., None]
        parts = _others_mean(exact, np.expm1(a), np.expm1(b))
        above = up((parts[0] + parts[1] + parts[2]) * (1.0 + sigma) + sigma, 8)
        parts = _others_mean(exact, -np.expm1(-a), -np.expm1(-b))
        below = up(np.minimum(parts[0] + parts[1], above) + sigma, 8)
        # Underflowing exponentials change the sum by absolute amounts; the sum is at least about 1.
        # Perturbed differences leave even the largest exponential anywhere in exp(+-shift).
        still = np.ones((*centre.shape[:-1], 1))
        astray = still if rules.perturbation is None else up(np.exp(2.0 * b.max(axis=-1, keepdims=True)), 8)
        sum_absolute = astray * up_float(n * (exp_tiny + 3.0 * tiny + 3.0 * rules.flush()) * 4.0, 4)
        above, below = up(above + sum_absolute, 1), up(below + sum_absolute, 1)
        relative = np.where(below < 0.99, up(np.maximum(above, below / (1.0 - below)), 4), np.inf)
        limit = np.where(sigma < 0.5, 2.0, np.inf)
        p_high = np.minimum(exact.hi * (1.0 + relative), limit)
        p_high = np.where(np.isnan(p_high), limit, p_high)
        division = rules.one_operation(up(p_high, 1))
        # e * (1/s): 1/s <= 1 / (largest e) is rounded too, or off by some ulp of a library's reciprocal, and stored.
        inverse = (
            unit if rules.forms == "document" else max(unit, 2.0 * rules.ulp("reciprocal") * rules.accumulate.unit_roundoff)
        )
        reciprocal = up(p_high * up_float(inverse + keep + inverse * keep, 3) + tiny, 3)
        last = up(division + reciprocal + 4.0 * exp_tiny + operands, 6)
        # s is at least the computed e_k up to sigma, so p_k <= 1 / (1 - sigma) whatever happens to the others.
        most = np.where(sigma < 0.5, 1.0 + up(2.0 * (sigma + sum_absolute), 3), np.inf)
        error = up(np.minimum(exact.hi * relative, most) + last, 4)
        error = np.where(np.isnan(error), up(most + last, 2), error)
        worst = np.expm1(a.max(axis=-1))
        whole = up(worst + sigma[..., 0] + worst * sigma[..., 0] + sum_absolute[..., 0], 4)
        sum_error = np.where(np.isnan(whole), np.inf, whole)
    size = np.full(centre.shape, float(n) * 1.5) * astray
    # One difference that overflows may be NaN (E4M3 has no infinity), and the sum with it, and every quotient.
    lost = rules.overflows(np.maximum(size, distance), np.maximum(size, distance)).any(axis=-1, keepdims=True)
    overflow = np.broadcast_to(lost, centre.shape)
    return np.where(np.isnan(error), np.inf, error), sum_error, overflow


def _others_mean(exact: Box, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Upper bounds of sum_(j != k) p_j x_j, y_k sum_(j != k) p_j and y_k sum_(j != k) p_j x_j for x, y >= 0."""
    n = x.shape[-1]
    apart = others(exact.hi * up(x, 4))
    # sum p_j x_j over the others is also at most (1 - p_k) max x.
    rest = np.clip(up(1.0 - exact.lo, 1), 0.0, 1.0)
    with np.errstate(invalid="ignore"):
        total = np.minimum(up(apart, n + 6), up(rest * x.max(axis=-1, keepdims=True), 6))
        return total, up(rest * y, 6), up(y * total, 6)


def _sum_relative(rules: Arithmetic, centre: Array, radius: Array, slip: Array, tiny: float, present: Mask | None) -> Array:
    """Bound of the relative error of adding n computed exponentials, for every conforming order.

    Nonnegative terms: (n - 1) u for any order to nearest (Jeannerod & Rump 2013).  In sequence, each partial sum counts
    once (u * ufp of it), so terms before the largest cost little.  A stored sum is rounded once more.

    Args:
        slip: log of how far any computed exponential may be from the exact one, and ``tiny`` on top.
    """
    n = centre.shape[-1]
    fmt = rules.accumulate
    keep = rules.relative(rules.storage) if rules.widens else 0.0
    if rules.perturbation is not None:
        # Every addition, a start from zero included, on every path.
        steps = (rules.order.height(n) + 2) * rules.perturbation.leaf(fmt.unit_roundoff)
        growth = float(np.expm1(min(steps, 600.0)))
        return np.full(centre.shape[:-1], up_float(growth * (1 + keep) + keep, 12))
    if not rules.nearest:
        growth = float(np.expm1(min(rules.order.height(n) * rules.relative(fmt), 600.0)))
        return np.full(centre.shape[:-1], up_float(growth * (1 + keep) + keep, 6))
    free = np.full(centre.shape[:-1], up_float((n - 1) * fmt.unit_roundoff * (1 + keep) + keep, 4))
    if rules.order.kind != "sequential" or n > 4096:
        return free
    reach = Box.exactly(centre) - Box.exactly(centre.max(axis=-1, keepdims=True))
    span = radius + radius.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        grown = up(np.exp(slip) * (1.0 + free), 10)[..., None]
        high = (reach + Box(span, span)).function("exp").hi * grown + tiny * (1.0 + free[..., None])
        low = (reach + Box(-span, -span)).function("exp").lo * (np.exp(-slip) * (1.0 - 2.0**-48))[..., None] - tiny
    if present is not None:
        low, high = np.where(present, low, 0.0), np.where(present, high, 0.0)
    total = np.maximum(low, 0.0).sum(axis=-1) * (1.0 - (n + 2) * 2.0**-52)
    partial = np.cumsum(high, axis=-1)[..., 1:] * (1.0 + (n + 2) * 2.0**-52)
    _, exponent = np.frexp(partial)
    rounding = (fmt.unit_roundoff * np.ldexp(0.5, exponent)).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = up(rounding / total * (1 + keep) + keep, n + 8)
    known = np.where(~(known >= 0.0) | ~np.isfinite(radius).all(axis=-1), np.inf, known)
    least: Array = np.minimum(free, known)
    return least
