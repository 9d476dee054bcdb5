"""2-norms of a sum's roundings where the order of its additions is known.

A number that is rounded is a partial sum: |s_k| <= |S~_k| + W with the partial sums S~_k at the centre and W what a run may
differ from them by.  With m additions and products p_k the half-ranges have a 2-norm of at most
u sqrt((||S~|| + sqrt(m) W)**2 + (||p~|| + W)**2), which knows the signs of the terms where sqrt(h) u T does not.
"""

from __future__ import annotations

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.kernels.threads import spread
from boundnet.maps.layout import layout
from boundnet.numerics.norms import root_sum
from boundnet.numerics.outward import TINY, Array, up
from boundnet.roundoff.running_bound import schedule
from boundnet.roundoff.sums import Sum

PIECE = 1 << 18
"""Products of the smallest piece worth a thread of its own."""


def known_order(terms: Sum, arithmetic: Arithmetic, apart: Array) -> Array:
    """2-norm of the half-ranges of all additions and products of ``terms``, the bias apart: (N, *output_shape).

    Args:
        apart: bound of |s - S~| for the exact value s of any addition of any run and the exact partial sum S~ of the centre.

    Raises:
        ValueError: the order is ``any``.
    """
    from boundnet.kernels.partials import partial_squares

    table = layout(terms.map)
    count, outputs = len(table.source), table.weight.shape[-1]
    plan = schedule(arithmetic.order, table.leaves)
    nodes = table.leaves + int(plan.merges.sum())
    x = table.inputs(np.ascontiguousarray(terms.centre))
    samples = len(terms.centre)
    sums, products = (np.zeros((samples * count, outputs)) for _ in range(2))

    def work(first: int, last: int) -> None:
        partial_squares(x, table.source, table.weight, table.groups, plan.run, plan.merges, first, last, sums, products)

    spread(work, samples * count, max(1, PIECE // (table.leaves * outputs)))
    shape = (samples, *terms.map.output_shape)
    # The float64 partial sums are off by (nodes + 1) 2**-53 sum |w x|; squares that underflow are below TINY.
    size = terms.map.absolute(np.abs(terms.centre))
    away = up(apart + size * ((nodes + 2) * 2.0**-52) + TINY, 3)
    norm, product = (up(np.sqrt(part), nodes + 4).reshape(shape) for part in (sums, products))
    u = arithmetic.accumulate.unit_roundoff
    added = up(u * (norm + np.sqrt(float(nodes)) * away), 5)
    multiplied = up(u * (product + away), 3) if terms.products else np.zeros(())
    found = root_sum(added, multiplied)
    return np.where(np.isnan(norm) | np.isnan(product), np.inf, found)
