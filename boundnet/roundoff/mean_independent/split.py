"""A rounding error in two parts: what may be biased, and what is mean-independent."""

from __future__ import annotations

from dataclasses import dataclass

from boundnet.maps import LinearMap
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Split:
    """The rounding error of one op is b + sum L c + X: |b| <= ``biased``, X ``deviation``-sub-Gaussian given all before it.

    Attributes:
        biased: worst-case part: float64 error of the centre, casts, flushing, elementary functions, shared roundings.
        deviation: 2-norm of the half-ranges of the op's own roundings, (N, *shape): X is a sum of martingale differences
            whose conditional ranges have these half-lengths, so that E exp(sX) <= exp(s**2 deviation**2 / 2).
        shared: pairs (L, radius): worst-case errors c, |c| <= radius, that reach several elements through L at once, such as
            the error of a channel's scale; radius is (1, *input shape of L).
    """

    biased: Array
    deviation: Array
    shared: tuple[tuple[LinearMap, Array], ...] = ()
