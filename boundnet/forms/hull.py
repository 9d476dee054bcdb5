"""All forms of an op as one program: at every class of equal expressions the machine takes any member.

A machine that bounds errors takes the largest over the members (:meth:`boundnet.machines.running.RunningMachine.either`),
an emulator one of them at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from boundnet.forms.classes import Classes, Node
from boundnet.forms.expressions import Expression, Program, apply, traced
from boundnet.forms.rules import RULES, Rule

MOST = 4000
"""Operations beyond which rewriting stops: no function of :mod:`boundnet.functions` comes near."""


@dataclass(frozen=True)
class Forms:
    """Expressions equal to some others, as lists of operations: members[k] only use classes before k.

    Attributes:
        members: for each class its operations, the last class being the result.
        complete: whether the rules were applied until nothing new came.
        faithful: whether the expressions themselves are among the forms; products with 1 are left out, and what contains
            itself.
        inputs: number of inputs; parameters follow.
    """

    members: tuple[tuple[Node, ...], ...]
    complete: bool
    faithful: bool
    inputs: int

    def __call__(self, machine: Any, *given: Any) -> Any:
        """The program on ``machine``, with inputs and parameters."""
        values: dict[int, Any] = {}

        def value(k: int) -> Any:
            if k not in values:
                choices = [partial(perform, node) for node in self.members[k]]
                values[k] = choices[0]() if len(choices) == 1 else machine.either(choices)
            return values[k]

        def perform(node: Node) -> Any:
            if node.kind in ("input", "parameter"):
                return given[node.data + (self.inputs if node.kind == "parameter" else 0)]
            return apply(machine, node.kind, node.data, [value(k) for k in node.operands])

        return value(len(self.members) - 1)


def every_form(programs: Sequence[Program], inputs: int, parameters: int = 0) -> Forms | None:
    """All rewritings of ``programs``, which are equal in exact arithmetic; None where they are all there are."""
    expressions = tuple(traced(program, inputs, parameters) for program in programs)
    known = tuple(e for e in expressions if e is not None)
    if len(known) < len(expressions):
        return None
    return rewritten(known, inputs)


@lru_cache(maxsize=1024)
def rewritten(expressions: tuple[Expression, ...], inputs: int, rules: tuple[Rule, ...] = RULES) -> Forms | None:
    """Forms of equal ``expressions`` by ``rules``; None where no rule applies."""
    classes = Classes()
    root = classes.enter(expressions[0])
    for other in expressions[1:]:
        classes.equate(root, classes.enter(other))
    complete, changed = saturate(classes, rules)
    if not changed:
        return None
    order, acyclic = _ordered(classes, root)
    place = {c: k for k, c in enumerate(order)}
    members = tuple(
        tuple(
            Node(node.kind, tuple(place[classes.find(c)] for c in node.operands), node.data)
            for node in classes.members(c)
            if all(place.get(classes.find(k), len(order)) < place[c] for k in node.operands)
        )
        for c in order
    )
    complete = complete and acyclic
    return Forms(members, complete, complete and not any(map(_scales_by_one, expressions)), inputs)


def crosses(whole: Expression, inner: Expression) -> bool:
    """Whether rules that look into ``inner``, a part of ``whole``, find more than those that take it as it is."""
    classes = Classes()
    classes.enter(whole)
    classes.sealed = classes.enter(inner)
    saturate(classes, RULES)
    classes.sealed = None
    return saturate(classes, RULES)[1]


def saturate(classes: Classes, rules: Sequence[Rule]) -> tuple[bool, bool]:
    """Apply ``rules`` until nothing changes: (whether that was reached, whether anything changed)."""
    changed, going = False, True
    while going:
        going = False
        for c in classes.classes():
            if classes.find(c) != c:
                continue
            for node in classes.everything(c):
                for rule in rules:
                    for other in list(rule.rewrite(classes, node)):
                        if classes.equate(c, other):
                            changed = going = True
                        if len(classes) > MOST:
                            return False, True
    return True, changed


def _ordered(classes: Classes, root: int) -> tuple[list[int], bool]:
    """Classes that ``root`` needs, operands first, and whether none needs itself."""
    order: list[int] = []
    open_, done, acyclic = set[int](), set[int](), True

    def visit(c: int) -> None:
        nonlocal acyclic
        open_.add(c)
        for node in classes.members(c):
            for operand in map(classes.find, node.operands):
                if operand in open_:
                    acyclic = False
                elif operand not in done:
                    visit(operand)
        open_.discard(c)
        done.add(c)
        order.append(c)

    visit(classes.find(root))
    return order, acyclic


def _scales_by_one(e: Expression) -> bool:
    units = e.operands if e.kind == "mul" else e.operands[1:] if e.kind == "div" else ()
    return any(c.kind == "constant" and c.data == 1.0 for c in units) or any(map(_scales_by_one, e.operands))
