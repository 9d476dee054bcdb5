"""The contract of an abstract domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from boundnet.maps import Diagonal, LinearMap, Structural, WeightedSelect, Zero
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local


class Domain(Protocol):
    """Turns local forms into radii, node by node in topological order."""

    def enter(self, name: str, radius: Array) -> Array:
        """An input whose stored value is within ``radius`` (N, *shape) of its centre; returns the radius to use."""

    def push(self, name: str, inputs: tuple[str, ...], local: Local, centre: Array) -> Array:
        """Radius of node ``name``: a bound of |y^ - y~| for every execution, (N, *shape), about the centre y~."""


@runtime_checkable
class SteppedDomain(Protocol):
    """A domain that keeps both ends of every node's range."""

    def ends(self, name: str) -> tuple[Array, Array]:
        """Numbers that enclose every value of node ``name``."""


class Correlated(Protocol):
    """A domain that knows more of a deviation than its radius."""

    def spread(self, name: str, linear: LinearMap) -> Array:
        """Bound of |L D| for the deviation D of node ``name``, shape of the map's output."""


def rounding_of(local: Local, lam: float = 0.0) -> Array:
    """Bound of everything that rounding does to an op, infinite where it may overflow.

    ``lam``: how many half-ranges its mean-independent part may reach.
    """
    noise = np.where(local.overflow, np.inf, local.rounding)
    if local.deviation is not None:
        noise = up(noise + lam * local.deviation, 2)
    for linear, radius in local.shared:
        noise = up(noise + linear.absolute(radius), 1)
    return noise


def noise_of(local: Local, lam: float = 0.0) -> Array:
    """All noise of an op: its rounding and its strip."""
    noise = rounding_of(local, lam)
    if local.strip is not None:
        noise = up(noise + local.strip, 1)
    return np.where(np.isnan(noise), np.inf, noise)


def worst_of(local: Local) -> Array:
    """The noise of an op that is neither mean-independent nor shared by several elements."""
    return noise_of(replace(local, deviation=None, shared=()))


def capped(radius: Array, local: Local, lam: float = 0.0) -> Array:
    """``radius``, or the op's own bound of its deviation where that is smaller; NaN becomes infinity."""
    if local.cap is not None:
        own = local.cap if local.stores else up(rounding_of(local, lam) + local.cap, 1)
        radius = np.minimum(np.where(np.isnan(radius), np.inf, radius), np.where(np.isnan(own), np.inf, own))
    return np.where(np.isnan(radius), np.inf, radius)


def private(linear: LinearMap) -> bool:
    """Whether every input element reaches at most one output element."""
    if isinstance(linear, Diagonal):
        return linear.elementwise
    if isinstance(linear, Structural):
        return linear.fan_out == 0
    if isinstance(linear, WeightedSelect):
        return linear.injective()
    return isinstance(linear, Zero)
