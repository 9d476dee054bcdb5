"""Coins: independent standard Cauchy variables, one for every noise symbol and probe.

C = s tan(pi V / 4) or its reciprocal, for V uniform in (0, 1), a fair sign s and a fair choice of the two: |C| is then
|tan| of a uniform angle.  V has 61 bits, and 62 more where it is below 2**-20, where its relative error would matter.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from boundnet.kernels.threads import spread
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import philox4x32, philox_run

_STEP = 2.0**-61
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


_LOW_WORD = 2.0**-32
BLOCK = 256
"""Elements whose random words are drawn together: a power of two, so that no counter carries inside one."""
WORK = 1 << 18
"""Coins or probes that are worth another thread's attention."""
_RARE = np.uint32(1 << 12)
"""High words below this leave V below 2**-20: such coins draw again."""


@numba.njit(inline="always")
def _coin(v: float, low: np.uint32) -> float:
    """+-tan(pi v / 4) or its reciprocal, by Lambert's continued fraction after seven terms; bits of ``low`` choose."""
    x = v * (math.pi / 4.0)
    z = x * x
    top = x * (2027025.0 - z * (270270.0 - z * (6930.0 - 36.0 * z)))
    bottom = 2027025.0 - z * (945945.0 - z * (51975.0 - z * (630.0 - z)))
    upside_down = (low & np.uint32(1)) != 0
    value = (bottom if upside_down else top) / (top if upside_down else bottom)
    return -value if (low & np.uint32(2)) != 0 else value


@numba.njit(inline="always")
def _uniform(high: np.uint32, low: np.uint32) -> float:
    """V from 61 bits: the middle of its cell."""
    return (float(high) * 536870912.0 + (float(low >> np.uint32(3)) + 0.5)) * _STEP


@numba.njit(inline="always")
def _again(high: np.uint32, low: np.uint32, a: np.uint32, b: np.uint32) -> float:
    """V from 61 bits and 62 more."""
    rest = (float(a) + (float(b >> np.uint32(2)) + 0.5) * 2.0**-30) * _LOW_WORD
    return (float(high) * 536870912.0 + float(low >> np.uint32(3)) + rest) * _STEP


@numba.njit(cache=True, error_model="numpy")
def _toss(row: Array, scale: Array, noise: Array, high: Any, low: Any) -> np.uint32:
    """row = row * scale + noise * coins; returns the smallest high word.

    No other reduction: this loop must vectorise.
    """
    rare = np.uint32(0xFFFFFFFF)
    for j in range(len(row)):
        rare = min(rare, high[j])
        row[j] = row[j] * scale[j] + noise[j] * _coin(_uniform(high[j], low[j]), low[j])
    return rare


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _inject(
    probes: Array, scale: Array, noise: Array, first: int, stream: int, k0: np.uint32, k1: np.uint32,
    first_block: int, last_block: int, largest: Array,
) -> None:  # fmt: skip
    """:func:`inject` for some blocks of elements; ``largest`` has a place for each block."""
    count, n = probes.shape
    for b in range(first_block, last_block):
        start, stop = b * BLOCK, min(n, (b + 1) * BLOCK)
        words = np.empty((4, BLOCK), np.uint32)
        most = 0.0
        for k in range(0, count, 2):
            pair, c3 = np.uint32((first + k) // 2), np.uint32(stream)
            at = np.uint64(start)  # blocks of a power of two: no carry inside one
            philox_run(at & _LOW, stop - start, at >> _HALF, pair, c3, k0, k1, words)
            for odd in range(2):
                high, low = words[2 * odd], words[2 * odd + 1]
                row = probes[k + odd, start:stop]
                rare = _toss(row, scale[start:stop], noise[start:stop], high, low)
                # 1 / tan x <= 1 / x.
                most = max(most, 4.0 / math.pi * 4294967296.0 / max(float(rare), 0.25))
                if rare < _RARE:
                    for j in range(stop - start):
                        if high[j] < _RARE:
                            i = start + j
                            redrawn = np.uint32(i >> 32) | np.uint32(0x40000000 if odd == 0 else 0x80000000)
                            x = philox4x32(np.uint32(i & 0xFFFFFFFF), redrawn, pair, c3, k0, k1)
                            drawn = _coin(_uniform(high[j], low[j]), low[j])
                            coin = _coin(_again(high[j], low[j], x[0], x[1]), low[j])
                            probes[k + odd, i] += noise[i] * (coin - drawn)
                            most = max(most, abs(coin))
        largest[b] = most


def inject(probes: Array, scale: Array, noise: Array, first: int, stream: int, k0: np.uint32, k1: np.uint32) -> float:
    """probes = probes * scale + noise * coins in place; returns the largest |coin|.

    Args:
        probes: (K, n), K even; scale, noise: (n,), noise finite and nonnegative.
        first: number of the first probe (even): a coin depends on its probe, element, stream and key alone.
        stream: number of the node, below 2**31.
    """
    blocks = -(-probes.shape[1] // BLOCK)
    largest = np.zeros(blocks)

    def work(start: int, stop: int) -> None:
        _inject(probes, scale, noise, first, stream, k0, k1, start, stop, largest)

    spread(work, blocks, WORK // (BLOCK * len(probes)) + 1)
    return float(largest.max(initial=0.0))


def coin_error(largest: float) -> float:
    """Bound of |computed - true| for coins of at most ``largest``.

    V is off by 2**-62 at most where it is at least 2**-20, which moves a reciprocal by 2**-62 * (4 / pi) / V**2; by 2**-123
    where it was drawn again; the rational function (test_cauchy.py) and float64 add 2**-49 relative.
    """
    drawn_again = 2.0**-123 * largest * largest
    return 2.0**-20 + drawn_again + 2.0**-48 * largest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _peaks(probes: Array, weights: Array, found: Array, first: int, last: int) -> None:
    for k in range(first, last):
        row = probes[k]
        most = 0.0
        bad = 0
        for j in range(len(row)):
            size = abs(row[j])
            weighed = size * weights[j] if size != 0.0 else 0.0  # nothing is rounded of an exact 0
            bad |= int(np.isnan(weighed))
            most = max(most, weighed)
        found[k] = np.inf if bad else most


def peaks(probes: Array, weights: Array) -> Array:
    """max over j of |P_kj| weights_j, off by one rounding; infinite where a NaN is: (K, n), (n,) -> (K,)."""
    found = np.zeros(len(probes))
    spread(lambda start, stop: _peaks(probes, weights, found, start, stop), len(probes), WORK // probes.shape[1] + 1)
    return found
