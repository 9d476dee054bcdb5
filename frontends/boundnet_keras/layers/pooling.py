"""Pooling, over windows and over everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from boundnet import ops
from boundnet_keras.layers.conv import check_theano, spatial_rank
from boundnet_keras.lowering import Lowering, Rule
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
        size = layer.shape(x)[:-1]
        x = layer.add(pool(size, size, ((0, 0),) * rank), x)
        if layer.get("keepdims", False):
            return layer.from_channels_last(x)
        return layer.reshape(x, layer.shape(x)[-1:], "squeeze")

    return lower


RULES = {
    **{f"MaxPooling{rank}D": Rule(_pooling(ops.MaxPool)) for rank in (1, 2, 3)},
    **{f"AveragePooling{rank}D": Rule(_pooling(ops.AveragePool)) for rank in (1, 2, 3)},
    **{f"GlobalMaxPooling{rank}D": Rule(_global(ops.MaxPool)) for rank in (1, 2, 3)},
    **{f"GlobalAveragePooling{rank}D": Rule(_global(ops.AveragePool)) for rank in (1, 2, 3)},
}
