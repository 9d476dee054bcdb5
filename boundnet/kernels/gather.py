"""Patches of inputs to and from buffers, and sums over windows, driven by a table of sources.

``source``: (P, T) int32, the input position that tap t of output position p reads, -1 where there is none.  Inputs are
(N, Q, channels) and outputs (N, P, channels), C-contiguous float64; row ``r`` of an output is position ``r % P`` of sample
``r // P``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel


@kernel
def pack(x: Any, source: Any, first: int, buffer: Any) -> None:
    """Patches of rows ``first`` on.  x: (N, Q, groups * c); buffer: (groups, rows, T * c)."""
    groups, rows, _ = buffer.shape
    p_count, taps = source.shape
    c = x.shape[2] // groups
    for row in range(rows):
        n, p = (first + row) // p_count, (first + row) % p_count
        t = 0
        while t < taps:
            q = source[p, t]
            run = 1
            if q < 0:
                for g in range(groups):
                    for i in range(c):
                        buffer[g, row, t * c + i] = 0.0
            elif groups == 1:
                # Neighbours in memory are copied in one go.
                while t + run < taps and source[p, t + run] == q + run:
                    run += 1
                patch, inputs = buffer[0, row, t * c : (t + run) * c], x[n, q : q + run].reshape(run * c)
                for i in range(run * c):
                    patch[i] = inputs[i]
            else:
                for g in range(groups):
                    for i in range(c):
                        buffer[g, row, t * c + i] = x[n, q, g * c + i]
            t += run


@kernel
def unpack(buffer: Any, source: Any, first: int, x: Any) -> None:
    """The transpose: patches of output positions ``first`` on of each sample are added where they came from.

    buffer: (groups, samples * rows, T * c); x: (samples, Q, groups * c).
    """
    groups, height, _ = buffer.shape
    samples, _, channels = x.shape
    rows, taps, c = height // samples, source.shape[1], channels // groups
    for n in range(samples):
        for row in range(rows):
            for t in range(taps):
                q = source[first + row, t]
                if q >= 0:
                    for g in range(groups):
                        patch, target = buffer[g, n * rows + row, t * c : (t + 1) * c], x[n, q, g * c : (g + 1) * c]
                        for i in range(c):
                            target[i] += patch[i]


@kernel
def depthwise(x: Any, source: Any, weight: Any, first: int, last: int, y: Any) -> None:
    """Rows ``first`` to ``last`` of y[n, p, o] = sum over t of x[n, source[p, t], o // m] weight[t, o].

    x: (N, Q, c); weight: (T, c * m); y: (N * P, c * m).
    """
    p_count, taps = source.shape
    c = x.shape[2]
    m = weight.shape[1] // c
    for row in range(first, last):
        n, p = row // p_count, row % p_count
        out = y[row]
        for o in range(c * m):
            out[o] = 0.0
        for t in range(taps):
            q = source[p, t]
            if q < 0:
                continue
            w, v = weight[t], x[n, q]
            if m == 1:
                for i in range(c):
                    out[i] += v[i] * w[i]
            else:
                for i in range(c):
                    for j in range(m):
                        out[i * m + j] += v[i] * w[i * m + j]


@kernel
def depthwise_back(y: Any, source: Any, weight: Any, x: Any) -> None:
    """The transpose for one sample, added to ``x``.  y: (P, c * m); x: (Q, c)."""
    p_count, taps = source.shape
    c = x.shape[1]
    m = weight.shape[1] // c
    for p in range(p_count):
        u = y[p]
        for t in range(taps):
            q = source[p, t]
            if q < 0:
                continue
            w, target = weight[t], x[q]
            if m == 1:
                for i in range(c):
                    target[i] += u[i] * w[i]
            else:
                for i in range(c):
                    total = 0.0
                    for j in range(m):
                        total += u[i * m + j] * w[i * m + j]
                    target[i] += total


@kernel
def select(x: Any, cell: Any, weight: Any, plain: bool, first: int, y: Any) -> None:
    """y[r, i] = sum over k of weight[n, i, k] x[r, cell[n, i, k]] for sample n = (first + r) % N.

    Cells of weight 0 are not read; ``plain`` weights are 1.  x: (R, Q); cell, weight: (N, I, K); y: (R, I).
    """
    for r in range(x.shape[0]):
        n = (first + r) % cell.shape[0]
        for i in range(cell.shape[1]):
            total = 0.0
            for k in range(cell.shape[2]):
                w = weight[n, i, k]
                if w != 0.0:
                    v = x[r, cell[n, i, k]]
                    total += v if plain else w * v
            y[r, i] = total


@kernel
def select_back(y: Any, cell: Any, weight: Any, plain: bool, first: int, x: Any) -> None:
    """The transpose, added to ``x``: (R, Q)."""
    for r in range(x.shape[0]):
        n = (first + r) % cell.shape[0]
        for i in range(cell.shape[1]):
            for k in range(cell.shape[2]):
                w = weight[n, i, k]
                if w != 0.0:
                    x[r, cell[n, i, k]] += y[r, i] if plain else w * y[r, i]


@kernel
def most_reads(cell: Any, weight: Any, size: int) -> int:
    """How many outputs of its sample the most popular input reaches."""
    most = 0
    reads = np.zeros(size, dtype=np.int32)
    for n in range(cell.shape[0]):
        reads[:] = 0
        for i in range(cell.shape[1]):
            for k in range(cell.shape[2]):
                if weight[n, i, k] != 0.0:
                    reads[cell[n, i, k]] += 1
                    most = max(most, reads[cell[n, i, k]])
    return most
