"""Format.round against ml_dtypes and NumPy, exhaustively where the format has at most 16 bits."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from boundnet.arithmetic.formats import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E4M3FN,
    E5M2,
    TF32,
    Format,
    fixed_format,
    float_format,
    parse_format,
    without_subnormals,
)
from boundnet.errors import FormatError
from boundnet.numerics.outward import Array

NARROW = [
    (E4M3FN, ml_dtypes.float8_e4m3fn, np.uint8),
    (E5M2, ml_dtypes.float8_e5m2, np.uint8),
    (BFLOAT16, ml_dtypes.bfloat16, np.uint16),
    (BINARY16, np.float16, np.uint16),
]


def values_of(dtype: Any, unsigned: Any) -> Array:
    """All finite values of a storage type, increasing."""
    bits = np.arange(2 ** (8 * np.dtype(unsigned).itemsize), dtype=np.uint32).astype(unsigned)
    with np.errstate(invalid="ignore"):
        values = bits.view(dtype).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


def same(a: Array, b: Array) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


@pytest.mark.parametrize(("fmt", "dtype", "unsigned"), NARROW, ids=lambda v: getattr(v, "name", None))
def test_every_value_midpoint_and_neighbour(fmt: Format, dtype: Any, unsigned: Any) -> None:
    values = values_of(dtype, unsigned)
    assert values.max() == fmt.largest
    assert values[values > 0].min() == fmt.smallest_subnormal
    assert same(fmt.round(values), values)
    middles = 0.5 * values[:-1] + 0.5 * values[1:]
    past = fmt.largest * np.array([1.0 + 2.0**-20, 1.03, 1.04, 1.0625, 1.07, 1.13, 1.2, 2.0])
    points = np.concatenate([values, middles, past, -past])
    # Neighbours in binary32, from which every one of these types rounds once and correctly in ml_dtypes.
    with np.errstate(over="ignore"):
        points = points.astype(np.float32)
    points = np.concatenate([points, np.nextafter(points, np.float32(np.inf)), np.nextafter(points, np.float32(-np.inf))])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = points.astype(dtype).astype(np.float64)
    assert same(fmt.round(points.astype(np.float64)), expected)


@pytest.mark.parametrize("seed", range(3))
def test_binary32_and_16_against_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=20000) * 2.0 ** rng.integers(-1070, 1020, size=20000)
    with np.errstate(over="ignore"):
        assert same(BINARY32.round(x), x.astype(np.float32).astype(np.float64))
        assert same(BINARY16.round(x), x.astype(np.float16).astype(np.float64))
        near = rng.normal(size=20000) * 2.0 ** rng.integers(-160, -120, size=20000)
        assert same(BINARY32.round(near), near.astype(np.float32).astype(np.float64))
        near = rng.normal(size=20000) * 2.0 ** rng.integers(-28, -12, size=20000)
        assert same(BINARY16.round(near), near.astype(np.float16).astype(np.float64))
    assert same(BINARY64.round(x), x)


def test_binary32_by_cast_is_binary32_by_arithmetic() -> None:
    """BINARY32 uses the processor's cast; the same format under another name does not."""
    slow = Format("same", 24, -126, 127)
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**64, size=200_000, dtype=np.uint64).view(np.float64)
    bits = bits[~np.isnan(bits)]
    floats = rng.integers(0, 2**32, size=50_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    floats = floats[np.isfinite(floats)]
    up = np.nextafter(floats, np.float32(np.inf)).astype(np.float64)
    middles = 0.5 * floats.astype(np.float64) + 0.5 * up
    tiny = rng.integers(-200, 200, size=5000) * 2.0**-151
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, BINARY32.largest, 3.4028235677973366e38, 3.402823567797337e38])
    x = np.concatenate([bits, middles, np.nextafter(middles, np.inf), np.nextafter(middles, -np.inf), tiny, edges, -edges])
    ours, theirs = BINARY32.round(x), slow.round(x)
    assert same(ours, theirs)
    assert np.array_equal(np.signbit(ours), np.signbit(theirs))


@pytest.mark.parametrize("fmt", [E4M3FN, E5M2, BFLOAT16, BINARY16, TF32, float_format(3, 4), fixed_format(4, 3)], ids=str)
def test_directions_bracket_and_are_neighbours(fmt: Format) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=5000) * 2.0 ** rng.integers(-12, 3, size=5000)
    down, up, nearest, chopped = (fmt.round(x, d) for d in ("down", "up", "nearest", "toward_zero"))  # type: ignore[arg-type]
    assert np.all(down <= x)
    assert np.all(x <= up)
    assert same(chopped, np.where(x > 0, down, up))
    assert np.all((nearest == down) | (nearest == up))
    assert np.all(np.abs(nearest - x) <= np.minimum(x - down, up - x))
    assert np.all(
        (up - down <= fmt.smallest_subnormal) | (up - down <= 2 * fmt.unit_roundoff * np.maximum(abs(up), abs(down)))
    )


def test_e4m3_has_no_infinities() -> None:
    past = np.array([465.0, 480.0, 1e30, np.inf, -np.inf, -465.0])
    assert np.isnan(E4M3FN.round(past[:3])).all()
    assert E4M3FN.round(np.array([464.0]))[0] == 448.0  # ties to even
    assert not np.isfinite(E4M3FN.round(past)).any()


def test_double_rounding_is_not_made() -> None:
    # Just above a tie of bfloat16, by less than binary32 resolves: through binary32 it would round down.
    x = 1.0 + 2.0**-8 + 2.0**-40
    assert BFLOAT16.round(np.array([x]))[0] == 1.0 + 2.0**-7
    assert np.float32(x).astype(ml_dtypes.bfloat16) == 1.0
    y = 1.0 + 2.0**-11 + 2.0**-40
    assert BINARY16.round(np.array([y]))[0] == 1.0 + 2.0**-10


def test_saturation_and_fixed_point() -> None:
    fmt = fixed_format(4, 3)
    assert fmt.largest == 15.875
    assert fmt.round(np.array([100.0, -100.0, 0.0625, 0.1875])).tolist() == [15.875, -15.875, 0.0, 0.25]


def test_flushed_subnormals() -> None:
    fmt = without_subnormals(E5M2)
    assert fmt.round(np.array([E5M2.smallest_normal * 0.75]))[0] == 0.0
    assert fmt.round(np.array([E5M2.smallest_normal]))[0] == E5M2.smallest_normal


def test_aliases_and_unknown_names() -> None:
    assert float_format(8, 8).largest == BFLOAT16.largest
    assert parse_format("BF16") is BFLOAT16
    assert parse_format("float(11,5)").smallest_subnormal == BINARY16.smallest_subnormal
    with pytest.raises(FormatError, match="fp8_e5m2"):
        parse_format("float7")


@pytest.mark.parametrize(("wide", "narrow", "holds"), [
    (BINARY32, BFLOAT16, True), (BFLOAT16, BINARY32, False), (BINARY16, E4M3FN, True), (BFLOAT16, BINARY16, False),
    (BINARY32, fixed_format(8, 8), True), (BFLOAT16, fixed_format(8, 8), False), (fixed_format(8, 8), E4M3FN, False),
    (fixed_format(8, 8), fixed_format(4, 3), True), (without_subnormals(BINARY32), BINARY32, False),
])  # fmt: skip
def test_holds(wide: Format, narrow: Format, holds: bool) -> None:
    assert wide.holds(narrow) is holds
