"""Probes: K random combinations of all noise symbols, carried through the network like deviations.

Cauchy coins for worst-case symbols, whose 1-norm is the scale of a probe; normal ones for mean-independent symbols, whose
2-norm is its standard deviation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.domains.sketch import cauchy, gaussian
from boundnet.domains.sketch.cauchy import peaks
from boundnet.domains.sketch.plan import Plan
from boundnet.maps import Diagonal, LinearMap, WeightedSelect
from boundnet.numerics.outward import Array, gamma, up
from boundnet.numerics.philox import key_of


class Probes:
    """Probes number ``first`` to ``first + count - 1`` along a plan, which may still be growing.

    Chains of elementwise slopes are multiplied up first and applied once, where their symbols get names.  ``random``:
    combine the mean-independent symbols and not the worst-case ones.
    """

    def __init__(
        self, plan: Plan, count: int, first: int, seed: int, measure: bool = False, random: bool = False
    ) -> None:  # fmt: skip
        self._plan, self._count, self._first = plan, count, first
        self._key = key_of(seed)
        self._values: dict[str, Array] = {}
        self._scales: dict[str, Array] = {}
        self._lengths: dict[str, int] = {}
        self._left = dict(plan.consumers)
        self._symbols = plan.random_named if random else plan.named
        self._coins: Any = gaussian if random else cauchy
        self._measure = measure
        self._tossed: set[str] = set()
        self._kappas = {kind: np.zeros(count) for kind in ("coins", "links", "slopes", "named slopes")}

    @property
    def kappa(self) -> Array:
        """Each probe's own rounding so far relative to the noise, (K,): up to one error of each kind meets the same noise.

        What a node's probes are off by comes from earlier nodes and itself alone, so that this holds for a node as soon as
        :meth:`advance` has computed it.
        """
        total: Array = sum(self._kappas.values(), np.zeros(self._count)) * (1.0 + 2.0**-50)
        return total

    @property
    def coin_error(self) -> Array:
        """Bound of every coin's own error, for each probe: (K,)."""
        return self._kappas["coins"]

    @property
    def carried_error(self) -> Array:
        """Bound of the other errors relative to the worst-case noise, for each probe: (K,)."""
        others = [part for kind, part in self._kappas.items() if kind != "coins"]
        total: Array = sum(others, np.zeros(self._count)) * (1.0 + 2.0**-50)
        return total

    def advance(self, name: str) -> None:
        """Compute the probes of ``name`` from those of its sources."""
        plan = self._plan
        links = plan.links[name]
        if name in plan.chained:
            ((source, linear),) = links
            if isinstance(linear, Diagonal):
                self._values[name] = self._held(source)
                scale = self._scales.get(source)
                slope = np.broadcast_to(linear.slope, self._values[name].shape[1:])
                self._lengths[name] = 1 if scale is None else self._lengths[source] + 1
                self._scales[name] = np.array(slope) if scale is None else scale * slope
                return
        total: Array | None = None
        blurred = np.zeros(self._count)
        for place, (source, linear) in enumerate(links):
            value = self._named(source)
            moved = linear.apply(value)
            if self._measure and (share := self._blur(name)[place]) > 0.0:
                blurred = blurred + share * peaks(value.reshape(self._count, -1), self._reciprocal(source))
            if total is None:
                # Coins are added in place: neither to what others read as well nor to the copy of a strided view.
                total = np.ascontiguousarray(moved)
                if np.may_share_memory(total, value) and (plan.consumers[source] > 1 or not total.flags.writeable):
                    total = total.copy()
            else:
                total += moved
        assert total is not None
        self._values[name] = total
        self._note("links", up(blurred, 2 * len(links) + 4))

    def raw(self, name: str) -> tuple[Array, Array | None]:
        """(K, n) probes and the (n,) factors, None for ones, that turn them into at least those of the node's named part.

        Symbols that get names at the node are not in them.
        """
        scale = self._scales.get(name)
        flat = self._values[name].reshape(self._count, -1)
        if scale is None:
            return flat, None
        largest = scale * (1.0 + gamma(self._lengths[name] + 2))
        return flat, np.broadcast_to(largest, self._values[name].shape[1:]).reshape(-1)

    def value(self, name: str) -> Array:
        """Probes of the node's named part, (K, 1, *shape)."""
        scale = self._scales.get(name)
        if scale is None:
            return self._values[name]
        if self._measure:
            self._scaled("slopes", name, scale, self._plan.noise[name])
        return self._values[name] * scale

    def _named(self, name: str) -> Array:
        """Probes with the node's own symbols added, once."""
        noise = self._symbols.get(name)
        if name in self._tossed:
            return self._values[name]
        if noise is None:
            self._held(name)
            return self.value(name)
        self._tossed.add(name)
        scale = self._scales.pop(name, None)
        value = self._values.get(name)
        if value is None:
            value = np.zeros((self._count, *noise.shape))
        if scale is not None and self._measure:
            self._scaled("named slopes", name, scale, self._plan.named.get(name, np.zeros(())))
        factors = np.ones(noise.shape) if scale is None else scale
        flat, scales, sizes = value.reshape(self._count, -1), factors.reshape(-1), np.ascontiguousarray(noise).reshape(-1)
        number, key = self._plan.numbers[name], self._key
        largest = self._coins.inject(flat, np.ascontiguousarray(scales), sizes, self._first, number, *key)
        self._note("coins", np.full(self._count, self._coins.coin_error(largest)))
        self._values[name] = value
        return value

    def _held(self, name: str) -> Array:
        """Probes as they are; zeros where a node has symbols of the other kind alone."""
        if name not in self._values:
            self._values[name] = np.zeros((self._count, *self._plan.radius[name].shape))
        return self._values[name]

    def _scaled(self, kind: str, name: str, scale: Array, noise: Array) -> None:
        """Rounding of a chain's product of slopes, applied and added to."""
        with np.errstate(all="ignore"):
            error = gamma(self._lengths[name] + 2) * np.abs(scale)
            share = np.where(error == 0.0, 0.0, up(error / noise, 4)).reshape(-1)
        self._note(kind, up(peaks(self._values[name].reshape(self._count, -1), share), 2))

    def _blur(self, name: str) -> tuple[float, ...]:
        """For each link of ``name``: rounding of its image relative to the node's noise, for probes as large as the radius.

        Probes of at most m times the promised radii round by at most m times as much.
        """
        found = self._plan.blur.get(name)
        if found is None:
            found = self._plan.blur[name] = tuple(blur(self._plan, name))
        return found

    def _reciprocal(self, source: str) -> Array:
        """1 / radius of ``source``, infinite where it is 0: (n,)."""
        found = self._plan.reciprocal.get(source)
        if found is None:
            with np.errstate(divide="ignore"):
                found = (1.0 / self._plan.radius[source]).reshape(-1)
            self._plan.reciprocal[source] = found
        return found

    def _note(self, kind: str, kappa: Array) -> None:
        kappa = np.where(np.isnan(kappa), np.inf, kappa)
        self._kappas[kind] = np.maximum(self._kappas[kind], kappa)

    def forget(self, name: str) -> None:
        """Free what only ``name`` still had to read."""
        for source in set(self._plan.graph.inputs_of(name)):
            self._left[source] -= self._plan.graph.inputs_of(name).count(source)
            if self._left[source] <= 0:
                self._values.pop(source, None)
                self._scales.pop(source, None)


def blur(plan: Plan, name: str) -> list[float]:
    """See :meth:`Probes._blur`; needs the radii of the node's sources and its noise to be settled."""
    links = plan.links[name]
    # Where nothing is added, a mere copy rounds nothing.
    alone = len(links) == 1 and name not in plan.named and name not in plan.random_named
    shares = []
    for source, linear in links:
        if not linear.fan_in and alone:
            shares.append(0.0)
            continue
        radius = plan.radius[source]
        with np.errstate(all="ignore"):
            error = gamma(linear.fan_in + len(links)) * linear.absolute(radius) * (_inexact(linear) if alone else 1.0)
            share = np.where(error == 0.0, 0.0, up(error / plan.noise[name], 4))
        shares.append(float(np.where(np.isnan(share), np.inf, share).max(initial=0.0)))
    return shares


def _inexact(linear: LinearMap) -> Array | float:
    """1 where applying the map may round: not where a selection copies."""
    if isinstance(linear, WeightedSelect):
        single = ((linear.weights == 0.0) | (linear.weights == 1.0)).all(-1) & ((linear.weights != 0.0).sum(-1) <= 1)
        return np.where(single, 0.0, 1.0).reshape(-1, *linear.output_shape)
    return 1.0
