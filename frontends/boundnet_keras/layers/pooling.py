"""Pooling, over windows and over everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from boundnet import ops
from boundnet_keras.layers.conv import check_theano, spatial_rank
from boundnet_keras.lowering import Lowering, Refused, Rule
from boundnet_keras.padding import window
from boundnet_keras.values import positive

Pool = Callable[..., ops.Op]


def _pooling(pool: Pool) -> Callable[[Lowering, Sequence[str]], str]:
    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        rank = spatial_rank(layer.kind)
        layer.require_rank(inputs[0], rank + 1)
        x = layer.to_channels_last(inputs[0])
        size = positive(layer.get("pool_size", 2), rank)
        strides = positive(layer.get("strides", list(size)), rank)
        mode = str(layer.get("padding", "valid")).lower()
        check_theano(layer, mode, size, strides)
        sides = zip(layer.shape(x)[:-1], size, strides, strict=True)
        padding = tuple(window(mode, *side) for side in sides)
        return layer.from_channels_last(layer.add(pool(size, strides, padding), x))

    return lower


def _global(pool: Pool) -> Callable[[Lowering, Sequence[str]], str]:
    """One window as large as the input; without ``keepdims`` the axes of length 1 are dropped."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        rank = spatial_rank(layer.kind)
        layer.require_rank(inputs[0], rank + 1)
        x = layer.to_channels_last(inputs[0])
        if layer.kind == "GlobalAveragePooling1D" and inputs[0] in layer.masks:
            return _over_kept(layer, x, layer.masks[inputs[0]])
        size = layer.shape(x)[:-1]
        x = layer.add(pool(size, size, ((0, 0),) * rank), x)
        if layer.get("keepdims", False):
            return layer.from_channels_last(x)
        return layer.reshape(x, layer.shape(x)[-1:], "squeeze")

    return lower


def _adaptive(pool: Pool) -> Callable[[Lowering, Sequence[str]], str]:
    """Axis by axis, as Keras does: window i of m reaches from floor(i n / m) to ceil((i + 1) n / m): two sizes occur."""

    def lower(layer: Lowering, inputs: Sequence[str]) -> str:
        rank = spatial_rank(layer.kind)
        layer.require_rank(inputs[0], rank + 1)
        x = layer.to_channels_last(inputs[0])
        for axis, wanted in enumerate(positive(layer.get("output_size"), rank)):
            x = _windows(layer, pool, x, axis, wanted)
        return layer.from_channels_last(x)

    return lower


def _windows(layer: Lowering, pool: Pool, x: str, axis: int, wanted: int) -> str:
    """``wanted`` windows along one axis: all of either size, joined, and those taken that are meant."""
    shape = layer.shape(x)
    n, rank = shape[axis], len(shape) - 1
    start = [i * n // wanted for i in range(wanted)]
    size = [-(-(i + 1) * n // wanted) - first for i, first in enumerate(start)]
    found, index = list[str](), [0] * wanted
    for length in sorted(set(size)):
        window = tuple(length if other == axis else 1 for other in range(rank))
        before = sum(layer.shape(node)[axis] for node in found)
        index = [first + before if k == length else at for at, first, k in zip(index, start, size, strict=True)]
        found.append(layer.add(pool(window, (1,) * rank), x, part=f"axis{axis}/size{length}"))
    joined = found[0] if len(found) == 1 else layer.add(ops.Concat(axis), *found, part=f"axis{axis}/both")
    if index == list(range(layer.shape(joined)[axis])):
        return joined
    return layer.add(ops.Take(axis, tuple(index)), joined, part="" if axis == rank - 1 else f"axis{axis}")


def _over_kept(layer: Lowering, x: str, mask: str) -> str:
    """The mean over the steps that ``mask`` keeps: two sums and a quotient."""
    if layer.channels_first:
        raise Refused("averages the steps that a mask keeps, with channels first; use channels_last")
    each = layer.reshape(mask, (*layer.shape(mask), 1), "mask")
    kept = layer.add(ops.Select(), each, x, layer.add(ops.Blank(layer.shape(x)), x, part="zeros"), part="kept")
    total, count = layer.add(ops.Total(0), kept, part="total"), layer.add(ops.Total(0), each, part="count")
    y = layer.add(ops.Divide(), total, count)
    return y if layer.get("keepdims", False) else layer.reshape(y, layer.shape(y)[-1:], "squeeze")


RULES = {
    **{f"MaxPooling{rank}D": Rule(_pooling(ops.MaxPool)) for rank in (1, 2, 3)},
    **{f"AveragePooling{rank}D": Rule(_pooling(ops.AveragePool)) for rank in (1, 2, 3)},
    **{f"AdaptiveMaxPooling{rank}D": Rule(_adaptive(ops.MaxPool)) for rank in (1, 2, 3)},
    **{f"AdaptiveAveragePooling{rank}D": Rule(_adaptive(ops.AveragePool)) for rank in (1, 2, 3)},
    **{f"GlobalMaxPooling{rank}D": Rule(_global(ops.MaxPool)) for rank in (1, 2, 3)},
    **{f"GlobalAveragePooling{rank}D": Rule(_global(ops.AveragePool)) for rank in (1, 2, 3)},
}
