"""Ops over groups of values as C: normalisations by their own mean and variance, softmax of some entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, operand, size_of, strides_of
from boundnet.ops import LayerNorm, MaskedSoftmax, RMSNorm, UnitNorm


def normalise(op: LayerNorm | RMSNorm | UnitNorm, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Mean, then the mean (or sum) of squares of what is left, 1 / sqrt of it, ((x - mean) r) gamma + beta."""
    (shape,) = shapes
    normal = op.normal
    outer, n = shape[: len(shape) - op.axes], size_of(shape[len(shape) - op.axes :])
    groups = size_of(outer)
    place = f"g * {n} + c"
    body, counts = [], Counter[str]()
    if normal.centred:
        body += ["real mean = 0;", f"{loop('c', n)} mean += x[{place}];", f"mean = mean / {ctype.literal(n)};"]
        counts.update(add=n, div=1)
    body += ["real power = 0;", f"{loop('c', n)} {{"]
    body.append(f"    const real offset = x[{place}]{' - mean' if normal.centred else ''};")
    body += ["    const real square = offset * offset;", "    power += square;", "}"]
    counts.update(sub=n if normal.centred else 0, mul=n, add=n)
    if normal.averaged:
        body.append(f"power = power / {ctype.literal(n)};")
        counts.update(div=1)
    if isinstance(op, UnitNorm):
        inside = f"network_max(power, {ctype.literal(op.floor * op.floor)})"
    else:
        inside = f"power + {ctype.literal(op.epsilon)}"
        counts.update(add=1)
    body.append(f"const real scale = {ctype.call('rsqrt')}({inside});")
    body += [f"{loop('c', n)} {{", f"    const real offset = x[{place}]{' - mean' if normal.centred else ''};"]
    body.append("    real result = offset * scale;")
    counts.update(sub=n if normal.centred else 0, mul=n)
    names = iter(("p0", "p1"))
    for weight, sign, kind in ((op.gamma, "*", "mul"), (op.beta, "+", "add")):
        if weight is not None:
            body.append(f"    result = result {sign} {next(names)}[{_spread(weight.shape, shape, place)}];")
            counts[kind] += n
    body += [f"    y[{place}] = result;", "}"]
    return Piece(tuple(nest([loop("g", groups)], body)), Counter({kind: groups * k for kind, k in counts.items()}))


def _spread(own: Shape, shape: Shape, place: str) -> str:
    """Index into an array of shape ``own`` that broadcasts against ``shape``, from the index ``place`` into the latter."""
    full = (1,) * (len(shape) - len(own)) + own
    terms = []
    for n, stride, length, step in zip(shape, strides_of(shape), full, strides_of(full), strict=True):
        if length != 1:
            terms.append((f"(({place}) / {stride} % {n})" if stride > 1 else f"(({place}) % {n})", step))
    return index(terms)


def masked_softmax(op: MaskedSoftmax, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """As softmax; masked entries are read as the first one that is kept, and have exponential 0."""
    shape, *masks = shapes
    axes = range(len(shape))
    names = [f"a{axis}" for axis in axes]
    names[op.axis] = "c"
    n = shape[op.axis]
    x = operand(0, len(shapes))

    def at(name: str, own: Shape, variables: Sequence[str]) -> str:
        full = (1,) * (len(shape) - len(own)) + own
        return f"{name}[{index([(v, s) for v, s, k in zip(variables, strides_of(full), full, strict=True) if k != 1])}]"

    def kept(variables: Sequence[str]) -> str:
        tests = [f"{at(operand(i + 1, len(shapes)), mask, variables)} != 0" for i, mask in enumerate(masks)]
        tests += [] if op.mask is None else [f"{at('p0', op.mask.shape, variables)} != 0"]
        return " && ".join(tests) or "1"

    first = [name if name != "c" else "first" for name in names]
    value = f"({kept(names)}) ? {at(x, shape, names)} : {at(x, shape, first)}"
    y = at("y", shape, names)
    body = ["long c = 0;", f"while (c < {n} && !({kept(names)})) ++c;", f"const int any = c < {n};",
            "const long first = any ? c : 0;", f"real top = {at(x, shape, first)};"]  # fmt: skip
    body.append(f"for (c = 0; c < {n}; ++c) top = network_max(top, {value});")
    body += ["real sum = 0;", f"for (c = 0; c < {n}; ++c) {{", f"    const real shifted = ({value}) - top;"]
    body += [f"    {y} = ({kept(names)}) ? {ctype.call('exp')}(shifted) : 0;", f"    sum += {y};", "}"]
    body += ["if (!any) sum = 1;"]
    if op.empty == "uniform":
        # All scores alike: the exponential of 0, n times.
        body += [
            f"if (!any) for (sum = 0, c = 0; c < {n}; ++c) {{",
            f"    {y} = {ctype.call('exp')}(0);",
            f"    sum += {y};",
            "}",
        ]
    body += [f"for (c = 0; c < {n}; ++c) {y} = {y} / sum;"]
    loops = [loop(names[axis], shape[axis]) for axis in axes if axis != op.axis]
    count = size_of(shape)
    return Piece(tuple(nest(loops, body)), Counter(sub=count, add=count, div=count))
