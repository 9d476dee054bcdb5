"""Philox4x32-10 against Random123's known answers and an independent NumPy version."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from boundnet.numerics.philox import key_of, philox4x32

KNOWN = [  # counter, key, result: kat_vectors of Random123
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    words = philox4x32(*map(np.uint32, counter), *map(np.uint32, key))
    assert tuple(map(int, words)) == expected


def _reference(counter, key):
    """Ten rounds in Python's big integers on NumPy object arrays: no word size to get wrong."""
    c = [counter[:, i].astype(object) for i in range(4)]
    k = [key[:, i].astype(object) for i in range(2)]
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1).astype(np.uint32)


@numba.njit
def _all(counter, key):
    out = np.empty(counter.shape, np.uint32)
    for i in range(len(counter)):
        c, k = counter[i], key[i]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox4x32(c[0], c[1], c[2], c[3], k[0], k[1])
    return out


def test_agrees_with_the_reference_from_another_kernel():
    rng = np.random.default_rng(1)
    counter = rng.integers(0, 2**32, (2000, 4), dtype=np.uint32)
    key = rng.integers(0, 2**32, (2000, 2), dtype=np.uint32)
    assert np.array_equal(_all(counter, key), _reference(counter, key))


def test_keys_of_seeds():
    assert tuple(map(int, key_of(0x1_0000_0002))) == (2, 1)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed"):
            key_of(seed)
