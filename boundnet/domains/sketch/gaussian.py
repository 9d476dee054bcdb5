"""Coins for the 2-norm: independent standard normal variables, one for every mean-independent symbol and probe.

A probe of an element is then normal with the 2-norm of its coefficients as standard deviation.  Box & Muller (1958): two
normal variables from two uniform ones of 61 bits, one pair of probes at a time.
"""

from __future__ import annotations

import functools
import math

import numba
import numpy as np

from boundnet.kernels.threads import spread
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import philox_run

_STEP = 2.0**-61
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
BLOCK = 256
"""Elements whose random words are drawn together: a power of two, so that no counter carries inside one."""
WORK = 1 << 15
"""Coins that are worth another thread's attention."""
STREAMS = 1 << 30
"""Added to a node's number: no coin shares its words with a Cauchy coin of the same seed."""


@numba.njit(inline="always")
def _uniform(high: np.uint32, low: np.uint32) -> float:
    """The middle of a cell of 61 bits, in (0, 1)."""
    return (float(high) * 536870912.0 + (float(low >> np.uint32(3)) + 0.5)) * _STEP


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _inject(
    probes: Array, scale: Array, noise: Array, first: int, stream: int, k0: np.uint32, k1: np.uint32, first_block: int,
    last_block: int, largest: Array,
) -> None:  # fmt: skip
    """:func:`inject` for some blocks of elements; ``largest`` has a place for each block."""
    count, n = probes.shape
    for b in range(first_block, last_block):
        start, stop = b * BLOCK, min(n, (b + 1) * BLOCK)
        words = np.empty((4, BLOCK), np.uint32)
        most = 0.0
        for k in range(0, count, 2):
            at = np.uint64(start)
            philox_run(at & _LOW, stop - start, at >> _HALF, np.uint32((first + k) // 2), np.uint32(stream), k0, k1, words)
            for j in range(stop - start):
                i = start + j
                size = math.sqrt(-2.0 * math.log(_uniform(words[0, j], words[1, j])))
                angle = 2.0 * math.pi * _uniform(words[2, j], words[3, j])
                most = max(most, size)
                for odd in range(2):
                    coin = size * (math.sin(angle) if odd else math.cos(angle))
                    probes[k + odd, i] = probes[k + odd, i] * scale[i] + noise[i] * coin
        largest[b] = most


def inject(probes: Array, scale: Array, noise: Array, first: int, stream: int, k0: np.uint32, k1: np.uint32) -> float:
    """probes = probes * scale + noise * coins in place; returns the largest sqrt(x**2 + y**2) of a pair of coins.

    Args: as :func:`boundnet.domains.sketch.cauchy.inject`.
    """
    blocks = -(-probes.shape[1] // BLOCK)
    largest = np.zeros(blocks)

    def work(start: int, stop: int) -> None:
        _inject(probes, scale, noise, first, stream + STREAMS, k0, k1, start, stop, largest)

    spread(work, blocks, WORK // (BLOCK * len(probes)) + 1)
    return float(largest.max(initial=0.0))


def coin_error(largest: float) -> float:
    """Bound of |computed - true| for coins whose pair has a length of at most ``largest``.

    A uniform is off by 2**-62 (its cell) and 2**-53 relative: sqrt(-2 log U) by 2**-62 / (U R) where U is small, with
    U = exp(-R**2 / 2), and by sqrt(2 * 2**-52) where U is close to 1; the angle is off by 2**-50 and meets R.
    """
    small = 2.0**-61 * math.exp(0.5 * largest * largest) / max(largest, 1.0)
    return small + 2.0**-25 + 2.0**-46 * largest


@functools.cache
def chi_square_share(probes: int, log_p: float) -> float:
    """Largest x for which a chi-square variable with ``probes`` degrees of freedom is below x * probes with p <= exp(log_p).

    Chernoff: P <= (x exp(1 - x))**(probes / 2) for x < 1.  Rounded down.
    """
    low, high = 0.0, 1.0
    for _ in range(200):
        x = 0.5 * (low + high)
        below = x > 0.0 and 0.5 * probes * (math.log(x) + 1.0 - x) > log_p
        low, high = (low, x) if below else (x, high)
    return low * (1.0 - 1e-9)


def deviations(probes: Array) -> Array:
    """Root mean square over the first axis: an estimate of the 2-norm, no bound.  (K, ...) -> (...)."""
    flat = probes.reshape(len(probes), -1)
    scale = np.abs(flat).max(axis=0, initial=0.0)
    safe = np.where(scale > 0.0, scale, 1.0)
    found: Array = np.sqrt(np.square(flat / safe).mean(axis=0)) * scale
    return found.reshape(probes.shape[1:])


__all__ = ["chi_square_share", "coin_error", "deviations", "inject"]
