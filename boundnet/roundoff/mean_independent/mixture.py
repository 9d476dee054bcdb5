"""Which roundings a bound takes in the 2-norm and which as worst cases: whatever is smaller.

For every set T of ops, sum over T of their worst cases + lambda * (2-norm of all others) is a bound with the same
probability.  A few large roundings are better worst cases, many small ones better squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.numerics.norms import root_sum
from boundnet.numerics.outward import Array, up


@dataclass(frozen=True)
class Mixture:
    """The bound, and each op's part of it: (M, ...) parts add up to ``total`` (...), both rounded up."""

    total: Array
    parts: Array


def mixture(lam: float, deviations: Array, excesses: Array) -> Mixture:
    """The smallest bound over prefixes of the ops in the order in which worst cases pay.

    Args:
        deviations: (M, ...) 2-norm of each op's roundings.
        excesses: (M, ...) how much more its worst case is than its biased part.
    """
    count = len(deviations)
    with np.errstate(all="ignore"):
        price = np.where(deviations > 0.0, excesses / deviations / deviations, 0.0)
    order = np.argsort(np.where(np.isnan(price), np.inf, price), axis=0, kind="stable")
    worst = np.take_along_axis(excesses, order, 0)
    squares = np.take_along_axis(deviations, order, 0)
    blank = np.zeros((1, *deviations.shape[1:]))
    taken = np.concatenate([blank, up(np.cumsum(worst, axis=0), count)])
    rest = [blank[0]]
    for part in squares[::-1]:
        rest.append(root_sum(rest[-1], part))
    norms = np.stack(rest[::-1])
    totals = up(taken + lam * norms, 2)
    best = np.argmin(np.where(np.isnan(totals), np.inf, totals), axis=0)[None]
    total, norm = (np.take_along_axis(table, best, 0)[0] for table in (totals, norms))
    # Shares of the 2-norm's square; they are for display, the total is what counts.
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(norm > 0.0, lam * squares / norm * squares, 0.0)
    parts = np.empty_like(shares)
    np.put_along_axis(
        parts, order, np.where(np.arange(count).reshape(-1, *[1] * (shares.ndim - 1)) < best, worst, shares), 0
    )
    return Mixture(np.where(np.isnan(total), np.inf, total), parts)
