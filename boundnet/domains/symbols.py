"""Tables of noise symbols' coefficients, and the norm that turns them into a radius.

Worst-case symbols, |e| <= 1, add up in the 1-norm.  Mean-independent ones, of conditional half-range 1, add up in the
2-norm: lambda times it is exceeded with a probability of at most 2 exp(-lambda**2 / 2) (docs/explanation/probabilistic.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boundnet.maps import LinearMap
from boundnet.numerics.norms import norm2, root_sum
from boundnet.numerics.outward import Array, Mask, up

Ids = npt.NDArray[np.int64]


class Norm1:
    """Sums of magnitudes: worst cases."""

    def join(self, first: Array, second: Array) -> Array:
        """Radius of two private symbols of one element."""
        return up(first + second, 1)

    def total(self, coefficients: Array, fresh: Array) -> Array:
        """Radius of each element: (S, N, *shape) coefficients of named symbols, and the private ones."""
        return up(np.abs(coefficients).sum(axis=0) + fresh, len(coefficients) + 2)


class Norm2:
    """Square roots of sums of squares: mean-independent symbols."""

    def join(self, first: Array, second: Array) -> Array:
        """Half-range of a sum of two private symbols of one element."""
        return root_sum(first, second)

    def total(self, coefficients: Array, fresh: Array) -> Array:
        """2-norm for each element: (S, N, *shape) coefficients of named symbols, and the private ones."""
        return root_sum(norm2(coefficients), fresh)


ONE, TWO = Norm1(), Norm2()
Norm = Norm1 | Norm2
KINDS: tuple[Norm, Norm] = (ONE, TWO)


@dataclass(frozen=True)
class Symbols:
    """One kind of symbols in a tensor: (S, N, *shape) coefficients of ``ids`` (increasing), and private ones (N, *shape)."""

    norm: Norm
    ids: Ids
    coefficients: Array
    fresh: Array

    @staticmethod
    def private(norm: Norm, fresh: Array) -> Symbols:
        """One symbol for each element and no name for any."""
        return Symbols(norm, np.zeros(0, np.int64), np.zeros((0, *fresh.shape)), fresh)

    def radius(self) -> Array:
        """The norm of all coefficients of each element."""
        return self.norm.total(self.coefficients, self.fresh)

    def without(self, away: Mask, instead: Array | float) -> Symbols:
        """The same where not ``away``; there only private symbols of size ``instead``."""
        coefficients = np.where(away, 0.0, self.coefficients)
        return Symbols(self.norm, self.ids, coefficients, np.where(away, instead, self.fresh))

    def live(self) -> Ids:
        """Places, among the elements of one sample, whose private symbol is not 0 in some sample.

        What is infinite has no symbol; readers go by its radius.
        """
        flat = self.fresh.reshape(len(self.fresh), -1)
        return np.flatnonzero(((flat != 0.0) & np.isfinite(flat)).any(axis=0))

    def named(self, live: Ids, ids: Ids) -> Symbols:
        """The same with names ``ids`` for the private symbols at the places ``live``."""
        if len(live) == 0:
            return self
        flat = self.fresh.reshape(len(self.fresh), -1)
        rows = np.zeros((len(live), *flat.shape))
        rows[np.arange(len(live)), :, live] = np.where(np.isfinite(flat), flat, 0.0)[:, live].T
        coefficients = np.concatenate([self.coefficients, rows.reshape(len(live), *self.fresh.shape)])
        return Symbols(self.norm, np.concatenate([self.ids, ids]), coefficients, np.zeros(self.fresh.shape))


def image(symbols: Symbols, linear: LinearMap, table: Array) -> Symbols:
    """Symbols of L D, ``table`` the map's values of the coefficients; private symbols meet at most in one norm."""
    return Symbols(symbols.norm, symbols.ids, table, linear.absolute(symbols.fresh))


def added(parts: Sequence[tuple[Ids, Array]], shape: tuple[int, ...]) -> tuple[Ids, Array]:
    """Add coefficient tables, symbol by symbol; symbols that reach nothing any more are dropped."""
    if not parts:
        return np.zeros(0, np.int64), np.zeros((0, *shape))
    ids, total = parts[0]
    for other, table in parts[1:]:
        union = np.union1d(ids, other)
        merged = np.zeros((len(union), *shape))
        merged[np.searchsorted(union, ids)] = total
        merged[np.searchsorted(union, other)] += table
        ids, total = union, merged
    alive = total.reshape(len(ids), -1).any(axis=1)
    return (ids, total) if alive.all() else (ids[alive], total[alive])
