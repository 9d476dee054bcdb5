"""Rounding error of sums of products: the theorems that carry most of every bound.

Notation: m leaves (the products that can be nonzero, plus the bias), P = sum |w x|, S = P + |b| with |x| at its largest
    over all
executions, H = the sum of all absolute terms (underflow, flushing).  ``u`` is the accumulator's unit roundoff.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.maps.base import LinearMap
from boundnet.rounding import Array, Mask, W, up


@dataclass(frozen=True)
class Sum:
    """A family of inner products y = L x + bias, one for each output element.

    Attributes:
        map: L, a sum of products.
        centre: x~, (N, *input_shape).
        radius: E, bound of |x^ - x~| for every execution.
        nonzero: which inputs can be anything but exactly zero.
        bias: (c,) or None, broadcasting against the output.
        products: False where the weights are ones and nothing is multiplied.
        noise: |L| of what storing the weights may change, None for nothing.
        bias_noise: the same of the bias, shape of ``bias``.
    """

    map: LinearMap
    centre: Array
    radius: Array
    nonzero: Mask
    bias: Array | None
    products: bool = True
    noise: LinearMap | None = None
    bias_noise: Array | None = None


@dataclass(frozen=True)
class SumError:
    """Bound of |computed - exact| for exact inputs x^, and the largest magnitudes in the accumulator and in memory."""

    error: Array
    accumulated: Array
    stored: Array


def sum_error(terms: Sum, arithmetic: Arithmetic, value: Array, spread: Array, stored: bool = True) -> SumError:
    """Bound of the rounding error of ``terms`` executed in ``arithmetic`` for every |x - centre| <= radius.

    Args:
        value: float64 L x~ + bias, shape of the output.
        spread: bound of |L x + bias - value| for every such x.
        stored: whether the result is stored (False: it stays in the accumulator).

    Source: Jeannerod & Rump (2013), Theorem 3.1, extended to products and bias; Higham (2002), section 4.2 for trees of
        known height and
    section 3.3 for the running bound; Blanchard, Higham & Mary (2020) for blocked sums.
    """
    own_magnitude = up(np.abs(value) + spread, 1)
    largest_input = up(np.abs(terms.centre) + terms.radius, 1)
    products = terms.map.absolute(largest_input)
    if terms.noise is not None:
        products = up(products + terms.noise.absolute(largest_input), 1)
    bias = np.abs(terms.bias) if terms.bias is not None else None
    if bias is not None and terms.bias_noise is not None:
        bias = up(bias + terms.bias_noise, 1)
    leaves = terms.map.count(terms.nonzero)
    absolute = _absolute_terms(terms, arithmetic, leaves, largest_input)

    def fused(with_bias: bool) -> Array:
        """The bias as one of the leaves."""
        m = leaves + (bias != 0.0) if with_bias and bias is not None else leaves
        total = up(products + bias, 1) if with_bias and bias is not None else products
        bound = _tree_bound(arithmetic, terms, m, total, products, absolute, with_bias)
        if arithmetic.order.kind == "sequential" and arithmetic.perturbation is None:
            variants = [v for v in ("first", "last") if arithmetic.bias in (v, "any")] if with_bias else ["none"]
            if variants:
                running = [running_bound(terms, arithmetic, variant) for variant in variants]
                bound = np.minimum(bound, np.maximum.reduce(running))
        return bound

    if bias is None:
        error = fused(False)
        accumulated = up(products + error, 1)
        total = arithmetic.store(own_magnitude, error) if stored else error
        return SumError(total, accumulated, up(own_magnitude + total, 1))
    results = []
    accumulated = reached = np.zeros(())
    if arithmetic.bias != "separate":
        error = fused(True)
        accumulated = up(products + bias + error, 2)
        results.append(arithmetic.store(own_magnitude, error) if stored else error)
    if arithmetic.bias in ("separate", "any") and terms.bias is not None:
        error = fused(False)
        # L x = y - b for the signed bias: often much smaller than |y| + |b|.
        alone = up(np.abs(value - terms.bias) + spread, 2)
        first = arithmetic.store(alone, error)
        reached = up(alone + first, 1)
        at_most = up(own_magnitude + first, 1)
        operands = 2.0 * arithmetic.flush() if arithmetic.flushes_operands else 0.0
        # one_operation covers the second store.
        added = up(first + arithmetic.one_operation(at_most, up(reached + bias, 1)) + operands, 2)
        copied = (bias == 0.0) & (not (arithmetic.flushes or arithmetic.perturbation))
        carried = np.where(copied, first, added)
        accumulated = np.maximum(accumulated, up(products + bias + carried, 2))
        results.append(carried)
    worst = np.maximum.reduce(results)
    return SumError(worst, accumulated, np.maximum(reached, up(own_magnitude + worst, 1)))


def _absolute_terms(terms: Sum, arithmetic: Arithmetic, leaves: Array, largest_input: Array) -> Array:
    """H: underflow of every product, flushing of every result and operand."""
    fmt = arithmetic.accumulate
    per_product = arithmetic.absolute(fmt) if terms.products else 0.0
    # Sums of an accumulator's own values are exact below its normal range; values wider than it are not its own.
    exact_sums = fmt.is_fixed or (fmt.subnormals and arithmetic.storage.smallest_subnormal >= fmt.smallest_subnormal)
    per_sum = 0.0 if exact_sums else arithmetic.absolute(fmt)
    flush = arithmetic.flush()
    total = leaves * (per_product + per_sum + 2.0 * flush)
    if arithmetic.flushes_operands:
        ones = terms.map.with_kernel(lambda w: (w != 0.0).astype(np.float64)) if terms.products else terms.map
        weights = terms.map.with_kernel(np.abs) if terms.products else terms.map
        present = terms.nonzero.astype(np.float64)
        operands = ones.absolute(largest_input) + weights.absolute(present)
        if terms.noise is not None:
            operands = operands + terms.noise.absolute(present)
        total = total + flush * (operands + 3.0 * leaves)
    if terms.bias is not None:
        total = total + np.where(terms.bias != 0.0, 3.0 * flush, 0.0)
    return up(total, 6)


def _tree_bound(
    arithmetic: Arithmetic, terms: Sum, leaves: Array, total: Array, products: Array, absolute: Array, with_bias: bool
) -> Array:
    """Bound from the number of leaves alone, or from the height of the tree where the order is known."""
    fmt = arithmetic.accumulate
    if arithmetic.perturbation is not None:
        return perturbed_bound(arithmetic, terms.map.fan_in - 1 + with_bias, leaves, total, terms.products)
    u = fmt.unit_roundoff
    heights = arithmetic.order.height(terms.map.fan_in - 1)
    # Ones as weights: no product to round.
    fewer = 0.0 if terms.products else 1.0
    height = np.maximum(np.minimum(leaves, heights + (1.0 if with_bias else 0.0)) - fewer, 0.0)
    unit = arithmetic.relative(fmt)
    exponent = up(height * unit, 1)
    # (1 + d)^h - 1 <= expm1(h d); expm1 itself is good to a few ulp.
    growth = up(np.expm1(np.minimum(exponent, 800.0)), 10)
    growth = np.where(exponent >= 700.0, np.inf, growth)
    by_height = up(_product(growth, total) + _product(1.0 + growth, absolute), 4)
    if not arithmetic.nearest:
        return by_height
    rounded = unit * products if terms.products else 0.0
    by_leaves = up(np.maximum(leaves - 1.0, 0.0) * u * total + rounded + (1.0 + leaves * u) * absolute, 5)
    return np.minimum(by_leaves, by_height)


def perturbed_bound(arithmetic: Arithmetic, count: int, leaves: Array, total: Array, products: bool = True) -> Array:
    """(c_x c_+^N - 1) S + c_+^N H for a sum of ``count`` leaves under Monte Carlo Arithmetic.

    Every leaf counts, zeros too: adding 0 perturbs the other operand.  N allows a start from zero, in every block of
    the order.

    Args:
        leaves: how many leaves can be anything but 0; without any, nothing is perturbed.
        total: S, sum of the leaves' magnitudes.
    """
    p, fmt = arithmetic.perturbation, arithmetic.accumulate
    assert p is not None
    v = fmt.unit_roundoff
    additions = arithmetic.order.height(count) + 2
    exponent = np.log1p(p.product(v) if products else 0.0) + additions * np.log1p(p.leaf(v))
    # log1p and expm1 are good to a few ulp.
    growth = float(np.expm1(min(exponent * (1.0 + 2.0**-48), 800.0))) * (1.0 + 2.0**-48) if exponent < 700.0 else np.inf
    absolute = (2.0 * count + 3.0) * arithmetic.absolute(fmt)
    return np.where(leaves == 0.0, 0.0, up(_product(np.asarray(growth), total) + (1.0 + growth) * absolute, 5))


def _product(a: Array, b: Array) -> Array:
    """a * b for nonnegative a, b with inf * 0 = 0: a sum without terms has no error however long its tree."""
    with np.errstate(invalid="ignore"):
        return np.where((a == 0.0) | (b == 0.0), 0.0, a * b)


def running_bound(terms: Sum, arithmetic: Arithmetic, bias: str) -> Array:
    """Running error bound of one accumulator that takes its leaves in document order.

    e_k = e_(k-1) + pi_k + [rounding of a sum of at most |S~_k| + F_k + e_(k-1) + pi_k], where S~_k are the float64
    partial sums at the centre,
    F_k bounds their distance from any conforming run's exact partial sums, and pi_k the k-th product's error.

    Args:
        bias: ``first``, ``last`` or ``none``: where the bias enters.
    """
    fmt = arithmetic.accumulate
    fused = arithmetic.fma == "yes"
    shape = (terms.centre.shape[0], *terms.map.output_shape)
    partial = np.zeros(shape)  # S~_k
    spread = np.zeros(shape)  # sum of |w_j| E_j
    size = np.zeros(shape)  # sum of |w_j x_j|, for the float64 error of S~_k
    error = np.zeros(shape)
    steps = 0
    started = np.zeros(shape, dtype=np.bool_)

    def add(value: Array, slack: Array, present: Mask, product_error: Array, rounds_first: bool) -> None:
        nonlocal partial, spread, size, error, steps, started
        steps += 1
        partial = partial + value
        spread = spread + slack
        size = size + np.abs(value)
        inner = error + product_error
        reached = np.abs(partial) + spread + size * ((steps + 2) * 2 * W) + inner + 2.0**-1060
        rounding = _sum_rounding(reached * (1.0 + 2.0**-48))
        # The first leaf that is not zero is copied, not added, unless a fused operation rounds it; adding a zero
        # leaf changes nothing, but may flush it.
        error = np.where(present, inner + np.where(started | rounds_first, rounding, per_sum), error)
        started = started | present

    def add_bias() -> None:
        if terms.bias is not None:
            value = np.broadcast_to(terms.bias, shape)
            spread_bias = np.zeros(shape) if terms.bias_noise is None else np.broadcast_to(terms.bias_noise, shape)
            add(value, spread_bias, value != 0.0, np.full(shape, flush), False)

    flush = arithmetic.flush()
    per_sum = 3.0 * flush if arithmetic.flushes_operands else flush
    own_values = arithmetic.storage.smallest_subnormal >= fmt.smallest_subnormal

    def _sum_rounding(reached: Array) -> Array:
        if fmt.is_fixed:
            return np.full(np.shape(reached), per_sum)
        exact = (reached < fmt.smallest_normal) & (fmt.subnormals and own_values)
        return np.where(exact, 0.0, arithmetic.one_rounding(reached, fmt)) + per_sum

    if bias == "first":
        add_bias()
    streams = (terms.map.leaves(terms.centre), terms.map.leaves(terms.radius), terms.map.leaves(terms.nonzero))
    noises = repeat((0.0, 0.0)) if terms.noise is None else terms.noise.leaves(terms.nonzero)
    for (x, w), (e, _), (nonzero, _), (_, dw) in zip(*streams, noises, strict=False):
        magnitude = (np.abs(w) + dw) * (1.0 + 2.0**-50)
        present = np.broadcast_to(nonzero & (w != 0.0), shape)
        value, slack = x * w, (e * magnitude + np.abs(x) * dw) * (1.0 + 2.0**-50)
        product_error = np.zeros(())
        if terms.products:
            reached = (np.abs(value) + slack) * (1.0 + 2.0**-50)
            product_error = np.zeros(()) if fused else arithmetic.one_rounding(reached, fmt)
            absolute = np.where(reached > 0.0, flush + (arithmetic.absolute(fmt) if fused else 0.0), 0.0)
            if arithmetic.flushes_operands:
                absolute = absolute + np.where(reached > 0.0, flush * (magnitude + np.abs(x) + e + 1.0), 0.0)
            product_error = product_error + absolute
        add(value, slack, present, product_error, fused and terms.products)
    if bias == "last":
        add_bias()
    return up(error, 10 * steps + 10)
