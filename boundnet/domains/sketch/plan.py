"""How every node's deviation is put together from noise symbols: what probes and adjoint rows both follow.

D = shift + sum over linked sources of L (their named part) + (own named symbols) + fresh * e, |e| <= 1, as in
:mod:`boundnet.domains.affine`: fresh symbols stay a plain radius while each enters one element only, and get names, one for
each element, when they may meet themselves again.  Every node's noise covers the float64 rounding of what follows
its links in either direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from boundnet.domains.base import capped, noise_of, private, worst_of
from boundnet.graph import LayerGraph
from boundnet.maps import LinearMap, Zero
from boundnet.numerics.norms import root_sum
from boundnet.numerics.outward import TINY, Array, gamma, up
from boundnet.ops.base import Local

RELATIVE_FLOOR = 2.0**-20
"""Least noise of a node relative to |L| E: what the probes' own rounding is measured against."""

Links = tuple[tuple[str, LinearMap], ...]


@dataclass
class Plan:
    """Symbols of one run over one or a few inputs, node by node; arrays are (N, *shape).

    Attributes:
        radius: E', the bound of |D| that later nodes rely on.
        shift: known offsets; nodes without one have none.
        fresh: radius of the symbols without names.
        named: size of the symbols that got names at a node.
        links: where a node's named part comes from; empty where it has none.
        rho: per node, factor of |L| max|P| that bounds the float64 error of computing its probes.
        noise: noise of the node itself.
        severed: whether further nodes keep no symbols and are intervals.
        blur, reciprocal: what :mod:`boundnet.domains.sketch.probes` derives of a plan that grows no more.
        lam: how many times the 2-norm of their half-ranges mean-independent roundings may reach, 0 where there are none.
        random_fresh, random_named: half-ranges of mean-independent symbols without and with names; nodes without any have
            none.  They take the same links as worst-case symbols.
        numbers: of the nodes and of the errors that several elements share: streams of coins.
    """

    graph: LayerGraph
    lam: float = 0.0
    radius: dict[str, Array] = field(default_factory=dict)
    shift: dict[str, Array] = field(default_factory=dict)
    fresh: dict[str, Array] = field(default_factory=dict)
    named: dict[str, Array] = field(default_factory=dict)
    links: dict[str, Links] = field(default_factory=dict)
    noise: dict[str, Array] = field(default_factory=dict)
    chained: set[str] = field(default_factory=set)
    severed: bool = False
    blur: dict[str, tuple[float, ...]] = field(default_factory=dict)
    reciprocal: dict[str, Array] = field(default_factory=dict)
    random_fresh: dict[str, Array] = field(default_factory=dict)
    random_named: dict[str, Array] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = self.graph.topological()
        self.consumers = {name: self.graph.consumers(name) for name in order}
        self.numbers = {name: i for i, name in enumerate(order)}

    def carries(self, name: str) -> bool:
        """Whether the node has a named part: symbols of its own or of its sources."""
        return name in self.named or name in self.random_named or bool(self.links.get(name))

    def enter(self, name: str, radius: Array) -> None:
        """An input off by at most ``radius``."""
        self.fresh[name] = self.radius[name] = radius
        self.links[name] = ()

    def push(self, name: str, sources: tuple[str, ...], local: Local) -> Array:
        """Add a node; returns its radius by intervals.  The caller sets ``radius[name]`` to what it finds."""
        used = [(s, m) for s, m in zip(sources, local.maps, strict=True) if not isinstance(m, Zero) and self.radius[s].any()]
        noise = worst_of(local)
        interval, slack, floor = noise_of(local, self.lam), np.zeros(()), np.zeros(())
        keep = all(self.consumers[s] == 1 for s in sources) and all(map(private, local.maps))
        for source, linear in used:
            spread = linear.absolute(self.radius[source])
            reach = spread
            if source in self.shift or keep:
                known = self.fresh[source] if keep else np.zeros(())
                known = known + np.abs(self.shift[source]) if source in self.shift else known
                reach = up(spread + linear.absolute(np.broadcast_to(known, self.radius[source].shape)), 2)
            terms = max(linear.fan_in, linear.fan_out + self.consumers[source]) + len(sources) + 3
            slack, floor = slack + gamma(terms) * reach, floor + reach
            interval = interval + spread
        if local.shift is not None:
            interval = interval + np.abs(local.shift)
            slack = slack + np.abs(local.shift) * gamma(len(sources) + 1)
        for linear, size in local.shared:
            reach = linear.absolute(size)
            slack, floor = slack + gamma(linear.fan_in + len(sources) + 3) * reach, floor + reach
        interval = capped(up(interval, len(sources) + 3), local, self.lam)
        interval = np.where(local.zero, 0.0, np.where(interval == 0.0, 0.0, np.maximum(interval, TINY)))
        noise = np.maximum(noise, RELATIVE_FLOOR * floor)
        fresh = np.broadcast_to(up(noise + slack, len(sources) + len(local.shared) + 4), interval.shape)
        # Where nothing but 0 enters and every execution gives 0, no noise is left, and none may reach the probes: they are
        # measured against radii, and there the radius is 0.
        still = local.zero & (floor == 0.0) if local.shift is None else local.zero & (floor == 0.0) & (local.shift == 0.0)
        fresh = np.where(still, 0.0, fresh)
        random = local.deviation
        if self.severed or not np.isfinite(interval).all() or not np.isfinite(fresh).all():
            self.fresh[name], self.links[name] = interval, ()
            return interval
        constants = tuple(self._constants(name, i, len(interval), *shared) for i, shared in enumerate(local.shared))
        if keep:
            self.noise[name] = fresh
            for source, linear in used:
                fresh = up(fresh + linear.absolute(self.fresh[source]), 1)
                if source in self.random_fresh:
                    passed = linear.absolute(self.random_fresh[source])
                    random = passed if random is None else root_sum(random, passed)
            self.links[name] = tuple((s, m) for s, m in used if self.carries(s)) + constants
            if len(sources) == 1 and not constants:
                self.chained.add(name)
        else:
            self.noise[name] = fresh
            for source, _ in used:
                self._name(source)
            self.links[name] = tuple((s, m) for s, m in used if self.carries(s)) + constants
        self.fresh[name] = fresh
        if random is not None and random.any():
            self.random_fresh[name] = random
        self._shift(name, used, local)
        return interval

    def _name(self, source: str) -> None:
        """Give names to the fresh symbols of ``source``, once for all its readers."""
        fresh = self.fresh[source]
        if source not in self.named and fresh.any():
            self.named[source] = fresh
            self.fresh[source] = np.zeros(())
        if source in self.random_fresh:
            self.random_named[source] = self.random_fresh.pop(source)

    def _constants(
        self, name: str, index: int, samples: int, linear: LinearMap, size: Array
    ) -> tuple[str, LinearMap]:  # fmt: skip
        """A link to errors that several elements of ``name`` share, as to a node of its own."""
        source = f"{name}: constants {index}"
        self.named[source] = self.radius[source] = np.broadcast_to(size, (samples, *size.shape[1:]))
        self.links[source] = ()
        self.consumers[source] = 1
        self.numbers[source] = len(self.numbers)
        return source, linear

    def _shift(self, name: str, used: list[tuple[str, LinearMap]], local: Local) -> None:
        total = local.shift
        for source, linear in used:
            if source in self.shift:
                moved = linear.apply(self.shift[source])
                total = moved if total is None else total + moved
        if total is not None and total.any():
            self.shift[name] = np.broadcast_to(total, self.noise[name].shape)

    def known(self, name: str) -> Array:
        """|shift| + fresh: what is left of the radius beside the named part."""
        fresh = self.fresh[name]
        return up(fresh + np.abs(self.shift[name]), 1) if name in self.shift else fresh

    def together(self, name: str, worst: Array, random: Array | float) -> Array:
        """worst + lambda times the 2-norm of ``random`` and the node's private mean-independent symbols."""
        if not self.lam:
            return worst
        fresh = self.random_fresh.get(name, np.zeros(()))
        return up(worst + self.lam * root_sum(np.asarray(random), fresh), 2)
