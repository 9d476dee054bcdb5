"""Reference machines: op programs on NumPy object arrays of exact or certified numbers.

The operators of the number type do the arithmetic; sums run over the leaves of a linear map in document order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps import LinearMap
from boundnet.numerics.outward import Array

Objects = npt.NDArray[np.object_]


def mapped(function: Callable[..., Any], *arrays: Any) -> Objects:
    """``function`` of every element, as an object array."""
    result = np.frompyfunc(function, len(arrays), 1)(*arrays)
    if isinstance(result, np.ndarray):
        return result
    return boxed(result)


def boxed(number: Any) -> Objects:
    """One number as an array without axes (some number types are sequences to NumPy)."""
    single = np.empty((), dtype=object)
    single[()] = number
    return single


class ObjectMachine:
    """Base of the reference machines.  A subclass says how to convert a float64, pick, compare and call functions."""

    def number(self, value: float) -> Any:
        """The float64 ``value``, exactly."""
        raise NotImplementedError

    def larger(self, a: Any, b: Any) -> Any:
        """max(a, b) of two numbers."""
        raise NotImplementedError

    def pick(self, x: Any, threshold: Any, above: Any, below: Any) -> Any:
        """``above`` if x >= threshold, ``below`` if not, something that holds both if unknown."""
        raise NotImplementedError

    def call(self, name: str, x: Any) -> Any:
        """Elementary function ``name`` of one number."""
        raise NotImplementedError

    def normalised(self, form: Callable[..., Any], x: Objects) -> Any:
        return form(self, x)

    def parameter(self, value: Array) -> Objects:
        return mapped(lambda v: self.number(float(v)), np.asarray(value, dtype=np.float64))

    def constant(self, value: float) -> Any:
        return boxed(self.number(float(value)))

    def add(self, a: Any, b: Any) -> Any:
        return mapped(operator.add, a, b)

    def sub(self, a: Any, b: Any) -> Any:
        return mapped(operator.sub, a, b)

    def mul(self, a: Any, b: Any) -> Any:
        return mapped(operator.mul, a, b)

    def div(self, a: Any, b: Any) -> Any:
        return mapped(operator.truediv, a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        return mapped(self.larger, a, b)

    def minimum(self, a: Any, b: Any) -> Any:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def absolute(self, a: Any) -> Any:
        return mapped(lambda v: self.larger(v, -v), a)

    def negative(self, a: Any) -> Any:
        return mapped(operator.neg, a)

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        return mapped(lambda v, a, b: self.pick(v, self.number(threshold), a, b), x, above, below)

    def function(self, name: str, a: Any) -> Any:
        return mapped(lambda v: self.call(name, v), a)

    def inner_product(self, linear: LinearMap, x: Objects, bias: Array | None) -> Objects:
        """L x + bias."""
        total = self.matrix_product(linear, x)
        if total is None:
            total = self._zeros((len(x), *linear.output_shape))
            for a, w in linear.leaves(x):
                live = np.broadcast_to(w != 0.0, total.shape)
                if live.all():
                    total = total + a * self.parameter(w)
                elif live.any():
                    term = np.broadcast_to(a, total.shape)[live] * self.parameter(np.broadcast_to(w, total.shape)[live])
                    total[live] = total[live] + term
        return total if bias is None else total + self.parameter(bias)

    def matrix_product(self, linear: LinearMap, x: Objects) -> Objects | None:
        """L x by a library's matrix product, None where there is none."""
        return None

    def sum_of_products(self, pairs: Sequence[tuple[Objects, Objects | None]]) -> Objects:
        """Sum of a * b over ``pairs``, of a alone where b is None."""
        terms = [a if b is None else a * b for a, b in pairs]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def mean(self, linear: LinearMap, x: Objects, cells: Array) -> Objects:
        """The sum over windows divided by ``cells``."""
        total = self._zeros((len(x), *linear.output_shape))
        for a, _ in linear.leaves(x):
            total = total + a
        quotient: Objects = total / self.parameter(cells)
        return quotient

    def _zeros(self, shape: tuple[int, ...]) -> Objects:
        return self.parameter(np.zeros(shape))
