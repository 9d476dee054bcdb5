"""Ops that copy, choose or normalise, as C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, operand, size_of, strides_of
from boundnet.mca.emit.windows import heads, over_window, place
from boundnet.ops import Concat, LogSoftmax, MaxPool, Pad, Repeat, Reshape, Slice, Softmax, Transpose


def reshape(op: Reshape, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """The same values in the same order."""
    return Piece((f"    memcpy(y, x, {size_of(shapes[0])} * sizeof *y);",))


def transpose(op: Transpose, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Axes permuted."""
    strides = strides_of(shapes[0])
    return _copy(op.output_shape(shapes[0]), [(f"i{a}", strides[axis]) for a, axis in enumerate(op.permutation)])


def slice_(op: Slice, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Part of every axis."""
    offset, terms = 0, []
    for a, (n, stride) in enumerate(zip(shapes[0], strides_of(shapes[0]), strict=True)):
        start, _, step = slice(op.start[a], op.stop[a], op.step[a]).indices(n)
        offset += start * stride
        terms.append((f"i{a}", step * stride))
    return _copy(op.output_shape(shapes[0]), terms, offset)


def repeat(op: Repeat, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Every element several times in a row."""
    names = [f"i{a}" if a != op.axis else f"(i{a} / {op.times})" for a in range(len(shapes[0]))]
    return _copy(op.output_shape(shapes[0]), list(zip(names, strides_of(shapes[0]), strict=True)))


def pad(op: Pad, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Zeros around: cleared first, then the input copied to its place."""
    (shape,) = shapes
    output = op.output_shape(shape)
    strides = strides_of(output)
    offset = sum(low * s for (low, _), s in zip(op.pads, strides, strict=True))
    names = [f"i{a}" for a in range(len(shape))]
    target = index(list(zip(names, strides, strict=True)), offset)
    source = index(list(zip(names, strides_of(shape), strict=True)))
    loops = [loop(v, n) for v, n in zip(names, shape, strict=True)]
    clear = f"    {loop('i', size_of(output))} y[i] = 0;"
    return Piece((clear, *nest(loops, [f"y[{target}] = x[{source}];"])))


def _copy(output: Shape, terms: Sequence[tuple[str, int]], offset: int = 0) -> Piece:
    names = [f"i{a}" for a in range(len(output))]
    target = index(list(zip(names, strides_of(output), strict=True)))
    loops = [loop(v, n) for v, n in zip(names, output, strict=True)]
    return Piece(tuple(nest(loops, [f"y[{target}] = x[{index(terms, offset)}];"])))


def concat(op: Concat, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """One input after the other."""
    outer = size_of(shapes[0][: op.axis])
    widths = [size_of(shape[op.axis :]) for shape in shapes]
    lines: list[str] = []
    at = 0
    for number, width in enumerate(widths):
        target, source = index([("i", sum(widths))], at), operand(number, len(shapes))
        lines += nest([loop("i", outer)], [f"memcpy(y + {target}, {source} + i * {width}, {width} * sizeof *y);"])
        at += width
    return Piece(tuple(lines))


def max_pool(op: MaxPool, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Largest real cell of each window, compared in C order of the positions."""
    (shape,) = shapes
    output = op.output_shape(shape)
    strides, padding = op.strides or op.size, op.padding or ((0, 0),) * len(op.size)
    x = place("i", shape, "c")
    body = [f"best = first ? x[{x}] : network_max(best, x[{x}]);", "first = 0;"]
    body = over_window(body, shape, op.size, strides, (1,) * len(op.size), padding)
    stored = f"y[{place('o', output, 'c')}] = best;"
    return Piece(tuple(nest(heads(output, "c"), ["int first = 1;", "real best = 0;", *body, stored])))


def softmax(op: Softmax | LogSoftmax, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Subtract the maximum, exponentials, their sum in order; then divide, or subtract the logarithm of the sum."""
    (shape,) = shapes
    outer, n, inner = size_of(shape[: op.axis]), shape[op.axis], size_of(shape[op.axis + 1 :])
    at = index([("i", n * inner if outer > 1 else 0), ("c", inner), ("j", 1 if inner > 1 else 0)])
    first = index([("i", n * inner if outer > 1 else 0), ("j", 1 if inner > 1 else 0)])
    body = [f"real top = x[{first}];", f"for (long c = 1; c < {n}; ++c) top = network_max(top, x[{at}]);", "real sum = 0;"]
    if isinstance(op, LogSoftmax):
        body += [f"{loop('c', n)} {{", f"    y[{at}] = x[{at}] - top;", f"    sum += {ctype.call('exp')}(y[{at}]);", "}"]
        body += [f"const real shift = {ctype.call('log')}(sum);", f"{loop('c', n)} y[{at}] = y[{at}] - shift;"]
        counts = Counter(sub=2 * size_of(shape), add=size_of(shape))
    else:
        body += [f"{loop('c', n)} {{", f"    y[{at}] = {ctype.call('exp')}(x[{at}] - top);", f"    sum += y[{at}];", "}"]
        body += [f"{loop('c', n)} y[{at}] = y[{at}] / sum;"]
        counts = Counter(sub=size_of(shape), add=size_of(shape), div=size_of(shape))
    loops = [loop(v, count) for v, count in (("i", outer), ("j", inner)) if count > 1]
    return Piece(tuple(nest(loops, body)), counts)
