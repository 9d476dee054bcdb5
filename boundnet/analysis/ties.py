"""Whether the values that a program returns decide as the logits behind them do: saturated probabilities may tie.

A program takes the argmax of what it is given.  Logits that differ in every execution still need not have probabilities that
differ: these are rounded to a grid of their own, and a tie goes to whatever class comes first.
"""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import Array, Mask


def ranges_apart(low: Array, high: Array, best: np.typing.NDArray[np.int64]) -> Mask:
    """(N,) whether value ``best[n]`` of row n lies strictly above all others: (N, K) ranges.  NaN fails.

    A single value, K = 1, is one probability: it lies strictly above 1/2 where ``best`` is 1, strictly below where it is 0.
    """
    if low.shape[1] == 1:
        return np.asarray(np.where(best == 1, low[:, 0] > 0.5, high[:, 0] < 0.5), dtype=np.bool_)
    rows = np.arange(len(low))
    apart = low[rows, best][:, None] > high
    apart[rows, best] = True
    return np.asarray(apart.all(axis=1), dtype=np.bool_)


def softmax_apart(rules: Arithmetic, gap: Array, error: Array, classes: int) -> Mask:
    """Whether the computed softmax of the leading logit is strictly the largest in every execution.

    Args:
        gap: (N,) the leading computed logit exceeds every other one by more than this; so does the exact one.
        error: (N,) bound of |computed - exact| of the leading probability.
        classes: how many there are.

    The algorithm is that of :mod:`boundnet.roundoff.softmax`: d = x - max x, e = exp(d), p = e / s or e * (1/s) with one s
    for all.  The leading logit is the maximum, so its d is exactly 0 and its e at least 1 - theta.  Another one's d is at
    most -gap (1 - delta) + tiny, and its e at most exp(d) (1 + theta) + tiny.  Quotients q by the same s are rounded at
    most twice, each time by a factor 1 +- 2u and tiny: they differ once q' C < q - 2 tiny, where q'/q is the ratio of the
    e and C the product of these factors.  The exact leading probability is at least 1/K, which bounds q from below.
    """
    if rules.accumulate.is_fixed or rules.storage.is_fixed or rules.perturbation is not None:
        return np.zeros(gap.shape, dtype=np.bool_)
    ua, us = rules.accumulate.unit_roundoff, rules.storage.unit_roundoff
    theta = 2.0 * max(rules.ulp("exp"), 0.5) * ua + 4.0 * us
    steps = 8.0 * (ua + us)
    tiny = 4.0 * (rules.absolute(rules.accumulate) + rules.absolute(rules.storage) + rules.flush())
    tiny += max(rules.ulp("exp"), 1.0) * (rules.accumulate.smallest_subnormal + rules.storage.smallest_subnormal)
    if not theta + steps < 0.25:
        return np.zeros(gap.shape, dtype=np.bool_)
    with np.errstate(all="ignore"):
        distance = gap * (1.0 - steps) * (1.0 - 2.0**-50) - 4.0 * tiny
        other = np.exp(-distance) * (1.0 + 2.0**-48) * (1.0 + theta) + tiny
        ratio = other / (1.0 - theta) * (1.0 + 2.0**-50)
        least = (1.0 / classes - error) * (1.0 - 2.0**-50) / (1.0 + 2.0 * steps) - tiny
        # (1 + 2u)**2 / (1 - 2u)**2 for both formats is at most 1 + 2 * 8 (ua + us) while that is below 1/2.
        apart: Mask = (distance > 0.0) & (least > 0.0) & (ratio * (1.0 + 2.0 * steps) < 1.0 - 4.0 * tiny / least)
    return apart
