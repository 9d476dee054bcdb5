"""What the first run promises of a node: a radius, and its parts where there are symbols of two kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.domains.sketch.certify_random import random_factors
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.settings import Settings
from boundnet.numerics.outward import Array, Mask, up

FRACTION = 2.0**-5
"""Least part of a promised radius that is left to the probes."""


@dataclass(frozen=True)
class Promise:
    """``radius`` = ``worst`` + lambda * (2-norm of ``random`` and the private mean-independent symbols).

    ``random``: 2-norm of the node's named mean-independent symbols; None where there are only worst cases, which are then
    all of the radius.
    """

    radius: Array
    worst: Array
    random: Array | None = None

    def where(self, mask: Mask, other: Promise) -> Promise:
        """``other`` where ``mask``, this elsewhere."""
        random = None if self.random is None or other.random is None else np.where(mask, other.random, self.random)
        return Promise(np.where(mask, other.radius, self.radius), np.where(mask, other.worst, self.worst), random)


def promise(plan: Plan, name: str, spread: Array, factor: float, norm: Array | None = None, second: float = 0.0) -> Promise:
    """``factor`` times what Cauchy probes see, ``second`` times what normal ones see, and what both leave out.

    Not below a fraction of what is known anyway: the probes' own rounding is measured against that too.

    Args:
        spread: estimate of the named symbols' 1-norm.
        norm: estimate of the mean-independent ones' 2-norm, None without any.
    """
    known = plan.known(name)
    if norm is None:
        radius = up(known + np.maximum(factor * spread, FRACTION * known), 4)
        return Promise(radius, radius)
    private = plan.together(name, known, 0.0)
    worst = up(known + np.maximum(factor * spread, 0.25 * FRACTION * private), 4)
    random = up(np.maximum(second * norm, FRACTION * private / plan.lam), 2)
    return Promise(plan.together(name, worst, random), worst, random)


def between(plan: Plan, name: str, low: Promise, high: Promise, radius: Array) -> Promise:
    """A promise of at most ``radius``, which is not below ``low``: the same mixture of both parts."""
    if low.random is None or high.random is None:
        return Promise(radius, radius)
    with np.errstate(invalid="ignore", divide="ignore"):
        # The radius is convex in the mixture: it stays below the line, which the margin keeps below ``radius``.
        share = np.clip((radius - low.radius) / (high.radius - low.radius) * (1.0 - 2.0**-40) - 2.0**-40, 0.0, 1.0)
        share = np.where(radius >= high.radius, 1.0, np.where(np.isnan(share), 0.0, share))
        worst = low.worst + share * (high.worst - low.worst)
        random = low.random + share * (high.random - low.random)
    fits = plan.together(name, worst, random) <= radius
    return Promise(radius, np.where(fits, worst, low.worst), np.where(fits, random, low.random))


@dataclass(frozen=True)
class Factors:
    """Factors on estimates of both norms: for a first promise, for one where a decision is open, and the least ones."""

    loose: tuple[float, float]
    tight: tuple[float, float]
    least: tuple[float, float]

    @staticmethod
    def of(settings: Settings, widen: float, random: bool) -> Factors:
        """``widen``: on all but the least."""
        loose, tight, least = random_factors(settings) if random else (0.0, 0.0, 0.0)
        return Factors(
            (settings.factor * widen, loose * widen), (settings.tight * widen, tight * widen), (settings.least, least)
        )  # fmt: skip
