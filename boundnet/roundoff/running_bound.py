"""Running error bounds: what is known of every partial sum when the order of a sum is known.

One accumulator: e_k = e_(k-1) + pi_k + [rounding of a sum of at most |S~_k| + F_k + e_(k-1) + pi_k], where S~_k are the
float64 partial sums at the centre, F_k bounds their distance from any conforming run's exact partial sums, and pi_k is the
k-th product's error (Higham 2002, section 3.3).  Joining two accumulators is one more such sum, with both their errors for
e_(k-1) + pi_k.  So every order is a list of runs, each taken by one accumulator, and how many of the latest accumulators
are joined after each run.  The rounding of a sum grows with its bound, so that a bound of |S_k| from above keeps the
induction.

Under Monte Carlo Arithmetic (:mod:`boundnet.arithmetic.perturbation`) an addition a + b of numbers of at most A and B,
whose exact sum is at most R, is off by at most N + min(k ufp(R + N), c (R + N)) + eta/2: N = l (ufp(A) + ufp(B)) is the
operands' noise (l = ``operand_unit``, 0 in mode rr), and k = ``result_unit``, c = ``rounding`` bound all that happens to
the result.  With A = |S~_(k-1)| + F_(k-1) + e_(k-1), B the product's bound and R = |S~_k| + F_k + e_(k-1) + pi_k the
induction is the same.  Adding zero is such an addition, too: every leaf counts, those that meet padding, zeros or zero
weights as well, and so do the first leaf, the start of an accumulator from zero and that of the accumulator of block sums.
In mode rr with t >= p what the accumulator holds is not perturbed; with weights that need no cast none of these counts, l
= 0, and the ordinary recursion runs with other constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic import Arithmetic, Order
from boundnet.kernels.threads import spread
from boundnet.maps.layout import layout
from boundnet.numerics.outward import Array, W, up
from boundnet.roundoff.sums import Sum

PIECE = 1 << 20
"""Products of the smallest piece worth a thread of its own."""


@dataclass(frozen=True)
class Schedule:
    """Leaves of each run, and the joins that follow each."""

    run: int
    merges: npt.NDArray[np.int64]


def schedule(order: Order, leaves: int) -> Schedule:
    """The runs and joins of ``order`` for ``leaves`` products (see :class:`boundnet.arithmetic.Order`)."""
    if order.kind == "sequential" or leaves <= order.size:
        return Schedule(max(leaves, 1), np.zeros(1, dtype=np.int64))
    runs = -(-leaves // order.size)
    if order.kind == "blocked":
        return Schedule(order.size, np.minimum(np.arange(runs), 1))
    if order.kind != "pairwise":
        raise ValueError(f"order {order} has no schedule")
    merges = np.zeros(runs, dtype=np.int64)

    def halve(start: int, count: int) -> None:
        if count > 1:
            left = -(-count // 2)
            halve(start, left)
            halve(start + left, count - left)
            merges[start + count - 1] += 1

    halve(0, runs)
    return Schedule(order.size, merges)


@dataclass(frozen=True)
class Constants:
    """Numbers that the recursion needs of an Arithmetic, for sums of up to ``steps`` leaves and joins.

    Attributes:
        unit, relative, absolute: of one rounding in the accumulator.
        per_sum: flushing of one sum and its operands.
        exact_below: sums below are exact.
        margin: factor of sum |w x| that bounds the float64 error of S~_k.
        growth: covers the float64 error of the nonnegative sums in the recursion itself.
        product: 1 where products are rounded before they are added, 0 where they are fused or there are none.
        added: underflow and flushing of a product; daz: flushing of its operands, times their partners.
        fused: 1 where adding the first product rounds.
    """

    unit: float
    relative: float
    absolute: float
    per_sum: float
    exact_below: float
    margin: float
    growth: float
    product: float
    added: float
    daz: float
    fused: float

    @staticmethod
    def of(rules: Arithmetic, products: bool, steps: int) -> Constants:
        """The constants for sums of products, or of plain leaves."""
        fmt, flush = rules.accumulate, rules.flush()
        p, margin, growth = rules.perturbation, (steps + 4) * 2.0 * W, 1.0 + (4 * steps + 64) * 2.0 * W
        if p is not None:
            # Mode rr with t >= p (``exact_stays``): underflow comes on top of noise, and fusing only leaves operations out.
            v, below = fmt.unit_roundoff, rules.absolute(fmt)
            return Constants(
                p.result_unit(v), p.rounding(v), 0.0, below, 0.0, margin, growth, float(products), below * products, 0.0, 0.0
            )
        fused = rules.fma == "yes"
        # An accumulator's own values add exactly below its normal range; those of a wider storage format are not its own.
        own_values = rules.storage.smallest_subnormal >= fmt.smallest_subnormal
        exact_below = np.inf if fmt.is_fixed else fmt.smallest_normal * (fmt.subnormals and own_values)
        return Constants(
            unit=rules.unit(fmt),
            relative=rules.relative(fmt) * (1.0 + 2.0**-50),
            absolute=rules.absolute(fmt),
            per_sum=3.0 * flush if rules.flushes_operands else flush,
            exact_below=exact_below,
            margin=margin,
            growth=growth,
            product=1.0 if products and not fused else 0.0,
            added=(flush + (rules.absolute(fmt) if fused else 0.0)) if products else 0.0,
            daz=flush if products and rules.flushes_operands else 0.0,
            fused=1.0 if products and fused else 0.0,
        )

    def values(self) -> tuple[float, ...]:
        """In the order of the fields."""
        return tuple(float(v) for v in vars(self).values())


@dataclass(frozen=True)
class Running:
    """Bounds of one family of sums, each (N, *output_shape): without the bias, and with it (None where there is none)."""

    alone: Array
    biased: Array | None


def running_bounds(terms: Sum, arithmetic: Arithmetic) -> Running:
    """Running error bounds of ``terms`` in an order that is known.

    Where ``arithmetic.bias`` leaves a choice, ``biased`` is the largest over what it allows.  ``last``: the bias is added
    to the finished sum.  ``first``: the first accumulator starts with it; where there are several, the accumulator of block
    sums may, too, or the finished sum is added to it.

    Raises:
        ValueError: the order is ``any``.
    """
    kind = arithmetic.order.kind
    alone, last = _sweep(terms, arithmetic, 0)
    if terms.bias is None or arithmetic.bias == "separate":
        return Running(alone, None)
    starts = (1, 2) if kind == "blocked" else (1,)
    biased = [_sweep(terms, arithmetic, start)[1] for start in starts if arithmetic.bias != "last"]
    if arithmetic.bias != "first" or kind != "sequential":
        biased.append(last)
    return Running(alone, np.maximum.reduce(biased))


def _sweep(terms: Sum, arithmetic: Arithmetic, start: int) -> tuple[Array, Array]:
    """One pass over all products; ``start`` as in :func:`boundnet.kernels.running.running_errors`."""
    from boundnet.kernels.running import WIDTH, running_errors

    if not terms.exact_stays(arithmetic):
        return _perturbed(terms, arithmetic, start)
    table = layout(terms.map)
    count, outputs = len(table.source), table.weight.shape[-1]
    plan = schedule(arithmetic.order, table.leaves)
    merges = plan.merges.copy()
    if start == 2:
        merges[0] += 1
    steps = table.leaves + len(merges) + 2
    rules = Constants.of(arithmetic, terms.products, steps).values()
    # Zero weights take no noise: 0 is representable.
    noise = table.weight if terms.noise is None else layout(terms.noise).weight
    bias, bias_noise = _rows(terms.bias, terms), _rows(terms.bias_noise, terms)
    x, e, nonzero = (
        table.inputs(np.broadcast_to(a, terms.centre.shape)) for a in (terms.centre, terms.radius, terms.nonzero)
    )
    samples = len(terms.centre)
    alone, finished = (np.empty((samples * count, outputs)) for _ in range(2))
    pieces = samples * count * -(-outputs // WIDTH)

    def work(first: int, last: int) -> None:
        running_errors(
            x, e, nonzero, table.source, table.weight, noise, 0.0 if terms.noise is None else 1.0, table.groups, bias,
            bias_noise, arithmetic.flush(), plan.run, merges, start, rules, first, last, alone, finished,
        )  # fmt: skip

    spread(work, pieces, max(1, PIECE // (table.leaves * min(outputs, WIDTH))))
    shape = (samples, *terms.map.output_shape)
    return _bound(alone, steps, shape), _bound(finished, steps, shape)


def _perturbed(terms: Sum, arithmetic: Arithmetic, start: int) -> tuple[Array, Array]:
    """:func:`_sweep` where zeros are no shortcut."""
    from boundnet.kernels.perturbed import perturbed_errors
    from boundnet.kernels.running import WIDTH

    p, fmt = arithmetic.perturbation, arithmetic.accumulate
    assert p is not None
    table = layout(terms.map)
    count, outputs = len(table.source), table.weight.shape[-1]
    plan = schedule(arithmetic.order, table.leaves)
    steps = 2 * (table.leaves + len(plan.merges)) + 4
    v, below = fmt.unit_roundoff, arithmetic.absolute(fmt)
    rules = (
        p.operand_unit, p.result_unit(v), p.rounding(v), below, (steps + 4) * 2.0 * W, 1.0 + (8 * steps + 64) * 2.0 * W,
        float(terms.products), p.product_unit(v), p.product(v),
    )  # fmt: skip
    noise = np.zeros(table.weight.shape) if terms.noise is None else layout(terms.noise).weight
    bias, bias_noise = _rows(terms.bias, terms), _rows(terms.bias_noise, terms)
    x, e, nonzero = (
        table.inputs(np.broadcast_to(a, terms.centre.shape)) for a in (terms.centre, terms.radius, terms.nonzero)
    )
    samples = len(terms.centre)
    alone, finished = (np.empty((samples * count, outputs)) for _ in range(2))
    again = arithmetic.order.kind == "blocked"

    def work(first: int, last: int) -> None:
        perturbed_errors(
            x, e, nonzero, table.source, table.weight, noise, table.groups, bias, bias_noise, plan.run, plan.merges, start,
            again, rules, first, last, alone, finished,
        )  # fmt: skip

    spread(work, samples * count * -(-outputs // WIDTH), max(1, PIECE // (4 * table.leaves * min(outputs, WIDTH))))
    shape = (samples, *terms.map.output_shape)
    return _bound(alone, 4 * steps, shape), _bound(finished, 4 * steps, shape)


def _bound(error: Array, steps: int, shape: tuple[int, ...]) -> Array:
    error = up(error, 10 * steps + 10)
    return np.where(np.isnan(error), np.inf, error).reshape(shape)


def _rows(bias: Array | None, terms: Sum) -> Array:
    """A bias as (1, O) or, where it depends on the position, as (positions, O); zeros where there is none."""
    output = terms.map.output_shape
    if bias is None or bias.ndim <= 1:
        return np.ascontiguousarray(np.broadcast_to(0.0 if bias is None else bias, (1, output[-1])), dtype=np.float64)
    return np.ascontiguousarray(np.broadcast_to(bias, output), dtype=np.float64).reshape(-1, output[-1])
