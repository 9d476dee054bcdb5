"""The machine that writes formulas down: SymPy expressions of what an op means."""

from __future__ import annotations

from typing import Any

import sympy

from boundnet.numerics.outward import Array


class SymbolicMachine:
    """Exact real semantics as SymPy expressions; literals become rationals."""

    def constant(self, value: float) -> Any:
        return sympy.Rational(value)

    def parameter(self, value: Array) -> Any:
        return sympy.Rational(float(value))

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        return a - b

    def mul(self, a: Any, b: Any) -> Any:
        return a * b

    def div(self, a: Any, b: Any) -> Any:
        return a / b

    def maximum(self, a: Any, b: Any) -> Any:
        return sympy.Piecewise((a, sympy.Ge(a, b)), (b, True))

    def minimum(self, a: Any, b: Any) -> Any:
        return sympy.Piecewise((a, sympy.Le(a, b)), (b, True))

    def absolute(self, a: Any) -> Any:
        return sympy.Abs(a)

    def negative(self, a: Any) -> Any:
        return -a

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        return sympy.Piecewise((above, sympy.Ge(x, sympy.Rational(threshold))), (below, True))

    def function(self, name: str, a: Any) -> Any:
        return _SYMBOLIC[name](a)


_SYMBOLIC = {
    "exp": sympy.exp,
    "expm1": lambda x: sympy.exp(x) - 1,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "tanh": sympy.tanh,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "erf": sympy.erf,
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "sqrt": sympy.sqrt,
    "rsqrt": lambda x: 1 / sympy.sqrt(x),
}
