"""The probabilistic guarantee: lambda, what it is exceeded with, and how ops' roundings are parted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import up
from boundnet.ops.base import Local, Op, Tensor
from boundnet.roundoff.mean_independent.roundings import MeanIndependent

CLAIM = 1e-9
"""Failure probability of a whole claim for which lambda is chosen where none is given."""


def exceedance(lam: float) -> float:
    """Bound of the probability that a sum of martingale differences exceeds lambda times the 2-norm of its half-ranges.

    2 exp(-lambda**2 / 2), rounded up: Hoeffding (1963), Azuma (1967), with ranges that are known given the past (McDiarmid
    1989, Theorem 6.7).
    """
    return min(1.0, max(2.0 * math.exp(-0.5 * lam * lam * (1.0 - 2.0**-50)) * (1.0 + 2.0**-40), 2.0**-1000))


def smallest_lambda(statements: int, probability: float = CLAIM) -> float:
    """Smallest multiple of 1/8 for which ``statements`` exceedances together are at most ``probability``."""
    lam = math.ceil(8.0 * math.sqrt(2.0 * math.log(2.0 * max(statements, 1) / probability))) / 8.0
    while statements * exceedance(lam) > probability:
        lam += 0.125
    return lam


@dataclass(frozen=True)
class Chance:
    """lambda and the model of one execution's roundings."""

    lam: float
    errors: MeanIndependent

    @staticmethod
    def of(arithmetic: Arithmetic, lam: float) -> Chance:
        """For an execution model.

        Raises:
            FormatError: its roundings do not have mean zero.
        """
        return Chance(lam, MeanIndependent(arithmetic))

    def parted(self, op: Op, local: Local, xs: Sequence[Tensor]) -> Local:
        """``local`` with its mean-independent and shared roundings taken out of ``rounding``, where the op knows them.

        A rounding that is impossible, unbounded or as small as its biased part stays as it is; that errors shared with
        other elements then count twice does no harm.
        """
        split = op.split(self.errors, *xs)
        if split is None or not all(np.isfinite(radius).all() for _, radius in split.shared):
            return local
        known = np.isfinite(split.deviation) & (split.biased < local.rounding) & ~local.zero
        if not known.any():
            return local
        rounding = np.where(known, split.biased, local.rounding)
        excess = up(local.rounding - rounding, 1)
        deviation = np.where(known, split.deviation, 0.0)
        return replace(local, rounding=rounding, deviation=deviation, excess=excess, shared=split.shared)
