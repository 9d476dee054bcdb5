"""Keras's padding rules as explicit numbers of cells, low and high side of one spatial axis."""

from __future__ import annotations

from boundnet_keras.lowering import Refused


def extent(kernel: int, dilation: int) -> int:
    """Length that a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


def window(mode: str, size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of length ``size``: 'valid', 'same' (the odd cell goes to the end) or 'causal'."""
    span = extent(kernel, dilation)
    if mode == "valid":
        return 0, 0
    if mode == "causal":
        return span - 1, 0
    if mode == "same":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + span - size, 0)
        return total // 2, total - total // 2
    raise Refused(f"padding {mode!r} isn't one that Keras defines")


def transposed(
    mode: str, size: int, kernel: int, stride: int, dilation: int, *, output_padding: int | None
) -> tuple[tuple[int, int], int]:
    """Cells to crop at either end of the full transposed convolution, and cells to add at its end.

    The full result has (size - 1) stride + span cells.  Keras fixes the length of the result and takes the
    gradient of the forward convolution from that length: its padding is what is cropped here.
    """
    span = extent(kernel, dilation)
    full = (size - 1) * stride + span
    if mode == "valid":
        length = full + (max(span, stride) - span if output_padding is None else output_padding)
        low = 0
    elif mode == "same":
        length = size * stride if output_padding is None else (size - 1) * stride + span % 2 + output_padding
        if -(-length // stride) != size:
            raise Refused(f"output_padding {output_padding} doesn't fit strides {stride}; Keras can't run it either")
        low = window("same", length, kernel, stride, dilation)[0]
    else:
        raise Refused(f"padding {mode!r} isn't one that Keras defines for transposed convolutions")
    extra = max(length + low - full, 0)
    return (low, full + extra - low - length), extra
