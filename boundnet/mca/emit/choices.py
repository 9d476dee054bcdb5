"""Ops that choose by exact data, as C."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, size_of, strides_of
from boundnet.ops import Blank, Bucket, Differs, Lookup, Select


def blank(op: Blank, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Zeros."""
    return Piece(("    (void)x;", f"    {loop('i', size_of(op.shape))} y[i] = 0;"))


def differs(op: Differs, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """1 where an entry along the last axis differs from the value; compared in double, as the value may need it."""
    *_, n = shapes[0]
    test = f"if ((double)x[i * {n} + c] != {CType('double').literal(op.value)}) kept = 1;"
    body = ["int kept = 0;", f"{loop('c', n)} {test}", "y[i] = (real)kept;"]
    return Piece(tuple(nest([loop("i", size_of(shapes[0][:-1]))], body)))


def select(op: Select, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """x1 where the mask x0 is not 0, else x2."""
    mask, shape, _ = shapes
    names = [f"a{axis}" for axis in range(len(shape))]
    at = index(list(zip(names, strides_of(shape), strict=True)))
    where = index([(v, s) for v, s, n in zip(names, strides_of(mask), mask, strict=True) if n != 1])
    loops = [loop(v, n) for v, n in zip(names, shape, strict=True)]
    return Piece(tuple(nest(loops, [f"y[{at}] = x0[{where}] != 0 ? x1[{at}] : x2[{at}];"])))


def lookup(op: Lookup, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """Rows of the table p0 by whole numbers (truncated); a row of NaN where there is none."""
    entry, rows = size_of(op.table.shape[1:]), len(op.table)
    body = [f"const int there = x[i] > -1 && x[i] < {rows};", "const long row = there ? (long)x[i] : 0;",
            f"{loop('c', entry)} y[i * {entry} + c] = there ? p0[row * {entry} + c] : (real)NAN;"]  # fmt: skip
    return Piece(tuple(nest([loop("i", size_of(shapes[0]))], body)))


def bucket(op: Bucket, shapes: Sequence[Shape], ctype: CType) -> Piece:
    """The number of boundaries, literals of the C type, that are not above the value."""
    edges = ", ".join(map(ctype.literal, op.boundaries)) or "0"
    body = [
        "int passed = 0;",
        f"{loop('c', len(op.boundaries))} if (x[i] >= edges[c]) passed = (int)c + 1;",
        "y[i] = (real)passed;",
    ]
    return Piece((f"    static const real edges[] = {{{edges}}};", *nest([loop("i", size_of(shapes[0]))], body)))
