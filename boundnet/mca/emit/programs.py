"""Scalar programs as C: the machine that writes down what an op's program asks of it.

A value of the program that depends on weights alone is computed once for each of their elements, as NumPy's broadcasting
does, and not again for each element of the tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.mca.emit.code import CType, Piece, Shape, index, loop, nest, size_of, strides_of
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Term:
    """A value: an array of the op, a temporary, or a number known to the compiler.

    ``number`` is held in the C type: the NumPy scalar of it.
    """

    name: str
    shape: Shape
    number: Any = None


@dataclass(frozen=True)
class Statement:
    """target = form(operands), element by element; ``operation`` names it if it is arithmetic."""

    target: Term
    form: str
    operands: tuple[Term, ...]
    operation: str | None


class CMachine:
    """Records a program run on :class:`Term` values (:class:`boundnet.machines.base.Machine`)."""

    def __init__(self, ctype: CType) -> None:
        self.ctype = ctype
        self.statements: list[Statement] = []

    def constant(self, value: float) -> Term:
        return self._known(value)

    def parameter(self, value: Term) -> Term:
        return value

    def add(self, a: Term, b: Term) -> Term:
        return self._arithmetic("add", "{} + {}", np.add, a, b)

    def sub(self, a: Term, b: Term) -> Term:
        return self._arithmetic("sub", "{} - {}", np.subtract, a, b)

    def mul(self, a: Term, b: Term) -> Term:
        return self._arithmetic("mul", "{} * {}", np.multiply, a, b)

    def div(self, a: Term, b: Term) -> Term:
        return self._arithmetic("div", "{} / {}", np.divide, a, b)

    def maximum(self, a: Term, b: Term) -> Term:
        return self._record("network_max({}, {})", None, a, b)

    def minimum(self, a: Term, b: Term) -> Term:
        return self._record("network_min({}, {})", None, a, b)

    def absolute(self, a: Term) -> Term:
        return self._record("fabsf({})" if self.ctype.name == "float" else "fabs({})", None, a)

    def negative(self, a: Term) -> Term:
        return self._known(-a.number) if a.number is not None else self._record("-{}", None, a)

    def where(self, x: Term, threshold: float, above: Term, below: Term, apart: Any = None) -> Term:
        return self._record("{} >= {} ? {} : {}", None, x, self.constant(threshold), above, below)

    def function(self, name: str, a: Term) -> Term:
        if a.number is not None and name in ("sqrt", "rsqrt"):
            with np.errstate(all="ignore"):
                root = np.sqrt(a.number)
                return self._known(root if name == "sqrt" else self.ctype.scalar(1.0) / root)
        return self._record(f"{self.ctype.call(name)}({{}})", None, a)

    def _known(self, number: Any) -> Term:
        number = self.ctype.scalar(self.ctype.stored(np.asarray(number, dtype=np.float64)))
        return Term(self.ctype.literal(float(number)), (), number)

    def _arithmetic(self, operation: str, form: str, ufunc: Callable[..., Any], a: Term, b: Term) -> Term:
        if a.number is not None and b.number is not None:
            # The compiler would fold it in any case: then it is better to show the number.
            with np.errstate(all="ignore"):
                return self._known(ufunc(a.number, b.number))
        return self._record(form, operation, a, b)

    def _record(self, form: str, operation: str | None, *operands: Term) -> Term:
        shape = np.broadcast_shapes(*(term.shape for term in operands))
        while shape and shape[0] == 1:
            shape = shape[1:]
        target = Term(f"t{len(self.statements) + 1}", shape)
        self.statements.append(Statement(target, form, operands, operation))
        return target


def elementwise(
    run: Callable[[CMachine, Sequence[Term]], Term], arrays: Sequence[tuple[str, Shape]], shape: Shape, ctype: CType
) -> Piece:
    """The C body of a scalar program.

    Args:
        run: runs the program on a machine and on one term for each of ``arrays``.
        arrays: C names and shapes of what it reads.
        shape: of the result ``y``.
    """
    machine = CMachine(ctype)
    inputs = [Term(name, _strip(array)) for name, array in arrays]
    shape_of_result = _strip(shape)
    result = run(machine, inputs)
    groups: dict[Shape, list[Statement]] = {}
    for statement in machine.statements:
        groups.setdefault(statement.target.shape, []).append(statement)
    groups.setdefault(shape_of_result, [])
    # A value depends on values of shapes that broadcast to its own, which are smaller or the same.
    ordered = sorted(groups, key=size_of)
    used = {term.name for statements in groups.values() for s in statements for term in s.operands}
    home = {s.target.name: at for at, statements in groups.items() for s in statements}
    offsets: dict[str, int] = {}
    scratch = 0
    for at, statements in groups.items():
        for statement in statements:
            name = statement.target.name
            elsewhere = any(name in {t.name for t in s.operands} for other, ss in groups.items() if other != at for s in ss)
            if elsewhere or (name == result.name and at != shape_of_result):
                offsets[name] = scratch
                scratch += size_of(at)
    lines: list[str] = []
    for name, offset in offsets.items():
        lines.append(f"    real *const {name} = scratch + {offset};")
    operations: Counter[str] = Counter()
    for at in ordered:
        lines += _group(at, groups[at], offsets, home, inputs, result if at == shape_of_result else None)
        for statement in groups[at]:
            if statement.operation is not None:
                operations[statement.operation] += size_of(at)
    unused = [f"    (void){term.name};" for term in inputs if term.name not in used and term.name != result.name]
    return Piece((*unused, *lines), operations, scratch)


def _strip(shape: Shape) -> Shape:
    """Without leading axes of length 1: they broadcast to nothing."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _group(
    shape: Shape, statements: Sequence[Statement], offsets: dict[str, int], home: dict[str, Shape], inputs: Sequence[Term],
    result: Term | None,
) -> list[str]:  # fmt: skip
    """The loops over one shape with all statements of that shape."""
    arrays = {t.name: t.shape for s in statements for t in s.operands if t.number is None}
    if result is not None and result.number is None:
        arrays[result.name] = result.shape
    local = {s.target.name for s in statements if s.target.name not in offsets}
    read = {name: at for name, at in arrays.items() if name not in local}
    axes = _merged_axes(shape, list(read.values()))
    variables = ["i", "j", "k", "l", "m", "n"][: len(axes)] if len(axes) <= 6 else [f"i{a}" for a in range(len(axes))]

    def element(term: Term) -> str:
        if term.number is not None or term.name in local:
            return term.name
        return f"{term.name}[{_place(term.shape, shape, axes, variables)}]"

    own = _place(shape, shape, axes, variables)
    body = []
    for s in statements:
        text = s.form.format(*(element(term) for term in s.operands))
        name = s.target.name
        body.append(f"{name}[{own}] = {text};" if name in offsets else f"const real {name} = {text};")
    if result is not None:
        body.append(f"y[{own}] = {element(result)};")
    if len(body) > 1 and result is not None and body[-2] == f"const real {result.name} = " + body[-2].partition(" = ")[2]:
        body[-2:] = [f"y[{own}] = " + body[-2].partition(" = ")[2]]
    return nest([loop(v, count) for v, (_, count) in zip(variables, axes, strict=True)], body) if body else []


