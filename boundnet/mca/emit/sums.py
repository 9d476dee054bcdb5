"""Ops that are sums of products as C: one accumulator that starts at zero, leaves in document order, the bias last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from boundnet.maps import BatchDenseMap, ConvMap, DenseMap, TransposedConvMap
from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, size_of, strides_of
from boundnet.mca.emit.windows import heads, over_window, place
from boundnet.numerics.outward import Array
from boundnet.ops import AveragePool, BatchMatMul, Contract, Conv, ConvTranspose, Dense, Einsum, Total


def dense(op: Dense | BatchMatMul, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """x (*front, *batch, n) times p0 (*batch, n, m)."""
    linear = op.linear(shapes[0])
    assert isinstance(linear, DenseMap | BatchDenseMap)
    *batch, n, m = linear.kernel.shape
    front, groups = size_of(linear.front), size_of(batch)
    rows = [("r", front), ("b", groups)]
    loops = [loop(v, count) for v, count in [*rows, ("f", m)] if count > 1]
    x = index([("r", groups * n if front > 1 else 0), ("b", n if groups > 1 else 0), ("c", 1)])
    weight = index([("b", n * m if groups > 1 else 0), ("c", m), ("f", 1 if m > 1 else 0)])
    y = index([("r", groups * m if front > 1 else 0), ("b", m if groups > 1 else 0), ("f", 1 if m > 1 else 0)])
    body = ["real sum = 0;", f"{loop('c', n)} sum += x[{x}] * p0[{weight}];", *_stored(op.bias, linear.output_shape, y)]
    outputs = size_of(linear.output_shape)
    return Piece(tuple(nest(loops, body)), _counted(outputs * n, outputs, op.bias))


def conv(op: Conv, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """x (*spatial, channels) correlated with p0 (*size, cin, cout)."""
    linear = op.linear(shapes[0])
    assert isinstance(linear, ConvMap)
    *size, cin, cout = linear.kernel.shape
    geometry = (linear.size, linear.strides, linear.dilation)
    channel = _channel(cin, linear.groups, cout // linear.groups)
    kernel = [(f"k{a}", s) for a, s in enumerate(strides_of(linear.kernel.shape)[:-2])]
    weight = index([*kernel, ("c", cout if cin > 1 else 0), ("f", 1)])
    product = f"{_over_channels(cin)}sum += x[{place('i', linear.input_shape, channel)}] * p0[{weight}];"
    body = over_window([product], linear.input_shape, *geometry, linear.padding)
    stored = _stored(op.bias, linear.output_shape, place("o", linear.output_shape, "f"))
    lines = nest(heads(linear.output_shape, "f"), ["real sum = 0;", *body, *stored])
    one = ConvMap(np.ones((*size, 1, 1)), linear.input_shape[:-1], 1, *geometry[1:], 1, linear.padding)
    cells = int(one.apply(np.ones(one.input_shape)).sum())
    return Piece(tuple(lines), _counted(cells * cin * cout, size_of(linear.output_shape), op.bias))


def conv_transpose(op: ConvTranspose, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Gathers: every output adds what reaches it, over kernel positions in C order; p0 is (*size, cout / groups, cin)."""
    linear = op.linear(shapes[0])
    assert isinstance(linear, TransposedConvMap)
    conv = linear.conv
    *size, per_group, channels = conv.kernel.shape
    axes, cin = range(len(size)), channels // conv.groups
    channel = _channel(cin, conv.groups, per_group)
    output = "f" if conv.groups == 1 else f"(f % {per_group})"
    kernel = [(f"k{a}", s) for a, s in enumerate(strides_of(conv.kernel.shape)[:-2])]
    weight = index([*kernel, (output, channels)]) + (f" + {channel}" if channel else "")
    body = [f"{_over_channels(cin)}sum += x[{place('i', linear.input_shape, channel)}] * p0[{weight}];"]
    for a in reversed(axes):
        stride, n = conv.strides[a], linear.input_shape[a]
        reach = index([(f"o{a}", 1), (f"k{a}", -conv.dilation[a])], conv.padding[a][0])
        tests = [f"d{a} < 0", *([f"d{a} % {stride} != 0"] if stride > 1 else []), f"d{a} >= {n * stride}"]
        first = [f"const long d{a} = {reach};", f"if ({' || '.join(tests)}) continue;"]
        first.append(f"const long i{a} = d{a}{f' / {stride}' if stride > 1 else ''};")
        body = [f"{loop(f'k{a}', size[a])} {{", *("    " + line for line in (*first, *body)), "}"]
    stored = _stored(op.bias, linear.output_shape, place("o", linear.output_shape, "f"))
    lines = nest(heads(linear.output_shape, "f"), ["real sum = 0;", *body, *stored])
    leaves = int(np.prod([_reached(conv, a) for a in axes])) * channels * per_group
    return Piece(tuple(lines), _counted(leaves, size_of(linear.output_shape), op.bias))


