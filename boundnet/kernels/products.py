"""Matrix products of patches: convolutions without a copy of all patches.

A block of rows that fits a cache is packed, multiplied by the kernel in one GEMM and written straight to its place; the
transpose goes the other way.  Buffers are the only temporaries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.kernels.threads import spread

Matrix = npt.NDArray[np.float64]
Source = npt.NDArray[np.int32]

BUFFER = 1 << 18
"""float64 values of one packed block (2 MiB): a few times what a GEMM's own blocking keeps in the caches."""
ROWS = 256
"""Fewest rows of a block, where there are as many: a GEMM of fewer is busy with copying the kernel."""
PIECE = 1 << 23
"""Multiplications of the smallest piece worth a thread of its own."""


def matmul(a: Matrix, b: Matrix, out: Matrix) -> None:
    """out = a @ b for two-dimensional arrays, cut along the longer side of the result.

    One GEMM for each piece, whoever takes it: a BLAS may round differently in a product of other lengths.
    """
    (m, k), n = a.shape, b.shape[1]
    if m >= n:
        step = max(128, -(-PIECE // max(1, k * n)))

        def work(start: int, stop: int) -> None:
            for i in range(start, stop, step):
                np.matmul(a[i : min(i + step, stop)], b, out=out[i : min(i + step, stop)])

        spread(work, m, step)
    else:
        step = max(64, -(-PIECE // max(1, k * m)))

        def work(start: int, stop: int) -> None:
            for i in range(start, stop, step):
                np.matmul(a, b[:, i : min(i + step, stop)], out=out[:, i : min(i + step, stop)])

        spread(work, n, step)


def patch_products(x: Matrix, source: Source, kernel: Matrix) -> Matrix:
    """y[n, p, o of group g] = sum over t and c of x[n, source[p, t], c of g] kernel[g, t * C + c, o].

    Args:
        x: (N, Q, groups * C).
        source: (P, T), see :mod:`boundnet.kernels.gather`.
        kernel: (groups, T * C, O).

    Returns:
        (N, P, groups * O).
    """
    from boundnet.kernels.gather import pack

    groups, width, outputs = kernel.shape
    total = len(x) * len(source)
    y = np.empty((total, groups, outputs))
    rows = _rows(groups * width, total)

    def work(start: int, stop: int) -> None:
        buffer = np.empty((groups, min(rows, stop - start), width))
        for at in range(start, stop, rows):
            part = buffer if stop - at >= rows else np.empty((groups, stop - at, width))
            pack(x, source, at, part)
            out = y[at : at + part.shape[1]]
            if groups == 1:
                np.matmul(part[0], kernel[0], out=out[:, 0])
            else:
                np.matmul(part, kernel, out=out.transpose(1, 0, 2))

    spread(work, total, rows)
    return y.reshape(len(x), len(source), groups * outputs)


def patch_products_back(y: Matrix, source: Source, kernel: Matrix, positions: int) -> Matrix:
    """The transpose of :func:`patch_products`: y (N, P, groups * O) to (N, ``positions``, groups * C)."""
    from boundnet.kernels.gather import unpack

    groups, width, outputs = kernel.shape
    count, taps = source.shape
    x = np.zeros((len(y), positions, groups * (width // taps)))
    back = kernel.transpose(0, 2, 1)
    rows = _rows(groups * width, len(y) * count)
    # Whole samples where they are small, parts of one where they are large.
    samples, rows = (rows // count, count) if rows > count else (1, rows)

    def work(start: int, stop: int) -> None:
        size = min(samples, stop - start) * rows
        buffer = np.empty((groups, size, width))
        for n in range(start, stop, samples):
            together = min(samples, stop - n)
            for at in range(0, count, rows):
                height = min(rows, count - at)
                part = buffer if together * height == size else np.empty((groups, together * height, width))
                patch = y[n, at : at + height] if together == 1 else y[n : n + together].reshape(-1, groups * outputs)
                if groups == 1:
                    np.matmul(patch, back[0], out=part[0])
                else:
                    np.matmul(patch.reshape(-1, groups, outputs).transpose(1, 0, 2), back, out=part)
                unpack(part, source, at, x[n : n + together])

    spread(work, len(y), samples)
    return x


def depthwise_sums(x: Matrix, source: Source, weight: Matrix) -> Matrix:
    """y[n, p, o] = sum over t of x[n, source[p, t], o // m] weight[t, o]; x: (N, Q, c), weight: (T, c * m)."""
    from boundnet.kernels.gather import depthwise

    total = len(x) * len(source)
    y = np.empty((total, weight.shape[1]))
    step = max(1, (1 << 17) // weight.size)
    spread(lambda i, j: depthwise(x, source, weight, i, j, y), total, step)
    return y.reshape(len(x), len(source), weight.shape[1])


def depthwise_sums_back(y: Matrix, source: Source, weight: Matrix, positions: int, channels: int) -> Matrix:
    """The transpose of :func:`depthwise_sums`: y (N, P, c * m) to (N, ``positions``, ``channels``)."""
    from boundnet.kernels.gather import depthwise_back

    x = np.zeros((len(y), positions, channels))

    def work(start: int, stop: int) -> None:
        for n in range(start, stop):
            depthwise_back(y[n], source, weight, x[n])

    spread(work, len(y))
    return x


def _rows(width: int, total: int) -> int:
    """Rows of a block, a multiple of 16."""
    return max(1, min(total, max(ROWS, BUFFER // max(1, width) // 16 * 16)))


def dense(x: npt.NDArray[Any]) -> Matrix:
    """``x`` as C-contiguous float64: what the kernels are compiled for."""
    return np.ascontiguousarray(x, dtype=np.float64)
