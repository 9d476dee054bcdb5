"""The public oracle: does a bound hold for executions that really round?

:func:`check_bound` tests one op, :func:`check_graph` a network, :func:`check_boxes` boxes of its inputs.  All compare
emulated executions (:mod:`boundnet.machines.emulated`) and certified exact values (:mod:`boundnet.reference.arb`) with what
the rules claim; no tolerance anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.domains import IntervalDomain
from boundnet.domains.base import noise_of
from boundnet.machines.emulated import ADVERSARIES
from boundnet.numerics.outward import Array, Mask, raise_tiny
from boundnet.ops.base import Local, Op, Tensor
from boundnet.oracles.boxes import check_boxes
from boundnet.oracles.networks import check_graph
from boundnet.oracles.runs import BITS, SKIPS, BoundViolation, describe, emulate, forms_of
from boundnet.reference.apply import apply_map, broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.reference.objects import Objects
from boundnet.roundoff.rounder import Rounder


def check_bound(
    op: Op, inputs: Sequence[Array], arithmetic: Arithmetic, *, radius: Sequence[Array] | None = None,
    zero: Sequence[Mask] | None = None, trials: int = 12, seed: int = 0, exact: bool = True,
) -> Local:  # fmt: skip
    """Try to refute the local rule of ``op`` about ``inputs``.

    Args:
        inputs: centres, one (N, *shape) array each; rounded to the storage format where ``radius`` is None.
        radius: how far executions' inputs may be from the centres; 0 by default.
        zero: which inputs are exactly zero in every execution; by default those with centre and radius 0.
        trials: emulated executions, each with its own inputs, order, directions and form.
        exact: whether the exact value, too, is compared with the rule for the exact network.

    Returns:
        The rule's local form in ``arithmetic``.

    Raises:
        BoundViolation: an execution left the bound.
    """
    rng = np.random.default_rng(seed)
    machine = ArbMachine(BITS)
    centres = [np.asarray(x, dtype=np.float64) for x in inputs]
    if radius is None:
        centres = [arithmetic.storage.round(x) for x in centres]
    radii = [np.zeros(x.shape) for x in centres] if radius is None else [np.asarray(r, dtype=np.float64) for r in radius]
    masks = [(c == 0.0) & (r == 0.0) for c, r in zip(centres, radii, strict=True)] if zero is None else zero
    tensors = [Tensor(c, r, z) for c, r, z in zip(centres, radii, masks, strict=True)]
    with np.errstate(all="ignore"):
        claim = _Claim(op, tensors, arithmetic, machine)
        forms = forms_of(op, arithmetic)
        for trial in range(trials):
            adversary = ADVERSARIES[trial % len(ADVERSARIES)]
            skip = float(rng.choice(SKIPS))
            xs = [_stored_inside(t, arithmetic, rng) for t in tensors]
            emulator = emulate(arithmetic, rng, machine, adversary, skip)
            form = forms[trial % len(forms)]
            note = f"seed {seed}, trial {trial}, adversary {adversary}, skip {skip}, form {trial % len(forms)}"
            claim.check(form(emulator, *xs), xs, note)
        if exact:
            own = _Claim(op, tensors, None, machine)
            for trial in range(min(trials, 4)):
                xs = [_inside(t, rng) for t in tensors]
                own.check(None, xs, f"seed {seed}, exact value, trial {trial}")
    return claim.local


class _Claim:
    """What a rule says about one op at one point, and whether a run agrees."""

    def __init__(self, op: Op, tensors: Sequence[Tensor], arithmetic: Arithmetic | None, machine: ArbMachine) -> None:
        self.op, self.tensors, self.arithmetic, self.machine = op, tensors, arithmetic, machine
        self.local = op.local(Rounder(arithmetic), *tensors)
        self.centre = op.centre(*(t.centre for t in tensors))
        domain = IntervalDomain()
        names = tuple(map(str, range(len(tensors))))
        for name, tensor in zip(names, tensors, strict=True):
            domain.enter(name, tensor.radius)
        self.radius = domain.push("y", names, self.local, self.centre)

    def check(self, computed: Array | None, xs: Sequence[Array], note: str) -> None:
        """Compare a run with the claim; ``computed`` None stands for the exact value."""
        m, local = self.machine, self.local
        certain = [m.parameter(x) for x in xs]
        exact = self.op.evaluate(m, *certain)
        result: Any = exact if computed is None else m.parameter(computed)
        rounding = raise_tiny(np.where(local.overflow, np.inf, local.rounding))
        if computed is not None:
            self._refute(
                exceeds(result - exact, rounding) | broken(computed, rounding),
                "its rounding bound",
                result,
                exact,
                rounding,
                xs,
                note,
            )
        predicted = m.parameter(self.centre)
        if local.shift is not None:
            predicted = predicted + m.parameter(np.broadcast_to(local.shift, self.centre.shape))
        for linear, x, t in zip(local.maps, certain, self.tensors, strict=True):
            predicted = predicted + apply_map(m, linear, x - m.parameter(t.centre))
        noise = raise_tiny(np.broadcast_to(noise_of(local), self.centre.shape))
        lost = np.False_ if computed is None else broken(computed, noise)
        self._refute(exceeds(result - predicted, noise) | lost, "its strip", result, predicted, noise, xs, note)
        away = exceeds(result - m.parameter(self.centre), self.radius)
        away = away if computed is None else away | broken(computed, self.radius)
        self._refute(away, "its radius", result, m.parameter(self.centre), self.radius, xs, note)
        blank = np.where(local.zero, 0.0, np.inf)
        off = exceeds(result, blank) if computed is None else exceeds(result, blank) | broken(computed, blank)
        self._refute(off, "its zero mask", result, exact, blank, xs, note)

    def _refute(
        self, violated: Mask, what: str, result: Objects, expected: Objects, bound: Array, xs: Sequence[Array], note: str
    ) -> None:
        if not np.any(violated):
            return
        at = tuple(int(i) for i in np.argwhere(violated)[0])
        distance = result[at] - expected[at]
        rules = "the exact network" if self.arithmetic is None else describe(self.arithmetic)
        shown = "\n".join(
            f"  x{i} = {_show(x)}, radius {_show(t.radius)}" for i, (x, t) in enumerate(zip(xs, self.tensors, strict=True))
        )
        raise BoundViolation(
            f"{self.op.describe()} left {what} in {int(np.count_nonzero(violated))} elements, first {at}:\n"
            f"  value {result[at].str(25)}, expected {expected[at].str(25)}, distance {distance.str(12)}, "
            f"bound {float(bound[at])!r}\n  {rules}\n  {note}\n{shown}"
        )


def _show(x: Array) -> str:
    return np.array2string(np.asarray(x), precision=17, threshold=24, separator=", ").replace("\n", " ")


def _inside(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Random values within the radius of the centre, often at its ends."""
    share = rng.choice([-1.0, 1.0, 0.0, 2.0], size=tensor.centre.shape)
    share = np.where(share == 2.0, rng.uniform(-1.0, 1.0, size=share.shape), share)
    if rng.random() < 0.3:
        share = np.full(share.shape, rng.choice([-1.0, 1.0]))
    x = tensor.centre + share * np.where(np.isfinite(tensor.radius), tensor.radius, 0.0)
    low, high = np.nextafter(tensor.centre - tensor.radius, np.inf), np.nextafter(tensor.centre + tensor.radius, -np.inf)
    x = np.where(
        tensor.radius == 0.0, tensor.centre, np.clip(x, np.minimum(low, tensor.centre), np.maximum(high, tensor.centre))
    )
    return np.where(tensor.zero, 0.0, x)


def _stored_inside(tensor: Tensor, arithmetic: Arithmetic, rng: np.random.Generator) -> Array:
    """The same, as values of the storage format where one lies in range."""
    x = _inside(tensor, rng)
    inwards = np.where(x > tensor.centre, arithmetic.storage.round(x, "down"), arithmetic.storage.round(x, "up"))
    good = (inwards - tensor.centre) * (x - tensor.centre) >= 0.0
    # Where no stored value lies in range, x stays as it is.
    good &= np.abs(inwards - tensor.centre) <= tensor.radius
    return np.where((tensor.radius > 0.0) & good & np.isfinite(inwards), inwards, x)


__all__ = ["BoundViolation", "check_bound", "check_boxes", "check_graph", "emulate"]
