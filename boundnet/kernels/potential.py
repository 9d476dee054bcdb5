"""The potential of a family of sums: how much finer leaves are than the grid of their sum
(:mod:`boundnet.roundoff.exact_sums`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel

WIDTH = 256
"""Outputs of one piece, side by side."""
DEEPEST = 60
"""Exponents further apart than this count as infinitely far."""


@kernel
def potentials(
    x: Any, source: Any, weight: Any, groups: Any, q: Any, first: Any, last: Any, units: Any, least: Any,
) -> None:  # fmt: skip
    """Pieces ``first`` to ``last``; a piece is ``WIDTH`` outputs of one position of one sample.

    Args:
        x: (N, Q, groups * C) int16, exponents of the inputs' grids.
        source, weight: see :class:`boundnet.maps.layout.Layout`; ``weight`` holds the int16 exponents of the weights' grids.
        q: (N * P, O) int32, exponent of the sum's grid.
        units: (N * P, O) results: sum of max(0, 1 - 2**(l - q)) over the leaves' exponents l.
        least: (N * P, O) int32 results: the smallest l, at most what they hold before.
    """
    count, taps = source.shape
    channels, outputs = weight.shape[2:]
    per_group, chunks = outputs // groups, -(-outputs // WIDTH)
    missing = np.zeros(DEEPEST + 1)
    for d in range(1, DEEPEST + 1):
        missing[d] = 1.0 - 2.0**-d if d < DEEPEST else 1.0
    for piece in range(first, last):
        row, low = piece // chunks, piece % chunks * WIDTH
        n, p, high = row // count, row % count, min(low + WIDTH, outputs)
        kernels = weight[p % weight.shape[0]]
        for t in range(taps):
            at = source[p, t]
            if at < 0:
                continue
            for c in range(channels):
                w = kernels[t, c]
                for g in range(low // per_group, (high - 1) // per_group + 1):
                    v = np.int32(x[n, at, g * channels + c])
                    if v >= 4096:
                        continue
                    for o in range(max(low, g * per_group), min(high, (g + 1) * per_group)):
                        leaf = v + np.int32(w[o])
                        least[row, o] = min(least[row, o], leaf)
                        units[row, o] += missing[min(max(q[row, o] - leaf, 0), DEEPEST)]
