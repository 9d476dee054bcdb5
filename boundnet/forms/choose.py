"""Which forms of an op an Arithmetic allows."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet.arithmetic import Arithmetic
from boundnet.forms.expressions import Program
from boundnet.forms.hull import every_form


def allowed(
    arithmetic: Arithmetic, programs: Sequence[Program], inputs: int, parameters: int = 0, rewrite: bool = True
) -> Sequence[Program]:
    """Programs whose largest error bounds every form of ``programs(machine, *inputs, *parameters)``.

    Weights are no literals: ways to fold them other than those of ``programs`` are not covered.

    Args:
        rewrite: whether other forms than ``programs`` are in use at all.
    """
    if arithmetic.forms == "document":
        return programs[:1]
    found = every_form(programs, inputs) if rewrite and not parameters else None
    if found is None:
        return programs
    # A perturbed x * 1 is not x, and x * 1 may be flushed.
    return (found,) if found.faithful and arithmetic.perturbation is None else (*programs, found)


def with_rewritten(programs: Sequence[Program], inputs: int, parameters: int = 0) -> tuple[Program, ...]:
    """``programs``, and where rewriting adds forms, a program for emulators that takes any of them."""
    found = None if parameters else every_form(programs, inputs)
    return tuple(programs) if found is None else (*programs, found)
