"""Sums whose leaves share a grid: exact, or nearly so, in any order (docs/explanation/theory.md, "Exact sums").

Theorem.  Let t_i be the leaves of a sum (exact products of stored operands, the bias), l_i powers of two with t_i a multiple
of l_i, S >= sum |t_i|, Phi(q) = sum max(0, q - l_i), H a bound of all that flushing changes.  If q is a power of two of at
least the accumulator's eta with S + Phi(q) + H <= 2**p q, then every tree is off by at most Phi(q) + H: products rounded or
fused, any rounding left out, done wider, or twice, each time to a neighbour on a power-of-two grid no coarser than the
accumulator's.

So it holds for every order, fma, rounding direction and tie rule, not only to nearest, and for subnormal results.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.kernels import potential
from boundnet.kernels.potential import DEEPEST, WIDTH
from boundnet.kernels.threads import spread
from boundnet.maps.base import LinearMap
from boundnet.maps.layout import Layout, layout
from boundnet.numerics.outward import Array, Mask, up
from boundnet.roundoff.grids import ANY_GRID, Exponents, exponent_of, trailing
from boundnet.roundoff.sums import Sum

Places = npt.NDArray[np.int32]
PIECE = 1 << 20
"""Leaves of the smallest piece worth a thread of its own."""
_weights: WeakKeyDictionary[LinearMap, tuple[Layout, Exponents]] = WeakKeyDictionary()


class Operand(Protocol):
    """What is read of a tensor (:class:`boundnet.ops.base.Tensor`)."""

    @property
    def centre(self) -> Array: ...
    @property
    def radius(self) -> Array: ...
    @property
    def nonzero(self) -> Mask: ...
    @property
    def grid(self) -> Exponents | None: ...


@dataclass(frozen=True)
class ExactSum:
    """What the leaves' grids say of a family of sums, with and without its bias; arrays (N, *output_shape).

    Attributes:
        error: bound of |computed - exact|, inf where the theorem says nothing.
        least: exponent of the finest leaf's grid: every partial sum is a multiple of 2**least.
    """

    error: Array
    least: Places


def exact_sum(terms: Sum, arithmetic: Arithmetic, total: Array) -> ExactSum | None:
    """Apply the theorem to ``terms``; None where the leaves' grids are not known.

    Args:
        total: upper bound of S, the sum of all leaves' magnitudes with the bias among them.
    """
    known = terms.grid is not None and terms.noise is None and arithmetic.perturbation is None
    if not known or (terms.bias_noise is not None and np.any(terms.bias_noise)):
        return None
    shape = (len(terms.centre), *terms.map.output_shape)
    total = np.broadcast_to(total, shape)
    precision, eta = arithmetic.accumulate.precision, exponent_of(arithmetic.accumulate.smallest_subnormal)
    with np.errstate(all="ignore"):
        # The smallest q with total <= 2**p q.
        mantissa, exponent = np.frexp(total)
        q = np.maximum(np.where(mantissa == 0.5, exponent - 1, exponent) - precision, eta).astype(np.int32)
        phi, least = _potential(terms, q)
        flushed = _flushed(terms, arithmetic, least)
        fits = _holds(total, phi, flushed, q, arithmetic.accumulate)
        if not fits.all():
            # Errors may lead past 2**p q: the next grid has room for as many leaves as a sum can usefully have.
            q = np.where(fits, q, q + 1).astype(np.int32)
            phi, _ = _potential(terms, q)
            fits = _holds(total, phi, flushed, q, arithmetic.accumulate)
        error = np.where(flushed == 0.0, phi, up(phi + flushed, 1))
    return ExactSum(np.where(fits & ~np.isnan(error), error, np.inf), least)


def exact_addition(arithmetic: Arithmetic | None, xs: Sequence[Operand]) -> Mask | None:
    """Where the sum or difference of all ``xs`` is exact in any order, in float64 as well; None where nothing is known."""
    known = all(x.grid is not None for x in xs)
    if arithmetic is None or not known or arithmetic.perturbation is not None or arithmetic.widens:
        return None
    fmt = arithmetic.accumulate
    grids = [x.grid for x in xs if x.grid is not None]
    least: Places = functools.reduce(np.minimum, grids).astype(np.int32)
    total = up(sum((np.abs(x.centre) + x.radius for x in xs), np.zeros(())), len(xs) + 1)
    fits = (total <= _power(np.minimum(least, 900) + fmt.precision)) & (total < fmt.largest)
    return fits & (least >= _finest(arithmetic))


def quotient_exact(arithmetic: Arithmetic, linear: LinearMap, x: Operand, halvings: Places) -> Mask:
    """Where sums of ``x`` that are exact stay so when they are halved so many times: nothing becomes subnormal."""
    terms = Sum(linear, x.centre, x.radius, x.nonzero, None, products=False, grid=x.grid)
    _, least = _potential(terms, np.zeros((len(x.centre), *linear.output_shape), np.int32))
    found: Mask = least - halvings >= _finest(arithmetic)
    return found


def _finest(arithmetic: Arithmetic) -> int:
    """Least exponent of a grid whose multiples are 0 or numbers that are neither rounded nor flushed for being small."""
    fmt = arithmetic.accumulate
    normal = not fmt.is_fixed and (arithmetic.flushes or not fmt.subnormals)
    return exponent_of(fmt.smallest_normal if normal else fmt.smallest_subnormal)


def _holds(total: Array, phi: Array, flushed: Array, q: Places, fmt: Format) -> Mask:
    """Whether S + Phi(q) + H <= 2**p q, below overflow; NaN fails."""
    reached = up(total + phi + flushed, 2)
    reached = np.where((phi == 0.0) & (flushed == 0.0), total, reached)
    fits: Mask = (reached <= _power(q + fmt.precision)) & (reached < fmt.largest)
    return fits


def _potential(terms: Sum, q: Places) -> tuple[Array, Places]:
    """(Phi(2**q), the finest leaf's exponent), the bias among the leaves; Phi is exactly 0 where none is finer than 2**q."""
    assert terms.grid is not None
    table, weight = _table(terms.map)
    if not terms.products:
        weight = np.zeros(weight.shape, np.int16)
    x = table.inputs(np.where(terms.nonzero, terms.grid, ANY_GRID).astype(np.int16))
    outputs = weight.shape[-1]
    bias = np.full((1,) * q.ndim, ANY_GRID) if terms.bias is None else trailing(terms.bias)
    least = np.ascontiguousarray(np.broadcast_to(bias, q.shape), dtype=np.int32).reshape(-1, outputs)
    flat = np.ascontiguousarray(q).reshape(-1, outputs)
    behind = np.clip(flat - least, 0, DEEPEST)
    units = np.where(behind > 0, 1.0 - 2.0 ** -behind.astype(np.float64), 0.0)

    def work(first: int, last: int) -> None:
        potential.potentials(x, table.source, weight, table.groups, flat, first, last, units, least)

    spread(work, len(flat) * -(-outputs // WIDTH), max(1, PIECE // (table.leaves * min(outputs, WIDTH))))
    phi = np.where(units == 0.0, 0.0, up(units, table.leaves + 2) * _power(flat))
    return phi.reshape(q.shape), least.reshape(q.shape)


def _table(linear: LinearMap) -> tuple[Layout, Exponents]:
    """The map as a table and the grids of its weights, made once."""
    if linear not in _weights:
        table = layout(linear)
        _weights[linear] = table, trailing(table.weight)
    return _weights[linear]


def _flushed(terms: Sum, arithmetic: Arithmetic, least: Places) -> Array:
    """H: what flushing of results and operands may change; 0 where nothing can be subnormal."""
    fmt = arithmetic.accumulate
    lam = max(arithmetic.flush(), 0.0 if fmt.subnormals or fmt.is_fixed else fmt.smallest_normal)
    if lam == 0.0:
        return np.zeros(least.shape)
    bound = exponent_of(lam)
    # m products, up to m sums, and the bias as it is read, each flushed at most once.
    results = np.where(least >= bound, 0.0, (2.0 * terms.leaves + 3.0) * lam)
    if not arithmetic.flushes_operands or not terms.products:
        return results
    assert terms.grid is not None
    size = up(np.abs(terms.centre) + terms.radius, 1)
    # A subnormal number's own grid is finer than lambda.
    tiny = np.where(terms.nonzero & (terms.grid < bound), np.minimum(size, lam), 0.0)
    read = terms.map.absolute(tiny) if tiny.any() else np.zeros(())
    if (_table(terms.map)[1] < bound).any():
        small = terms.map.with_kernel(lambda w: np.where(np.abs(w) < lam, np.abs(w), 0.0))
        read = read + small.absolute(np.where(terms.nonzero, size, 0.0))
    return up(results + read, 2)


def _power(exponent: Places) -> Array:
    """2**exponent as float64; 0 or infinity where it is none."""
    power: Array = np.ldexp(1.0, exponent)
    return power


__all__ = ["ExactSum", "exact_addition", "exact_sum", "quotient_exact"]
