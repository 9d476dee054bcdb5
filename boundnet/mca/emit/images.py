"""Ops on images that take cells in fixed places, or mix neighbours, as C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, size_of, strides_of
from boundnet.ops import Bilinear, Patches, Take


def take(op: Take, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Entries along one axis, by a table of their places."""
    (shape,) = shapes
    output = op.output_shape(shape)
    names = [f"i{a}" for a in range(len(shape))]
    target = index(list(zip(names, strides_of(output), strict=True)))
    places = [f"place[{name}]" if a == op.axis else name for a, name in enumerate(names)]
    source = index(list(zip(places, strides_of(shape), strict=True)))
    loops = [loop(v, n) for v, n in zip(names, output, strict=True)]
    return Piece((_whole("place", np.asarray(op.index)), *nest(loops, [f"y[{target}] = x[{source}];"])))


def patches(op: Patches, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Windows in C order, the cells of each in C order."""
    (shape,) = shapes
    axes, strides = len(op.size), strides_of(shape)
    counts = tuple((n - k) // s + 1 for n, k, s in zip(shape, op.size, op.strides, strict=False))
    names = [f"o{a}" for a in range(axes)] + [f"k{a}" for a in range(axes)] + ["c"]
    lengths = (*counts, *op.size, shape[-1])
    target = index(list(zip(names, strides_of(lengths), strict=True)))
    steps = [stride * step for stride, step in zip(strides, op.strides, strict=False)]
    source = index(list(zip(names, (*steps, *strides[:axes], 1), strict=True)))
    loops = [loop(v, n) for v, n in zip(names, lengths, strict=True)]
    return Piece(tuple(nest(loops, [f"y[{target}] = x[{source}];"])))


def bilinear(op: Bilinear, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Between left and right neighbours first, then between the two results."""
    (shape,) = shapes
    linear = op.linear(shape)
    height, width, channels = linear.output_shape
    row, column = shape[1] * shape[2], shape[2]
    tables = []
    for side, (low, high, weight) in (("row", linear.rows), ("column", linear.columns)):
        tables += [_whole(f"{side}_low", low), _whole(f"{side}_high", high)]
        tables.append(f"    static const real {side}_part[] = {{{', '.join(map(ctype.literal, weight.tolist()))}}};")

    def cell(down: str, right: str) -> str:
        return f"x[row_{down}[i] * {row} + column_{right}[j] * {column} + c]"

    body = [
        f"const real a = {cell('low', 'low')}, b = {cell('low', 'high')};",
        f"const real d = {cell('high', 'low')}, e = {cell('high', 'high')};",
        "const real top = a + (b - a) * column_part[j];",
        "const real bottom = d + (e - d) * column_part[j];",
        f"y[i * {width * channels} + j * {channels} + c] = top + (bottom - top) * row_part[i];",
    ]
    each = 3 * size_of(linear.output_shape)
    loops = [loop("i", height), loop("j", width), loop("c", channels)]
    return Piece((*tables, *nest(loops, body)), Counter(add=each, sub=each, mul=each))


def _whole(name: str, values: npt.NDArray[np.int64]) -> str:
    """A table of whole numbers."""
    return f"    static const long {name}[] = {{{', '.join(str(int(v)) for v in values)}}};"
