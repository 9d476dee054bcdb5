"""What a program may ask of the machine that runs it.

An op writes its formula once, in the order in which real code evaluates it, against this protocol.  Each analysis
supplies a machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from boundnet.numerics.outward import Array


class Machine(Protocol):
    """Arithmetic on arrays of values of the machine's own kind."""

    def constant(self, value: float) -> Any:
        """A literal of the code, rounded to the machine's storage format where it has one."""

    def parameter(self, value: Array) -> Any:
        """A stored weight."""

    def add(self, a: Any, b: Any) -> Any:
        """a + b."""

    def sub(self, a: Any, b: Any) -> Any:
        """a - b."""

    def mul(self, a: Any, b: Any) -> Any:
        """a * b."""

    def div(self, a: Any, b: Any) -> Any:
        """a / b."""

    def maximum(self, a: Any, b: Any) -> Any:
        """max(a, b), exact."""

    def minimum(self, a: Any, b: Any) -> Any:
        """min(a, b), exact."""

    def absolute(self, a: Any) -> Any:
        """|a|, exact."""

    def negative(self, a: Any) -> Any:
        """-a, exact."""

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        """``above`` where x >= threshold, else ``below``.

        ``apart``: a number with |above - below| <= apart * |x - threshold| close to the threshold (within its rounding),
            where the
        branches meet; by default they may jump.
        """

    def function(self, name: str, a: Any) -> Any:
        """An elementary function (:data:`boundnet.numerics.accuracy.FUNCTIONS`)."""


class SumMachine(Machine, Protocol):
    """A machine that also executes sums of products as one op: the reference and the emulator."""

    def normalised(self, form: Callable[..., Any], x: Any) -> Any:
        """form(machine, x), a normalisation: what is computed on the way may stay unstored."""

    def inner_product(self, linear: Any, x: Any, bias: Array | None) -> Any:
        """linear(x) + bias, rounded to storage once."""

    def sum_of_products(self, pairs: Any) -> Any:
        """Sum of a * b over the pairs (a, b), of a alone where b is None, rounded to storage once."""

    def mean(self, linear: Any, x: Any, cells: Array) -> Any:
        """A sum over windows divided by ``cells``, rounded to storage once."""
