"""Adjoint bounds: the coefficients of all noise symbols in chosen outputs, by one reverse pass a row.

For a row J_0 and the deviation D of its node, |J_0 D| <= |sum J shift| + sum over ops of |J| (noise + gamma |L| E): the
last term covers the
float64 rounding of the pass itself, because an error in J_x = J_y L meets a deviation of at most E.  gamma is doubled
(:func:`boundnet.numerics.outward.gamma`) and |J| raised to 2**-500, which also covers products that underflow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.domains.forward import Trace
from boundnet.numerics.norms import norm2
from boundnet.numerics.outward import Array, gamma, raise_tiny, up
from boundnet.numerics.weigh import weigh
from boundnet.ops.base import Local
from boundnet.roundoff.mean_independent.mixture import mixture

_LARGE = 1 << 20
"""Values from which a compiled pass pays for its own loading."""


@dataclass(frozen=True)
class Adjoint:
    """Bounds of rows, (R, N), and where they come from.

    Attributes:
        low, high: rigorous enclosure of J_0 D for each row and sample.
        bound: rigorous bound of |J_0 D|.
        rounding: node -> its own rounding's part of the bound, (R, N).
        linearisation: node -> the part of strips and shifts, (R, N).
    """

    low: Array
    high: Array
    bound: Array
    rounding: dict[str, Array]
    linearisation: dict[str, Array]


def adjoint(trace: Trace, node: str, rows: Array) -> Adjoint:
    """Bound ``rows`` of the deviation of ``node``.

    Args:
        rows: (R, N, *shape of node), exact float64 coefficients.
    """
    graph = trace.graph
    pending: dict[str, Array] = {node: rows}
    rounding: dict[str, Array] = {}
    linearisation: dict[str, Array] = {}
    blank = np.zeros(rows.shape[:2])
    noises, strips, shifts, shift_sizes = blank, blank, blank, blank
    squares: dict[str, tuple[Array, Array]] = {}
    terms = 2
    order = graph.topological()
    with np.errstate(all="ignore"):
        for name in reversed(order[: order.index(node) + 1]):
            if name not in pending:
                continue
            row = pending.pop(name)
            local = trace.locals.get(name)
            if local is None:
                rounding[name] = _weigh(row, trace.tensors[name].radius)
                noises = noises + rounding[name]
                continue
            rounding[name] = _weigh(row, np.where(local.overflow, np.inf, local.rounding))
            if local.deviation is not None and local.excess is not None:
                squares[name] = _weigh2(row, local.deviation), _weigh(row, local.excess)
            for linear, radius in local.shared:
                # Its own float64 rounding: gamma |L| r, as for a deviation.
                own = gamma(linear.fan_out + 2) * linear.absolute(radius)
                reach = _weigh(linear.transpose(row), radius) + _weigh(row, np.broadcast_to(own, row.shape[1:]))
                rounding[name] = up(rounding[name] + reach, 2)
            noises = noises + rounding[name]
            if name not in trace.slack:
                trace.slack[name] = _slack(trace, name, local)
            missed = trace.slack[name]
            if local.strip is not None:
                missed = up(missed + local.strip, 1)
            linearisation[name] = _weigh(row, np.broadcast_to(missed, row.shape[1:]))
            strips = strips + linearisation[name]
            if local.shift is not None:
                shifts = shifts + (row * local.shift).sum(axis=tuple(range(2, row.ndim)))
                moved = _weigh(row, np.abs(local.shift))
                shift_sizes = shift_sizes + moved
                terms += int(np.prod(row.shape[2:])) + 2
                part = rounding if local.stores else linearisation
                part[name] = part[name] + moved
            for source, linear in zip(graph.inputs_of(name), local.maps, strict=True):
                if not trace.tensors[source].radius.any():
                    continue  # no execution deviates there
                back = linear.transpose(row)
                pending[source] = pending[source] + back if source in pending else back
        spread = blank
        if squares:
            found = mixture(trace.lam, *(np.stack([pair[i] for pair in squares.values()]) for i in range(2)))
            spread = found.total
        rest = up(noises + spread + strips + gamma(terms) * shift_sizes, 2 * len(order) + 6)
        rest = np.where(np.isnan(rest) | np.isnan(shifts), np.inf, rest)
        if squares:
            for name, part in zip(squares, found.parts, strict=True):
                rounding[name] = rounding[name] + part
        shifts = np.where(np.isfinite(rest), shifts, 0.0)
        low, high = np.nextafter(shifts - rest, -np.inf), np.nextafter(shifts + rest, np.inf)
    return Adjoint(low, high, np.maximum(np.abs(low), np.abs(high)), rounding, linearisation)


def _slack(trace: Trace, name: str, local: Local) -> Array:
    """gamma |L| E: float64 rounding of this op's part of the reverse pass, additions at shared inputs included."""
    total = np.zeros(())
    for source, linear in zip(trace.graph.inputs_of(name), local.maps, strict=True):
        terms = gamma(linear.fan_out + trace.graph.consumers(source) + 2)
        total = total + terms * linear.absolute(trace.tensors[source].radius)
    return up(total, len(local.maps) + 2)


def _weigh(row: Array, noise: Array) -> Array:
    """sum |J| noise over all elements, rounded up: (R, N)."""
    rows, samples = row.shape[:2]
    flat = raise_tiny(np.ascontiguousarray(np.broadcast_to(noise, row.shape[1:]))).reshape(samples, -1)
    if row.size >= _LARGE:
        parts = [weigh(row[:, n].reshape(rows, -1), flat[n]) for n in range(samples)]
        return np.stack(parts, axis=1)
    size = raise_tiny(np.abs(row))
    total: Array = np.einsum("rnk,nk->rn", size.reshape(rows, samples, -1), flat)
    return up(np.where(np.isnan(total), np.inf, total), flat.shape[1] + 1)


def _weigh2(row: Array, deviation: Array) -> Array:
    """sqrt(sum (J deviation)**2) over all elements, rounded up: (R, N)."""
    rows, samples = row.shape[:2]
    flat = raise_tiny(np.ascontiguousarray(np.broadcast_to(deviation, row.shape[1:]))).reshape(samples, -1)
    weighed = raise_tiny(np.abs(row)).reshape(rows, samples, -1) * flat
    return norm2(np.where(np.isnan(weighed), np.inf, weighed) * (1.0 + 2.0**-50), axis=2)


def curvature_share(source: Adjoint) -> Array:
    """Largest share over the rows of what linearisation costs, for each sample: (N,); 1 where nothing is finite."""
    with np.errstate(all="ignore"):
        bent = sum(source.linearisation.values(), np.zeros(source.bound.shape))
        share = np.where(source.bound > 0.0, bent / source.bound, 0.0)
    share = np.where(np.isfinite(share) & np.isfinite(source.bound), share, 1.0)
    largest: Array = share.max(axis=0, initial=0.0)
    return largest
