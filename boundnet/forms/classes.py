"""Classes of equal expressions (an e-graph: Nelson & Oppen 1980; Willsey et al. 2021).

A class holds operations whose operands are classes.  All its members have one value in exact arithmetic, so a class with
two members, each over classes with two, stands for every combination without listing any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from boundnet.forms.expressions import Expression

_COMMUTES = ("add", "mul", "maximum", "minimum")


@dataclass(frozen=True)
class Node:
    """One operation on classes; fields as in :class:`~boundnet.forms.expressions.Expression`."""

    kind: str
    operands: tuple[int, ...] = ()
    data: Any = None


class Classes:
    """Operations by class, and which classes are literals.  Classes are numbers; :meth:`find` gives the current one.

    ``sealed``: a class that rules don't look into, as if it were an input.
    """

    def __init__(self) -> None:
        self.sealed: int | None = None
        self._parent: list[int] = []
        self._members: dict[int, set[Node]] = {}
        self._known: dict[Node, int] = {}
        self._values: dict[int, Fraction | None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, c: int) -> int:
        while self._parent[c] != c:
            c = self._parent[c]
        return c

    def members(self, c: int) -> list[Node]:
        """Operations of the class that rules may see."""
        sealed = self.sealed is not None and self.find(c) == self.find(self.sealed)
        return [] if sealed else self.everything(c)

    def everything(self, c: int) -> list[Node]:
        """Operations of the class, in an order that does not depend on the run."""
        found = {self._settled(node) for node in self._members[self.find(c)]}
        return sorted(found, key=lambda node: (node.kind, repr(node.data), node.operands))

    def classes(self) -> list[int]:
        return sorted(self._members)

    def enter(self, expression: Expression) -> int:
        """The class of ``expression``."""
        return self.node(expression.kind, *map(self.enter, expression.operands), data=expression.data)

    def node(self, kind: str, *operands: int, data: Any = None) -> int:
        """The class of an operation; products with 1 and quotients by 1 are left out."""
        if kind in ("mul", "div"):
            for one, other in ((1, 0), (0, 1)) if kind == "mul" else ((1, 0),):
                if self.is_one(operands[one]):
                    return self.find(operands[other])
        if kind == "negative":
            for member in self.members(operands[0]):
                if member.kind == "constant":
                    return self.node("constant", data=-member.data)
                if member.kind == "negative":
                    return self.find(member.operands[0])
        node = self._settled(Node(kind, operands, data))
        if node in self._known:
            return self.find(self._known[node])
        c = len(self._parent)
        self._parent.append(c)
        self._members[c], self._known[node] = {node}, c
        if self._literal(node):
            self._values[c] = self._value(node)
        return c

    def equate(self, a: int, b: int) -> bool:
        """Join two classes; False where they were one."""
        a, b = sorted((self.find(a), self.find(b)))
        if a == b:
            return False
        self._parent[b] = a
        self._members[a] |= self._members.pop(b)
        if b in self._values and self._values.get(a) is None:
            self._values[a] = self._values.pop(b)
        self._rebuild()
        return True

    def is_literal(self, c: int) -> bool:
        """Whether the class is made of literals only."""
        return self.find(c) in self._values

    def value(self, c: int) -> Fraction | None:
        """The exact value of a literal, None where it is not rational."""
        return self._values.get(self.find(c))

    def is_one(self, c: int) -> bool:
        return any(node.kind == "constant" and node.data == 1.0 for node in self._members[self.find(c)])

    def pairs(self, c: int, kind: str) -> Iterator[tuple[int, int]]:
        """Operands of the class's members of one kind, in both orders where they commute."""
        for node in self.members(c):
            if node.kind == kind:
                a, b = node.operands
                yield a, b
                if kind in _COMMUTES and a != b:
                    yield b, a

    def _settled(self, node: Node) -> Node:
        operands = tuple(map(self.find, node.operands))
        return Node(node.kind, tuple(sorted(operands)) if node.kind in _COMMUTES else operands, node.data)

    def _rebuild(self) -> None:
        """Join classes that have become the same operation on the same classes."""
        merged = True
        while merged:
            merged = False
            known: dict[Node, int] = {}
            for c in sorted(self._members):
                self._members[c] = {self._settled(node) for node in self._members[c]}
                for node in self._members[c]:
                    other = known.setdefault(node, c)
                    if self.find(other) != self.find(c):
                        merged = True
                        low, high = sorted((self.find(other), self.find(c)))
                        self._parent[high] = low
            self._known = known
            for c in [c for c in self._members if self.find(c) != c]:
                self._members[self.find(c)] |= self._members.pop(c)
                if c in self._values:
                    self._values.setdefault(self.find(c), self._values.pop(c))

    def _literal(self, node: Node) -> bool:
        return node.kind == "constant" or (bool(node.operands) and all(map(self.is_literal, node.operands)))

    def _value(self, node: Node) -> Fraction | None:
        if node.kind == "constant":
            return Fraction(node.data)
        values = [self.value(c) for c in node.operands]
        if None in values:
            return None
        first, *rest = [v for v in values if v is not None]
        if node.kind == "negative":
            return -first
        if node.kind == "add":
            return first + rest[0]
        if node.kind == "mul":
            return first * rest[0]
        return first / rest[0] if node.kind == "div" and rest[0] else None
