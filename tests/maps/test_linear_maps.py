"""Linear maps: adjointness, leaves, counts and absolute values, exactly on small integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from boundnet import ops
from boundnet.maps import (
    ContractLeft,
    ContractRight,
    Diagonal,
    LinearMap,
    LowRank,
    Structural,
    SumMap,
    WeightedSelect,
    WindowSum,
    Zero,
)
from boundnet.reference.exact import ExactMachine

RNG = np.random.default_rng(0)


def whole(*shape: int) -> np.ndarray:
    """Small integers, zeros among them: sums of them are exact."""
    return RNG.integers(-4, 5, size=shape).astype(np.float64)


def conv(kernel: tuple[int, ...], shape: tuple[int, ...], **rest: object) -> LinearMap:
    return ops.Conv(whole(*kernel), **rest).linear(shape)  # type: ignore[arg-type]


def deconv(kernel: tuple[int, ...], shape: tuple[int, ...], **rest: object) -> LinearMap:
    return ops.ConvTranspose(whole(*kernel), **rest).linear(shape)  # type: ignore[arg-type]


def structural(op: ops.Op, shape: tuple[int, ...]) -> LinearMap:
    return op.linear(shape)  # type: ignore[attr-defined, no-any-return]


SUMS: dict[str, Callable[[], LinearMap]] = {
    "dense": lambda: ops.Dense(whole(5, 3)).linear((5,)),
    "dense on a grid": lambda: ops.Dense(whole(5, 3)).linear((2, 4, 5)),
    "batch": lambda: ops.BatchMatMul(whole(2, 3, 4)).linear((5, 2, 3)),
    "conv1d": lambda: conv((3, 2, 4), (7, 2), strides=(2,), padding=((1, 2),)),
    "conv1d causal, dilated": lambda: conv((3, 2, 4), (9, 2), dilation=(3,), padding=((6, 0),)),
    "conv2d": lambda: conv((2, 3, 2, 3), (5, 6, 2), strides=(2, 1), padding=((1, 0), (0, 2))),
    "conv2d groups": lambda: conv((2, 2, 2, 6), (4, 4, 6), groups=3, padding=((0, 1), (1, 0))),
    "depthwise": lambda: conv((3, 3, 1, 4), (5, 5, 4), groups=4, padding=((1, 1), (1, 1))),
    "depthwise, multiplier 2": lambda: conv((2, 2, 1, 6), (4, 4, 3), groups=3),
    "conv3d": lambda: conv((2, 1, 2, 2, 3), (3, 2, 4, 2), strides=(1, 2, 2)),
    "strides that skip the end": lambda: conv((2, 2, 1, 2), (6, 7, 1), strides=(3, 3)),
    "transposed 1d": lambda: deconv((3, 2, 4), (4, 4), strides=(2,)),
    "transposed 2d, cropped": lambda: deconv((3, 2, 2, 3), (3, 4, 3), strides=(2, 3), crop=((1, 0), (0, 1))),
    "transposed 2d, extra": lambda: deconv((2, 2, 2, 3), (3, 3, 3), strides=(3, 3), extra=(1, 2), crop=((0, 0), (1, 0))),
    "transposed, dilated": lambda: deconv((3, 3, 1, 2), (3, 3, 2), dilation=(2, 1), strides=(1, 2)),
    "transposed, groups": lambda: deconv((2, 2, 2, 6), (3, 3, 6), groups=3, strides=(2, 2)),
    "transposed 3d": lambda: deconv((2, 2, 1, 1, 2), (2, 2, 2, 2), strides=(2, 1, 1)),
    "window sum": lambda: WindowSum((5, 4), 3, (2, 3), (2, 1), ((0, 1), (1, 1))),
    "sum": lambda: SumMap((3, 4, 2), 1),
}  # fmt: skip

OTHERS: dict[str, Callable[[], LinearMap]] = {
    "diagonal": lambda: Diagonal(whole(2, 3, 4), (3, 4), (3, 4)),
    "diagonal, broadcast": lambda: Diagonal(whole(3, 4), (1, 4), (3, 4)),
    "diagonal, broadcast twice": lambda: Diagonal(whole(2, 3, 4), (1, 1), (3, 4)),
    "low rank": lambda: LowRank(whole(2, 3, 4), [(whole(2, 3, 4), whole(2, 3, 4))], (3, 2, 2), axes=2),
    "low rank, moved": lambda: LowRank(whole(2, 4, 3), [(whole(2, 4, 3), whole(2, 4, 3))], (3, 4), moved=0),
    "zero": lambda: Zero((3,), (2, 2)),
    "pad": lambda: structural(ops.Pad(((1, 0), (0, 2))), (2, 3)),
    "slice": lambda: structural(ops.Slice((0, 2), (2, None), (1, -1)), (3, 4)),
    "repeat": lambda: structural(ops.Repeat(1, 3), (2, 2)),
    "reshape": lambda: structural(ops.Reshape((6,)), (2, 3)),
    "transpose": lambda: structural(ops.Transpose((2, 0, 1)), (2, 3, 4)),
    "patches": lambda: structural(ops.Patches((2, 3), (1, 2)), (4, 6, 2)),
    "bilinear": lambda: ops.Bilinear((4, 8)).linear((2, 4, 2)),
    "take": lambda: structural(ops.Take(1, (0, 0, 2, 1)), (2, 3, 2)),
    "contract left": lambda: ContractLeft(("abc", "db", "acd"), whole(2, 4, 3), (2, 3, 5), (2, 5, 4)),
    "contract right": lambda: ContractRight(("ab", "cb", "ac"), whole(2, 3, 4), (5, 4), (3, 5)),
    "select": lambda: WeightedSelect(np.arange(12).reshape(2, 2, 3), np.eye(3)[RNG.integers(3, size=(2, 2, 2))], (12,)),
    "weighted select": lambda: WeightedSelect(
        RNG.integers(0, 6, size=(2, 2, 3)), RNG.choice([0.0, 0.5, 0.25, 1.0], size=(2, 2, 2, 3)), (2, 3)
    ),
}
MAPS = {**SUMS, **OTHERS}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("front", [(2,), (3, 2)])
def test_transpose_is_the_adjoint(name: str, front: tuple[int, ...]) -> None:
    linear = MAPS[name]()
    x, y = whole(*front, *linear.input_shape), whole(*front, *linear.output_shape)
    image, back = linear.apply(x), linear.transpose(y)
    assert image.shape == y.shape
    assert back.shape == x.shape
    left = (image * y).reshape(*front, -1).sum(axis=-1)
    assert np.array_equal(left, (x * back).reshape(*front, -1).sum(axis=-1))


def dense_matrix(linear: LinearMap, samples: int = 2) -> np.ndarray:
    """|L| of each sample, from unit vectors: (samples, outputs, inputs)."""
    size = int(np.prod(linear.input_shape))
    units = np.eye(size).reshape(size, 1, *linear.input_shape) * np.ones((samples, *(1,) * len(linear.input_shape)))
    return np.abs(linear.apply(units)).reshape(size, samples, -1).transpose(1, 2, 0)


@pytest.mark.parametrize("name", MAPS)
def test_absolute_is_an_upper_bound_and_keeps_zeros(name: str) -> None:
    linear = MAPS[name]()
    e = np.abs(whole(2, *linear.input_shape))
    exact = np.einsum("nyx,nx->ny", dense_matrix(linear), e.reshape(2, -1)).reshape(2, *linear.output_shape)
    bound = linear.absolute(e)
    assert np.all(bound >= exact)
    assert np.all(bound <= exact * (1 + 1e-12) + 1e-100)
    assert np.array_equal(bound == 0, exact == 0)
    infinite = np.broadcast_to(linear.absolute(np.full(e.shape, np.inf)), exact.shape)
    assert np.all(np.isinf(infinite) | (dense_matrix(linear).sum(axis=2).reshape(exact.shape) == 0))


@pytest.mark.parametrize("name", SUMS)
def test_leaves_and_count(name: str) -> None:
    linear = SUMS[name]()
    x = whole(2, *linear.input_shape)
    total, count, products = np.zeros((2, *linear.output_shape)), np.zeros((2, *linear.output_shape)), 0
    for a, w in linear.leaves(x):
        total = total + a * w
        count = count + ((a != 0) & (w != 0))
        products += 1
    assert np.array_equal(total, linear.apply(x))
    assert np.array_equal(count, linear.count(x != 0))
    assert products == linear.fan_in - 1


@pytest.mark.parametrize("name", [n for n in SUMS if n not in ("window sum", "sum")])
def test_exact_machine_agrees(name: str) -> None:
    linear, machine = SUMS[name](), ExactMachine()
    x = whole(1, *linear.input_shape)
    exact = machine.inner_product(linear, machine.parameter(x), None)
    assert np.array_equal(exact.astype(np.float64), linear.apply(x))
    doubled = linear.with_kernel(lambda kernel: 2.0 * kernel)
    assert np.array_equal(doubled.apply(x), 2.0 * linear.apply(x))


@pytest.mark.parametrize("name", MAPS)
def test_roundings_stay_within_gamma(name: str) -> None:
    """|fl(L x) - L x| <= fan_in w |L||x| and the same for the transpose, against rationals through integers of 50 bits."""
    linear = MAPS[name]()
    big = RNG.integers(-(2**20), 2**20, size=(2, *linear.input_shape)) * 2.0**-7
    scale = 1.0 / 3.0  # inexact products: x/3 is one float, L (x/3) rounds
    x = big * scale
    bound = linear.absolute(np.abs(x)) * (max(linear.fan_in, 1) * 2.0**-52)
    wide = linear.apply(big)  # exact: integers below 2**53
    assert np.all(np.abs(linear.apply(x) - wide * scale) <= bound + linear.absolute(np.abs(big)) * 2.0**-52)
    row = RNG.integers(-8, 9, size=(2, *linear.output_shape)).astype(np.float64)
    sizes = np.einsum("nyx,ny->nx", dense_matrix(linear), np.abs(row).reshape(2, -1)).reshape(2, *linear.input_shape)
    error = np.abs(linear.transpose(row * scale) - linear.transpose(row) * scale)
    assert np.all(error <= (linear.fan_out + 2) * 2.0**-52 * sizes)


def test_structural_moves_any_dtype() -> None:
    linear = structural(ops.Pad(((1, 0),)), (2,))
    assert isinstance(linear, Structural)
    assert linear.move(np.array([[True, True]]), True).tolist() == [[True, True, True]]


def test_one_dimensional_conv_by_hand() -> None:
    linear = ops.Conv(np.array([1.0, 10.0]).reshape(2, 1, 1), padding=((1, 0),)).linear((3, 1))
    assert linear.apply(np.array([[[1.0], [2.0], [3.0]]])).ravel().tolist() == [10.0, 21.0, 32.0]


def test_transposed_conv_by_hand() -> None:
    linear = ops.ConvTranspose(np.array([1.0, 10.0]).reshape(2, 1, 1), strides=(2,)).linear((2, 1))
    assert linear.apply(np.array([[[1.0], [2.0]]])).ravel().tolist() == [1.0, 10.0, 2.0, 20.0]


@pytest.mark.parametrize("name", [*SUMS, *OTHERS])
def test_fans_count_every_rounding_of_a_path(name: str) -> None:
    """Of k products that meet in a sum the first one is multiplied once and added k - 1 times, in some order."""
    linear = MAPS[name]()
    size, samples = int(np.prod(linear.input_shape)), 2
    units = np.broadcast_to(np.eye(size)[:, None], (size, samples, size))
    matrix = linear.apply(np.ascontiguousarray(units).reshape(size, samples, *linear.input_shape)).reshape(size, samples, -1)
    for fan, axis in ((linear.fan_in, 0), (linear.fan_out, 2)):
        met = (matrix != 0.0).sum(axis=axis)
        rounded = ((matrix != 0.0) & (np.abs(matrix) != 1.0)).any(axis=axis)
        assert fan >= int((met - 1 + rounded).max(initial=0))
