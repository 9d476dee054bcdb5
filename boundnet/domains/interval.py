"""Intervals: radii alone, no correlation.  E_y = |L| E_x + |shift| + noise."""

from __future__ import annotations

import numpy as np

from boundnet.domains.base import capped, noise_of
from boundnet.numerics.outward import TINY, Array, up
from boundnet.ops.base import Local


class IntervalDomain:
    """A few forward passes; grows with every layer by the norm of |L| and not of L.

    Args:
        lam: half-ranges that each op's mean-independent roundings may reach (docs/explanation/probabilistic.md).
    """

    def __init__(self, lam: float = 0.0) -> None:
        self._lam = lam
        self._radii: dict[str, Array] = {}

    def enter(self, name: str, radius: Array) -> Array:
        self._radii[name] = radius
        return radius

    def push(self, name: str, inputs: tuple[str, ...], local: Local, centre: Array) -> Array:
        radius = noise_of(local, self._lam)
        if local.shift is not None:
            radius = radius + np.abs(local.shift)
        for source, linear in zip(inputs, local.maps, strict=True):
            radius = radius + linear.absolute(self._radii[source])
        radius = capped(up(radius, len(inputs) + 2), local, self._lam)
        radius = np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
        self._radii[name] = radius
        return radius
