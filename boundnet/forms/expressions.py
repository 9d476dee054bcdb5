"""Programs written down: the expression that a program computes, over the operations of a machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Program = Callable[..., Any]


@dataclass(frozen=True)
class Expression:
    """One operation and its operands.

    Attributes:
        kind: ``input``, ``parameter``, ``constant``, ``add``, ``mul``, ``div``, ``maximum``, ``minimum``, ``absolute``,
            ``negative``, ``where``, ``function`` or ``power``.
        data: place of an input or parameter, value of a constant, (threshold, apart) of ``where``, name of a function,
            exponent of a power.
    """

    kind: str
    operands: tuple[Expression, ...] = ()
    data: Any = None


class TraceMachine:
    """Notes what a program does.  a - b is a + (-b), as on every machine that rounds."""

    def constant(self, value: float) -> Expression:
        return Expression("constant", (), float(value))

    def add(self, a: Expression, b: Expression) -> Expression:
        return Expression("add", (a, b))

    def sub(self, a: Expression, b: Expression) -> Expression:
        return self.add(a, self.negative(b))

    def mul(self, a: Expression, b: Expression) -> Expression:
        return Expression("mul", (a, b))

    def div(self, a: Expression, b: Expression) -> Expression:
        return Expression("div", (a, b))

    def maximum(self, a: Expression, b: Expression) -> Expression:
        return Expression("maximum", (a, b))

    def minimum(self, a: Expression, b: Expression) -> Expression:
        return Expression("minimum", (a, b))

    def absolute(self, a: Expression) -> Expression:
        return Expression("absolute", (a,))

    def negative(self, a: Expression) -> Expression:
        return Expression("negative", (a,))

    def where(self, x: Expression, threshold: float, above: Expression, below: Expression, apart: Any = None) -> Expression:
        return Expression("where", (x, above, below), (float(threshold), None if apart is None else float(apart)))

    def function(self, name: str, a: Expression) -> Expression:
        return Expression("function", (a,), name)


def traced(program: Program, inputs: int, parameters: int) -> Expression | None:
    """The expression of ``program(machine, *inputs, *parameters)``; None where it asks for more than a :class:`Machine`."""
    given = [Expression("input", (), i) for i in range(inputs)]
    weights = [Expression("parameter", (), i) for i in range(parameters)]
    try:
        found = program(TraceMachine(), *given, *weights)
    except (AttributeError, TypeError):  # reads a shape, or calls what only the machines for sums have
        return None
    return found if isinstance(found, Expression) else None


def apply(machine: Any, kind: str, data: Any, operands: Sequence[Any]) -> Any:
    """One operation on ``machine``."""
    if kind == "constant":
        return machine.constant(data)
    if kind == "where":
        return machine.where(operands[0], data[0], operands[1], operands[2], data[1])
    if kind == "function":
        return machine.function(data, operands[0])
    if kind == "power":
        return machine.power(operands[0], data)
    return getattr(machine, kind)(*operands)
