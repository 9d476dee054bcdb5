"""Programs that pass one tensor through operations with weights (batch normalisation, rescaling), analysed at once.

Running error analysis with arrays needs about a hundred passes over memory for each form of a batch normalisation.  Here
the program runs once on a machine that notes what happens to the tensor, and a compiled kernel applies the same rules to one
element after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.machines.running import RunningMachine, Tracked, is_one, is_zero
from boundnet.numerics.outward import Array, Mask

ENOUGH = 1 << 13
"""Elements from which on loading the compiled kernel pays."""
_ADD, _MULTIPLY, _DIVIDE, _NEGATE, _COPY = range(5)  # as in boundnet.kernels.chains
NEVER, EACH, LAST = range(3)  # as there


class NotAChainError(Exception):
    """The program does something else with the tensor."""


@dataclass(frozen=True)
class Chain:
    """The tensor after ``steps``: (kind, operand), the operand None for a change of sign and for x + 0, x * 1, x / 1."""

    steps: tuple[tuple[int, Tracked | None], ...] = ()

    def then(self, kind: int, operand: Any = None) -> Chain:
        if isinstance(operand, Chain):
            raise NotAChainError
        if operand is not None and (is_zero(operand) if kind == _ADD else is_one(operand)):
            return Chain((*self.steps, (_COPY, None)))
        return Chain((*self.steps, (kind, operand)))


class ChainMachine(RunningMachine):
    """Weights are tracked as ever; operations on the tensor are noted."""

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, Chain):
            return a.then(_ADD, b)
        return b.then(_ADD, a) if isinstance(b, Chain) else super().add(a, b)

    def mul(self, a: Any, b: Any) -> Any:
        if isinstance(a, Chain):
            return a.then(_MULTIPLY, b)
        return b.then(_MULTIPLY, a) if isinstance(b, Chain) else super().mul(a, b)

    def div(self, a: Any, b: Any) -> Any:
        if isinstance(a, Chain):
            return a.then(_DIVIDE, b)
        _refuse(b)
        return super().div(a, b)

    def negative(self, a: Any) -> Any:
        return a.then(_NEGATE) if isinstance(a, Chain) else super().negative(a)

    def maximum(self, a: Any, b: Any) -> Any:
        _refuse(a, b)
        return super().maximum(a, b)

    def absolute(self, a: Any) -> Any:
        _refuse(a)
        return super().absolute(a)

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        _refuse(x, above, below)
        return super().where(x, threshold, above, below, apart)

    def function(self, name: str, a: Any) -> Any:
        _refuse(a)
        return super().function(name, a)


def _refuse(*operands: Any) -> None:
    if any(isinstance(operand, Chain) for operand in operands):
        raise NotAChainError


def chains_of(
    arithmetic: Arithmetic, programs: Sequence[Callable[..., Any]], shape: tuple[int, ...], parameters: Sequence[Array],
    normalises: bool = False,
) -> list[Chain] | None:  # fmt: skip
    """What each of ``programs`` does to a tensor of ``shape``; None where the kernel can't follow it.

    Weights must vary along the last axis at most, formats must float, and no operation may be perturbed.
    """
    if arithmetic.perturbation is not None or arithmetic.accumulate.is_fixed or arithmetic.storage.is_fixed:
        return None
    if not parameters or not all(np.size(p) == 1 or np.shape(p)[-1] == np.size(p) == shape[-1] for p in parameters):
        return None
    machine = ChainMachine.inside(arithmetic, normalises)
    try:
        found = [
            program(machine, Chain(), *(machine.parameter(p if np.ndim(p) == 0 else np.ravel(p)) for p in parameters))
            for program in programs
        ]
    except NotAChainError:
        return None
    return found if all(isinstance(chain, Chain) for chain in found) else None


def chain_bound(
    arithmetic: Arithmetic, chains: Sequence[Chain], centre: Array, radius: Array, normalises: bool = False
) -> tuple[Array, Mask]:
    """The largest error over ``chains`` for tensors within ``radius`` of ``centre``, and where one may overflow.

    ``normalises``: of an op that may keep intermediate results (:class:`boundnet.arithmetic.Arithmetic`).
    """
    from boundnet.kernels.chains import chain_error
    from boundnet.kernels.threads import spread

    columns = centre.shape[-1]
    rows = (np.ascontiguousarray(centre).reshape(-1, columns), np.ascontiguousarray(radius).reshape(-1, columns))
    error, overflow = np.zeros(rows[0].shape), np.zeros(rows[0].shape, dtype=np.bool_)
    rules = rules_of(arithmetic, normalises)
    for chain in chains:
        kinds: Any = np.array([kind for kind, _ in chain.steps], dtype=np.int64)
        low, high, off = (np.zeros((len(kinds), columns)) for _ in range(3))
        for k, (_, operand) in enumerate(chain.steps):
            if operand is not None:
                low[k], high[k] = operand.exact.lo, operand.exact.hi
                off[k] = np.where(operand.overflow | np.isnan(operand.error), np.inf, operand.error)

        steps: tuple[Any, ...] = (kinds, low, high, off)

        def work(start: int, stop: int, steps: tuple[Any, ...] = steps) -> None:
            part, (kinds, low, high, off) = slice(start, stop), steps
            chain_error(rows[0][part], rows[1][part], kinds, low, high, off, rules, error[part], overflow[part])

        spread(work, len(error), max(1, (1 << 15) // columns))
    return error.reshape(centre.shape), overflow.reshape(centre.shape)


def rules_of(arithmetic: Arithmetic, normalises: bool) -> Array:
    """What the kernel needs of an Arithmetic.

    For the accumulator and then for storage: factors of one rounding, its absolute part and the largest number; between
    them what flushing results and reading operands as zero may change, and when storing rounds once more: never, after
    every operation, or after the last.
    """
    stores = NEVER if not arithmetic.widens else EACH
    if normalises and arithmetic.inside is not arithmetic:
        stores = LAST
    load = arithmetic.flush() if arithmetic.flushes_operands else 0.0
    accumulate, storage = (
        (arithmetic.unit(fmt), arithmetic.relative(fmt) * (1.0 + 2.0**-50), arithmetic.absolute(fmt), fmt.largest)
        for fmt in (arithmetic.accumulate, arithmetic.storage)
    )
    return np.array([*accumulate, arithmetic.flush(), load, float(stores), *storage])
