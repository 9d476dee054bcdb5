"""Executions that try to refute bounds: how they are made, and what is said when one leaves its bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import BoundNetError
from boundnet.machines.emulated import EmulatedMachine
from boundnet.machines.perturbed import PerturbedMachine
from boundnet.ops.base import Op
from boundnet.reference.apply import certain_functions
from boundnet.reference.arb import ArbMachine

BITS = 320
SKIPS = (0.0, 0.0, 0.3)


class BoundViolation(BoundNetError, AssertionError):
    """A conforming execution left a bound: a defect of the analyzer.  The message says how to reproduce it."""


def emulate(
    arithmetic: Arithmetic, rng: np.random.Generator, machine: ArbMachine, adversary: Any = None, skip: float = 0.0
) -> EmulatedMachine:
    """An emulator, with certified functions where binary64's own are not accurate enough to stand for exact ones."""
    narrow = arithmetic.accumulate.precision <= 40 and min(arithmetic.functions.ulps.values()) > 0.5 - arithmetic.nearest
    plain = narrow and all(k > 0.5 for name, k in arithmetic.functions.ulps.items() if name != "sqrt")
    kind = EmulatedMachine if arithmetic.perturbation is None else PerturbedMachine
    return kind(arithmetic, rng, adversary, skip, None if plain else certain_functions(machine))


def forms_of(op: Op, arithmetic: Arithmetic) -> Sequence[Callable[..., Any]]:
    """Evaluation forms of ``op`` that conform to ``arithmetic``."""
    return op.forms() if arithmetic.forms == "any" else op.forms()[:1]


def describe(arithmetic: Arithmetic) -> str:
    """One line with all that a run depends on."""
    a = arithmetic
    perturbed = "" if a.perturbation is None else f", perturbation {a.perturbation}"
    return (
        f"{a.storage.name} / {a.accumulate.name}, order {a.order}, fma {a.fma}, rounding {a.rounding}, "
        f"subnormals {a.subnormals}, bias {a.bias}, normalisation {a.normalisation}, forms {a.forms}, "
        f"functions {a.functions.name}{perturbed}"
    )
