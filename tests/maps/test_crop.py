"""Maps cropped to a box of their outputs, against the whole map, exactly on small integers."""

from __future__ import annotations

import numpy as np
import pytest

from boundnet import ops
from boundnet.maps import BatchDenseMap, Diagonal, LinearMap, LowRank, SumMap, WeightedSelect, WindowSum, Zero
from boundnet.maps.crop import Region, crop, cut, embed, hull, shape_of, size_of, whole

RNG = np.random.default_rng(3)


def few(*shape: int) -> np.ndarray:
    return RNG.integers(-4, 5, size=shape).astype(np.float64)


def select(cells: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]) -> LinearMap:
    return WeightedSelect(cells, weights, shape)


def ties() -> LinearMap:
    weights = RNG.choice([0.0, 0.5, 1.0], size=(1, 4, 3, 2, 4))
    return select(RNG.integers(0, 5 * 6 * 2, size=(4, 3, 2, 4)), weights, (5, 6, 2))


def one_hot() -> LinearMap:
    weights = np.zeros((1, 4, 3, 2, 4))
    weights[..., 1] = 1.0
    weights[0, 0] = 0.0  # windows that read nothing
    return select(RNG.integers(0, 5 * 6 * 2, size=(4, 3, 2, 4)), weights, (5, 6, 2))


MAPS = {
    "dense": lambda: ops.Dense(few(5, 3)).linear((5,)),
    "dense on a grid": lambda: ops.Dense(few(5, 3)).linear((4, 6, 5)),
    "batch dense": lambda: BatchDenseMap(few(4, 5, 3)),
    "conv1d": lambda: ops.Conv(few(3, 2, 4), strides=(2,), padding=((1, 2),)).linear((9, 2)),
    "conv1d dilated": lambda: ops.Conv(few(3, 2, 4), dilation=(3,), padding=((6, 0),)).linear((9, 2)),
    "conv2d": lambda: ops.Conv(few(2, 3, 2, 3), strides=(2, 1), padding=((1, 0), (0, 2))).linear((7, 6, 2)),
    "conv2d wide padding": lambda: ops.Conv(few(2, 2, 2, 3), padding=((4, 3), (0, 4))).linear((4, 4, 2)),
    "conv2d groups": lambda: ops.Conv(few(2, 2, 2, 6), groups=3, padding=((0, 1), (1, 0))).linear((5, 5, 6)),
    "depthwise": lambda: ops.Conv(few(3, 3, 1, 4), groups=4, padding=((1, 1), (1, 1))).linear((6, 6, 4)),
    "conv3d": lambda: ops.Conv(few(2, 1, 2, 2, 3), strides=(1, 2, 2)).linear((4, 3, 6, 2)),
    "skips the end": lambda: ops.Conv(few(2, 2, 1, 2), strides=(3, 3)).linear((9, 10, 1)),
    "transposed": lambda: ops.ConvTranspose(few(3, 2, 2, 3), strides=(2, 3), crop=((1, 0), (0, 1))).linear((3, 4, 3)),
    "windows": lambda: WindowSum((6, 6), 2, (3, 3), (2, 2), ((1, 1), (0, 1))),
    "reshape": lambda: ops.Reshape((6, 4)).linear((3, 4, 2)),
    "pad": lambda: ops.Pad(((2, 0), (0, 3))).linear((3, 4)),
    "repeat": lambda: ops.Repeat(1, 3).linear((3, 4)),
    "transpose": lambda: ops.Transpose((1, 2, 0)).linear((3, 4, 2)),
    "flip": lambda: ops.Slice((0, 2), (3, None), (1, -1)).linear((3, 4)),
    "diagonal": lambda: Diagonal(few(1, 4, 5, 3), (4, 5, 3), (4, 5, 3)),
    "diagonal of a batch-free slope": lambda: Diagonal(few(4, 5, 3), (4, 5, 3), (4, 5, 3)),
    "broadcast gate": lambda: Diagonal(few(1, 4, 5, 3), (1, 1, 3), (4, 5, 3)),
    "broadcast channel": lambda: Diagonal(few(1, 4, 5, 3), (4, 5, 1), (4, 5, 3)),
    "zero": lambda: Zero((3, 2), (4, 5)),
    "ties": ties,
    "one winner": one_hot,
    "low rank": lambda: LowRank(few(1, 3, 4), [(few(1, 3, 4), few(1, 3, 4))], (3, 4)),
    "sum": lambda: SumMap((4, 3), 0),
}


def regions(shape: tuple[int, ...]) -> list[Region]:
    found = [whole(shape), tuple((n - 1, n) for n in shape), tuple((0, 1) for n in shape)]
    for _ in range(12):
        starts = [int(RNG.integers(n)) for n in shape]
        found.append(tuple((a, int(RNG.integers(a + 1, n + 1))) for a, n in zip(starts, shape, strict=True)))
    return found


@pytest.mark.parametrize("name", MAPS)
def test_a_cropped_map_is_the_map(name: str) -> None:
    linear = MAPS[name]()
    # Halves are exact, too: integers times 1/2.
    for region in regions(linear.output_shape):
        small, source, target = crop(linear, region)
        assert hull(region, target) == target
        assert small.output_shape == shape_of(target)
        rows = few(3, 1, *shape_of(region))
        full = linear.transpose(embed(rows, region, whole(linear.output_shape)))
        inner = embed(rows, region, target)
        back = embed(small.transpose(inner), source, whole(linear.input_shape)) if size_of(source) else np.zeros(full.shape)
        np.testing.assert_array_equal(back, full)
        x = few(2, 1, *linear.input_shape)
        if size_of(source):
            np.testing.assert_array_equal(
                np.broadcast_to(small.apply(np.ascontiguousarray(cut(x, source))), (2, 1, *shape_of(target))),
                cut(linear.apply(x), target),
            )
        assert small.fan_in >= 0 <= small.fan_out