def _merged_axes(shape: Shape, arrays: Sequence[Shape]) -> list[tuple[int, int]]:
    """Axes (first, count) to loop over, adjacent ones merged where every array runs along both or along neither."""
    rank = len(shape)

    def pattern(axis: int) -> tuple[bool, ...]:
        return tuple(len(a) >= rank - axis and a[len(a) - (rank - axis)] != 1 for a in arrays)

    merged: list[tuple[int, int]] = []
    last: tuple[bool, ...] | None = None
    for axis in range(rank):
        if shape[axis] == 1:
            continue
        if merged and pattern(axis) == last:
            merged[-1] = (merged[-1][0], merged[-1][1] * shape[axis])
        else:
            merged.append((axis, shape[axis]))
            last = pattern(axis)
    return merged


def _place(array: Shape, shape: Shape, axes: Sequence[tuple[int, int]], variables: Sequence[str]) -> str:
    """Index into ``array`` from the loops over ``shape``."""
    full = (1,) * (len(shape) - len(array)) + array
    strides = strides_of(full)
    terms = []
    for position, (axis, _) in enumerate(axes):
        end = axes[position + 1][0] if position + 1 < len(axes) else len(shape)
        # The stride of a merged axis is that of its last part that is not of length 1.
        inner = [a for a in range(axis, end) if shape[a] != 1][-1]
        if full[axis] != 1:
            terms.append((variables[position], strides[inner]))
    return index(terms)


def parametric(program: Callable[..., Any], parameters: Sequence[Array], shape: Shape, ctype: CType) -> Piece:
    """The C body of program(machine, x, *weights): arrays are named x and p0, p1, ..."""
    arrays = [("x", shape), *((f"p{i}", np.shape(p)) for i, p in enumerate(parameters))]
    return elementwise(lambda m, terms: program(m, terms[0], *map(m.parameter, terms[1:])), arrays, shape, ctype)
