"""Coins against mpmath: their error bound, and their distribution."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from boundnet.domains.sketch import cauchy
from boundnet.domains.sketch.cauchy import coin_error, inject
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import key_of, philox4x32


def toss(count: int, n: int, seed: int = 1, first: int = 0, stream: int = 3) -> tuple[Array, float]:
    coins = np.zeros((count, n))
    largest = inject(coins, np.ones(n), np.ones(n), first, stream, *key_of(seed))
    return coins, largest


def exact(high: int, low: int, more: tuple[int, int] | None) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Coins at both ends of the cell that V is known to lie in."""
    with mpmath.workprec(300):
        cell = mpmath.mpf(high * 2**29 + (low >> 3))
        ends = [cell, cell + 1]
        if more is not None:
            part = mpmath.mpf(more[0] * 2**30 + (more[1] >> 2)) / 2**62
            ends = [cell + part, cell + part + mpmath.mpf(2) ** -62]
        found = []
        for end in ends:
            value = mpmath.tan(mpmath.pi * end / 2**63)
            value = 1 / value if low & 1 else value
            found.append(-value if low & 2 else value)
        return found[0], found[1]


def check(coin: float, high: int, low: int, more: tuple[int, int] | None) -> None:
    bound = coin_error(max(abs(coin), 4.0 / np.pi * 2.0**32 / max(high, 0.25) if more is None else abs(coin)))
    for end in exact(high, low, more):
        assert abs(mpmath.mpf(coin) - end) <= bound


def test_every_coin_is_within_its_error() -> None:
    coins, largest = toss(2, 1500)
    k0, k1 = key_of(1)
    assert np.abs(coins).max() <= largest
    for j in range(coins.shape[1]):
        words = [int(w) for w in philox4x32(np.uint32(j), np.uint32(0), np.uint32(0), np.uint32(3), k0, k1)]
        check(coins[0, j], words[0], words[1], None)
        check(coins[1, j], words[2], words[3], None)


@pytest.mark.parametrize("low", [8, 9, 10, 11, 2**32 - 1])
def test_the_rational_function_over_all_v(low: int) -> None:
    """Relative error 2**-49 of tan and of its reciprocal on [0, 1], V taken exactly."""
    for v in [*np.linspace(1e-9, 1.0, 700), *2.0 ** -np.arange(1.0, 100.0)]:
        with mpmath.workprec(200):
            truth = mpmath.tan(mpmath.pi * mpmath.mpf(float(v)) / 4)
            truth = 1 / truth if low & 1 else truth
            got = abs(float(cauchy._coin(float(v), np.uint32(low))))
            assert abs(mpmath.mpf(got) - truth) <= mpmath.mpf(2) ** -49 * truth


def test_coins_drawn_again() -> None:
    """V below 2**-20: found by search, checked with its 62 further bits."""
    n, met = 1 << 20, 0
    k0, k1 = key_of(1)
    coins, largest = toss(8, n)
    for k, j in zip(*np.nonzero((np.abs(coins) > 2.0**20.5) | (np.abs(coins) < 2.0**-20.5)), strict=True):
        pair, odd = np.uint32(k // 2), k % 2
        words = [int(w) for w in philox4x32(np.uint32(j), np.uint32(0), pair, np.uint32(3), k0, k1)]
        high, low = words[2 * odd : 2 * odd + 2]
        assert high < 2**12
        again = philox4x32(np.uint32(j), np.uint32(0x80000000 if odd else 0x40000000), pair, np.uint32(3), k0, k1)
        check(coins[k, j], high, low, (int(again[0]), int(again[1])))
        met += 1
    assert met >= 2
    assert largest >= np.abs(coins).max()


def test_distribution() -> None:
    """Quantiles, signs and logarithms of 2**21 coins, each within five standard deviations."""
    coins = toss(32, 1 << 16)[0].ravel()
    n = len(coins)
    five = 5.0 * 0.5 / np.sqrt(n)
    for q in (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99):
        assert abs(np.mean(coins <= np.tan(np.pi * (q - 0.5))) - q) <= five
    logs = np.log(np.abs(coins))
    assert abs(logs.mean()) <= 5.0 * (np.pi / 2.0) / np.sqrt(n)
    assert abs(logs.var() - np.pi**2 / 4.0) <= 5.0 * np.sqrt(((logs**2).var()) / n)
    table = coins.reshape(32, -1)
    for a, b in ((table[0::2], table[1::2]), (table[:, 1:], table[:, :-1])):  # halves of a pair, neighbours
        assert abs(np.mean(np.sign(a) * np.sign(b))) <= 5.0 / np.sqrt(a.size)
        assert abs(np.mean(np.log(np.abs(a)) * np.log(np.abs(b)))) <= 5.0 * np.pi**2 / 4.0 / np.sqrt(a.size)


def test_chunks_change_nothing() -> None:
    whole = toss(32, 700)[0]
    parts = np.concatenate([toss(4, 700, first=first)[0] for first in range(0, 32, 4)])
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(whole[:, :300], toss(32, 300)[0])
    for other in (toss(32, 700, seed=2)[0], toss(32, 700, stream=4)[0], toss(32, 700, first=32)[0]):
        assert not np.any(whole == other)
