"""Loops over the windows of convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet.mca.emit.code import Shape, index, loop, strides_of


def place(letter: str, shape: Shape, channel: str) -> str:
    """Index into a channels-last tensor from loop variables ``letter``0, ``letter``1, ... and a channel ("" for 0)."""
    terms = [(f"{letter}{axis}", stride) for axis, stride in enumerate(strides_of(shape)[:-1])]
    text = index(terms)
    return f"{text} + {channel}" if channel else text


def over_window(
    body: Sequence[str], shape: Shape, size: Shape, strides: Shape, dilation: Shape, padding: Sequence[tuple[int, int]]
) -> list[str]:
    """``body`` for each kernel position k0, k1, ... in C order, at input cell i0, i1, ...; cells in the padding are skipped.

    The output cell is o0, o1, ...
    """
    lines = list(body)
    for axis in reversed(range(len(size))):
        cell, low = f"i{axis}", padding[axis][0]
        at = index([(f"o{axis}", strides[axis]), (f"k{axis}", dilation[axis])], -low)
        first = [f"const long {cell} = {at};"]
        if any(padding[axis]):
            first.append(f"if ({cell} < 0 || {cell} >= {shape[axis]}) continue;")
        lines = [f"{loop(f'k{axis}', size[axis])} {{", *("    " + line for line in (*first, *lines)), "}"]
    return lines


def heads(output: Shape, channel: str) -> list[str]:
    """Loops over the output cells o0, o1, ... and over its channels."""
    return [loop(f"o{axis}", n) for axis, n in enumerate(output[:-1])] + [loop(channel, output[-1])]
