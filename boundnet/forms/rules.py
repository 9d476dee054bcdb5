"""What rewrites expressions: one record a rule, each with the program that does it.

A rule is an identity of real arithmetic between one operation of a class and another expression.  "Literal" is a number of
the code, or what is computed from such alone: c and d below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from boundnet.forms.classes import Classes, Node

Rewrite = Callable[[Classes, Node], Iterator[int]]

GRAPPLER = "TensorFlow grappler"
XLA = "XLA AlgebraicSimplifier"


@dataclass(frozen=True)
class Rule:
    """``rewrite(classes, node)`` yields classes that equal ``node``; ``source``: who does this."""

    name: str
    source: str
    rewrite: Rewrite


def _one(g: Classes) -> int:
    return g.node("constant", data=1.0)


def _any_literal(g: Classes, *operands: int) -> bool:
    return any(map(g.is_literal, operands))


def _orders(g: Classes, node: Node) -> Iterator[tuple[int, int]]:
    a, b = node.operands
    yield a, b
    if node.kind in ("add", "mul") and a != b:
        yield b, a


def _reciprocal_of_literal(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "div" and g.is_literal(node.operands[1]) and not g.is_one(node.operands[0]):
        yield g.node("mul", node.operands[0], g.node("div", _one(g), node.operands[1]))


def _regrouped_product(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "mul":
        for outer, inner in _orders(g, node):
            for a, b in list(g.pairs(inner, "mul")):
                if _any_literal(g, outer, a, b):
                    yield g.node("mul", a, g.node("mul", b, outer))


def _quotient_of_quotient(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "div":
        top, bottom = node.operands
        for a, b in list(g.pairs(top, "div")):
            if _any_literal(g, a, b, bottom):
                yield g.node("div", a, g.node("mul", b, bottom))
        for a, b in list(g.pairs(bottom, "div")):
            if _any_literal(g, top, a, b):
                yield g.node("div", g.node("mul", top, b), a)
        for a, b in list(g.pairs(bottom, "mul")):
            if _any_literal(g, top, a, b):
                yield g.node("div", g.node("div", top, a), b)


def _factor_in_quotient(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "div":
        top, bottom = node.operands
        for a, b in list(g.pairs(top, "mul")):
            if _any_literal(g, a, b, bottom):
                yield g.node("mul", a, g.node("div", b, bottom))
    if node.kind == "mul":
        for outer, inner in _orders(g, node):
            for a, b in list(g.pairs(inner, "div")):
                if _any_literal(g, outer, a, b):
                    yield g.node("div", g.node("mul", outer, a), b)


def _merged_addends(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "add":
        for outer, inner in _orders(g, node):
            for a, b in list(g.pairs(inner, "add")):
                if g.is_literal(outer) and g.is_literal(b) and not g.is_literal(a):
                    yield g.node("add", a, g.node("add", b, outer))


def _distributed(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "mul":
        for outer, inner in _orders(g, node):
            if g.is_literal(outer) and not g.is_literal(inner):
                for a, b in list(g.pairs(inner, "add")):
                    if g.is_literal(b):
                        yield g.node("add", g.node("mul", outer, a), g.node("mul", outer, b))


def _common_factor(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "add":
        left, right = node.operands
        for kind in ("mul", "div"):
            for a, b in list(g.pairs(left, kind)):
                for c, d in list(g.pairs(right, kind)):
                    common, one, other = (a, b, d) if kind == "mul" else (b, a, c)
                    shared = c if kind == "mul" else d
                    if g.find(common) == g.find(shared) and not g.is_one(one) and not g.is_one(other):
                        total = g.node("add", one, other)
                        yield g.node("mul", common, total) if kind == "mul" else g.node("div", total, common)


def _sign_outside(g: Classes, node: Node) -> Iterator[int]:
    """Exact, so that it adds no error: it lets the other rules see through a change of sign."""
    if node.kind in ("mul", "div"):
        for i, c in enumerate(node.operands):
            for member in g.members(c):
                if member.kind == "negative":
                    operands = list(node.operands)
                    operands[i] = member.operands[0]
                    yield g.node("negative", g.node(node.kind, *operands))


def _scaled_branches(g: Classes, node: Node) -> Iterator[int]:
    if node.kind not in ("mul", "div"):
        return
    for factor, inner in _orders(g, node) if node.kind == "mul" else [node.operands[::-1]]:
        value = g.value(factor)
        if value is None or g.is_literal(inner):
            continue

        def scaled(c: int, factor: int = factor) -> int:
            return g.node("mul", factor, c) if node.kind == "mul" else g.node("div", c, factor)

        for member in g.members(inner):
            if member.kind == "where":
                x, above, below = member.operands
                threshold, apart = member.data
                size = abs(value) if node.kind == "mul" else 1 / abs(value)
                apart = None if apart is None else float(size) * apart * (1.0 + 2.0**-50)
                yield g.node("where", x, scaled(above), scaled(below), data=(threshold, apart))
            elif member.kind in ("maximum", "minimum") and value > 0:
                yield g.node(member.kind, *map(scaled, member.operands))


def _exp_minus_one(g: Classes, node: Node) -> Iterator[int]:
    minus = g.node("constant", data=-1.0)
    if node.kind == "function" and node.data == "expm1":
        yield g.node("add", g.node("function", node.operands[0], data="exp"), minus)
    if node.kind == "add":
        for a, b in _orders(g, node):
            if g.find(b) == g.find(minus):
                for member in g.members(a):
                    if member.kind == "function" and member.data == "exp":
                        yield g.node("function", member.operands[0], data="expm1")


def _log_of_sum(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "function" and node.data == "log1p":
        yield g.node("function", g.node("add", _one(g), node.operands[0]), data="log")
    if node.kind == "function" and node.data == "log":
        for a, b in list(g.pairs(node.operands[0], "add")):
            if g.is_one(a):
                yield g.node("function", b, data="log1p")


def _softplus(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "function" and node.data == "softplus":
        (a,) = node.operands
        tail = g.node("function", g.node("negative", g.node("absolute", a)), data="exp")
        yield g.node("add", g.node("maximum", a, g.node("constant", data=0.0)), g.node("function", tail, data="log1p"))
        # log1p(exp(x)), which no library asks for where exp(x) is large.
        end = g.node("constant", data=8.0)
        far = g.node("function", g.node("negative", g.node("maximum", a, end)), data="exp")
        near = g.node("function", g.node("minimum", a, end), data="exp")
        above = g.node("add", a, g.node("function", far, data="log1p"))
        yield g.node("where", a, above, g.node("function", near, data="log1p"), data=(8.0, 1.0))


def _sigmoid(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "function" and node.data == "sigmoid":
        half = g.node("constant", data=0.5)
        bent = g.node("function", g.node("mul", half, node.operands[0]), data="tanh")
        yield g.node("add", g.node("mul", half, bent), half)


def _root(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "function" and node.data == "rsqrt":
        yield g.node("div", _one(g), g.node("function", node.operands[0], data="sqrt"))
    if node.kind == "div":
        for member in g.members(node.operands[1]):
            if member.kind == "function" and member.data == "sqrt":
                yield g.node("mul", node.operands[0], g.node("function", member.operands[0], data="rsqrt"))


def _reciprocal_function(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "div" and g.is_one(node.operands[0]) and not g.is_literal(node.operands[1]):
        yield g.node("function", node.operands[1], data="reciprocal")


def _power(g: Classes, node: Node) -> Iterator[int]:
    if node.kind == "mul" and not g.is_literal(node.operands[0]):
        a, b = node.operands
        if a == b:
            yield g.node("power", a, data=2)
        for base, rest in _orders(g, node):
            if (base, base) in list(g.pairs(rest, "mul")):
                yield g.node("power", base, data=3)


RULES = (
    Rule("x / c -> x * (1 / c)", f"{GRAPPLER} ConstantFolding (MulOrDivByConst), {XLA}", _reciprocal_of_literal),
    Rule("(x * c) * d -> x * (c * d)", f"{GRAPPLER} ConstantPushDown, {XLA}", _regrouped_product),
    Rule("(x / c) / d -> x / (c d), x / (y / c) -> x c / y", f"{XLA}, {GRAPPLER} ConstantPushDown", _quotient_of_quotient),
    Rule("(x * c) / d <-> x * (c / d)", f"{GRAPPLER} ConstantPushDown", _factor_in_quotient),
    Rule("(x + c) + d -> x + (c + d)", f"{GRAPPLER} ConstantPushDown, {XLA}", _merged_addends),
    Rule("(x + c) * d -> x * d + c * d", XLA, _distributed),
    Rule("a c + b c -> (a + b) c", f"{GRAPPLER} HoistCommonFactorOutOfAggregation, {XLA}", _common_factor),
    Rule("(-x) * y -> -(x * y)", "exact", _sign_outside),
    Rule("c * where(p, x, y) -> where(p, c x, c y), max and min likewise", "kernels written by hand", _scaled_branches),
    Rule("expm1(x) <-> exp(x) - 1", "Eigen's selu, tf2onnx; ConvertExpm1 of grappler", _exp_minus_one),
    Rule("log1p(x) <-> log(1 + x)", "ONNX Runtime's softplus, tf2onnx; ConvertLog1p of grappler", _log_of_sum),
    Rule("softplus(x) -> max(x, 0) + log1p(exp(-|x|)), log1p(exp(x))", f"JAX, {XLA}", _softplus),
    Rule("sigmoid(x) -> tanh(x / 2) / 2 + 1 / 2", "XLA's LogisticExpander", _sigmoid),
    Rule("rsqrt(x) <-> 1 / sqrt(x)", XLA, _root),
    Rule("1 / x -> reciprocal(x)", "grappler with Eigen's fast reciprocal", _reciprocal_function),
    Rule("x * x -> pow(x, 2), x * x * x -> pow(x, 3)", "Keras writes powers", _power),
)
"""All rules."""
