"""Philox4x32-10: random numbers that are a pure function of a counter and a key.

Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011).  Because nothing is carried from one draw
to the next, a result depends on the seed and on *what* is drawn, never on threads, chunks or the order of evaluation.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def _round(state: Any) -> Any:
    """One round and the next round's key, all words in 64-bit lanes."""
    x0, x1, x2, x3, k0, k1 = state
    p0, p1 = _M0 * x0, _M1 * x2
    return (p1 >> _HALF) ^ x1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ x3 ^ k1, p0 & _LOW, (k0 + _W0) & _LOW, (k1 + _W1) & _LOW


_step = numba.njit(forceinline=True)(_round)


def _philox4x32(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    # Nested, not looped, and in 64-bit lanes: LLVM then vectorises a caller's loop over counters, a factor of 8.
    start = (np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3), np.uint64(k0), np.uint64(k1))
    x = _step(_step(_step(_step(_step(_step(_step(_step(_step(_step(start))))))))))
    return np.uint32(x[0]), np.uint32(x[1]), np.uint32(x[2]), np.uint32(x[3])


philox4x32 = numba.njit(cache=True, forceinline=True)(_philox4x32)
"""``philox4x32(c0, c1, c2, c3, k0, k1) -> (x0, x1, x2, x3)``, all uint32: four independent uniform words per counter.

A numba function for other kernels, where LLVM inlines it.  Counter ``c`` says which draw it is, key ``k`` is the seed.
"""


@numba.njit(cache=True, error_model="numpy")
def philox_run(c0: Any, count: int, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any, words: Any) -> None:
    """Words of ``count`` counters with first words c0, c0 + 1, ... (no carry).  words: (4, >= count) uint32.

    The plain loop over rounds: LLVM vectorises it over counters wherever it is called.
    """
    row0, row1, row2, row3 = words[0], words[1], words[2], words[3]
    for j in range(count):
        x0, x1, x2, x3 = (np.uint64(c0) + np.uint64(j)) & _LOW, np.uint64(c1), np.uint64(c2), np.uint64(c3)
        a, b = np.uint64(k0), np.uint64(k1)
        for _ in range(10):
            p0, p1 = _M0 * x0, _M1 * x2
            x0, x1, x2, x3 = (p1 >> _HALF) ^ x1 ^ a, p1 & _LOW, (p0 >> _HALF) ^ x3 ^ b, p0 & _LOW
            a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
        row0[j], row1[j], row2[j], row3[j] = x0, x1, x2, x3


def key_of(seed: int) -> tuple[np.uint32, np.uint32]:
    """The two key words of a seed in 0 .. 2**64 - 1.

    Raises:
        ValueError: the seed does not fit.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed {seed}: must be in 0 .. 2**64 - 1")
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)


__all__ = ["key_of", "philox4x32", "philox_run"]
