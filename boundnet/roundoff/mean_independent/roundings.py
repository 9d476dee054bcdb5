"""Rounding errors of ops, split into what may be biased and a mean-independent part.

In sums errors add up without terms of higher order: with s^_k = s^_(k-1) + p^_k + e_k the error of a sum is exactly sum e_k
plus the products' errors.  Each e_k has mean zero given all that was before (stochastic rounding: a theorem; to nearest: a
model) and lies in an interval of half-length u ufp(t), t the number that is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.errors import FormatError
from boundnet.forms import allowed
from boundnet.machines.running import RunningMachine
from boundnet.maps import LinearMap
from boundnet.numerics.blocks import in_blocks
from boundnet.numerics.intervals import Box
from boundnet.numerics.norms import root_sum
from boundnet.numerics.outward import Array, up
from boundnet.roundoff.inner_product import absolute_terms, sum_error
from boundnet.roundoff.mean_independent.machine import SplitMachine
from boundnet.roundoff.mean_independent.partial_sums import known_order
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Known, Rounder
from boundnet.roundoff.sums import Sum


class MeanIndependent:
    """Splits for one execution model whose roundings have mean zero given the past.

    Raises:
        FormatError: roundings of ``arithmetic`` are biased.
    """

    def __init__(self, arithmetic: Arithmetic) -> None:
        if arithmetic.rounding not in ("nearest", "stochastic"):
            raise FormatError(
                f"the probabilistic guarantee takes roundings with mean zero: rounding {arithmetic.rounding!r} is biased; "
                "use nearest (a model) or stochastic (a theorem)"
            )
        if arithmetic.perturbation is not None:
            raise FormatError(
                "the probabilistic guarantee does not cover Monte Carlo Arithmetic: leave the perturbation out"
            )
        self.arithmetic = arithmetic
        self._rounder = Rounder(arithmetic)

    @property
    def theorem(self) -> bool:
        """Whether mean independence is a fact (stochastic rounding) and not a model."""
        return self.arithmetic.rounding == "stochastic"

    def inner(self, linear: LinearMap, x: Known, bias: Array | None, centre: Array, products: bool = True) -> Split:
        """y = linear(x) + bias, rounded to storage; ``centre``: its float64 result."""
        rules = self.arithmetic
        biased, carried, accumulated, stored = self._sum(linear, x, bias, centre, products, True)
        parts = [carried, rules.half_range(stored, rules.storage)] if rules.widens else [carried]
        if bias is not None and rules.bias in ("any", "separate"):
            # The sum is stored before the bias is added; both are at most as large as what ``stored`` bounds.
            again = rules.half_range(accumulated, rules.accumulate)
            parts.append(np.where(bias == 0.0, 0.0, again))
            if rules.widens:
                parts.append(np.where(bias == 0.0, 0.0, rules.half_range(stored, rules.storage)))
            biased = up(biased + 3.0 * rules.flush() + self.lost(rules.accumulate), 2)
        return Split(up(biased + self._stored_loss() * 2.0, 1), root_sum(*parts))

    def mean(self, total: LinearMap, x: Known, cells: Array, summed: Array) -> Split:
        """A sum over windows, ``summed`` in float64, divided by ``cells`` or multiplied by their rounded reciprocals."""
        rules = self.arithmetic
        biased, carried, _, _ = self._sum(total, x, None, summed, False, False)
        worst, _ = self._rounder.inner(total, x, None, summed, products=False, stored=False)
        reached = up(np.abs(summed) + x.spread(total) + worst, 2)
        quotient, slip = self._rounder.literal_slip(worst, cells, reached)
        largest = up(quotient + slip, 1)
        parts = [up(carried / cells, 1), np.where(cells == 1.0, 0.0, rules.half_range(largest, rules.accumulate))]
        if rules.widens:
            parts.append(rules.half_range(up(largest * (1.0 + 2.0 * rules.accumulate.unit_roundoff), 1), rules.storage))
        own = up(np.abs(summed / cells), 1) * 2.0**-52 + 2.0**-1070
        tiny = 4.0 * rules.flush() + self.lost(rules.accumulate) + self._stored_loss()
        return Split(up(biased / cells + slip + own + tiny, 6), root_sum(*parts))

    def program(
        self, programs: Sequence[Callable[..., Any]], xs: Sequence[Known], parameters: Sequence[Array] = (),
        normalises: bool = False, shared_apart: bool = False, rewrite: bool = True,
    ) -> Split:  # fmt: skip
        """An elementwise op, the largest over its evaluation forms (:meth:`boundnet.roundoff.rounder.Rounder.program`).

        ``shared_apart``: leave out the first-order errors of what weights and literals alone give.
        """
        arrays = [np.asarray(array) for x in xs for array in (x.centre, x.radius)] + [np.asarray(p) for p in parameters]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        forms = allowed(self.arithmetic, programs, len(xs), len(parameters), rewrite)

        def evaluate(*parts: Array) -> tuple[Array, Array]:
            known, weights = parts[: 2 * len(xs)], parts[2 * len(xs) :]
            own = RunningMachine(OWN)
            thin = [own.variable(Box.exactly(centre)) for centre in known[::2]]
            error = programs[0](own, *thin, *map(own.parameter, weights)).error
            biased, deviation = np.zeros(()), np.zeros(())
            for program in forms:
                machine = SplitMachine(self.arithmetic, normalises, shared_apart)
                wide = [machine.variable(Box.around(*pair)) for pair in zip(known[::2], known[1::2], strict=True)]
                found = machine.result(program(machine, *wide, *map(machine.parameter, weights)))
                biased, deviation = np.maximum(biased, found.biased), np.maximum(deviation, found.deviation)
            size = np.broadcast_shapes(*(np.shape(p) for p in parts))
            return np.broadcast_to(up(biased + error, 1), size), np.broadcast_to(deviation, size)

        biased, deviation = in_blocks(evaluate, shape, arrays, (np.float64, np.float64))
        return Split(biased, deviation)

    def _sum(
        self, linear: LinearMap, x: Known, bias: Array | None, centre: Array, products: bool, stored: bool
    ) -> tuple[Array, Array, Array, Array]:
        """(biased, deviation) of a sum in the accumulator, and the largest magnitudes there and in memory.

        Whatever the tree, the numbers that are rounded at one of its levels add up to at most the largest magnitude T in
        the accumulator, hence their squares to at most T**2: the deviation of h levels is at most sqrt(h) u T.  A sum of m
        leaves has m - 1 levels at most, and one more of products.
        """
        rules = self.arithmetic
        at_centre = Sum(linear, x.centre, np.zeros(x.centre.shape), x.nonzero, bias, products)
        own = sum_error(at_centre, OWN, centre, np.abs(centre) * 2.0**-50 + 2.0**-1060).error
        noise = self._rounder.kernel_noise(linear) if products else None
        bias_noise = None if bias is None else self._rounder.stored_error(bias)
        terms = Sum(linear, x.centre, x.radius, x.nonzero, bias, products, noise, bias_noise)
        largest = up(np.abs(x.centre) + x.radius, 1)
        cast = np.zeros(()) if bias_noise is None else bias_noise
        if noise is not None:
            cast = up(cast + noise.absolute(largest), 1)
        spread = up(x.spread(linear) + own + cast, 2)
        worst = sum_error(terms, rules, centre, spread, stored)
        leaves = terms.leaves
        height = rules.order.height(linear.fan_in - 1)
        levels = np.minimum(leaves, float(height)) + (0.0 if bias is None else (bias != 0.0) * 1.0)
        levels = np.maximum(levels - (0.0 if products else 1.0), 0.0)
        if rules.accumulate.is_fixed:  # sums are exact, every product is rounded to a multiple of the quantum
            carried = np.sqrt(leaves) * (rules.accumulate.smallest_subnormal / 2.0 if products else 0.0)
        else:
            carried = np.sqrt(levels) * rules.accumulate.unit_roundoff * worst.accumulated
        carried = up(carried, 4)
        if rules.order.kind != "any" and not rules.accumulate.is_fixed:
            carried = np.minimum(carried, self._known(terms, centre, spread, worst.stored))
        biased = up(own + cast + absolute_terms(terms, rules, leaves, largest), 2)
        return biased, np.where(leaves == 0.0, 0.0, carried), worst.accumulated, worst.stored

    def _known(self, terms: Sum, centre: Array, spread: Array, reached: Array) -> Array:
        """As :meth:`_sum`, from the partial sums of the order; ``reached``: largest result, what adding the bias rounds."""
        rules = self.arithmetic
        away = up(terms.map.absolute(terms.radius) + sum_error(terms, rules, centre, spread, False).error, 2)
        if terms.noise is not None:
            away = up(away + terms.noise.absolute(up(np.abs(terms.centre) + terms.radius, 1)), 1)
        if terms.bias is None:
            return known_order(terms, rules, away)
        if rules.bias not in ("last", "separate"):  # every partial sum may hold the bias
            away = up(away + np.abs(terms.bias) + (0.0 if terms.bias_noise is None else terms.bias_noise), 2)
        last = np.where(terms.bias == 0.0, 0.0, rules.half_range(reached, rules.accumulate))
        return root_sum(known_order(terms, rules, away), last)

    def lost(self, fmt: Format) -> float:
        """What a format without subnormal numbers may lose of a result below its normal range: no error of mean zero."""
        return 0.0 if fmt.subnormals or fmt.is_fixed else fmt.smallest_normal

    def _stored_loss(self) -> float:
        return self.lost(self.arithmetic.storage) if self.arithmetic.widens else 0.0


__all__ = ["MeanIndependent", "Split"]
