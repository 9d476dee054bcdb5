"""Functions that libraries put together of several operations where the accuracy table names one."""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up


def stores_steps(rules: Arithmetic) -> bool:
    """Whether a function's own steps may be stored in a format narrower than the accumulator.

    Where an overflow is NaN or saturates, a library that stores exp(-x) has no sigmoid at all: kernels keep it wide.
    """
    return rules.forms == "any" and rules.widens and rules.storage.overflow == "inf"


def sigmoid_by_exp(rules: Arithmetic, reached: Array) -> Array:
    """Error of a sigmoid evaluated as 1 / (1 + exp(-x)): three relative errors and a tail; ``reached``: its largest value.

    exp(-x) may overflow to infinity, after which the quotient is 0 where the exact value is below 1 / largest.  Where steps
    are stored, each of the three is rounded once more, and exp(x) / (1 + exp(x)), of negative x, has the error of exp twice.
    """
    fmt = rules.accumulate
    if fmt.is_fixed:
        return np.zeros(np.shape(reached))  # fixed-point kernels tabulate
    if fmt.overflow != "inf":
        return np.full(np.shape(reached), np.inf)
    stored = stores_steps(rules)
    store = 1.0 + rules.relative(rules.storage) if stored else 1.0
    step = (1.0 + rules.operation_relative) * store
    power = (1.0 + 2.0 * rules.ulp("exp") * fmt.unit_roundoff) * store
    worst = (2.0 - power) * (2.0 - step)
    relative = step * (power if stored else 1.0) / worst - 1.0 + 2.0**-50 if worst > 0.0 else np.inf
    # Underflow of exp(-x), where x is large, moves 1 + exp(-x) by no more than the same amount.
    tiny = rules.absolute(fmt) + rules.flush() + max(rules.ulp("exp"), 0.5) * fmt.smallest_subnormal
    tiny += rules.absolute(rules.storage) if stored else 0.0
    largest = rules.storage.largest if stored else fmt.largest
    return up(relative * reached + 4.0 * tiny + (1.0 + 2.0**-50) / largest, 4)


def threshold(rules: Arithmetic) -> float | None:
    """Beyond this a softplus in the storage format is x, and below its negative exp(x): TensorFlow's kernel, -(log 2u + 2).

    None in binary32 and wider formats, where the accuracy table holds what that changes, and in formats of a few bits.
    """
    fmt: Format = rules.storage
    if rules.forms != "any" or fmt.is_fixed or fmt.precision >= 24:
        return None
    found = -(float(np.log(2.0 * fmt.unit_roundoff)) + 2.0)
    return found if found >= 1.0 else None


def softplus_by_thresholds(rules: Arithmetic, x: Box) -> Array:
    """Largest error of taking x or exp(x) for log(1 + exp(x)) beyond :func:`threshold`, over intervals of operands.

    log(1 + exp(x)) - x = log(1 + exp(-x)) decreases, and exp(x) - log(1 + exp(x)) is at most exp(2x) / 2.
    """
    t = threshold(rules)
    if t is None:
        return np.zeros(np.shape(x.lo))
    t *= 1.0 - 2.0**-20  # as some kernel rounds it
    above = np.where(x.hi > t, np.log1p(np.exp(-np.maximum(x.lo, t))), 0.0)
    below = np.where(x.lo < -t, 0.5 * np.exp(2.0 * np.minimum(x.hi, -t)), 0.0)
    # Five ulp of binary64's functions each, carried by slopes of at most 1.
    return up(np.maximum(above, below) * (1.0 + 2.0**-46), 4)
