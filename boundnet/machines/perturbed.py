"""The emulator under Monte Carlo Arithmetic: every operation's noise drawn, or chosen as bad as the model allows."""

from __future__ import annotations

import numpy as np

from boundnet.machines.emulated import EmulatedMachine
from boundnet.numerics.outward import Array


class PerturbedMachine(EmulatedMachine):
    """As :class:`EmulatedMachine` for an Arithmetic with a perturbation (:mod:`boundnet.arithmetic.perturbation`)."""

    def mul(self, a: Array, b: Array) -> Array:
        return self.store(self.accumulate_product(a, b))

    def div(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return self.store(self._result(self._operand(a) / self._operand(b)))

    def accumulate_sum(self, a: Array, b: Array) -> Array:
        return self._result(self._operand(a) + self._operand(b))

    def accumulate_product(self, a: Array, b: Array) -> Array:
        return self._result(self._operand(a) * self._operand(b))

    def accumulate_fused(self, a: Array, b: Array, c: Array) -> Array:
        return self._result(self._operand(a) * self._operand(b) + self._operand(c))

    def _operand(self, x: Array) -> Array:
        assert self.arithmetic.perturbation is not None
        x = self._load(x)
        return x if self.arithmetic.perturbation.mode == "rr" else self._inexact(x)

    def _result(self, value: Array) -> Array:
        assert self.arithmetic.perturbation is not None
        mode, t = self.arithmetic.perturbation.mode, self.arithmetic.perturbation.precision
        if mode == "rr":
            # A result that t bits hold stays as it is.
            scaled = np.ldexp(np.frexp(value)[0], t)
            value = np.where(np.rint(scaled) == scaled, value, self._inexact(value))
        elif mode == "mca":
            value = self._inexact(value)
        return self._round(value, self.arithmetic.accumulate)

    def _inexact(self, x: Array) -> Array:
        """x + xi 2**(e - t + 1), |xi| <= 1/2, or x itself where the machine skips."""
        assert self.arithmetic.perturbation is not None
        _, exponent = np.frexp(x)
        xi = self.rng.uniform(-0.5, 0.5, np.shape(x)) if self.adversary is None else 0.5 * self._leaning(x)
        noise = np.where(x == 0.0, 0.0, np.ldexp(xi, exponent - self.arithmetic.perturbation.precision))
        return np.where(self._chance(self.skip, x), x, x + noise)
