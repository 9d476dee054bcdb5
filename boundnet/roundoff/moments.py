"""Enclosures of means and powers along the last axis: what normalisations divide by.

For a group x of n numbers: m = mean x (0 where the normalisation does not centre), d = x - m, s = share * sum d**2 with a
share of 1/n or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, raise_tiny, up


@dataclass(frozen=True)
class Moments:
    """Enclosures for all x in range: ``mean`` and ``power`` (..., 1), ``offset`` (..., n)."""

    mean: Box
    offset: Box
    power: Box


@dataclass(frozen=True)
class Reach:
    """How far |D| <= E moves a group: |D - mean D| (..., n), |2 share sum d D| and share * sum (D - mean D)**2, (..., 1)."""

    offset: Array
    tilt: Array
    power: Array


def total(box: Box) -> Box:
    """Sum over the last axis, kept with length 1, for any order of additions (Higham 2002, section 4.2)."""
    n = box.lo.shape[-1]
    slack = (n + 2) * 2.0**-52
    low = box.lo.sum(axis=-1, keepdims=True) - up(np.abs(box.lo).sum(axis=-1, keepdims=True), n) * slack
    high = box.hi.sum(axis=-1, keepdims=True) + up(np.abs(box.hi).sum(axis=-1, keepdims=True), n) * slack
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return Box(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def moments(x: Array, centred: bool, averaged: bool) -> Moments:
    """At one point, (..., n)."""
    n, values = float(x.shape[-1]), Box.exactly(x)
    if centred:
        mean = total(values) / Box.exactly(n)
        offset = values - mean
    else:
        mean, offset = Box.exactly(np.zeros((*x.shape[:-1], 1))), values
    power = total(offset.square())
    if averaged:
        power = power / Box.exactly(n)
    return Moments(mean, offset, Box(np.maximum(power.lo, 0.0), power.hi))


def reach(at: Moments, radius: Array, centred: bool, averaged: bool) -> Reach:
    """For deviations within ``radius`` of the point whose moments are ``at``; infinite where the radius is."""
    n = radius.shape[-1]
    e = raise_tiny(radius)
    average = up(e.sum(axis=-1, keepdims=True), n) / n
    offset = up(e + average, 2) if centred else radius
    share = 1.0 / n if averaged else 1.0
    # Centring is a projection: it lengthens no vector.
    power = up((e * e).sum(axis=-1, keepdims=True) * share, n + 3)
    tilt = up((raise_tiny(at.offset.magnitude) * e).sum(axis=-1, keepdims=True) * (2.0 * share), n + 3)
    return Reach(*(np.where(np.isnan(bound), np.inf, bound) for bound in (offset, tilt, power)))


def widened(at: Moments, moved: Reach, radius: Array, centred: bool) -> Moments:
    """Moments for all x within ``radius`` of the point."""
    average = up(raise_tiny(radius).sum(axis=-1, keepdims=True), radius.shape[-1]) / radius.shape[-1]
    average = up(average, 1) if centred else np.zeros(average.shape)
    with np.errstate(invalid="ignore"):
        # sqrt(s) is a seminorm: it changes by sqrt(power) at most.
        root = np.sqrt(at.power.lo) * (1.0 - 2.0**-51) - np.sqrt(moved.power) * (1.0 + 2.0**-51)
        low = np.maximum(np.where(root > 0.0, root * root * (1.0 - 2.0**-51), 0.0),
                         (at.power.lo - moved.tilt) - (at.power.lo + moved.tilt) * 2.0**-52)  # fmt: skip
    high = up(at.power.hi + moved.tilt + moved.power, 2)
    power = Box(np.where(np.isnan(low), 0.0, np.maximum(low, 0.0)), np.where(np.isnan(high), np.inf, high))
    return Moments(at.mean + Box(-average, average), at.offset + Box(-moved.offset, moved.offset), power)
