"""Squares of the partial sums of a known order, and of its products, at the centre."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel


@kernel
def partial_squares(
    x: Any, source: Any, weight: Any, groups: Any, run: Any, merges: Any, first: Any, last: Any, sums: Any, products: Any
) -> None:
    """sums += every partial sum squared, products += every product squared, for rows ``first`` to ``last``.

    Args: as :func:`boundnet.kernels.running.running_errors`; sums, products: (N * P, O).
    """
    count, taps = source.shape
    channels, outputs = weight.shape[2:]
    leaves, per_group = taps * channels, outputs // groups
    stack = np.empty((64, outputs))
    for row in range(first, last):
        n, p = row // count, row % count
        kernels = weight[p % weight.shape[0]]
        top = 0
        for index in range(merges.shape[0]):
            s = stack[top]
            s[:] = 0.0
            top += 1
            for leaf in range(index * run, min((index + 1) * run, leaves)):
                t, c = leaf // channels, leaf % channels
                q = source[p, t]
                if q < 0:
                    continue
                w = kernels[t, c]
                for g in range(groups):
                    v = x[n, q, g * channels + c]
                    for j in range(g * per_group, (g + 1) * per_group):
                        product = v * w[j]
                        s[j] += product
                        products[row, j] += product * product
                        sums[row, j] += s[j] * s[j]
            for _ in range(merges[index]):
                top -= 1
                for j in range(outputs):
                    stack[top - 1, j] += stack[top, j]
                    sums[row, j] += stack[top - 1, j] * stack[top - 1, j]
