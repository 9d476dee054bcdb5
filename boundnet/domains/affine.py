"""Affine forms: every noise symbol's coefficient is kept, so correlations survive (Stolfi & de Figueiredo).

D = shift + sum_s coefficient_s e_s + fresh * e, |e_s| <= 1, where ``fresh`` has one private symbol for each element.
Fresh symbols stay a
plain radius while they follow a chain in which each enters one element only, and get names (rows of coefficients)
when they may meet themselves again: at a fan-out or in a map that spreads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from boundnet.domains.base import capped, noise_of, private, worst_of
from boundnet.domains.symbols import KINDS, ONE, TWO, Ids, Symbols, added, image
from boundnet.maps import LinearMap, Zero
from boundnet.numerics.outward import TINY, Array, Mask, gamma, up
from boundnet.ops.base import Local

Key = tuple[str, int, int]


class TooManySymbols(Exception):
    """The forms no longer fit the memory budget."""


@dataclass(frozen=True)
class _Form:
    """Worst-case and mean-independent symbols of one tensor, and its known offset (N, *shape)."""

    worst: Symbols
    random: Symbols
    shift: Array

    @staticmethod
    def interval(radius: Array) -> _Form:
        """One private worst-case symbol for each element."""
        blank = np.zeros(radius.shape)
        return _Form(Symbols.private(ONE, radius), Symbols.private(TWO, blank), blank)

    def kinds(self) -> tuple[Symbols, Symbols]:
        """Both kinds of symbols."""
        return self.worst, self.random

    def without(self, away: Mask, radius: Array) -> _Form:
        """The same with an interval where ``away``, broadcasting against the coefficients."""
        return _Form(self.worst.without(away, radius), self.random.without(away, 0.0), np.where(away, 0.0, self.shift))


class AffineDomain:
    """Affine forms, exact to first order; samples side by side share the numbers of their symbols, not their values.

    A sample with an infinite radius anywhere in an op's inputs has no form behind it: an interval, infinite as a rule.

    Args:
        consumers: number of readers of each node; a form is freed after the last.
        limit: largest size of all coefficients that are kept at a time, in float64 values.
        lam: how many times their 2-norm mean-independent roundings may reach (docs/explanation/probabilistic.md).

    Raises:
        TooManySymbols: from :meth:`push`, when forms would exceed ``limit``.
    """

    def __init__(self, consumers: dict[str, int], limit: int = 1 << 27, lam: float = 0.0) -> None:
        self._forms: dict[str, _Form] = {}
        self._radii: dict[str, Array] = {}
        # Radii of the forms themselves: what float64 rounding of their coefficients is relative to, caps or not.
        self._reach: dict[str, Array] = {}
        self._left = dict(consumers)
        self._consumers = consumers
        self._next = 0
        self._limit = limit
        self._lam = lam
        self._applied: dict[Key, tuple[LinearMap, Symbols, Array]] = {}

    def enter(self, name: str, radius: Array) -> Array:
        self._forms[name] = _Form.interval(radius)
        self._radii[name] = self._reach[name] = radius
        return radius

    def spread(self, name: str, linear: LinearMap) -> Array:
        """Radius of L D from the form's coefficients: correlations between the map's inputs count."""
        lost = _infinite(self._reach[name])
        if lost.all():
            return np.full((len(lost), *linear.output_shape), np.inf)
        form = self._name(name)
        kinds = [image(symbols, linear, self._apply(name, linear, symbols)) for symbols in form.kinds()]
        reached = self._radius(_Form(kinds[0], kinds[1], linear.apply(form.shift)))
        spread = up(reached + gamma(linear.fan_in + 2) * linear.absolute(self._reach[name]), 2)
        return np.where(_along(lost, spread.ndim), np.inf, spread) if lost.any() else spread

    def _apply(self, name: str, linear: LinearMap, symbols: Symbols) -> Array:
        """The map on all coefficients, kept until the node that asked is done: :meth:`push` asks again."""
        key = (name, id(linear), id(symbols.norm))
        kept = self._applied.get(key)
        if kept is not None and kept[1] is symbols:
            return kept[2]
        sizes = [int(np.prod(shape, dtype=np.int64)) for shape in (linear.input_shape, linear.output_shape)]
        if symbols.coefficients.size // max(sizes[0], 1) * sizes[1] > self._limit:
            raise TooManySymbols
        table = linear.apply(symbols.coefficients)
        self._applied[key] = (linear, symbols, table)
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
        for linear, radius in local.shared:
            slack = slack + gamma(linear.fan_in + len(inputs) + 1) * linear.absolute(radius)
        noise = up(worst_of(local) + slack, len(inputs) + len(local.shared) + 3)
        lost |= _infinite(noise + noise_of(local, self._lam))
        form = self._linear(inputs, local, noise, keep_fresh) if not lost.all() else _Form.interval(np.zeros(noise.shape))
        if lost.any():
            form = self._without(form, lost, local, inputs, noise)
        reach = self._radius(form)
        # Both are valid; intervals win where a cap cut the radius but not the form.
        radius = capped(np.minimum(reach, self._interval(local, inputs)), local, self._lam)
        radius = np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
        self._forms[name], self._radii[name] = form, radius
        self._reach[name] = np.maximum(radius, reach)
        self._applied.clear()
        for source in inputs:
            self._left[source] -= 1
            if self._left[source] == 0:
                del self._forms[source]
        if sum(symbols.coefficients.size for kept in self._forms.values() for symbols in kept.kinds()) > self._limit:
            raise TooManySymbols
        return radius

    def _without(self, form: _Form, lost: Mask, local: Local, inputs: tuple[str, ...], noise: Array) -> _Form:
        """``form`` with an interval in place of the ``lost`` samples, infinite where anything infinite enters."""
        radius = capped(up(self._interval(local, inputs) + noise, 1), local, self._lam)
        return form.without(_along(lost, noise.ndim), radius)

    def _interval(self, local: Local, inputs: tuple[str, ...]) -> Array:
        """|L| E + |shift| + noise, from the radii of the inputs alone."""
        radius = noise_of(local, self._lam)
        if local.shift is not None:
            radius = radius + np.abs(local.shift)
        for source, linear in zip(inputs, local.maps, strict=True):
            radius = radius + linear.absolute(self._radii[source])
        return up(np.where(np.isnan(radius), np.inf, radius), len(inputs) + 3)

    def _linear(self, inputs: tuple[str, ...], local: Local, noise: Array, keep_fresh: bool) -> _Form:
        own = (noise, np.zeros(noise.shape) if local.deviation is None else local.deviation)
        shift = np.zeros(noise.shape) if local.shift is None else local.shift
        used = [(s, m) for s, m in zip(inputs, local.maps, strict=True) if not isinstance(m, Zero)]
        forms = {s: self._forms[s] if keep_fresh else self._name(s) for s, _ in used}
        for source, linear in used:
            shift = shift + linear.apply(forms[source].shift)
        kinds = []
        for kind, norm in enumerate(KINDS):
            fresh = own[kind]
            parts = [self._shared(*shared, noise.shape) for shared in local.shared] if kind == 0 else []
            for source, linear in used:
                symbols = forms[source].kinds()[kind]
                if keep_fresh:
                    fresh = norm.join(fresh, linear.absolute(symbols.fresh))
                if len(symbols.ids):
                    parts.append((symbols.ids, self._apply(source, linear, symbols)))
            ids, coefficients = added(parts, noise.shape)
            kinds.append(Symbols(norm, ids, coefficients, fresh))
        if sum(symbols.coefficients.size for symbols in kinds) > self._limit:
            raise TooManySymbols
        return _Form(kinds[0], kinds[1], shift)

    def _shared(self, linear: LinearMap, radius: Array, shape: tuple[int, ...]) -> tuple[Ids, Array]:
        """Coefficients of an op's own symbols that reach several elements: one for each entry of ``radius`` (1, *shape)."""
        ids = self._number(radius.size)
        table = linear.apply(np.diag(radius.ravel()).reshape(radius.size, *radius.shape))
        return ids, np.broadcast_to(table, (radius.size, *shape))

    def _number(self, count: int) -> Ids:
        self._next += count
        return np.arange(self._next - count, self._next)

    def _name(self, source: str) -> _Form:
        """Turn the private symbols of ``source`` into named ones, once for all its readers."""
        form = self._forms[source]
        live = [symbols.live() for symbols in form.kinds()]
        count = sum(len(places) for places in live)
        if count == 0:
            return form
        if (count + sum(len(symbols.ids) for symbols in form.kinds())) * form.shift.size > self._limit:
            raise TooManySymbols
        worst, random = (k.named(places, self._number(len(places))) for k, places in zip(form.kinds(), live, strict=True))
        self._forms[source] = named = replace(form, worst=worst, random=random)
        return named

    def _radius(self, form: _Form) -> Array:
        total = form.worst.radius() + np.abs(form.shift)
        return up(total + self._lam * form.random.radius() if self._lam else total, 4)


def _infinite(radius: Array) -> Mask:
    """Samples with an entry that is not finite: (N,)."""
    return ~np.asarray(np.isfinite(radius).reshape(len(radius), -1).all(axis=1))


def _along(samples: Mask, rank: int) -> Mask:
    """(N,) as (N, 1, ...) of ``rank`` axes."""
    return samples.reshape(-1, *(1,) * (rank - 1))