def _reached(conv: ConvMap, axis: int) -> int:
    """Pairs (input cell, kernel position) of one axis that fall on an output cell."""
    cell = np.arange(conv.output_shape[axis])[:, None] * conv.strides[axis] - conv.padding[axis][0]
    at = cell + np.arange(conv.size[axis]) * conv.dilation[axis]
    return int(np.count_nonzero((at >= 0) & (at < conv.input_shape[axis])))


def average_pool(op: AveragePool, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Sum over the real cells of each window, divided by their number."""
    total, cells = op.window(shapes[0])
    conv = total.conv
    padded = any(low or high for low, high in conv.padding)
    body = [f"sum += x[{place('i', conv.input_shape, 'c')}];", *(["cells += 1;"] if padded else [])]
    body = over_window(body, conv.input_shape, op.size, conv.strides, conv.dilation, conv.padding)
    count = "(real)cells" if padded else f"(real){size_of(op.size)}"
    stored = f"y[{place('o', conv.output_shape, 'c')}] = sum / {count};"
    body = ["real sum = 0;", *(["long cells = 0;"] if padded else []), *body, stored]
    counts = Counter(add=int(cells.sum()), div=size_of(conv.output_shape))
    return Piece(tuple(nest(heads(conv.output_shape, "c"), body)), counts)


def product(op: Contract | Einsum, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """x0 times x1, summed over the letters of the operands that the result lacks, in the order of the first; then scaled."""
    left, right = shapes
    a, b, c = op.letters(left, right)
    sizes = dict(zip(a, left, strict=True)) | dict(zip(b, right, strict=True))
    names = {letter: f"{'o' if letter in c else 'k'}{position}" for position, letter in enumerate(sizes)}

    def at(letters: str, shape: Shape) -> str:
        return index(list(zip((names[letter] for letter in letters), strides_of(shape), strict=True)))

    output = op.output_shape(left, right)
    summed = [letter for letter in a if letter not in c]
    inner = [loop(names[letter], sizes[letter]) for letter in summed]
    body = ["real sum = 0;", *nest(inner, [f"sum += x0[{at(a, left)}] * x1[{at(b, right)}];"], 0)]
    scale = "" if op.scale == 1.0 else f" * {ctype.literal(op.scale)}"
    body.append(f"y[{at(c, output)}] = sum{scale};")
    leaves = size_of(output) * size_of([sizes[letter] for letter in summed])
    counts = Counter(add=leaves, mul=leaves + (size_of(output) if scale else 0))
    return Piece(tuple(nest([loop(names[letter], sizes[letter]) for letter in c], body)), counts)


def total(op: Total, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Sum along one axis."""
    shape = shapes[0]
    outer, n, inner = size_of(shape[: op.axis]), shape[op.axis], size_of(shape[op.axis + 1 :])
    body = ["real sum = 0;", f"{loop('c', n)} sum += x[i * {n * inner} + c * {inner} + j];", f"y[i * {inner} + j] = sum;"]
    return Piece(tuple(nest([loop("i", outer), loop("j", inner)], body)), Counter(add=outer * n * inner))


def _channel(cin: int, groups: int, per_group: int) -> str:
    """Input channel of output channel f and its c-th leaf."""
    if groups == 1:
        return "c" if cin > 1 else ""
    group = "f" if per_group == 1 else f"f / {per_group}"
    return group if cin == 1 else f"{group if per_group == 1 else f'({group})'} * {cin} + c"


def _over_channels(cin: int) -> str:
    return f"{loop('c', cin)} " if cin > 1 else ""


def _stored(bias: Array | None, output: Shape, y: str) -> list[str]:
    """y = sum + bias; the bias broadcasts against the output."""
    if bias is None:
        return [f"y[{y}] = sum;"]
    if bias.ndim <= 1:
        return [f"y[{y}] = sum + p1[{'f' if bias.size > 1 else '0'}];"]
    # A bias for each place: its index from the output's.
    strides, full = strides_of(output), (1,) * (len(output) - bias.ndim) + bias.shape
    terms = []
    for n, stride, length, own in zip(output, strides, full, strides_of(full), strict=True):
        if length != 1:
            terms.append((f"(o / {stride} % {n})", own))
    return [f"const long o = {y};", f"y[o] = sum + p1[{index(terms)}];"]


def _counted(products: int, outputs: int, bias: Array | None) -> Counter[str]:
    return Counter(mul=products, add=products + (outputs if bias is not None else 0))


__all__ = ["average_pool", "conv", "conv_transpose", "dense", "product", "total"]
