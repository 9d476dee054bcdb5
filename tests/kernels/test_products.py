"""Blocks of patches against the definition of a convolution: whole numbers, so that every sum is exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from boundnet import ops
from boundnet.kernels import products
from boundnet.kernels.threads import set_threads
from boundnet.maps import LinearMap

RNG = np.random.default_rng(1)


@pytest.fixture(params=[(1, 1), (64, 16), (1 << 18, 256)], ids=["rows", "small blocks", "one block"], autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    size, rows = request.param
    monkeypatch.setattr(products, "BUFFER", size)
    monkeypatch.setattr(products, "ROWS", rows)
    set_threads(2)
    yield
    set_threads(None)


def whole(*shape: int) -> np.ndarray:
    return RNG.integers(-4, 5, size=shape).astype(np.float64)


def by_leaves(linear: LinearMap, x: np.ndarray) -> np.ndarray:
    """The sum of the products that the map says it sums."""
    return np.asarray(sum((a * w for a, w in linear.leaves(x)), np.zeros((*x.shape[:2], *linear.output_shape))))


CONVS: dict[str, tuple[ops.Conv, tuple[int, ...]]] = {
    "same": (ops.Conv(whole(3, 3, 4, 6), padding=((1, 1), (1, 1))), (7, 9, 4)),
    "stride 2": (ops.Conv(whole(3, 3, 3, 8), strides=(2, 2), padding=((0, 1), (0, 1))), (8, 10, 3)),
    "1x1 stride 2": (ops.Conv(whole(1, 1, 4, 6), strides=(2, 2)), (7, 7, 4)),
    "1x1": (ops.Conv(whole(1, 1, 4, 6)), (5, 7, 4)),
    "1x1 stride 2, padded": (ops.Conv(whole(1, 1, 4, 6), strides=(2, 2), padding=((1, 1), (1, 1))), (2, 2, 4)),
    "dilated": (ops.Conv(whole(3, 2, 2, 3), dilation=(2, 3), padding=((2, 2), (0, 3))), (6, 7, 2)),
    "stride beyond the kernel": (ops.Conv(whole(2, 2, 2, 3), strides=(3, 4)), (9, 10, 2)),
    "whole image": (ops.Conv(whole(4, 4, 2, 3)), (4, 4, 2)),
    "groups": (ops.Conv(whole(3, 3, 2, 6), groups=3, strides=(1, 2), padding=((1, 1), (1, 1))), (5, 6, 6)),
    "depthwise": (ops.Conv(whole(3, 3, 1, 5), groups=5, padding=((1, 1), (1, 1))), (6, 5, 5)),
    "depthwise, stride 2": (ops.Conv(whole(3, 3, 1, 5), groups=5, strides=(2, 2), padding=((0, 1), (0, 1))), (6, 6, 5)),
    "multiplier": (ops.Conv(whole(2, 3, 1, 6), groups=2, padding=((1, 0), (1, 1))), (5, 6, 2)),
    "1d": (ops.Conv(whole(4, 2, 3), dilation=(2,), padding=((6, 0),)), (9, 2)),
    "3d": (ops.Conv(whole(2, 3, 2, 2, 3), strides=(1, 2, 1), padding=((1, 0), (1, 1), (0, 1))), (3, 4, 3, 2)),
}


@pytest.mark.parametrize("name", CONVS)
def test_forward_transpose_and_count(name: str) -> None:
    op, shape = CONVS[name]
    linear = op.linear(shape)
    x, y = whole(3, 2, *linear.input_shape), whole(3, 2, *linear.output_shape)
    image = linear.apply(x)
    assert np.array_equal(image, by_leaves(linear, x))
    back = linear.transpose(y)
    assert back.shape == x.shape
    left, right = (image * y).reshape(3, 2, -1).sum(-1), (x * back).reshape(3, 2, -1).sum(-1)
    assert np.array_equal(left, right)
    units = np.eye(int(np.prod(shape))).reshape(-1, 1, *shape)
    matrix = linear.apply(units).reshape(len(units), -1)
    assert np.array_equal(back.reshape(6, -1), y.reshape(6, -1) @ matrix.T)
    everywhere = np.ones((2, *shape), dtype=bool)
    assert np.array_equal(linear.count(everywhere), linear.count(x[0] != 9.0))
    assert linear.apply(x[:0]).shape == image[:0].shape
    assert linear.transpose(y[:0]).shape == x[:0].shape
    counted = sum(
        (np.broadcast_to((a != 0) & (w != 0), image[0].shape).astype(float) for a, w in linear.leaves(x[0])), np.zeros(1)
    )
    assert np.array_equal(linear.count(x[0] != 0.0), counted)


@pytest.mark.parametrize("name", CONVS)
def test_views_and_broadcast_rows(name: str) -> None:
    """Rows that share memory, and arrays in other layouts, give what a plain copy gives."""
    op, shape = CONVS[name]
    linear = op.linear(shape)
    one = whole(1, *linear.input_shape)
    x = np.broadcast_to(one, (4, *one.shape))
    assert np.array_equal(linear.apply(x), linear.apply(np.array(x)))
    y = np.asfortranarray(whole(4, 1, *linear.output_shape))
    assert np.array_equal(linear.transpose(y), linear.transpose(np.ascontiguousarray(y)))


def test_nothing_but_what_a_kernel_meets_turns_to_nan() -> None:
    """An infinite input reaches the outputs whose windows hold it, and no other."""
    linear = ops.Conv(np.ones((3, 3, 1, 2)), padding=((1, 1), (1, 1))).linear((6, 6, 1))
    x = np.zeros((1, 6, 6, 1))
    x[0, 0, 0, 0] = np.inf
    reached = ~np.isfinite(linear.apply(x)[0, ..., 0])
    assert reached.sum() == 4
    assert reached[:2, :2].all()
    assert np.isinf(linear.absolute(x)).all(), "an infinite radius makes the whole sample infinite"
