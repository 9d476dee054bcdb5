"""Affine forms: every noise symbol's coefficient is kept, so correlations survive (Stolfi & de Figueiredo).

D = shift + sum_s coefficient_s e_s + fresh * e, |e_s| <= 1, where ``fresh`` has one private symbol for each element.
Fresh symbols stay a
plain radius while they follow a chain in which each enters one element only, and get names (rows of coefficients)
when they may meet themselves again: at a fan-out or in a map that spreads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from boundnet.domains.base import capped, noise_of, private
from boundnet.maps import LinearMap, Zero
from boundnet.ops.base import Local
from boundnet.rounding import TINY, Array, Mask, gamma, up

Ids = npt.NDArray[np.int64]


class TooManySymbols(Exception):
    """The forms no longer fit the memory budget."""


@dataclass(frozen=True)
class _Form:
    """coefficients: (S, N, *shape) for the symbols ``ids`` (increasing); fresh, shift: (N, *shape)."""

    ids: Ids
    coefficients: Array
    fresh: Array
    shift: Array


class AffineDomain:
    """Affine forms, exact to first order; samples side by side share the numbers of their symbols, not their values.

    A sample with an infinite radius anywhere in an op's inputs has no form behind it: an interval, infinite as a rule.

    Args:
        consumers: number of readers of each node; a form is freed after the last.
        limit: largest size of one node's coefficients, in float64 values.

    Raises:
        TooManySymbols: from :meth:`push`, when a node would exceed ``limit``.
    """

    def __init__(self, consumers: dict[str, int], limit: int = 1 << 27) -> None:
        self._forms: dict[str, _Form] = {}
        self._radii: dict[str, Array] = {}
        # Radii of the forms themselves: what float64 rounding of their coefficients is relative to, caps or not.
        self._reach: dict[str, Array] = {}
        self._left = dict(consumers)
        self._consumers = consumers
        self._next = 0
        self._limit = limit
        self._applied: dict[tuple[str, int], tuple[LinearMap, _Form, Array]] = {}

    def enter(self, name: str, radius: Array) -> Array:
        shape = radius.shape
        self._forms[name] = _Form(np.zeros(0, np.int64), np.zeros((0, *shape)), radius, np.zeros(shape))
        self._radii[name] = self._reach[name] = radius
        return radius

    def spread(self, name: str, linear: LinearMap) -> Array:
        """Radius of L D from the form's coefficients: correlations between the map's inputs count."""
        lost = _infinite(self._reach[name])
        if lost.all():
            return np.full((len(lost), *linear.output_shape), np.inf)
        form = self._name(name)
        table = self._apply(name, linear, form)
        shift = linear.apply(form.shift)
        image = _Form(form.ids, table, linear.absolute(form.fresh), shift)
        spread = up(_radius(image) + gamma(linear.fan_in + 2) * linear.absolute(self._reach[name]), 2)
        return np.where(_along(lost, spread.ndim), np.inf, spread) if lost.any() else spread

    def _apply(self, name: str, linear: LinearMap, form: _Form) -> Array:
        """The map on all coefficients, kept until the node that asked is done: :meth:`push` asks again."""
        kept = self._applied.get((name, id(linear)))
        if kept is not None and kept[1] is form:
            return kept[2]
        table = linear.apply(form.coefficients)
        if table.size > self._limit:
            raise TooManySymbols
        self._applied[name, id(linear)] = (linear, form, table)
        return table

    def push(self, name: str, inputs: tuple[str, ...], local: Local, centre: Array) -> Array:
        keep_fresh = all(self._consumers[source] == 1 for source in inputs) and all(map(private, local.maps))
        slack = np.zeros(())
        lost = np.zeros(len(centre), dtype=np.bool_)
        for source, linear in zip(inputs, local.maps, strict=True):
            terms = gamma(max(linear.fan_in, 1) + len(inputs) + 1)
            slack = slack + terms * linear.absolute(self._reach[source])
            lost |= _infinite(self._reach[source])
        if local.shift is not None:
            slack = slack + np.abs(local.shift) * gamma(len(inputs) + 1)
        noise = up(noise_of(local) + slack, len(inputs) + 3)
        lost |= _infinite(noise)
        form = self._linear(inputs, local, noise, keep_fresh) if not lost.all() else _nothing(noise.shape)
        if lost.any():
            form = self._without(form, lost, local, inputs, noise)
        reach = _radius(form)
        # Both are valid; intervals win where a cap cut the radius but not the form.
        radius = capped(np.minimum(reach, self._interval(local, inputs)), local)
        radius = np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
        self._forms[name], self._radii[name] = form, radius
        self._reach[name] = np.maximum(radius, reach)
        self._applied.clear()
        for source in inputs:
            self._left[source] -= 1
            if self._left[source] == 0:
                del self._forms[source]
        return radius

    def _without(self, form: _Form, lost: Mask, local: Local, inputs: tuple[str, ...], noise: Array) -> _Form:
        """``form`` with an interval in place of the ``lost`` samples, infinite where anything infinite enters."""
        radius = capped(up(self._interval(local, inputs) + noise, 1), local)
        away = _along(lost, noise.ndim)
        coefficients = np.where(away, 0.0, form.coefficients)
        return _Form(form.ids, coefficients, np.where(away, radius, form.fresh), np.where(away, 0.0, form.shift))

    def _interval(self, local: Local, inputs: tuple[str, ...]) -> Array:
        """|L| E + |shift| + noise, from the radii of the inputs alone."""
        radius = noise_of(local)
        if local.shift is not None:
            radius = radius + np.abs(local.shift)
        for source, linear in zip(inputs, local.maps, strict=True):
            radius = radius + linear.absolute(self._radii[source])
        return up(np.where(np.isnan(radius), np.inf, radius), len(inputs) + 3)

    def _linear(self, inputs: tuple[str, ...], local: Local, noise: Array, keep_fresh: bool) -> _Form:
        fresh = noise
        shift = np.zeros(noise.shape) if local.shift is None else local.shift
        parts: list[tuple[Ids, Array]] = []
        for source, linear in zip(inputs, local.maps, strict=True):
            if isinstance(linear, Zero):
                continue
            form = self._forms[source] if keep_fresh else self._name(source)
            if keep_fresh:
                fresh = up(fresh + linear.absolute(form.fresh), 1)
            shift = shift + linear.apply(form.shift)
            if len(form.ids):
                parts.append((form.ids, self._apply(source, linear, form)))
        ids, coefficients = _sum(parts, noise.shape)
        if coefficients.size > self._limit:
            raise TooManySymbols
        return _Form(ids, coefficients, fresh, shift)

    def _name(self, source: str) -> _Form:
        """Turn the private symbols of ``source`` into named ones, once for all its readers."""
        form = self._forms[source]
        flat = form.fresh.reshape(len(form.fresh), -1)
        # What is infinite has no symbol; readers go by its radius.
        flat = np.where(np.isfinite(flat), flat, 0.0)
        live = np.flatnonzero(flat.any(axis=0))
        if len(live) == 0:
            return form
        if (len(form.ids) + len(live)) * flat.size > self._limit:
            raise TooManySymbols
        rows = np.zeros((len(live), *flat.shape))
        rows[np.arange(len(live)), :, live] = flat[:, live].T
        ids = self._next + np.arange(len(live))
        self._next += len(live)
        coefficients = np.concatenate([form.coefficients, rows.reshape(len(live), *form.fresh.shape)])
        named = replace(form, ids=np.concatenate([form.ids, ids]), coefficients=coefficients,
                        fresh=np.zeros(form.fresh.shape))  # fmt: skip
        self._forms[source] = named
        return named


def _nothing(shape: tuple[int, ...]) -> _Form:
    return _Form(np.zeros(0, np.int64), np.zeros((0, *shape)), np.zeros(shape), np.zeros(shape))


def _infinite(radius: Array) -> Mask:
    """Samples with an entry that is not finite: (N,)."""
    return ~np.asarray(np.isfinite(radius).reshape(len(radius), -1).all(axis=1))


def _along(samples: Mask, rank: int) -> Mask:
    """(N,) as (N, 1, ...) of ``rank`` axes."""
    return samples.reshape(-1, *(1,) * (rank - 1))


def _sum(parts: Sequence[tuple[Ids, Array]], shape: tuple[int, ...]) -> tuple[Ids, Array]:
    """Add coefficient tables, symbol by symbol; symbols that reach nothing any more are dropped."""
    if not parts:
        return np.zeros(0, np.int64), np.zeros((0, *shape))
    ids, total = parts[0]
    for other, table in parts[1:]:
        union = np.union1d(ids, other)
        merged = np.zeros((len(union), *shape))
        merged[np.searchsorted(union, ids)] = total
        merged[np.searchsorted(union, other)] += table
        ids, total = union, merged
    alive = total.reshape(len(ids), -1).any(axis=1)
    return (ids, total) if alive.all() else (ids[alive], total[alive])


def _radius(form: _Form) -> Array:
    total: Array = np.abs(form.coefficients).sum(axis=0) + form.fresh + np.abs(form.shift)
    return up(total, len(form.ids) + 3)
