"""Operations with numbers of the code that compilers merge across nodes: (x + c) + d becomes x + (c + d).

A run that merges ops i..n computes y^ = f(x^) + e, f their composition, |e| <= E, and no tensor between.  Take the tensors
between for exactly f_j(x^): within their noise, which holds 0.  Then op n has the rounding error e, so that E beside its
other noise makes the analysis cover the run.  Where the ops are affine, more is true: the noise of the tensors between may
take any value up to its bound r_j, and so takes a part of e up to |slope| r_j.  A tensor between that something else reads
is not free; g(v^) differs from f(x^) by at most what one form of f is off by, so that 2 E serves
(docs/explanation/theory.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from boundnet.forms.expressions import Expression, Program, traced
from boundnet.forms.hull import Forms, crosses, rewritten
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array, up
from boundnet.ops.affine import ElementwiseAffine, ScaleShift, Standardize
from boundnet.ops.base import Local, Op, Tensor
from boundnet.ops.divide import DivideBy
from boundnet.ops.elementwise import Activation
from boundnet.roundoff.rounder import Rounder

LONGEST = 4
"""Ops in a row that are merged at most."""
MOST = 8
"""Combinations of the forms that the ops list."""


def with_merged(
    graph: LayerGraph, rounder: Rounder, name: str, local: Local, tensors: Mapping[str, Tensor],
    locals_: Mapping[str, Local], worst_case: bool = True,
) -> Local:  # fmt: skip
    """``local`` of node ``name``, its rounding large enough for runs that merge it with the nodes before it.

    Args:
        tensors, locals_: what is known of the nodes before.
        worst_case: False where roundings are taken as mean-independent: noise of tensors between takes no part of e then.
    """
    rules = rounder.arithmetic
    if rules is None or rules.forms == "document" or rules.perturbation is not None:
        return local
    for nodes in _rows(graph, name):
        forms = _forms(tuple(_literal(graph.op(node)) for node in nodes))
        if forms is not None:
            local = _covering(graph, rounder, nodes, forms, local, tensors, locals_, worst_case)
    return local


def _rows(graph: LayerGraph, name: str) -> list[list[str]]:
    """Rows of two and more nodes that end with ``name``, each one reading the one before alone."""
    row, found = [name], list[list[str]]()
    if not _literal(graph.op(name)):
        return found
    while len(row) < LONGEST:
        (source,) = graph.inputs_of(row[0])
        if not _literal(graph.op(source)):
            break
        row = [source, *row]
        found.append(row)
    return found


def _literal(op: Op) -> tuple[Expression, ...]:
    """The op's forms as expressions of its input and of numbers; none where it has weights."""
    if isinstance(op, Activation):
        programs: Sequence[Program] = op.programs()
    elif isinstance(op, (ScaleShift, DivideBy, Standardize)) and all(p.size == 1 for p in op.parameters()):
        numbers = [float(p.reshape(())) for p in op.parameters()]
        programs = [_with_numbers(program, numbers) for program in op.programs()]
    else:
        return ()
    found = [traced(program, 1, 0) for program in programs]
    return tuple(e for e in found if e is not None)


def _with_numbers(program: Callable[..., Any], numbers: Sequence[float]) -> Program:
    return lambda m, x: program(m, x, *map(m.constant, numbers))


@lru_cache(maxsize=512)
def _forms(row: tuple[tuple[Expression, ...], ...]) -> Forms | None:
    """Forms of the composition; None where no rule works across its ops."""
    composed = []
    merging = False
    for choice in list(product(*row))[:MOST]:
        inner = choice[0]
        for outer in choice[1:]:
            whole = _into(outer, inner)
            if not merging and outer is choice[-1]:
                merging = crosses(whole, inner)
            inner = whole
        composed.append(inner)
    return rewritten(tuple(composed), 1) if merging else None


def _into(outer: Expression, inner: Expression) -> Expression:
    """``outer`` of ``inner``."""
    if outer.kind == "input":
        return inner
    return Expression(outer.kind, tuple(_into(e, inner) for e in outer.operands), outer.data)


def _covering(
    graph: LayerGraph, rounder: Rounder, nodes: Sequence[str], forms: Forms, local: Local, tensors: Mapping[str, Tensor],
    locals_: Mapping[str, Local], worst_case: bool,
) -> Local:  # fmt: skip
    first, last = nodes[0], nodes[-1]
    error, overflow = rounder.executed(forms, tensors[graph.inputs_of(first)[0]])
    zero = local.zero & (error == 0.0)
    if any(graph.consumers(node) > 1 for node in nodes[:-1]):
        error = 2.0 * error
    elif worst_case and all(isinstance(graph.op(node), ElementwiseAffine) for node in nodes[1:]):
        error = np.maximum(error - _taken(graph, nodes, tensors, locals_), 0.0)
    if not worst_case:
        rounding = up(local.rounding + error, 1)
    else:
        rounding = np.maximum(local.rounding, up(error + _own(graph, last, tensors), 1))
    return replace(local, rounding=rounding, zero=zero, overflow=local.overflow | overflow)


def _taken(graph: LayerGraph, nodes: Sequence[str], tensors: Mapping[str, Tensor], locals_: Mapping[str, Local]) -> Array:
    """What the noise of the tensors between takes of e, rounded down; their centre's own error is not free to choose."""
    slope, taken = 1.0, np.zeros(())
    for k in range(len(nodes) - 1, 0, -1):
        op = graph.op(nodes[k])
        assert isinstance(op, ElementwiseAffine)
        slope *= abs(float(op.slope().reshape(()))) * (1.0 - 2.0**-40)
        free = locals_[nodes[k - 1]].rounding * (1.0 - 2.0**-40) - _own(graph, nodes[k - 1], tensors)
        taken = taken + slope * np.where(free > 0.0, free, 0.0)
    return np.where(np.isfinite(taken), taken * (1.0 - 2.0**-40), 0.0)


def _own(graph: LayerGraph, node: str, tensors: Mapping[str, Tensor]) -> Array:
    """Error of the centre's own evaluation of ``node``."""
    return graph.op(node).local(Rounder(None), *(tensors[source] for source in graph.inputs_of(node))).rounding
