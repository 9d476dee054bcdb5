"""Rounding error of sums of products: the theorems that carry most of every bound.

Notation: m leaves (the products that can be nonzero, plus the bias), P = sum |w x|, S = P + |b| with |x| at its largest
    over all
executions, H = the sum of all absolute terms (underflow, flushing).  ``u`` is the accumulator's unit roundoff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import Array, up
from boundnet.roundoff.exact_sums import exact_sum
from boundnet.roundoff.running_bound import running_bounds
from boundnet.roundoff.sums import Sum

__all__ = ["Sum", "SumError", "absolute_terms", "sum_error"]


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
    section 3.3 for the running bound; Blanchard, Higham & Mary (2020) for blocked sums; sums of leaves on a common grid:
        :mod:`boundnet.roundoff.exact_sums`.
    """
    own_magnitude = up(np.abs(value) + spread, 1)
    largest_input = up(np.abs(terms.centre) + terms.radius, 1)
    products = terms.map.absolute(largest_input)
    if terms.noise is not None:
        products = up(products + terms.noise.absolute(largest_input), 1)
    bias = np.abs(terms.bias) if terms.bias is not None else None
    if bias is not None and terms.bias_noise is not None:
        bias = up(bias + terms.bias_noise, 1)
    leaves = terms.leaves
    absolute = absolute_terms(terms, arithmetic, leaves, largest_input)
    running = running_bounds(terms, arithmetic) if arithmetic.order.kind != "any" else None
    rounded = _rounded_products(terms, arithmetic, products)
    exact = exact_sum(terms, arithmetic, products if bias is None else up(products + bias, 1))

    def fused(with_bias: bool) -> Array:
        """The bias as one of the leaves."""
        m = leaves + (bias != 0.0) if with_bias and bias is not None else leaves
        total = up(products + bias, 1) if with_bias and bias is not None else products
        bound = _tree_bound(arithmetic, terms, m, total, rounded, absolute, with_bias)
        if exact is not None:
            bound = np.minimum(bound, exact.error)
        if running is None:
            return bound
        return np.minimum(bound, running.biased if with_bias and running.biased is not None else running.alone)

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
        copied = (bias == 0.0) & (arithmetic.exact_stays and not arithmetic.flushes)
        carried = np.where(copied, first, added)
        if exact is not None and not arithmetic.widens:
            carried = np.minimum(carried, exact.error)  # nothing is stored in between: the bias is a leaf
        accumulated = np.maximum(accumulated, up(products + bias + carried, 2))
        results.append(carried)
    worst = np.maximum.reduce(results)
    return SumError(worst, accumulated, np.maximum(reached, up(own_magnitude + worst, 1)))


def absolute_terms(terms: Sum, arithmetic: Arithmetic, leaves: Array, largest_input: Array) -> Array:
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


def _rounded_products(terms: Sum, arithmetic: Arithmetic, products: Array) -> Array | None:
    """sum |w x| over the products that may be rounded, None where all are exact.

    Weights that are ones multiply nothing, and an input that is exactly a power of two in every execution, and at
    least 1, only changes the exponent of a stored weight.
    """
    if not terms.products or not (terms.exact_stays(arithmetic) and np.any(terms.whole)):
        return products if terms.products else None
    if np.all(terms.whole | ~terms.nonzero):
        return None
    left = np.where(terms.whole, 0.0, up(np.abs(terms.centre) + terms.radius, 1))
    found = terms.map.absolute(left)
    return found if terms.noise is None else up(found + terms.noise.absolute(left), 1)


def _tree_bound(
    arithmetic: Arithmetic, terms: Sum, leaves: Array, total: Array, rounded: Array | None, absolute: Array, with_bias: bool
) -> Array:
    """Bound from the number of leaves alone, or from the height of the tree where the order is known.

    ``rounded``: as :func:`_rounded_products` returns it.
    """
    fmt = arithmetic.accumulate
    if arithmetic.perturbation is not None:
        count, exact = terms.map.fan_in - 1 + with_bias, terms.exact_stays(arithmetic)
        return perturbed_bound(arithmetic, count, leaves, total, rounded is not None, exact)
    u = fmt.unit_roundoff
    heights = arithmetic.order.height(terms.map.fan_in - 1)
    fewer = 0.0 if rounded is not None else 1.0
    height = np.maximum(np.minimum(leaves, heights + (1.0 if with_bias else 0.0)) - fewer, 0.0)
    unit = arithmetic.relative(fmt)
    exponent = up(height * unit, 1)
    # (1 + d)^h - 1 <= expm1(h d); expm1 itself is good to a few ulp.
    growth = up(np.expm1(np.minimum(exponent, 800.0)), 10)
    growth = np.where(exponent >= 700.0, np.inf, growth)
    by_height = up(_product(growth, total) + _product(1.0 + growth, absolute), 4)
    if not arithmetic.nearest:
        return by_height
    own = 0.0 if rounded is None else unit * rounded
    by_leaves = up(np.maximum(leaves - 1.0, 0.0) * u * total + own + (1.0 + leaves * u) * absolute, 5)
    return np.minimum(by_leaves, by_height)


def perturbed_bound(
    arithmetic: Arithmetic, count: int, leaves: Array, total: Array, products: bool = True, exact: bool = False
) -> Array:
    """(c_x c_+^N - 1) S + c_+^N H for a sum of ``count`` leaves under Monte Carlo Arithmetic.

    Every leaf counts, zeros too: adding 0 perturbs the other operand.  N allows a start from zero, in every block of
    the order.  Where ``exact`` (:meth:`boundnet.roundoff.sums.Sum.exact_stays`) neither is perturbed: N is at most the
    number of leaves less one.

    Args:
        leaves: how many leaves can be anything but 0; without any, nothing is perturbed.
        total: S, sum of the leaves' magnitudes.
    """
    p, fmt = arithmetic.perturbation, arithmetic.accumulate
    assert p is not None
    v = fmt.unit_roundoff
    additions = np.asarray(arithmetic.order.height(count) + 2.0)
    if exact:
        additions = np.minimum(additions, np.maximum(leaves - 1.0, 0.0))
    exponent = np.log1p(p.product(v) if products else 0.0) + additions * np.log1p(p.leaf(v))
    # log1p and expm1 are good to a few ulp.
    growth = np.expm1(np.minimum(exponent * (1.0 + 2.0**-48), 800.0)) * (1.0 + 2.0**-48)
    growth = np.where(exponent < 700.0, growth, np.inf)
    absolute = (2.0 * count + 3.0) * arithmetic.absolute(fmt)
    return np.where(leaves == 0.0, 0.0, up(_product(growth, total) + (1.0 + growth) * absolute, 5))


def _product(a: Array, b: Array) -> Array:
    """a * b for nonnegative a, b with inf * 0 = 0: a sum without terms has no error however long its tree."""
    with np.errstate(invalid="ignore"):
        return np.where((a == 0.0) | (b == 0.0), 0.0, a * b)
