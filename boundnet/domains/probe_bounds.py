"""What fresh probes say of one node: bounds of its elements and of their differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.domains.estimate import LOG_SLACK, add_logs
from boundnet.numerics.outward import TINY, Array, up

_STEPS = 40


@dataclass(frozen=True)
class Sketched:
    """Probes of a node whose plan was frozen before the coins were tossed.

    Attributes:
        probes: (K, n) values of the named part.
        shift: (n,) known offset, own float64 error apart.
        known: (n,) bound of what the probes leave out: fresh and own symbols.
        kappa: (K,) each probe's own rounding relative to the radius.
        log_tau: see :func:`boundnet.domains.estimate.log_tau`.
    """

    probes: Array
    shift: Array
    known: Array
    kappa: Array
    log_tau: float

    def radii(self) -> Array:
        """Bound of |D| for each element, (n,): each fails with the probability that ``log_tau`` stands for."""
        return np.maximum(up(np.abs(self.shift) + self.known + self._scales(), 3), TINY)

    def below(self, best: int) -> tuple[Array, Array]:
        """Lower and upper bounds of D_best - D_k for every k: (n,), (n,)."""
        apart = self.probes[:, best, None] - self.probes
        radius = up(self._scales() + self.known, 1)
        # kappa times both radii, and the subtraction's own rounding.
        size = np.abs(self.probes) + np.abs(self.probes[:, [best]])
        noise = self.kappa[:, None] * (radius[best] + radius) + 2.0**-52 * size
        spread = _grow(up(np.abs(apart) + noise, 6), np.zeros(len(self.kappa)), np.ones(len(radius)), self.log_tau)
        middle = self.shift[best] - self.shift
        slack = up(spread + self.known[best] + self.known + 2.0**-50 * (np.abs(self.shift[best]) + np.abs(self.shift)), 6)
        low, high = np.nextafter(middle - slack, -np.inf), np.nextafter(middle + slack, np.inf)
        low[best] = high[best] = 0.0
        return low, high

    def _scales(self) -> Array:
        blurred = up(np.abs(self.probes) + self.kappa[:, None] * self.known, 3)
        return _grow(blurred, self.kappa, np.ones(self.probes.shape[1]), self.log_tau)


def _grow(sizes: Array, kappa: Array, spread: Array, log_tau: float) -> Array:
    """Bound of the scales of (K, n) probes that are off by ``kappa`` times their scale.

    With the true scale E0 the mean of log(|P| / E0) is at least -log tau but for the probability of failure; then every E
    whose mean of log(|P^| / E + kappa) is less must exceed E0, however E was found: the first on a grid is taken.
    """
    count, n = sizes.shape
    with np.errstate(all="ignore"):
        # Probes that are all 0 say so of the scale only as far as their rounding allows: they are checked like others.
        bound: Array = np.exp(np.log(np.maximum(sizes, 1e-300)).mean(axis=0) + log_tau)
    open_ = np.ones(n, dtype=np.bool_)
    for step in range(_STEPS):
        if not open_.any():
            return bound
        bound[open_] *= 1.0 + 2.0 ** (step // 4 - 7)
        total = np.zeros(n)
        add_logs(sizes, np.where(open_, bound, np.inf), kappa, spread, total)
        open_ &= ~(total < -count * (log_tau + LOG_SLACK))
    return np.where(open_, np.inf, bound)
